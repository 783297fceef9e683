"""The one who asks."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Principal:
    """Whoever a request comes from; `name` is None for one who has not signed in."""

    name: str | None = None


ANYONE = Principal()
