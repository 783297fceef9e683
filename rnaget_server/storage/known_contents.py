"""The known contents of many files, of bounded size together."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Any

_MOST_PARTS = 1 << 17
"""Each takes some 300 bytes, and a file with few labels has a dozen."""


class KnownContents:
    """The known parts of files, by the file and by path; those of files that were asked for last. Safe among threads.

    Parameters
    ----------
    most
        How many parts of all files are kept.
    """

    def __init__(self, most: int = _MOST_PARTS) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._files: OrderedDict[Hashable, dict[str, Any]] = OrderedDict()
        self.parts = 0
        """How many parts are kept."""

    def of(self, file: Hashable) -> dict[str, Any] | None:
        """Return the known parts of a file, not to be changed; None if none is known."""
        with self._lock:
            parts = self._files.get(file)
            if parts is not None:
                self._files.move_to_end(file)
            return parts

    def add(self, file: Hashable, path: str, part: Any) -> None:
        """Keep a part of a file."""
        with self._lock:
            parts = self._files.setdefault(file, {})
            self._files.move_to_end(file)
            self.parts += path not in parts
            parts[path] = part
            while self.parts > self._most:
                self.parts -= len(self._files.popitem(last=False)[1])
