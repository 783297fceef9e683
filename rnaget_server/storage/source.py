"""Bytes by range, from any place: what a place of data offers to the file formats."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from rnaget_server.storage.local import FileVersion


@dataclass(frozen=True)
class Presigned:
    """A URL that sends a file to anybody who has it, and the headers to send with each request."""

    url: str
    headers: Mapping[str, str]


class ArraySource(Protocol):
    """An open file that has arrays. Safe to share among threads."""

    @property
    def version(self) -> FileVersion:
        """The identity of this state of the file, unlike that of any other."""

    def read_kept(self, offset: int, size: int) -> bytes:
        """Return `size` bytes from an offset on, of what is read again and again, such as an index.

        Raises
        ------
        OSError
            If there are fewer.
        """

    def check_unchanged(self) -> None:
        """Refuse to go on with a file that was written to since it was opened.

        Raises
        ------
        OSError
            If it was.
        """


class ByteSource(ArraySource, Protocol):
    """An open file of a provider, in any place."""

    @property
    def size(self) -> int:
        """Number of bytes."""

    def read(self, offset: int, size: int) -> bytes:
        """Return `size` bytes from an offset on.

        Raises
        ------
        OSError
            If there are fewer.
        """

    def announce(self, ranges: Sequence[tuple[int, int]]) -> None:
        """Have the system fetch each (offset, size), if it is on a disk, while others are read; needs not be done."""

    @property
    def far(self) -> bool:
        """True if a read takes so long that all that is needed is to be asked for by `read_many`."""

    def read_many(self, ranges: Iterable[tuple[int, int]], keep: bool = False) -> Iterator[bytes | memoryview]:
        """Yield the bytes of each (offset, size) in turn, as they arrived; for the errors see `read`.

        Parameters
        ----------
        ranges
            The places.
        keep
            Whether the same ranges may be asked for again, so that few of them are to be kept near.
        """


class OpenFile(ByteSource, Protocol):
    """A `ByteSource` that is sent as it is."""

    def status(self) -> os.stat_result:
        """Return the status of the file as it is now."""

    def read_at_once(self, offset: int, size: int) -> bytearray | None:
        """Return `size` bytes from an offset on if nothing has to be waited for, else None: then use `read`."""

    def presigned(self, seconds: int) -> Presigned | None:
        """Return how a client reads all of it from its own place for some seconds; None if that is this machine.

        Raises
        ------
        OSError
            If no URL can be made.
        """

    def close(self) -> None:
        """Close the file for all its users."""
