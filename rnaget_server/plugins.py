"""Parts that come in by entry points, the built-in ones by the same door as a third party's."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import Any

STORES, WRITERS, IMPORTERS = (f"rnaget_server.{kind}" for kind in ("stores", "writers", "importers"))
GROUPS = (STORES, WRITERS)
"""The groups whose parts decide what the bytes of a reply are."""


class Registry:
    """The parts of one entry point group, by name; each is imported when it is first asked for."""

    def __init__(self, group: str) -> None:
        self._points = {point.name: point for point in sorted(entry_points(group=group), key=lambda p: p.name)}

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
