"""Access to a record, and to the samples of a matrix."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from rnaget_server.model.principal import Principal

Level = Literal["public", "registered", "controlled"]


@dataclass(frozen=True)
class Access:
    """The condition for seeing something: none, to have signed in, or to hold one of some grants."""

    level: Level = "public"
    grants: frozenset[str] = frozenset()

    def __repr__(self) -> str:
        # The same in every process, since entity tags and cache keys are made of it: a set has an order of its own.
        return f"Access({self.level!r}, {sorted(self.grants)!r})"

    def admits(self, principal: Principal) -> bool:
        """Return whether a principal may see it."""
        if self.level == "public" or principal.is_operator:
            return True
        return principal.has_signed_in and (self.level == "registered" or not self.grants.isdisjoint(principal.grants))


PUBLIC = Access()


@dataclass(frozen=True)
class SampleRule:
    """Samples that not everybody may see: those that have, for each of some attributes, one of its values."""

    where: Mapping[str, frozenset[str]]
    access: Access

    def __repr__(self) -> str:
        return f"SampleRule({self.condition!r}, {self.access!r})"

    @property
    def condition(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Attributes and values of `where` in one order."""
        return tuple((name, tuple(sorted(values))) for name, values in sorted(self.where.items()))


@dataclass(frozen=True)
class SampleAccess:
    """The rules for the samples of a matrix.

    Attributes
    ----------
    rules
        Each of them has to admit the one who asks for a sample that it is about.
    others_see
        What all others see in place of such a sample: no number in its cells, or no sample.
    """

    rules: tuple[SampleRule, ...]
    others_see: Literal["NaN", "omit"]

    @property
    def mask(self) -> str:
        """A name for what is hidden, and how, from one whom no rule admits: equal where that is equal."""
        conditions = sorted({rule.condition for rule in self.rules})
        return f"{self.others_see} {hashlib.sha256(repr(conditions).encode('utf-8', 'surrogatepass')).hexdigest()}"


@dataclass(frozen=True)
class RegionRule:
    """A part of alignments or variants: a reference, bases of it, and a format.

    Attributes
    ----------
    reference
        Its name; None means all, and reads without a place too.
    start, end
        0-based and half-open; no `end` means up to that of the reference.
    format
        None means all formats.
    """

    reference: str | None = None
    start: int = 0
    end: int | None = None
    format: str | None = None


@dataclass(frozen=True)
class RegionAccess:
    """The condition for seeing some regions of alignments or variants; no `rules` mean all of them."""

    access: Access
    rules: tuple[RegionRule, ...] | None = None
