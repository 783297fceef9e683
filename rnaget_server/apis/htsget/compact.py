"""Short texts for the URLs of tickets: what is to be sent, in so few letters that every proxy passes the URL.

Numbers are differences of seven bits a byte, compressed where that makes them shorter.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from rnaget_server.reads.files import Region
from rnaget_server.reads.trim import merged

MOST_LETTERS = 3_200
"""The longest text; with address, id and signature it makes a URL below the 4 KiB that the strictest proxies take."""

MOST_CHUNK_BYTES = 2_300
"""So many bytes of numbers are at most that many letters."""

_ALL = "all"
_MOST_DECODED = 1 << 20
_MORE, _BITS = 0x80, 0x7F


def numbers_of(values: Iterable[int]) -> bytes:
    """Return whole numbers from 0 on as bytes, of which small ones take few."""
    out = bytearray()
    for value in values:
        while value > _BITS:
            out.append(value & _BITS | _MORE)
            value >>= 7
        out.append(value)
    return bytes(out)


def _numbers_in(data: bytes) -> Iterator[int]:
    value = shift = 0
    for byte in data:
        value |= (byte & _BITS) << shift
        shift += 7
        if not byte & _MORE:
            yield value
            value = shift = 0


def _packed(data: bytes) -> str:
    return base64.urlsafe_b64encode(zlib.compress(data, 9)).rstrip(b"=").decode()


def _unpacked(text: str) -> bytes:
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        return zlib.decompressobj().decompress(data, _MOST_DECODED)
    except zlib.error as error:
        raise ValueError(error) from None


def chunks_text(chunks: Iterable[tuple[int, int]]) -> str:
    """Return ranges of virtual offsets, in the order of the file, as a text."""
    return _packed(b"".join(chunk_numbers(chunk, before) for chunk, before in _with_ends(chunks)))


def chunk_numbers(chunk: tuple[int, int], before: int) -> bytes:
    """Return the bytes that say a range, of which the one before it has ended at an offset."""
    begin, end = chunk
    # Most begin at a block, or go on in the block that the last one has ended in.
    return numbers_of((begin - before, end - begin))


def _with_ends(chunks: Iterable[tuple[int, int]]) -> Iterator[tuple[tuple[int, int], int]]:
    before = 0
    for chunk in chunks:
        yield chunk, before
        before = chunk[1]


def chunks_in(text: str) -> list[tuple[int, int]]:
    """Return the ranges of such a text.

    Raises
    ------
    ValueError
        If it is none.
    """
    numbers = list(_numbers_in(_unpacked(text)))
    chunks, end = [], 0
    for gap, length in zip(numbers[::2], numbers[1::2], strict=True):
        begin, end = end + gap, end + gap + length
        chunks.append((begin, end))
    return chunks


def regions_text(regions: Sequence[Region] | None) -> str:
    """Return the union of regions as a text; None means all of a file."""
    if regions is None:
        return _ALL
    intervals = merged(regions)
    gaps, lengths = [], []
    for several in intervals.values():
        before = 0
        for start, end in several:
            gaps.append(start - before)
            lengths.append(0 if end is None else end - start)
            before = start if end is None else end
    names = json.dumps([[name, len(several)] for name, several in intervals.items()], separators=(",", ":")).encode()
    # Equal lengths, one after the other, are compressed to almost nothing.
    return _packed(numbers_of([len(names)]) + names + numbers_of(lengths) + numbers_of(gaps))


def regions_in(text: str) -> list[Region] | None:
    """Return the regions of such a text.

    Raises
    ------
    ValueError
        If it is none.
    """
    if text == _ALL:
        return None
    data = _unpacked(text)
    size = next(_numbers_in(data), 0)
    place = len(numbers_of([size]))
    counts = json.loads(data[place : place + size])
    numbers = list(_numbers_in(data[place + size :]))
    half = len(numbers) // 2
    found: list[Region] = []
    pairs = zip(numbers[:half], numbers[half:], strict=True)
    for name, count in counts:
        before = 0
        if not count:
            found.append(Region(name, 0, 0))
        for _ in range(count):
            length, gap = next(pairs)
            start = before + gap
            before = start + length
            found.append(Region(name, start, before if length else None))
    return found


def json_text(content: Any) -> str:
    """Return what JSON can hold as a text."""
    return _packed(json.dumps(content, separators=(",", ":")).encode())


def json_in(text: str) -> Any:
    """Return the content of such a text.

    Raises
    ------
    ValueError
        If it is none.
    """
    return json.loads(_unpacked(text))
