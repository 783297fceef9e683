"""Access to a record, and to the samples of a matrix."""

from __future__ import annotations

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
