"""The ranges of virtual offsets that hold the records of a region, with as few others as are worth their bytes."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from rnaget_server.errors import DamagedFile, UnknownId, shown
from rnaget_server.model.limits import check_cut_reads
from rnaget_server.reads.bgzf import END_MARKER
from rnaget_server.reads.bins import Chunk, ReferenceIndex, union
from rnaget_server.reads.index import BinIndex
from rnaget_server.reads.pieces import UNPLACED, Header, Region
from rnaget_server.reads.records import OTHER, Scanner

MOST_DECODED = 64 << 20
"""The number of bytes decoded for one request, beyond which ranges are sent as the index has them."""
MOST_CUT = 512 << 20
"""The number of bytes decoded where ranges must hold no other record, beyond which the request is refused."""
_MOST_IN_CHUNK = 8 << 20
_SMALL_GAP = 2048


class RegionFinder:
    """The search for the records of regions in one file.

    Parameters
    ----------
    exact
        Whether no other record may be in the ranges that are found, though more has to be decoded for it.
    """

    def __init__(self, scanner: Scanner, header: Header, index: BinIndex, exact: bool = False) -> None:
        self._scanner = scanner
        self._header = header
        self._index = index
        self._exact = exact
        self._gap = 0 if exact else _SMALL_GAP

    def find(self, regions: Iterable[Region]) -> list[Chunk]:
        """Return the ranges of all regions, each record once, in the order of the file.

        Raises
        ------
        UnknownId
            If a reference is none of the file.
        DamagedFile
            If the file or the index is damaged.
        ResultTooLarge
            If too much has to be decoded to leave out all others.
        """
        ranges: list[Chunk] = []
        for reference, intervals in merged(regions).items():
            if reference == UNPLACED:
                ranges += self._unplaced()
                continue
            number = self._number(reference)
            if number is not None and number < len(self._index.references):
                for start, end in intervals:
                    ranges += self._interval(number, start, end)
                    self._check_work()
        return union(ranges)

    def _number(self, name: str) -> int | None:
        """Return the number of a reference in the index; none if the header alone has it."""
        if name in self._index.numbers:
            return self._index.numbers[name]
        if name in self._header.numbers:
            return None if self._index.names is not None else self._header.numbers[name]
        raise UnknownId(f"there is no reference {shown(name)} in this file")

    def _interval(self, number: int, start: int, end: int | None) -> list[Chunk]:
        length = self._index.binning.length
        end = length if end is None else min(end, length)
        if start >= end:
            return []
        reference = self._index.references[number]
        inside = reference.inside(start, end)
        ranges = []
        for chunk in reference.around(start, end):
            for part in _without(chunk, inside):
                ranges += self._trimmed(part, reference, number, start, end)
        if inside:
            first = self._scanner.first(inside)
            if first is None or first.reference[0] != number or max(first.start[0], 0) < start:
                raise DamagedFile("the index is not that of the file: the records that it points to are elsewhere")
            ranges.append(inside)
        return ranges

    def _trimmed(self, chunk: Chunk, reference: ReferenceIndex, number: int, start: int, end: int) -> list[Chunk]:
        """Return the parts of a range whose records overlap an interval."""
        scanner = self._scanner
        most = MOST_CUT if self._exact else min(_MOST_IN_CHUNK, MOST_DECODED - scanner.decoded)
        if most <= 0:
            return [chunk]
        enough = scanner.decoded + _MOST_IN_CHUNK
        is_within = False
        parts: list[Chunk] = []
        begin: int | None = None
        for batch in scanner.scan(chunk, most):
            if is_within and scanner.decoded > enough:
                break  # all from `scanner.reached` on begin within the interval, or behind it
            self._check_work()
            if (batch.reference != number).any():
                raise DamagedFile("the index is not that of the file: a range of it has records of another reference")
            # Position 0 is before the first base; such records are taken for ones on it, so that they are not lost.
            overlaps = np.maximum(batch.start, 0) >= start
            before = np.flatnonzero(~overlaps)
            overlaps[before] = scanner.layout.ends(batch, before) > start
            behind = np.flatnonzero(batch.start >= end)
            if len(behind):
                overlaps[behind[0]] = False
            for place in np.flatnonzero(np.diff(overlaps, prepend=begin is not None)).tolist():
                virtual = int(batch.virtual[place])
                if begin is not None:
                    _close(parts, begin, virtual, self._gap)
                begin = virtual if begin is None else None
                if len(behind) and place >= behind[0]:
                    break
            if len(behind):
                return parts
            is_within = bool(batch.start[-1] >= start)
        _close(parts, begin, scanner.reached, self._gap)
        if scanner.reached < chunk.end:
            parts.append(Chunk(scanner.reached, self._cut(Chunk(scanner.reached, chunk.end), reference, end)))
        return parts

    def _cut(self, chunk: Chunk, reference: ReferenceIndex, end: int) -> int:
        """Return where the records of a range that begin before a position end, or some place behind that.

        Of the offsets that the index knows to be those of records, the last one with such a record is searched for by
        halves, and from there on the records are looked at.
        """
        known = reference.record_starts
        first, last = int(known.searchsorted(chunk.begin, "right")), int(known.searchsorted(chunk.end))
        begin = chunk.begin
        while first < last:
            middle = (first + last) // 2
            offset = int(known[middle])
            batch = self._scanner.first(Chunk(offset, chunk.end))
            if batch is not None and batch.start[0] < end:
                first, begin = middle + 1, offset
            else:
                last = middle
        for batch in self._scanner.scan(Chunk(begin, chunk.end), MOST_CUT if self._exact else _MOST_IN_CHUNK):
            self._check_work()
            behind = np.flatnonzero(batch.start >= end)
            if len(behind):
                return int(batch.virtual[behind[0]])
        return chunk.end

    def _check_work(self) -> None:
        if self._exact:
            check_cut_reads(self._scanner.decoded, MOST_CUT)

    def _unplaced(self) -> list[Chunk]:
        """Return the range of the reads without a place, which are the last of a file."""
        chunk = Chunk(self._index.last or self._header.body, (self._scanner.blocks.file.size - len(END_MARKER)) << 16)
        first = self._scanner.first(chunk)
        if first is not None and first.reference[0] != OTHER:
            raise DamagedFile("the index is not that of the file: it lacks the last records")
        return union([chunk])


def _close(parts: list[Chunk], begin: int | None, end: int, gap: int) -> None:
    """Add a range, or let the last one go on over a small gap."""
    if begin is None or begin >= end:
        return
    if parts and begin - parts[-1].end <= gap:
        parts[-1] = Chunk(parts[-1].begin, end)
    else:
        parts.append(Chunk(begin, end))


def _without(chunk: Chunk, inside: Chunk | None) -> list[Chunk]:
    """Return a range without another."""
    if inside is None or inside.end <= chunk.begin or inside.begin >= chunk.end:
        return [chunk]
    parts = Chunk(chunk.begin, inside.begin), Chunk(inside.end, chunk.end)
    return [part for part in parts if part.begin < part.end]


def merged(regions: Iterable[Region]) -> dict[str, list[tuple[int, int | None]]]:
    """Return the union of regions by reference; an interval without end goes up to the end."""
    intervals: dict[str, list[tuple[int, int | None]]] = {}
    for region in sorted(regions, key=lambda region: region.start or 0):
        start, end = region.start or 0, region.end
        several = intervals.setdefault(region.reference, [])
        if end is not None and end <= start:
            continue
        if several and (several[-1][1] is None or start <= several[-1][1]):
            last = several[-1]
            several[-1] = (last[0], None if last[1] is None or end is None else max(last[1], end))
        else:
            several.append((start, end))
    return intervals
