"""Slices and stored files as the content of replies: what is made, what is kept, and what is too large."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path

from rnaget_server.checked_file import CheckedFile, DamagedFileError
from rnaget_server.errors import ResultTooLarge, Unavailable
from rnaget_server.http.content import Content, freed, in_checked_file, in_file, in_memory, in_passing
from rnaget_server.http.etags import Tag, file_tag
from rnaget_server.http.slice_cache import SliceCache, TooMuch
from rnaget_server.writers.base import Body, Slice, Writer, nothing

_AT_ONCE = 1 << 20
_AT_ONCE_FOR_TICKET = 4 << 20
# Small slices may be made of many cells, where most are zeros that are not stored.
_MOST_CELLS_FOR_TICKET = 4_000_000
_LEAST_BYTES_OF_CELL = 2
_LIKELY_BYTES_OF_CELL = 16
_BYTES_OF_POSITION = 8
# Each cell is at least one digit and what parts it from the next.
TEXTS = ("text/tab-separated-values", "application/json")


@dataclass(frozen=True)
class Order:
    """A slice to be delivered in one format."""

    slice: Slice
    writer: Writer
    tag: Tag | None
    sound: Callable[[], bool]
    """Tells, when the bytes are made, whether they are what the tag stands for."""

    smaller: Callable[[int], str]
    """Says how to ask for no more than so many cells."""

    @property
    def cells(self) -> int:
        """Number of cells of the main layer."""
        return prod(self.slice.shape)

    @property
    def held(self) -> int:
        """About how many bytes are held while it is made: which cells are meant, and what their source holds."""
        return sum(self.slice.shape) * _BYTES_OF_POSITION + max(layer.held for layer in self.slice.layers)

    @property
    def estimate(self) -> int:
        """About how many bytes it has."""
        return _estimate(self.slice)


def is_large(slice: Slice) -> bool:
    """Return whether a slice is likely to have more bytes than are made at once."""
    return _estimate(slice) > _AT_ONCE


class Delivery:
    """Turns orders into content.

    Parameters
    ----------
    kept
        Where finished slices are kept.
    most_bytes
        Most bytes of one reply. 0: any number.
    """

    def __init__(self, kept: SliceCache, most_bytes: int) -> None:
        self._kept = kept
        self._most = most_bytes

    def stored(self, path: Path, cells: int, smaller: Callable[[int], str]) -> tuple[Content, Tag, Callable[[], str]]:
        """Return a stored file as content, its tag, and what tells its MD5 sum.

        Parameters
        ----------
        path
            The file.
        cells
            How many cells it holds.
        smaller
            Says how to ask for no more than so many of them.

        Raises
        ------
        OSError
            If it cannot be read.
        ResultTooLarge
            If it has more bytes than this server sends.
        """
        content = in_file(file := path.open("rb"))
        tag = file_tag(path, os.fstat(file.fileno()))
        if self._most and content.length is not None and content.length > self._most:
            content.close()
            raise self._refusal(content.length, cells, smaller)
        return content, tag, lambda: self._kept.sums.of_bytes(tag.key, content.read(0, None))

    def content(self, order: Order, part: bool = False, at_once: int = _AT_ONCE) -> Content:
        """Return the bytes of a slice: kept ones, or such as are made now or while they are sent.

        Parameters
        ----------
        order
            What is wanted.
        part
            Whether a part is wanted: then the whole is made first, if it can be kept.
        at_once
            How many bytes are made at once, in memory.

        Raises
        ------
        ResultTooLarge
            If there are more bytes than this server sends.
        OSError
            If the data cannot be read.
        RnagetError
            If the format cannot hold the slice.
        """
        found = self._found(order)
        if found is not None:
            return found
        self._check_least(order)
        body = order.writer.write(order.slice)
        try:
            content = self._content(order, body, part, at_once)
        except BaseException:
            freed(body)
            raise
        # A part that could not be made ready: the bytes made for it are gone.
        return content if content is not None else self.content(order, False, at_once)

    def md5(self, order: Order, quick: bool) -> str | None:
        """Return the MD5 sum of a slice, None if it is unknown and would take long to find out; see `content`.

        A slice of few cells is made for it, if that is `quick`.
        """
        if self._most or (quick and order.cells <= _MOST_CELLS_FOR_TICKET):
            content = self.content(order, at_once=_AT_ONCE_FOR_TICKET)
            content.close()
            if content.data is not None:
                return hashlib.md5(content.data, usedforsecurity=False).hexdigest()
        if order.tag is None:
            return None
        known = self._kept.sums.get(order.tag.key)
        file = self._kept.open(order.tag.key) if known is None else None
        if file is None:
            return known
        content = self._in_cache(order.tag.key, file)
        try:
            return self._kept.sums.of_bytes(order.tag.key, content.read(0, None))
        except DamagedFileError:
            return None
        finally:
            content.close()

    def _found(self, order: Order) -> Content | None:
        file = self._kept.open(order.tag.key) if order.tag is not None else None
        if file is None or order.tag is None:
            return None
        content = self._in_cache(order.tag.key, file)
        try:
            self._check(order, content.length)
        except ResultTooLarge:
            content.close()
            raise
        return content

    def _in_cache(self, key: str, file: CheckedFile) -> Content:
        return in_checked_file(file, lambda: self._kept.remove(key))

    def _content(self, order: Order, body: Body, part: bool, at_once: int) -> Content | None:
        self._check(order, body.length)
        first, ended = _gathered(body.chunks, at_once) if self._least(order, body) <= at_once else ([], False)
        if ended:
            freed(body)
            data = b"".join(first)
            self._check(order, len(data))
            return in_memory(data)
        chunks = _again(first, body.chunks)
        holdable = order.tag is not None and self._kept.may_hold(body.length or order.estimate)
        if self._most and body.length is None:
            return self._spooled(order, body, chunks)
        if part and holdable and order.tag is not None:
            with self._kept.alone(order.tag.key):
                made = self._found(order)
                if made is None:
                    return self._whole(order, body, chunks)
            freed(body)
            return made
        if order.tag is not None and self._kept.on:
            # What has its length known beforehand is made faster than it is summed up: its sum can be had later, from
            # the bytes that were kept.
            add = body.length is None
            chunks = self._kept.passed(order.tag.key, chunks, holdable, add, order.sound)
        return in_passing(chunks, body, body.held + order.held, holdable)

    def _whole(self, order: Order, body: Body, chunks: Iterator[bytes]) -> Content | None:
        """Return the slice made whole, None if it turns out not to fit."""
        key = order.tag.key if order.tag is not None else None
        try:
            file = self._kept.made(key, chunks, self._kept.largest, order.sound)
        except TooMuch:
            file = None
        freed(body)
        return in_checked_file(file, nothing) if file is not None else None

    def _spooled(self, order: Order, body: Body, chunks: Iterator[bytes]) -> Content:
        """Return a slice made whole since its size decides whether it is sent."""
        key = order.tag.key if order.tag is not None else None
        try:
            file = self._kept.made(key, chunks, self._most, order.sound)
        except TooMuch:
            raise self._refusal(None, order.cells, order.smaller) from None
        freed(body)
        if file is None:
            raise Unavailable("the server has no room to make this reply: ask for less, or later")
        return in_checked_file(file, nothing)

    def _least(self, order: Order, body: Body | None = None) -> int:
        """Return how many bytes there are at least: as many as are known, or as the cells have if they are short."""
        if body is not None and body.length is not None:
            return body.length
        return order.cells * _LEAST_BYTES_OF_CELL if order.writer.media_types[0] in TEXTS else 0

    def _check_least(self, order: Order) -> None:
        """Refuse a slice of which the cells alone, as short as they can be, are too much."""
        if self._most and self._least(order) > self._most:
            raise self._refusal(None, order.cells, order.smaller)

    def _check(self, order: Order, length: int | None) -> None:
        if self._most and length is not None and length > self._most:
            raise self._refusal(length, order.cells, order.smaller)

    def _refusal(self, length: int | None, cells: int, smaller: Callable[[int], str]) -> ResultTooLarge:
        size = length or max(cells * _LIKELY_BYTES_OF_CELL, self._most)
        # Half of what would fit by the cells, since labels take room as well.
        fitting = max(1, cells * self._most // size // 2)
        told = f"{length:,}" if length else f"more than {self._most:,}"
        return ResultTooLarge(
            f"the reply has {told} bytes, and this server sends at most {self._most:,} at once: {smaller(fitting)}"
        )


def _estimate(slice: Slice) -> int:
    return prod(slice.shape) * sum(layer.dtype.itemsize for layer in slice.layers)


def _again(first: list[bytes], rest: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the first chunks, which are let go one after the other, and then the rest."""
    first.reverse()
    while first:
        yield first.pop()
    yield from rest


def _gathered(chunks: Iterator[bytes], most: int) -> tuple[list[bytes], bool]:
    """Return the first chunks, and whether they are all that there are."""
    first = []
    size = 0
    for chunk in chunks:
        first.append(chunk)
        size += len(chunk)
        if size > most:
            return first, False
    return first, True
