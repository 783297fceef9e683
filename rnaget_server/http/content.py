"""The bytes of a reply, wherever they come from."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import BinaryIO

from rnaget_server.checked_file import CheckedFile, DamagedFileError
from rnaget_server.writers.base import Body, nothing

_PIECE = 512 << 10


@dataclass(frozen=True)
class Content:
    """Bytes to send, once. What they come from is freed by `close`, whether they were read or not."""

    read: Callable[[int, int | None], Iterator[bytes]]
    """Gives the bytes from a place on up to another, or to the end; from the start only, if there is no `length`."""

    length: int | None = None
    """How many bytes there are; None if that is not known yet."""

    close: Callable[[], None] = nothing

    data: bytes | None = None
    """All of them, where they are in memory."""

    held: int = 0
    """About how many bytes are held while they are sent, beside those of the chunks."""

    ranges: bool = True
    """Whether a part of them can be asked for, now or in another request."""


def in_memory(data: bytes) -> Content:
    """Return bytes as content."""
    return Content(lambda start, stop: iter((data[start:stop],)), len(data), data=data)


def in_file(file: BinaryIO) -> Content:
    """Return what is in a file as content, which closes it."""
    length = os.fstat(file.fileno()).st_size

    def read(start: int, stop: int | None) -> Iterator[bytes]:
        stop = length if stop is None else stop
        while start < stop:
            piece = os.pread(file.fileno(), min(_PIECE, stop - start), start)
            if not piece:
                raise OSError("a file has become shorter while it was sent")
            start += len(piece)
            yield piece

    return Content(read, length, file.close)


def in_checked_file(file: CheckedFile, damaged: Callable[[], None]) -> Content:
    """Return what is in a checked file as content, which closes it; `damaged` is called if a piece is not whole.

    The first piece is checked before any is asked for, while the reply can still be made from something else.
    """

    def read(start: int, stop: int | None) -> Iterator[bytes]:
        pieces = checked(start, stop)
        return chain((next(pieces, b""),), pieces)

    def checked(start: int, stop: int | None) -> Iterator[bytes]:
        try:
            yield from file.read(start, stop)
        except DamagedFileError:
            damaged()
            raise

    return Content(read, file.length, file.close)


def in_passing(chunks: Iterator[bytes], body: Body, held: int, ranges: bool) -> Content:
    """Return content that is made while it is sent; a later part of it by leaving out what comes before.

    Parameters
    ----------
    chunks
        The bytes.
    body
        What they are made from, with their number where it is known.
    held
        About how many bytes it holds beside its chunks.
    ranges
        Whether parts can be had even where the number is not known.
    """

    def close() -> None:
        try:
            _ended(chunks)
        finally:
            freed(body)

    known = body.length is not None
    return Content(lambda start, stop: _cut(chunks, start, stop), body.length, close, held=held, ranges=ranges or known)


def freed(body: Body) -> None:
    """Free what a body is made from."""
    try:
        _ended(body.chunks)
    finally:
        body.close()


def _ended(chunks: Iterator[bytes]) -> None:
    """End what makes chunks, so that it frees what it holds now, and not when nobody refers to it any more."""
    close = getattr(chunks, "close", None)
    if close is not None:
        close()


def _cut(chunks: Iterator[bytes], start: int, stop: int | None) -> Iterator[bytes]:
    at = 0
    for chunk in chunks:
        piece = chunk[max(start - at, 0) : None if stop is None else max(stop - at, 0)]
        at += len(chunk)
        if piece:
            yield piece
        if stop is not None and at >= stop:
            return
