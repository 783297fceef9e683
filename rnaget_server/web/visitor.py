"""The one who looks at a page, as its header shows it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Visitor:
    """Somebody who looks at a page.

    Attributes
    ----------
    name
        The name of one who has signed in.
    sign_in
        The path of the address where one may sign in; empty where nobody can.
    """

    name: str | None = None
    sign_in: str = ""
