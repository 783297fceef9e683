"""The known contents of many files, of bounded size together."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Any

_MOST_BYTES = 40 << 20


class KnownContents:
    """The known parts of files, by the file and by path; those of files that were asked for last. Safe among threads.

    Parameters
    ----------
    most_bytes
        About how many bytes the parts of all files may take.
    """

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._files: OrderedDict[Hashable, dict[str, Any]] = OrderedDict()
        self._sizes: dict[Hashable, int] = {}
        self.nbytes = 0
        """About how many bytes the parts take."""

    def of(self, file: Hashable) -> dict[str, Any] | None:
        """Return the known parts of a file, not to be changed; None if none is known."""
        with self._lock:
            parts = self._files.get(file)
            if parts is not None:
                self._files.move_to_end(file)
            return parts

    def add(self, file: Hashable, path: str, part: Any, nbytes: int) -> None:
        """Keep a part of a file, which takes about so many bytes."""
        with self._lock:
            parts = self._files.setdefault(file, {})
            self._files.move_to_end(file)
            if path not in parts:
                self.nbytes += nbytes
                self._sizes[file] = self._sizes.get(file, 0) + nbytes
            parts[path] = part
            while self.nbytes > self._most_bytes:
                self.nbytes -= self._sizes.pop(self._files.popitem(last=False)[0])
