"""Beginnings of files that many replies share, made once and kept on the disk without a name."""

from __future__ import annotations

import os
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from pathlib import Path

from rnaget_server.model.slice import Labels, Slice
from rnaget_server.storage.local import LocalFile

_KEPT_BYTES = 512 << 20
_KEPT_FILES = 64
OWN = "query"
"""What of the origin of a slice is its own."""


def whole_key(labels: Labels) -> Hashable | None:
    """Return the key of labels that other slices have as well; None of those that are of this slice alone."""
    key: Hashable | None = getattr(labels, "whole", None)
    return None if key is None else (key, labels.id)


def shared_origin(slice: Slice) -> dict[str, str]:
    """Return what of the origin of a slice others share: all but its query."""
    return {key: value for key, value in slice.origin.items() if key != OWN}


class PreparedFiles:
    """Files by key, those used last, of bounded size together. Safe to share among threads.

    Parameters
    ----------
    max_bytes
        Most bytes kept.
    """

    def __init__(self, max_bytes: int = _KEPT_BYTES) -> None:
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._files: OrderedDict[Hashable, LocalFile] = OrderedDict()

    def write(self, key: Hashable, path: Path, make: Callable[[Path], None]) -> None:
        """Write the file of a key to a path that is free: a copy of the one that is kept, or what `make` writes."""
        with self._lock:
            kept = self._files.get(key)
            if kept is not None:
                self._files.move_to_end(key)
        if kept is not None:
            with path.open("xb") as target:
                kept.copy_to(target.fileno())
            return
        make(path)
        if path.stat().st_size <= self._max_bytes:
            self._keep(key, path)

    def _keep(self, key: Hashable, path: Path) -> None:
        with tempfile.TemporaryFile() as target:
            LocalFile.open(path).copy_to(target.fileno())
            copy = LocalFile(os.dup(target.fileno()))
        with self._lock:
            self._files[key] = copy
            # What is let go is closed with the last thread that copies it.
            while len(self._files) > _KEPT_FILES or sum(file.size for file in self._files.values()) > self._max_bytes:
                self._files.popitem(last=False)
