"""The key ``access`` of the files of a catalogue: who may see a record, and the samples of a matrix."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from rnaget_server.catalog.fields import CatalogModel, Text, TextList
from rnaget_server.model.access import PUBLIC, Access, SampleAccess, SampleRule

_FORMS = "write `public`, `registered` or `{controlled: [GRANT]}`"
_SAMPLES = "`samples: [{where: {ATTRIBUTE: VALUE}, controlled: [GRANT]}]`"


def keys_of(value: Any) -> Any:
    """Return the keys that a value stands for, which may be one word."""
    if isinstance(value, dict) and value:
        return value
    if value == "public":
        return {"registered": False}
    if value == "registered":
        return {"registered": True}
    shown = "is empty" if not value else f"cannot be {value!r}" if isinstance(value, str) else "is not understood"
    raise ValueError(f"the access {shown}: {_FORMS}")


class AccessEntry(CatalogModel):
    """The condition for seeing a record: none, to have signed in, or to hold one of some grants."""

    registered: bool = False
    controlled: Annotated[TextList, Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _check_condition(self) -> AccessEntry:
        if self.registered and self.controlled is not None:
            raise ValueError("`registered` and `controlled` are both here: leave `registered` out, which is implied")
        return self

    @property
    def access(self) -> Access:
        """The condition as the records have it."""
        if self.controlled is not None:
            return Access("controlled", frozenset(self.controlled))
        return Access("registered") if self.registered else PUBLIC


class SampleRuleEntry(AccessEntry):
    """Samples of a matrix that not everybody may see, by the values of their attributes."""

    where: dict[Text, Annotated[TextList, Field(min_length=1)]] = Field(min_length=1)

    @model_validator(mode="after")
    def _check_restriction(self) -> SampleRuleEntry:
        if self.access == PUBLIC:
            raise ValueError("everybody may see these samples: add `controlled: [GRANT]` or `registered: true`")
        return self


class MatrixAccessEntry(AccessEntry):
    """The condition for seeing a matrix, and those for seeing some of its samples."""

    samples: tuple[SampleRuleEntry, ...] = ()
    others_see: Literal["NaN", "omit"] | None = None

    @model_validator(mode="after")
    def _check_samples(self) -> MatrixAccessEntry:
        if self.samples and self.others_see is None:
            raise ValueError(
                "`samples` needs `others_see`: `NaN` shows others the samples without their numbers, `omit` shows no "
                "trace of them"
            )
        if self.others_see is not None and not self.samples:
            raise ValueError(f"`others_see` is here without `samples`: write {_SAMPLES}, or remove it")
        return self

    @property
    def sample_access(self) -> SampleAccess | None:
        """The rules for its samples as the records have them; None if there are none."""
        if self.others_see is None:
            return None
        rules = ({name: frozenset(values) for name, values in rule.where.items()} for rule in self.samples)
        return SampleAccess(
            tuple(SampleRule(where, rule.access) for where, rule in zip(rules, self.samples, strict=True)),
            self.others_see,
        )


RecordAccess = Annotated[AccessEntry, BeforeValidator(keys_of)]
MatrixAccess = Annotated[MatrixAccessEntry, BeforeValidator(keys_of)]
