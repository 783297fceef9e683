"""Parts that come in by entry points, the built-in ones by the same door as a third party's."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.metadata import entry_points
from typing import Any


class Registry:
    """The parts of one entry point group, by name; each is imported when it is first asked for."""

    def __init__(self, group: str) -> None:
        self._points = {point.name: point for point in sorted(entry_points(group=group), key=lambda p: p.name)}
        self._load = cache(lambda name: self._points[name].load())

    @property
    def names(self) -> tuple[str, ...]:
        """The names, in alphabetical order."""
        return tuple(self._points)

    def __getitem__(self, name: str) -> Any:
        """Return the part `name`."""
        if name not in self._points:
            raise KeyError(name)
        return self._load(name)

    def all(self) -> Mapping[str, Any]:
        """Return every part by name."""
        return {name: self[name] for name in self._points}
