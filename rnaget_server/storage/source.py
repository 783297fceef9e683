"""Bytes by range, from any place: what a place of data offers to the file formats."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from rnaget_server.storage.local import FileVersion


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
