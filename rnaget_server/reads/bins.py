"""The bins of an index, and where their records are: for one reference, and in arrays for all together."""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, NamedTuple, overload

import numpy as np
import numpy.typing as npt

from rnaget_server.errors import DamagedFile

NOWHERE = (1 << 64) - 1

Offsets = npt.NDArray[np.uint64]
_COUNT = struct.Struct("<i")
_BIN = struct.Struct("<Ii")
_CSI_BIN = struct.Struct("<IQi")
_CHUNK_SIZE = 16
_MOST_MADE = 64
_AT_ONCE = 1 << 16
# The bytes of the index, and the chunks and the known offsets of the references in use.
_COPIES = 3


class Chunk(NamedTuple):
    """A range of virtual offsets."""

    begin: int
    end: int


def union(chunks: Iterable[Chunk]) -> list[Chunk]:
    """Return the union of ranges, sorted."""
    joined: list[Chunk] = []
    for begin, end in sorted(chunks):
        if joined and begin <= joined[-1].end:
            joined[-1] = Chunk(joined[-1].begin, max(end, joined[-1].end))
        elif begin < end:
            joined.append(Chunk(begin, end))
    return joined


@dataclass(frozen=True)
class Binning:
    """The sizes of bins: the smallest have ``1 << shift`` bases, those of each level above eight times as many."""

    shift: int
    depth: int

    @property
    def length(self) -> int:
        """The number of positions that can be indexed."""
        return 1 << (self.shift + 3 * self.depth)

    @property
    def bins(self) -> int:
        """The number of bins; the one numbered one more holds counts."""
        return ((1 << 3 * (self.depth + 1)) - 1) // 7

    def intervals(self, numbers: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return where bins begin and end."""
        firsts = np.array([((1 << 3 * level) - 1) // 7 for level in range(self.depth + 1)], np.int64)
        level = np.searchsorted(firsts, numbers, "right") - 1
        shift = self.shift + 3 * (self.depth - level)
        begin = (numbers - firsts[level]) << shift
        return begin, begin + (np.int64(1) << shift)


class ReferenceIndex:
    """The bins of one reference.

    Parameters
    ----------
    windows
        The offset of the first record that overlaps each window of ``1 << shift`` bases, if the index has it.
    first_overlaps
        The same for each bin, if the index has that.
    """

    def __init__(
        self,
        binning: Binning,
        buffer: bytes,
        numbers: npt.NDArray[np.int64],
        places: npt.NDArray[np.int64],
        counts: npt.NDArray[np.int64],
        windows: Offsets | None,
        first_overlaps: Offsets | None,
    ) -> None:
        self._binning = binning
        self._buffer = buffer
        real = (numbers < binning.bins) & (counts > 0)
        begins, ends = binning.intervals(numbers[real])
        order = np.argsort(begins, kind="stable")
        self.begins, self.ends = begins[order], ends[order]
        self._places, self._counts = places[real][order], counts[real][order]
        self._windows = windows
        self._first_overlaps = None
        if first_overlaps is not None:
            self._first_overlaps = np.maximum.accumulate(first_overlaps[real][order])

    def _chunks_of(self, bins: npt.NDArray[Any]) -> Offsets:
        """Return the chunks of bins as an array of two columns."""
        parts = [
            np.frombuffer(self._buffer, "<u8", 2 * count, place)
            for place, count in zip(self._places[bins].tolist(), self._counts[bins].tolist(), strict=True)
        ]
        return np.concatenate(parts).reshape(-1, 2) if parts else np.empty((0, 2), np.uint64)

    @cached_property
    def chunks(self) -> Offsets:
        """All chunks, in no order."""
        return self._chunks_of(np.arange(len(self.begins)))

    @cached_property
    def firsts(self) -> Offsets:
        """The begin of the first chunk of each bin."""
        return self._offsets_at(self._places)

    def _offsets_at(self, places: npt.NDArray[np.int64]) -> Offsets:
        single = np.frombuffer(self._buffer, np.uint8)[places[:, None] + np.arange(8)]
        offsets: Offsets = single.view("<u8").ravel()
        return offsets

    @cached_property
    def _first_after(self) -> Offsets:
        """The least offset of the bins from each on."""
        return np.minimum.accumulate(self.firsts[::-1])[::-1]

    def inside(self, start: int, end: int) -> Chunk | None:
        """Return the range of the records in the bins that lie within an interval.

        Since records are sorted, all in that range begin within the interval.
        """
        first = int(np.searchsorted(self.begins, start))
        bins = np.flatnonzero(self.ends[first:] <= end) + first
        if not len(bins):
            return None
        last_ends = self._offsets_at(self._places[bins] + _CHUNK_SIZE * self._counts[bins] - 8)
        return Chunk(int(self.firsts[bins].min()), int(last_ends.max()))

    def around(self, start: int, end: int) -> list[Chunk]:
        """Return the ranges of the bins that overlap an interval and go beyond it.

        They are cut to where records that overlap the interval can be.
        """
        least, most = self._least(start), self._most(end)
        before = int(np.searchsorted(self.begins, end))
        begins, ends = self.begins[:before], self.ends[:before]
        chunks = self._chunks_of(np.flatnonzero((ends > start) & ((begins < start) | (ends > end))))
        chunks = chunks[(chunks[:, 1] > least) & (chunks[:, 0] < most)]
        return union(Chunk(max(begin, least), min(stop, most)) for begin, stop in chunks.tolist())

    def _least(self, start: int) -> int:
        """Return the offset before which no record overlaps a position."""
        if self._windows is not None:
            return int(self._windows[: (start >> self._binning.shift) + 1].max(initial=np.uint64(0)))
        if self._first_overlaps is not None:
            before = int(np.searchsorted(self.begins, start, "right"))
            return int(self._first_overlaps[before - 1]) if before else 0
        return 0

    def _most(self, end: int) -> int:
        """Return an offset from which on no record begins before a position."""
        behind = int(np.searchsorted(self.begins, end))
        return int(self._first_after[behind]) if behind < len(self.begins) else NOWHERE

    @cached_property
    def record_starts(self) -> Offsets:
        """Every offset that the index knows to be that of a record, sorted."""
        windows = self._windows if self._windows is not None else np.empty(0, np.uint64)
        starts = np.unique(np.concatenate([self.chunks[:, 0], windows]))
        return starts[starts > 0]


class Table:
    """The bins of all references, as they are read."""

    def __init__(self) -> None:
        self.numbers, self.places, self.counts = array("q"), array("q"), array("q")
        self.first_overlaps = array("Q")
        self.bounds = array("q", [0])
        self.window_places, self.window_counts = array("q"), array("q")

    def read(self, data: bytes, place: int, with_offsets: bool) -> int:
        """Take the bins of a reference that stand at a place, and return where they end."""
        count = counted(data, place)
        place += 4
        layout = _CSI_BIN if with_offsets else _BIN
        for _ in range(count):
            number, *offset, chunks = layout.unpack_from(data, place)
            place += layout.size
            if not 0 <= chunks <= (len(data) - place) // _CHUNK_SIZE:
                raise DamagedFile("the index is damaged or cut off: a bin has more chunks than there are bytes")
            self.numbers.append(number)
            self.places.append(place)
            self.counts.append(chunks)
            if offset:
                self.first_overlaps.append(offset[0])
            place += chunks * _CHUNK_SIZE
        return place


def counted(data: bytes, place: int) -> int:
    """Return the number at a place, which counts something that takes at least a byte each."""
    count: int = _COUNT.unpack_from(data, place)[0]
    if not 0 <= count <= len(data):
        raise DamagedFile(f"the index is damaged: it counts {count:,} of what cannot be so many")
    return count


class References(Sequence[ReferenceIndex]):
    """The bins of all references, in arrays of all together, for there may be hundreds of thousands of references.

    The ones that were used last are kept as they are needed. Safe to share among threads.
    """

    def __init__(self, binning: Binning, table: Table, data: bytes) -> None:
        self._binning = binning
        self._data = data
        self._bounds = np.array(table.bounds, np.int64)
        self._numbers, self._places, self._counts = (
            np.array(column, np.int64) for column in (table.numbers, table.places, table.counts)
        )
        self._first_overlaps = np.array(table.first_overlaps, np.uint64)
        self._window_places, self._window_counts = (
            np.array(column, np.int64) for column in (table.window_places, table.window_counts)
        )
        real = (self._numbers < binning.bins) & (self._counts > 0)
        self.bins_before = np.concatenate([[0], np.cumsum(real)])[self._bounds]
        """The number of bins with records before each reference, and of all."""
        self._made = lru_cache(_MOST_MADE)(self._make)

    def __len__(self) -> int:
        return len(self._bounds) - 1

    @overload
    def __getitem__(self, number: int) -> ReferenceIndex: ...

    @overload
    def __getitem__(self, number: slice) -> list[ReferenceIndex]: ...

    def __getitem__(self, number: int | slice) -> ReferenceIndex | list[ReferenceIndex]:
        if isinstance(number, slice):
            return [self[each] for each in range(*number.indices(len(self)))]
        if not 0 <= number < len(self):
            raise IndexError(number)
        return self._made(number)

    def _make(self, number: int) -> ReferenceIndex:
        bins = slice(*self._bounds[number : number + 2].tolist())
        windows = overlaps = None
        if len(self._window_places):
            count, place = int(self._window_counts[number]), int(self._window_places[number])
            windows = np.frombuffer(self._data, "<u8", count, place)
        if len(self._first_overlaps):
            overlaps = self._first_overlaps[bins]
        columns = self._numbers[bins], self._places[bins], self._counts[bins]
        return ReferenceIndex(self._binning, self._data, *columns, windows, overlaps)

    @property
    def nbytes(self) -> int:
        """About how many bytes they take in memory, with what is made for those in use."""
        arrays = (self._bounds, self._numbers, self._places, self._counts, self._first_overlaps, self.bins_before)
        windows = self._window_places.nbytes + self._window_counts.nbytes
        return _COPIES * len(self._data) + windows + sum(array.nbytes for array in arrays)

    def chunks(self) -> Iterator[Offsets]:
        """Yield all chunks as arrays of two columns, so many at once that they take some megabytes."""
        real = (self._numbers < self._binning.bins) & (self._counts > 0)
        places, counts = self._places[real], self._counts[real]
        ends = np.cumsum(counts)
        first = 0
        while first < len(places):
            before = int(ends[first - 1]) if first else 0
            last = max(first + 1, int(ends.searchsorted(before + _AT_ONCE)))
            offsets = _all_offsets(self._data, places[first:last], 2 * counts[first:last])
            yield offsets.reshape(-1, 2)
            first = last

    @cached_property
    def bounds(self) -> tuple[int, int]:
        """The offset of the first record that has a place, and the one behind the last; `NOWHERE` and 0 if none has."""
        first, last = NOWHERE, 0
        for chunks in self.chunks():
            first, last = min(first, int(chunks[:, 0].min())), max(last, int(chunks[:, 1].max()))
        return first, last

    @property
    def is_in_order(self) -> bool:
        """Tell whether the windows of each reference are in the order of the file, as in every sorted one."""
        windows = self.windows
        known = windows > 0
        of = np.repeat(np.arange(len(self._window_counts)), self._window_counts)[known]
        offsets = windows[known]
        return not ((offsets[1:] < offsets[:-1]) & (of[1:] == of[:-1])).any()

    @property
    def windows(self) -> Offsets:
        """The windows of all references."""
        return _all_offsets(self._data, self._window_places, self._window_counts)


def _all_offsets(data: bytes, places: npt.NDArray[np.int64], counts: npt.NDArray[np.int64]) -> Offsets:
    """Return the offsets that stand one after the other from several places on."""
    before = np.cumsum(counts) - counts
    each = np.repeat(places - 8 * before, counts) + 8 * np.arange(int(counts.sum()))
    if not len(each):
        return np.empty(0, np.uint64)
    offsets: Offsets = np.frombuffer(data, np.uint8)[each[:, None] + np.arange(8)].view("<u8").ravel()
    return offsets
