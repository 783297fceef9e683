"""The data of a bigWig file: intervals and the records of zoom levels, out of blocks that are checked when read."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

from rnaget_server.stores.tracks.bigwig_layout import DATA_INDEX, ZOOM_INDEX, BigWigFile, Blocks, Layout, key_of

_ISAL: Any = isal_zlib  # has no types
_SECTION = struct.Struct("<IIIIIBBH")
_ITEM_BYTES = {1: 12, 2: 8, 3: 4}
_RECORD_BYTES = 32
# Of a block; the largest section that there can be has 786 KB.
_MOST_UNPACKED = 4 << 20
_FIRST_AT_ONCE = 16
_AT_ONCE = 256
_BYTES_AT_ONCE = 4 << 20
_MOST_SECTIONS_KEPT = 4
_MOST_ITEMS_KEPT = 2048
_EVERYTHING = (1 << 64) - 1
_NO_CHROMOSOME = (1 << 32) - 1


class Intervals(NamedTuple):
    """Half-open intervals in order, none of which overlaps another, and their values."""

    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    values: NDArray[np.float32]


class Records(NamedTuple):
    """The records of a zoom level: numbers of bases with data, and least, greatest and sum of their values."""

    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    covered: NDArray[np.int64]
    least: NDArray[np.float64]
    greatest: NDArray[np.float64]
    total: NDArray[np.float64]


class BlockIndex:
    """An index of a file as it is, and what was last read by it.

    Parameters
    ----------
    nodes
        The nodes that hold blocks.
    is_zoom
        True if it is of a zoom level.
    """

    def __init__(self, nodes: Blocks, is_zoom: bool) -> None:
        self.nodes = nodes
        self.is_zoom = is_zoom
        self.what = ZOOM_INDEX if is_zoom else DATA_INDEX
        self.last_node: tuple[int, Blocks] | None = None
        self.sections: dict[int, Intervals] = {}

    def keep(self, place: int, section: Intervals) -> None:
        """Keep what a block holds; readers come back to what is near."""
        if len(section.starts) <= _MOST_ITEMS_KEPT:
            if len(self.sections) >= _MOST_SECTIONS_KEPT:
                self.sections = {}
            self.sections[place] = section


class WrongSums(Exception):
    """The sums of a zoom level are not those of its values: some writers leave them out of the last record."""


class Data:
    """The data of a file.

    Parameters
    ----------
    file
        The file.
    layout
        Its layout.
    index
        The index that is read.
    """

    def __init__(self, file: BigWigFile, layout: Layout, index: BlockIndex) -> None:
        self._file = file
        self._layout = layout
        self._index = index
        self.is_zoom = index.is_zoom

    def intervals(self, chromosome: str, start: int, stop: int) -> Iterator[Intervals]:
        """Yield the intervals that reach into a range, cut to it; those whose value is NaN are left out.

        Raises
        ------
        OSError
            If a block is damaged, or intervals are out of order or overlap.
        """
        id = self._layout.chromosomes[chromosome].id
        for blocks in self._blocks(id, start, stop):
            parts = self._sections(blocks, chromosome)
            found = parts[0] if len(parts) == 1 else Intervals(*map(np.concatenate, zip(*parts, strict=True)))
            starts, ends, values = found
            low, high = int(ends.searchsorted(start, "right")), int(starts.searchsorted(stop))
            if low >= high:
                continue
            starts, ends, values = starts[low:high], ends[low:high], values[low:high]
            if starts[0] < start or ends[-1] > stop:
                starts, ends = np.maximum(starts, start), np.minimum(ends, stop)
            lacking = np.isnan(values)
            if lacking.any():
                starts, ends, values = starts[~lacking], ends[~lacking], values[~lacking]
            yield Intervals(starts, ends, values)

    def records(self, chromosome: str, start: int, stop: int) -> Iterator[Records]:
        """Yield the records of a zoom level that reach into a range.

        Raises
        ------
        OSError
            If a block is damaged.
        WrongSums
            If the sums of a record cannot be right.
        """
        id = self._layout.chromosomes[chromosome].id
        for blocks in self._blocks(id, start, stop):
            for data in self._unpacked(blocks):
                halves, values = self._zoom_block(data)
                mine = (halves[:, 0] == id) & (halves[:, 1] < stop) & (halves[:, 2] > start)
                numbers, sums = halves[mine].astype(np.int64), values[mine].astype(np.float64)
                if ((sums[:, 7] == 0) & ((sums[:, 4] != 0) | (sums[:, 5] != 0))).any():
                    raise WrongSums
                yield Records(numbers[:, 1], numbers[:, 2], numbers[:, 3], sums[:, 4], sums[:, 5], sums[:, 6])

    def check_intervals(self, progress: Callable[[float], None]) -> int:
        """Read all intervals; return how many reach beyond the end of their chromosome.

        Parameters
        ----------
        progress
            Called with the share of the file that was read.

        Raises
        ------
        OSError
            If a block is damaged, or intervals are out of order or overlap.
        """
        by_id = {chromosome.id: (name, chromosome.size) for name, chromosome in self._layout.chromosomes.items()}
        beyond = 0
        for blocks in self._blocks(0, 0, _EVERYTHING):
            for data, first, last in zip(
                self._unpacked(blocks), blocks.first.tolist(), blocks.last.tolist(), strict=True
            ):
                id = first >> 32
                if id not in by_id or last >> 32 != id:
                    raise self._file.damage(f"{DATA_INDEX} names a chromosome that is not there")
                name, size = by_id[id]
                ends = self._section(data, first, last, name).ends
                if len(ends) and ends[-1] > size:
                    beyond += int((ends > size).sum())
            progress(int(blocks.places[-1]) / self._file.size)
        return beyond

    def check_records(self) -> None:
        """Read all records of a zoom level, and refuse them if one cannot be right.

        Raises
        ------
        OSError
            If a block is damaged, or names a chromosome that is not there.
        """
        known = np.array([chromosome.id for chromosome in self._layout.chromosomes.values()], np.uint32)
        for blocks in self._blocks(0, 0, _EVERYTHING):
            for data in self._unpacked(blocks):
                ids = self._zoom_block(data)[0][:, 0]
                if not np.isin(ids[np.flatnonzero(np.diff(ids, append=_NO_CHROMOSOME))], known).all():
                    raise self._file.damage("a zoom level names a chromosome that is not there")

    def _zoom_block(self, data: bytes) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the fields of the records in a block as whole numbers, and the same as floats."""
        if len(data) % _RECORD_BYTES:
            raise self._file.damage("a block of a zoom level is no row of records")
        halves = np.frombuffer(data, f"{self._layout.order}u4").reshape(-1, 8)
        if (halves[:, 1] >= halves[:, 2]).any():
            raise self._file.damage("a record of a zoom level is empty")
        return halves, halves.view(f"{self._layout.order}f4")

    def _blocks(self, id: int, start: int, stop: int) -> Iterator[Blocks]:
        """Yield the blocks that reach into a range, some at a time."""
        index, first, last = self._index, key_of(id, start), key_of(id, stop)
        nodes = index.nodes.within(first, last)
        at_once = max(1, min(_AT_ONCE, _BYTES_AT_ONCE // max(1, self._layout.unpacked)))
        most = min(_FIRST_AT_ONCE, at_once)
        for place, count in zip(nodes.places.tolist(), nodes.lengths.tolist(), strict=True):
            kept = index.last_node
            if kept is None or kept[0] != place:
                kept = index.last_node = (place, self._file.blocks_at(place, count, self._layout.order, index.what))
            blocks = kept[1].within(first, last)
            low = 0
            while low < len(blocks.first):
                high = low + most
                if blocks.lengths[low:high].sum() > _BYTES_AT_ONCE:
                    high = low + 1
                piece = Blocks(
                    blocks.first[low:high], blocks.last[low:high], blocks.places[low:high], blocks.lengths[low:high]
                )
                yield piece
                low, most = high, at_once

    def _sections(self, blocks: Blocks, chromosome: str) -> list[Intervals]:
        """Return the intervals of some blocks; of few blocks, they are kept."""
        firsts, lasts = blocks.first.tolist(), blocks.last.tolist()
        if len(firsts) > _MOST_SECTIONS_KEPT:
            sections = zip(self._unpacked(blocks), firsts, lasts, strict=True)
            return [self._section(data, first, last, chromosome) for data, first, last in sections]
        found = []
        places, lengths = blocks.places.tolist(), blocks.lengths.tolist()
        for place, length, first, last in zip(places, lengths, firsts, lasts, strict=True):
            section = self._index.sections.get(place)
            if section is None:
                data = self._unpack(self._file.bytes_at(place, length, "a block of data"))
                section = self._section(data, first, last, chromosome)
                self._index.keep(place, section)
            found.append(section)
        return found

    def _unpacked(self, blocks: Blocks) -> list[bytes]:
        """Return what blocks hold, which are read at once if they are adjacent."""
        places, lengths = blocks.places.tolist(), blocks.lengths.tolist()
        first, size = places[0], sum(lengths)
        if places[-1] + lengths[-1] - first == size and places == sorted(places):
            whole = memoryview(self._file.bytes_at(first, size, "a block of data"))
            stored: list[Any] = [
                whole[place - first : place - first + length] for place, length in zip(places, lengths, strict=True)
            ]
        else:
            stored = [self._file.bytes_at(*block, "a block of data") for block in zip(places, lengths, strict=True)]
        return [self._unpack(data) for data in stored]

    def _unpack(self, data: Any) -> bytes:
        most = self._layout.unpacked
        if not most:
            return bytes(data)
        unpacker = _ISAL.decompressobj()
        try:
            unpacked: bytes = unpacker.decompress(data, min(most, _MOST_UNPACKED) + 1)
        except _ISAL.error:
            raise self._file.damage("a block of data cannot be unpacked") from None
        if len(unpacked) > most or not unpacker.eof:
            raise self._file.damage("a block of data is cut off, or longer than the header says")
        return unpacked

    def _section(self, data: bytes, first: int, last: int, chromosome: str) -> Intervals:
        """Return the intervals of a section, which must be where its index says; each is checked by itself."""
        if len(data) < _SECTION.size:
            raise self._file.damage("a block of data is too short")
        order = self._layout.order
        id, start, _, step, span, kind, _, count = struct.unpack_from(order + _SECTION.format[1:], data)
        if kind not in _ITEM_BYTES or len(data) != _SECTION.size + count * _ITEM_BYTES[kind]:
            raise self._file.damage("the length of a block of data is not that of its intervals")
        if kind == 1:
            rows = np.frombuffer(data, f"{order}u4", 3 * count, _SECTION.size).reshape(-1, 3)
            starts, ends = rows[:, 0].astype(np.int64), rows[:, 1].astype(np.int64)
            values = rows[:, 2].astype(np.uint32).view(np.float32)
        elif kind == 2:
            pairs = np.frombuffer(data, f"{order}u4", 2 * count, _SECTION.size).reshape(-1, 2)
            starts, values = pairs[:, 0].astype(np.int64), pairs[:, 1].astype(np.uint32).view(np.float32)
            ends = starts + span
        else:
            values = np.frombuffer(data, f"{order}f4", count, _SECTION.size).astype(np.float32, copy=False)
            starts = start + step * np.arange(count, dtype=np.int64)
            ends = starts + span
        self._check_order(starts, ends, chromosome)
        if count and not (
            id == first >> 32 and first <= key_of(id, int(starts[0])) and key_of(id, int(ends[-1])) <= last
        ):
            raise self._file.damage(f"data of {chromosome} are not where its index says")
        return Intervals(starts, ends, values)

    def _check_order(self, starts: NDArray[np.int64], ends: NDArray[np.int64], chromosome: str) -> None:
        wrong = starts >= ends
        if wrong.any():
            at = int(starts[np.argmax(wrong)])
            raise self._file.damage(f"the interval at {chromosome}:{at} is empty, or ends before it starts")
        wrong = starts[1:] < ends[:-1]
        if wrong.any():
            raise self._file.overlap(chromosome, int(starts[1:][np.argmax(wrong)]))
