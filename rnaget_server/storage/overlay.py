"""A file that begins as another one and is written to without changing that one."""

from __future__ import annotations

import io
import os
import tempfile
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import TYPE_CHECKING

from rnaget_server.storage.local import LocalFile

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer


class Overlay(io.RawIOBase):
    """A file that begins as another, or empty, and has no name on the disk; a file object as h5py asks for one.

    Only what is written to it takes room, in a file of its own, at the places that it has here.

    Parameters
    ----------
    base
        The other file, which stays as it is; without it, this one is empty at first.
    """

    def __init__(self, base: LocalFile | None = None) -> None:
        super().__init__()
        self._base = base
        self._based = self._size = 0 if base is None else base.size
        self._own = tempfile.TemporaryFile(prefix="rnaget-", buffering=0)  # noqa: SIM115
        self._at = 0
        # The runs that were written, which neither overlap nor touch.
        self._starts: list[int] = []
        self._stops: list[int] = []

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place, counted from the beginning or (`SEEK_END`) the end; return it."""
        self._at = offset + (self._size if whence == io.SEEK_END else 0)
        return self._at

    def tell(self) -> int:
        """Return the place at which the next byte is read or written."""
        return self._at

    def readable(self) -> bool:
        """Return True."""
        return True

    def writable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def write(self, data: ReadableBuffer, /) -> int:
        """Write bytes at this place, and go to their end."""
        view = memoryview(data).cast("B")
        start, stop = self._at, self._at + len(view)
        while self._at < stop:
            self._at += os.pwrite(self._own.fileno(), view[self._at - start :], self._at)
        self._note(start, stop)
        self._size = max(self._size, stop)
        return len(view)

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Fill a buffer from this place on, and go to where it ends; return how many bytes there were."""
        view = memoryview(buffer).cast("B")
        at = 0
        for part in self._parts(self._at, min(self._at + len(view), self._size)):
            view[at : at + len(part)] = part
            at += len(part)
        view[at:] = bytes(len(view) - at)  # HDF5 does not look at the number
        self._at += at
        return at

    def truncate(self, size: int | None = None, /) -> int:
        """End the file at a place (by default, this one), which may be beyond its end: zeros are between the two."""
        size = self._at if size is None else size
        if size < self._size:
            self._based = min(self._based, size)
            kept = bisect_left(self._starts, size)
            del self._starts[kept:], self._stops[kept:]
            self._stops[-1:] = [min(stop, size) for stop in self._stops[-1:]]
            self._own.truncate(size)
        self._size = size
        return size

    def close(self) -> None:
        """Free what was written, and let the other file go."""
        self._own.close()
        self._base = None
        super().close()

    def size(self) -> int:
        """Return how many bytes there are."""
        return self._size

    def pieces(self, start: int, stop: int, size: int) -> Iterator[bytes]:
        """Yield the bytes between two places, `size` at once."""
        for first in range(start, stop, size):
            parts = list(self._parts(first, min(first + size, stop)))
            yield parts[0] if len(parts) == 1 else b"".join(parts)

    def _note(self, start: int, stop: int) -> None:
        """Add a run to those that were written."""
        first, last = bisect_left(self._stops, start), bisect_right(self._starts, stop)
        if first < last:
            start, stop = min(start, self._starts[first]), max(stop, self._stops[last - 1])
        self._starts[first:last] = [start]
        self._stops[first:last] = [stop]

    def _parts(self, start: int, stop: int) -> Iterator[bytes]:
        """Yield the bytes between two places, each part out of one file."""
        number = bisect_right(self._stops, start)
        while start < stop:
            following = self._starts[number] if number < len(self._starts) else stop
            if following <= start:
                end = min(self._stops[number], stop)
                yield self._read_own(start, end)
                number += 1
            elif start < self._based:
                end = min(following, stop, self._based)
                assert self._base is not None
                yield self._base.read(start, end - start)
            else:
                end = min(following, stop)
                yield bytes(end - start)
            start = end

    def _read_own(self, start: int, stop: int) -> bytes:
        data = os.pread(self._own.fileno(), stop - start, start)
        if len(data) < stop - start:
            raise OSError("a temporary file has become shorter")
        return data
