"""The result of looking at credentials: who somebody is, and until when each of the grants holds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from rnaget_server.model.principal import Principal

LONGEST_TOKEN = 64 << 10
"""The most characters of a token that is looked at."""

LONGEST_GRANT = 2048
"""The most characters of the name of a grant; longer ones do not count."""

NO_TOKEN = "this is no token that this server takes: sign in again, or ask its provider for one"
"""The refusal of what is no token, or that of somebody else."""


@dataclass(frozen=True)
class Identity:
    """Somebody whose credentials hold.

    Attributes
    ----------
    name
        Unique among all issuers.
    label
        A name for people.
    expires
        When the credentials end, in seconds since 1970; None if they do not.
    grants
        When each grant ends.
    scopes, projects
        Those of the principal.
    remarks
        What of the credentials does not count, and why.
    """

    name: str
    label: str
    expires: float | None = None
    grants: Mapping[str, float] = field(default_factory=dict)
    scopes: frozenset[str] | None = None
    projects: frozenset[str] | None = None
    remarks: tuple[str, ...] = ()

    def principal(self, now: float) -> Principal:
        """Return who asks, with the grants that hold now, until the first of them ends."""
        held = {grant: end for grant, end in self.grants.items() if end > now}
        ends = [math.inf if self.expires is None else self.expires, *held.values()]
        expires = None if min(ends) == math.inf else min(ends)
        return Principal(self.name, frozenset(held), self.scopes, self.projects, expires)
