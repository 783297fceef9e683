"""Cells out of ranges of a dataset of one dimension of a native store: the rows of a sparse matrix, past HDF5."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby, islice
from operator import itemgetter
from typing import Any

import numpy as np
from numcodecs import blosc
from numpy.typing import NDArray

from rnaget_server.storage.source import ByteSource
from rnaget_server.stores.chunk_reader import DAMAGED, Chunked, Chunks, NextChunks
from rnaget_server.stores.joined_chunks import decode_together

_FEW = 3
# So many chunks are decoded one by one in less time than it takes to make ready that they are decoded together.
_FEW_SCATTERED = 24
# So many ranges are gone through one by one in half of the time that it takes by arrays.
_FEW_RANGES = 32
# Decoded bytes of chunks that are decoded together: with what they were stored in, the cache of a processor has room.
_BYTES_AT_ONCE = 1 << 20
# Chunks that the system is asked to fetch together. It does so in the time of a few, and fetches nothing else, while it
# guesses wrongly what is read after each that it is asked for alone.
_MOST_ANNOUNCED = 1 << 14

_Needed = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]


class ChunkedRun(Chunks):
    """A dataset of one dimension, chunked and compressed by Blosc; see `Chunks` for the parameters."""

    def __init__(self, file: ByteSource, dataset: Chunked, places: Callable[[], NDArray[np.int64]]) -> None:
        super().__init__(file, dataset, places)
        self.chunk: int = (dataset.chunks or (1,))[0]
        self._few = _FEW * self.chunk
        self._at_once = max(1, _BYTES_AT_ONCE // self._chunk_bytes)

    def read(self, begin: NDArray[np.int64], end: NDArray[np.int64]) -> NDArray[Any]:
        """Return the cells of ascending half-open ranges, one range after another; each chunk is decoded once.

        Raises
        ------
        OSError
            If the file is damaged or truncated, or was written to since it was opened.
        """
        if len(begin) == 1 and end[0] - begin[0] <= self._few:
            # To decode few chunks together takes longer than one by one.
            return self._read_one(int(begin[0]), int(end[0]))
        out = np.empty(int((end - begin).sum()), self.dtype)
        numbers, first, last = _needed(begin, end, self.chunk)
        places = self._places()[numbers]
        ahead = self._ahead(places.tolist())
        room = np.empty(min(self._at_once, len(places)) * self.chunk, self.dtype)
        at = 0
        for number, bounds in _by_rooms(first, last, len(places) * self.chunk, len(room)):
            start = number * self._at_once
            cells = self._decode_many(places[start : start + self._at_once], room, ahead)
            some = [cells[low:high] for low, high in bounds]
            stop = at + sum(map(len, some))
            np.concatenate(some, out=out[at:stop])
            at = stop
        self._file.check_unchanged()
        return out

    def announce(self, begin: NDArray[np.int64], end: NDArray[np.int64]) -> None:
        """Have the system fetch what `read` needs for these ranges, if it is on a disk.

        Raises
        ------
        OSError
            If the file is damaged.
        """
        numbers = _needed(begin, end, self.chunk)[0][:_MOST_ANNOUNCED]
        if len(numbers) > 1 and not self._file.far:
            self._file.announce(self._ranges(self._places()[numbers]))

    def _read_one(self, begin: int, end: int) -> NDArray[Any]:
        out = np.empty(end - begin, self.dtype)
        cut = _cut_one(begin, end, self.chunk)
        places = self._places()[[number for number, _, _ in cut]].tolist() if cut else []
        ahead = self._ahead(places)
        at = 0
        for (_, low, high), place in zip(cut, places, strict=True):
            stop = at + high - low
            out[at:stop] = self._decoded(place, ahead)[low:high]
            at = stop
        self._file.check_unchanged()
        return out

    def _decode_many(self, places: NDArray[np.int64], room: NDArray[Any], ahead: NextChunks | None) -> NDArray[Any]:
        """Return the cells of some chunks one after another, in the room that there is for them."""
        if len(places) <= _FEW_SCATTERED:
            for number, place in enumerate(places.tolist()):
                room[number * self.chunk : (number + 1) * self.chunk] = self._decoded(place, ahead)
            return room
        sizes = np.abs(places[:, 1])
        if ahead is not None:
            parts = list(islice(ahead, len(places)))
        else:
            parts = list(self._file.read_many(self._ranges(places)))
        cells = room[: len(places) * self.chunk]
        if places[:, 1].min() > 0 and decode_together(parts, sizes, self._chunk_bytes, cells):
            return cells
        data = memoryview(b"".join(parts))
        stops = np.cumsum(sizes).tolist()
        for stop, size, target in zip(stops, places[:, 1].tolist(), cells.reshape(len(places), -1), strict=True):
            self._decode_stored(data[stop - abs(size) : stop], size, target)
        return cells

    def _ranges(self, places: NDArray[np.int64]) -> list[tuple[int, int]]:
        """Return the offset and the size of chunks in the file, those that follow one another there as one."""
        if len(places) <= _FEW_SCATTERED:
            return _joined_ranges([self._checked(place) for place in places.tolist()])
        offsets, sizes = places[:, 0], np.abs(places[:, 1])
        # The least number there is stays negative.
        if sizes.min() < 0 or sizes.max() > self._chunk_bytes + blosc.MAX_OVERHEAD:
            raise OSError(DAMAGED)
        starts = np.concatenate([[0], np.flatnonzero(offsets[1:] != (offsets + sizes)[:-1]) + 1])
        return list(zip(offsets[starts].tolist(), np.add.reduceat(sizes, starts).tolist(), strict=True))


def _joined_ranges(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return ranges of a file (offset and size), those that follow one another as one."""
    joined: list[tuple[int, int]] = []
    for offset, size in ranges:
        if joined and sum(joined[-1]) == offset:
            joined[-1] = joined[-1][0], joined[-1][1] + size
        else:
            joined.append((offset, size))
    return joined


def _by_rooms(
    begin: NDArray[np.int64], end: NDArray[np.int64], count: int, size: int
) -> Iterator[tuple[int, Iterable[tuple[int, int]]]]:
    """Yield the number of each room of `size` cells, and the parts of ascending ranges in it; `count` cells in all."""
    if not count:
        return
    if count <= size:
        yield 0, zip(begin.tolist(), end.tolist(), strict=True)
        return
    for number, parts in groupby(_cut(begin, end, size), itemgetter(0)):
        yield number, ((low, high) for _, low, high in parts)


def _cut_one(begin: int, end: int, size: int) -> list[tuple[int, int, int]]:
    """Return what `_cut` does, of one range."""
    if end <= begin:
        return []
    numbers = range(begin // size, (end - 1) // size + 1)
    return [(number, max(begin - number * size, 0), min(end - number * size, size)) for number in numbers]


def _cut(begin: NDArray[np.int64], end: NDArray[np.int64], size: int) -> list[tuple[int, int, int]]:
    """Return the parts of ascending ranges by chunk: its number, and the first and last + 1 of its cells.

    Ranges that touch one another are one, empty ones none.
    """
    begin, end = _merged(begin, end)
    numbers = begin // size
    counts = (end - 1) // size - numbers + 1
    total = int(counts.sum())
    numbers = np.repeat(numbers - (np.cumsum(counts) - counts), counts) + np.arange(total)
    start = numbers * size
    first = np.maximum(np.repeat(begin, counts) - start, 0)
    last = np.minimum(np.repeat(end, counts) - start, size)
    return list(zip(numbers.tolist(), first.tolist(), last.tolist(), strict=True))


def _merged(begin: NDArray[np.int64], end: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return ascending ranges, those that touch one another as one, without empty ones."""
    filled = end > begin
    begin, end = begin[filled], end[filled]
    starts, stops = np.ones(len(begin), bool), np.ones(len(begin), bool)
    starts[1:] = stops[:-1] = begin[1:] != end[:-1]
    return begin[starts], end[stops]


def _needed(begin: NDArray[np.int64], end: NDArray[np.int64], size: int) -> _Needed:
    """Return the chunks that ascending ranges need, each once, and the ranges in these chunks one after another."""
    few = _needed_by_few(begin.tolist(), end.tolist(), size) if len(begin) <= _FEW_RANGES else None
    return _needed_by_many(begin, end, size) if few is None else few


def _needed_by_few(begin: list[int], end: list[int], size: int) -> _Needed | None:
    """Return what `_needed` does, one range after another, in half of the time; None if one needs many chunks."""
    numbers: list[int] = []
    first: list[int] = []
    last: list[int] = []
    before = -1
    for low, high in zip(begin, end, strict=True):
        if high <= low:
            continue
        start, stop = low // size, (high - 1) // size
        if stop - start > _FEW_SCATTERED:
            return None
        numbers += range(max(start, numbers[-1] + 1) if numbers else start, stop + 1)
        moved = (len(numbers) - 1 - stop) * size
        if low == before:
            last[-1] = high + moved
        else:
            first.append(low + moved)
            last.append(high + moved)
        before = high
    return np.array(numbers, np.int64), np.array(first, np.int64), np.array(last, np.int64)


def _needed_by_many(begin: NDArray[np.int64], end: NDArray[np.int64], size: int) -> _Needed:
    begin, end = _merged(begin, end)
    first, last = begin // size, (end - 1) // size
    counts = last - first + 1
    counts[1:] -= first[1:] == last[:-1]
    stops = np.cumsum(counts)
    numbers = np.repeat(last + 1 - stops, counts) + np.arange(int(counts.sum()))
    moved = (stops - last - 1) * size
    return numbers, begin + moved, end + moved
