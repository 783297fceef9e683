"""Bytes by range, from any place: what a place of data offers to the file formats."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, Protocol


class FileVersion(NamedTuple):
    """The identity of a file and of its state: what changes when it is replaced or written to."""

    device: int
    inode: int
    size: int
    modified: int
    """Nanoseconds since 1970."""

    @property
    def state(self) -> tuple[int, int, int]:
        """The same without the device, whose number another machine has another of for the same files."""
        return self[1:]


NO_FILE = FileVersion(0, 0, 0, 0)
"""The version of a file that is not there."""


def version_of(status: os.stat_result) -> FileVersion:
    """Return the version of a file by its status."""
    return FileVersion(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


def version_at(path: Path) -> FileVersion:
    """Return the version of the file at a path; `NO_FILE` if none is there."""
    try:
        return version_of(path.stat())
    except OSError:
        return NO_FILE


class ByteSource(Protocol):
    """An open file of a provider, in any place. Safe to share among threads."""

    @property
    def size(self) -> int:
        """Number of bytes."""

    @property
    def version(self) -> FileVersion:
        """The identity of this state of the file, unlike that of any other."""

    def read(self, offset: int, size: int) -> bytes:
        """Return `size` bytes from an offset on.

        Raises
        ------
        OSError
            If there are fewer.
        """

    def read_many(self, ranges: Iterable[tuple[int, int]]) -> Iterator[bytes]:
        """Yield the bytes of each (offset, size) in turn; for the errors see `read`."""

    def check_unchanged(self) -> None:
        """Refuse to go on with a file that was written to since it was opened.

        Raises
        ------
        OSError
            If it was.
        """
