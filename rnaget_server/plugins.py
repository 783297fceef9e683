"""Parts that come in by entry points, the built-in ones by the same door as a third party's."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

STORES, WRITERS, IMPORTERS = (f"rnaget_server.{kind}" for kind in ("stores", "writers", "importers"))
GROUPS = (STORES, WRITERS)
"""The groups whose parts decide what the bytes of a reply are."""


@cache
def _points(group: str) -> Mapping[str, EntryPoint]:
    """Return the entry points of a group by name: every installed package is read for it."""
    return {point.name: point for point in sorted(entry_points(group=group), key=lambda p: p.name)}


class Registry:
    """The parts of one entry point group, by name; each is imported when it is first asked for."""

    def __init__(self, group: str) -> None:
        self._points = _points(group)

    @property
    def names(self) -> tuple[str, ...]:
        """The names, in alphabetical order."""
        return tuple(self._points)

    def __getitem__(self, name: str) -> Any:
        """Return the part `name`."""
        return self._points[name].load()

    def all(self) -> Mapping[str, Any]:
        """Return every part by name."""
        return {name: self[name] for name in self._points}
