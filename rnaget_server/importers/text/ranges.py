"""Ranges of a text file at the ends of lines: of a plain file, or of one by bgzip, whose members can be read alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from isal import igzip as _igzip

from rnaget_server.importers.bgzip import member_size, refuse_cut_bgzip
from rnaget_server.importers.compression import DamagedStream, compression_of

igzip: Any = _igzip  # isal has no types here
_HEAD = 64 << 10
_LOOKED_AT = 1 << 20
_NEWLINE = b"\n"


class Place(NamedTuple):
    """A place between two lines: an offset in the file, and in a file by bgzip one in the member that begins there."""

    offset: int
    inner: int = 0


class ByteRange(NamedTuple):
    """The lines from a place to another, which is None at the end of the file."""

    start: Place
    stop: Place | None


def cut(path: Path, size: int) -> list[ByteRange] | None:
    r"""Return ranges of about `size` bytes of a file, all lines in their order; None if it cannot be cut.

    Lines end with ``\n`` where it is cut.

    Raises
    ------
    OSError, EOFError, ImportFailure
        If the file cannot be read, is damaged or cut off.
    """
    with path.open("rb") as file:
        head = os.pread(file.fileno(), _HEAD, 0)
        if compression_of(head) is None:
            cuts = _plain_cuts(file, size)
        elif member_size(head) is not None:
            refuse_cut_bgzip(file, path)
            cuts = _bgzip_cuts(file, size)
        else:
            return None
        starts = [Place(0), *dict.fromkeys(cuts)]
    return [ByteRange(*places) for places in zip(starts, [*starts[1:], None], strict=True)]


class OpenedRange:
    """A range of a file, opened; `stream` reads what is in it, unpacked, and `raw` says how far the file is read."""

    def __init__(self, path: Path, within: ByteRange) -> None:
        self.raw: BinaryIO = path.open("rb")
        self.stream = self
        self._pieces = self._plain(within) if compression_of(self.raw.read(16)) is None else self._unpacked(within)
        self._held = b""

    def read(self, size: int) -> bytes:
        """Return the next `size` bytes, fewer at the end."""
        while len(self._held) < size and (piece := next(self._pieces, None)) is not None:
            self._held += piece
        data, self._held = self._held[:size], self._held[size:]
        return data

    def close(self) -> None:
        """Close the file."""
        self.raw.close()

    def _plain(self, within: ByteRange) -> Iterator[bytes]:
        at, stop = within.start.offset, within.stop and within.stop.offset
        while stop is None or at < stop:
            self.raw.seek(at)
            data = self.raw.read(_LOOKED_AT if stop is None else min(_LOOKED_AT, stop - at))
            if not data:
                return
            yield data
            at += len(data)

    def _unpacked(self, within: ByteRange) -> Iterator[bytes]:
        start, stop = within
        for offset, data in _members(self.raw, start.offset):
            if stop is not None and offset > stop.offset:
                return
            yield data[start.inner if offset == start.offset else 0 : _end(offset, stop)]


def _end(offset: int, stop: Place | None) -> int | None:
    return stop.inner if stop is not None and offset == stop.offset else None


def _plain_cuts(file: BinaryIO, size: int) -> Iterator[Place]:
    """Yield the beginning of the first line behind each multiple of the size."""
    end = os.fstat(file.fileno()).st_size
    at = size
    while at < end:
        data = os.pread(file.fileno(), _LOOKED_AT, at)
        found = data.find(_NEWLINE)
        if found >= 0:
            at += found + 1
            if at < end:
                yield Place(at)
            at += size
        else:
            at += len(data)


def _bgzip_cuts(file: BinaryIO, size: int) -> Iterator[Place]:
    wanted = size
    for offset, _ in _member_sizes(file, 0):
        if offset < wanted:
            continue
        for begin, data in _members(file, offset):
            found = data.find(_NEWLINE)
            if found >= 0:
                yield Place(begin, found + 1)
                wanted = begin + size
                break


def _members(file: BinaryIO, offset: int) -> Iterator[tuple[int, bytes]]:
    """Yield the offset of each member from one on, and what is in it."""
    for at, size in _member_sizes(file, offset):
        file.seek(at)
        yield at, igzip.decompress(file.read(size))


def _member_sizes(file: BinaryIO, offset: int) -> Iterator[tuple[int, int]]:
    """Yield the offset and the size of each member from one on."""
    end = os.fstat(file.fileno()).st_size
    while offset < end:
        size = member_size(os.pread(file.fileno(), 256, offset)) or member_size(os.pread(file.fileno(), _HEAD, offset))
        if size is None:
            raise DamagedStream("a member of bgzip is followed by something else")
        yield offset, size
        offset += size
