"""The bytes of a reply, from any source."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

from rnaget_server.storage.checked_file import CheckedFile, DamagedFileError
from rnaget_server.storage.disk_cache import DiskCache
from rnaget_server.storage.source import OpenFile
from rnaget_server.writers.base import Body

_PIECE = 512 << 10


class Content(ABC):
    """Bytes to send, once. What they come from is freed by `close`, whether they were read or not.

    Attributes
    ----------
    length
        How many bytes there are; None if that is not known yet.
    data
        All of them, where they are in memory.
    held
        About how many bytes are held while they are sent, without those of the chunks.
    ranges
        Whether a part of them can be asked for, now or in another request.
    """

    length: int | None = None
    data: bytes | None = None
    held: int = 0
    ranges: bool = True

    @abstractmethod
    def read(self, start: int = 0, stop: int | None = None) -> Iterator[bytes | memoryview]:
        """Return the bytes from `start` up to `stop` or the end; from 0 only, if there is no `length`."""

    def close(self) -> None:  # noqa: B027
        """Free what the bytes come from."""


@dataclass
class MemoryContent(Content):
    """Bytes in memory."""

    data: bytes
    length: int

    def read(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """Return the bytes in one piece."""
        return iter((self.data[start:stop],))


class FileContent(Content):
    """The bytes of a file, which is closed with it; if it is written to meanwhile, reading ends with an error."""

    length: int

    def __init__(self, file: OpenFile) -> None:
        self._file = file
        self.length = file.size

    def read(self, start: int = 0, stop: int | None = None) -> Iterator[bytes | memoryview]:
        """Yield the bytes piece by piece; for the errors see `file_bytes`."""
        return file_bytes(self._file, start, self.length if stop is None else stop)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class CachedContent(Content):
    """The bytes of a checked file, which is closed with it, and removed from its cache if it turns out to be damaged.

    Parameters
    ----------
    file
        The file.
    cache, key
        Where it is kept; None if it is not.
    """

    def __init__(self, file: CheckedFile, cache: DiskCache | None = None, key: str = "") -> None:
        self._file = file
        self._cache = cache
        self._key = key
        self.length = file.length

    def read(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """Return the bytes piece by piece.

        The first piece is checked before any is asked for, while the reply can still be made from something else.

        Raises
        ------
        DamagedFileError
            If a piece is not whole.
        """
        pieces = self._checked(start, stop)
        return chain((next(pieces, b""),), pieces)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _checked(self, start: int, stop: int | None) -> Iterator[bytes]:
        try:
            yield from self._file.read(start, stop)
        except DamagedFileError:
            if self._cache is not None:
                self._cache.remove(self._key)
            raise


class StreamedContent(Content):
    """Bytes that are made while they are sent; a later part of them by leaving out what comes before.

    Parameters
    ----------
    chunks
        The bytes.
    body
        What they are made from, with their number where it is known.
    held
        About how many bytes are held, without the chunks.
    ranges
        Whether parts can be had even where the number is not known.
    """

    def __init__(self, chunks: Iterator[bytes], body: Body, held: int, ranges: bool) -> None:
        self._chunks = chunks
        self._body = body
        self.length = body.length
        self.held = held
        self.ranges = ranges or body.length is not None

    def read(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """Yield the bytes as they are made."""
        at = 0
        for chunk in self._chunks:
            piece = chunk[max(start - at, 0) : None if stop is None else max(stop - at, 0)]
            at += len(chunk)
            if piece:
                yield piece
            if stop is not None and at >= stop:
                return

    def close(self) -> None:
        """End the making of chunks, and free what they are made from."""
        try:
            close_iterator(self._chunks)
        finally:
            close_body(self._body)


def file_bytes(file: OpenFile, start: int, stop: int) -> Iterator[bytes | memoryview]:
    """Yield bytes of a file, some hundred KiB at a time.

    Raises
    ------
    OSError
        If the file cannot be read, or was written to since it was opened.
    """
    for piece in file.read_many((at, min(_PIECE, stop - at)) for at in range(start, stop, _PIECE)):
        # Whoever writes to it now may have changed what was read.
        file.check_unchanged()
        yield piece


def resume_chunks(first: list[bytes], rest: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the first chunks, which are let go one after the other, and then the rest."""
    first.reverse()
    while first:
        yield first.pop()
    yield from rest


def close_body(body: Body) -> None:
    """Free what a body is made from."""
    try:
        close_iterator(body.chunks)
    finally:
        body.close()


def close_iterator(chunks: Iterator[bytes]) -> None:
    """End what makes chunks, so that it frees what it holds now, and not when nobody refers to it any more."""
    close = getattr(chunks, "close", None)
    if close is not None:
        close()
