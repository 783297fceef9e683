"""The key ``regions`` of the access to reads and variants, in which rules stand as htsget-rs has them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import AfterValidator, AliasChoices, BeforeValidator, ConfigDict, Field, model_validator

from rnaget_server.catalog.access_entries import AccessEntry, keys_of
from rnaget_server.catalog.fields import CatalogModel, Text
from rnaget_server.model.access import RegionAccess, RegionRule

_RULES = AliasChoices("rules", "referenceNames")
_OF_ALL = "leave the key out where all regions are meant"


def _check_pattern(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"the path {value!r} is no regular expression: {error}") from None
    return value


class RegionRuleEntry(CatalogModel):
    """One rule of htsget-rs: what is allowed of one reference, or of all."""

    reference: Text | None = Field(None, validation_alias=AliasChoices("referenceName", "name"))
    format: Literal["BAM", "CRAM", "VCF", "BCF"] | None = None
    start: int | None = Field(None, ge=0)
    end: int | None = Field(None, ge=0)

    @model_validator(mode="after")
    def _check_interval(self) -> RegionRuleEntry:
        if self.end is not None and self.end <= (self.start or 0):
            raise ValueError(f"end is {self.end} and start is {self.start or 0}: end must be above start")
        return self

    @property
    def rule(self) -> RegionRule:
        """The rule as the records have it."""
        return RegionRule(self.reference, self.start or 0, self.end, self.format)


class LocationEntry(CatalogModel):
    """The ids that rules of htsget-rs are about; where its files are is not looked at."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    id: Text | None = None
    prefix: Text | None = None

    @model_validator(mode="after")
    def _check_ids(self) -> LocationEntry:
        if (self.id is None) == (self.prefix is None):
            raise ValueError("a location needs one of `id` and `prefix`")
        return self

    def has(self, id: str) -> bool:
        """Return whether an id is one of them."""
        return id == self.id if self.id is not None else id.startswith(self.prefix or "")


class AuthorizationEntry(CatalogModel):
    """One element of ``htsgetAuth``: rules, and the ids, or in older files the paths, that they are about."""

    location: LocationEntry | None = Field(None, validation_alias=AliasChoices("location", "backend"))
    path: Annotated[Text, AfterValidator(_check_pattern)] | None = None
    rules: Annotated[tuple[RegionRuleEntry, ...], Field(min_length=1)] | None = Field(None, validation_alias=_RULES)

    @model_validator(mode="after")
    def _check_place(self) -> AuthorizationEntry:
        if (self.location is None) == (self.path is None):
            raise ValueError("an element of `htsgetAuth` needs one of `location` and `path`")
        return self

    def is_about(self, kind: str, id: str) -> bool:
        """Return whether the rules are about reads or variants of an id: a path may be a regular expression."""
        if self.location is not None:
            return self.location.has(id)
        path, asked = self.path or "", f"/{kind}/{id}"
        return path.removeprefix("/") == asked[1:] or re.search(path, asked) is not None


class RegionAccessEntry(AccessEntry):
    """The condition for seeing some regions; without rules, all of them."""

    rules: Annotated[tuple[RegionRuleEntry, ...], Field(min_length=1)] | None = Field(None, validation_alias=_RULES)
    authorizations: Annotated[tuple[AuthorizationEntry, ...], Field(min_length=1)] | None = Field(
        None, validation_alias="htsgetAuth"
    )
    version: Literal["1"] | None = None

    @model_validator(mode="after")
    def _check_rules(self) -> RegionAccessEntry:
        if self.rules is not None and self.authorizations is not None:
            raise ValueError("`rules` and `htsgetAuth` are both here: leave one of them out")
        return self

    def region_access(self, kind: str, id: str) -> RegionAccess:
        """Return the condition for regions of some reads or variants, as the records have it.

        Raises
        ------
        ValueError
            If its rules are about others alone.
        """
        if self.authorizations is None:
            return RegionAccess(self.access, None if self.rules is None else tuple(one.rule for one in self.rules))
        about = [one for one in self.authorizations if one.is_about(kind, id)]
        if not about:
            raise ValueError(f"no location or path in `htsgetAuth` is that of the {kind} {id}: add it, or {_OF_ALL}")
        if any(one.rules is None for one in about):
            return RegionAccess(self.access)
        return RegionAccess(self.access, tuple(_rules_of(about)))


def _rules_of(entries: list[AuthorizationEntry]) -> Iterator[RegionRule]:
    for entry in entries:
        yield from (one.rule for one in entry.rules or ())


class ReadsAccessEntry(AccessEntry):
    """The condition for seeing reads or variants, and those for seeing some of their regions."""

    regions: Annotated[tuple[RegionAccessEntry, ...], Field(min_length=1)] | None = None

    def region_access(self, kind: str, id: str) -> tuple[RegionAccess, ...]:
        """Return the conditions for their regions as the records have them; none if all see all."""
        return tuple(entry.region_access(kind, id) for entry in self.regions or ())


ReadsAccess = Annotated[ReadsAccessEntry, BeforeValidator(keys_of)]
