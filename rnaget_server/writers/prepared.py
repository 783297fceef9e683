"""Beginnings of files that many replies share, made once and kept on the disk without a name."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Hashable
from pathlib import Path

from rnaget_server.model.recent import RecentValues
from rnaget_server.model.slice import Labels, Slice
from rnaget_server.storage.local import LocalFile

_KEPT_BYTES = 512 << 20
KEPT_FILES = 64
"""Most files that are kept, however small they are."""

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
        self._files: RecentValues[Hashable, LocalFile] = RecentValues(
            max_bytes, lambda file: max(file.size, max_bytes // KEPT_FILES)
        )

    def get(self, key: Hashable, make: Callable[[Path], None]) -> LocalFile:
        """Return the file of a key, which `make` writes once to a path that is free."""
        return self._files.get(key, lambda: _made(make))


def _made(make: Callable[[Path], None]) -> LocalFile:
    """Return the file that `make` writes at a path, without a name: it is gone when nobody holds it any more."""
    with tempfile.TemporaryDirectory(prefix="rnaget-") as directory:
        path = Path(directory) / "prepared"
        make(path)
        return LocalFile.open(path)
