"""The one who asks."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Principal:
    """Whoever a request comes from.

    Attributes
    ----------
    name
        Who it is, as the issuer of the credentials says; None for one who has not signed in.
    grants
        The data sets that a data access committee has granted, by the names that the catalogue has for them.
    scopes
        What the credentials allow to be read, such as ``read:expression``; None allows all.
    projects
        The projects that the credentials are for; None means all.
    expires
        When the credentials end, in seconds since 1970; None if they do not.
    is_operator
        True for whoever runs commands on the machine of the server, and may see all.
    ticket
        The id of the request that gave a ticket, of one who comes with it.
    """

    name: str | None = None
    grants: frozenset[str] = frozenset()
    scopes: frozenset[str] | None = None
    projects: frozenset[str] | None = None
    expires: float | None = None
    is_operator: bool = False
    ticket: str | None = None

    @property
    def has_signed_in(self) -> bool:
        """True for one whose name is known, and for an operator."""
        return self.name is not None or self.is_operator


ANYONE = Principal()
OPERATOR = Principal(is_operator=True)
