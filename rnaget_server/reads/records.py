"""The records of BAM, BCF and VCF files: where each begins and ends, and what interval it covers.

They are read by batches, those of a block as arrays, since there are tens of thousands in what one region may need.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from rnaget_server.errors import DamagedFile
from rnaget_server.reads.bgzf import END_MARKER, WITHIN, Blocks
from rnaget_server.reads.bins import Chunk
from rnaget_server.reads.pieces import Header

OTHER = -1
"""The number of reads without a place, and of a reference that the index does not name."""

Numbers = npt.NDArray[np.int64]
_NONE_HERE = "the file is damaged, or the index is not that of the file: a place that should have one has no"
_INT = struct.Struct("<i")
_TWO = struct.Struct("<II")
_LEAST_BAM, _LEAST_BCF = 32, 24
_LONGEST = 512 << 20
_USES_REFERENCE = np.array([operation in (0, 2, 3, 7, 8) for operation in range(16)])  # M, D, N, = and X
_ALT, _INFO, _FORMAT = 4, 7, 8
_NUMBER = re.compile(rb"-?\d{1,18}")
_LENGTHS = re.compile(rb"(?:^|;)(END|SVLEN)=([^;]*)")
_ANY_BASES = (b"<*>", b"<NON_REF>")


@dataclass(frozen=True)
class Batch:
    """Some records that follow one another.

    Attributes
    ----------
    data
        Their bytes, and perhaps others.
    places
        Where each of them begins in these.
    after
        Where the last one ends.
    reference, start
        The number of the reference of each, and where it begins on it, 0-based.
    virtual
        The virtual offset of each.
    """

    data: bytes
    places: Numbers
    after: int
    reference: Numbers
    start: Numbers
    virtual: Numbers


class Layout(Protocol):
    """The way the records of a format are laid out."""

    def split(self, data: bytes) -> tuple[list[int], int]:
        """Return the place of each record that is there from end to end, and the end of the last one."""

    def may_end(self, start: bytes, held: int, block: bytes) -> bool:
        """Return whether a record, of which these first bytes and `held` in all are there, may end in a block."""

    def intervals(self, data: bytes, places: Numbers) -> tuple[Numbers, Numbers]:
        """Return the references and the starts of the records at these places."""

    def ends(self, batch: Batch, some: npt.NDArray[np.intp]) -> Numbers:
        """Return where the intervals of some records of a batch end; they are one base long at least."""

    def ends_file(self) -> bool:
        """Return whether the last record of a file need have no end."""


def _gather(data: bytes, places: Numbers, dtype: str) -> npt.NDArray[Any]:
    """Return the numbers that stand at these places."""
    width = np.arange(np.dtype(dtype).itemsize)
    numbers: npt.NDArray[Any] = np.frombuffer(data, np.uint8)[places[:, None] + width].view(dtype).ravel()
    return numbers


class BamLayout:
    """The records of BAM (section 4.2 of the SAM specification)."""

    def split(self, data: bytes) -> tuple[list[int], int]:
        """Return the place of each record, and the end of the last one."""
        places, place, unpack = [], 0, _INT.unpack_from
        last = len(data) - 4
        while place <= last:
            size = unpack(data, place)[0]
            if not _LEAST_BAM <= size <= _LONGEST:
                raise DamagedFile(f"{_NONE_HERE} read")
            after = place + 4 + size
            if after > last + 4:
                break
            places.append(place)
            place = after
        return places, place

    def may_end(self, start: bytes, held: int, block: bytes) -> bool:
        """Return whether all of a read is there, by its size; true if it is not known."""
        return len(start) < _INT.size or held + len(block) >= _INT.size + _INT.unpack_from(start)[0]

    def intervals(self, data: bytes, places: Numbers) -> tuple[Numbers, Numbers]:
        """Return the references and the starts of records."""
        both = _gather(data, places + 4, "<i8").view("<i4").reshape(-1, 2)
        if (both < -1).any():
            raise DamagedFile(f"{_NONE_HERE} read")
        return both[:, 0].astype(np.int64), both[:, 1].astype(np.int64)

    def ends(self, batch: Batch, some: npt.NDArray[np.intp]) -> Numbers:
        """Return where alignments end by their CIGAR."""
        places = batch.places[some]
        counts = _gather(batch.data, places + 16, "<u2").astype(np.int64)
        firsts = places + 36 + _gather(batch.data, places + 12, "u1")
        behind = np.append(batch.places, batch.after)[some + 1]
        if (firsts + 4 * counts > behind).any():
            raise DamagedFile("the file is damaged: the CIGAR of a read is longer than the read")
        bounds = np.concatenate([[0], np.cumsum(counts)])
        within = np.arange(bounds[-1]) - np.repeat(bounds[:-1], counts)
        operations = _gather(batch.data, np.repeat(firsts, counts) + 4 * within, "<u4")
        lengths = np.where(_USES_REFERENCE[operations & 15], operations >> 4, 0).astype(np.int64)
        totals: Numbers = np.concatenate([[0], np.cumsum(lengths)])[bounds]
        ends: Numbers = batch.start[some] + np.maximum(np.diff(totals), 1)
        return ends

    def ends_file(self) -> bool:
        """Return false: no read lacks its end."""
        return False


class BcfLayout:
    """The records of BCF (section 6.3 of the VCF specification)."""

    def split(self, data: bytes) -> tuple[list[int], int]:
        """Return the place of each record, and the end of the last one."""
        places, place = [], 0
        while place + _TWO.size <= len(data):
            shared, single = _TWO.unpack_from(data, place)
            if shared < _LEAST_BCF or shared + single > _LONGEST:
                raise DamagedFile(f"{_NONE_HERE} variant")
            after = place + _TWO.size + shared + single
            if after > len(data):
                break
            places.append(place)
            place = after
        return places, place

    def may_end(self, start: bytes, held: int, block: bytes) -> bool:
        """Return whether all of a variant is there, by its sizes; true if they are not known."""
        return len(start) < _TWO.size or held + len(block) >= _TWO.size + sum(_TWO.unpack_from(start))

    def intervals(self, data: bytes, places: Numbers) -> tuple[Numbers, Numbers]:
        """Return the references and the starts of records."""
        both = _gather(data, places + 8, "<i8").view("<i4").reshape(-1, 2)
        if (both < (0, -1)).any():
            raise DamagedFile(f"{_NONE_HERE} variant")
        return both[:, 0].astype(np.int64), both[:, 1].astype(np.int64)

    def ends(self, batch: Batch, some: npt.NDArray[np.intp]) -> Numbers:
        """Return where variants end."""
        lengths = _gather(batch.data, batch.places[some] + 16, "<i4").astype(np.int64)
        return batch.start[some] + np.maximum(lengths, 1)

    def ends_file(self) -> bool:
        """Return false: no variant lacks its end."""
        return False


class VcfLayout:
    """The lines of VCF.

    Parameters
    ----------
    numbers
        The number of each reference by its name.
    """

    def __init__(self, numbers: Mapping[str, int]) -> None:
        self._numbers = {name.encode(): number for name, number in numbers.items()}

    def split(self, data: bytes) -> tuple[list[int], int]:
        """Return the place of each line, and the end of the last one."""
        places, place = [], 0
        while after := data.find(b"\n", place) + 1:
            places.append(place)
            place = after
        if len(data) - place > _LONGEST:
            raise DamagedFile("the file is damaged: a line of it does not end")
        return places, place

    def may_end(self, start: bytes, held: int, block: bytes) -> bool:
        """Return whether a line ends in a block, or is longer than any."""
        return b"\n" in block or held > _LONGEST

    def intervals(self, data: bytes, places: Numbers) -> tuple[Numbers, Numbers]:
        """Return the references and the starts of lines."""
        references, starts = [], []
        for place in places.tolist():
            first = data.find(b"\t", place)
            second = data.find(b"\t", first + 1)
            position = data[first + 1 : second]
            if first < 0 or second < 0 or not position.isdigit() or len(position) > 18:
                raise DamagedFile(f"{_NONE_HERE} variant")
            references.append(self._numbers.get(data[place:first], OTHER))
            starts.append(int(position) - 1)
        return np.array(references, np.int64), np.array(starts, np.int64)

    def ends(self, batch: Batch, some: npt.NDArray[np.intp]) -> Numbers:
        """Return where variants end by their reference bases, ``END`` and ``SVLEN``."""
        return np.array([self._end(batch, number) for number in some.tolist()], np.int64)

    def _end(self, batch: Batch, number: int) -> int:
        after = batch.places[number + 1] if number + 1 < len(batch.places) else batch.after
        fields = batch.data[batch.places[number] : after].split(b"\t", _INFO + 1)
        if len(fields) <= _INFO:
            raise DamagedFile("the file is damaged: a line of it has too few columns")
        start = int(batch.start[number])
        end = start + max(len(fields[3]), 1)
        alleles = fields[_ALT].split(b",")
        for name, text in _LENGTHS.findall(fields[_INFO]):
            if name == b"END":
                end = max(end, *map(int, _NUMBER.findall(text)), 0)
            else:
                end = max(end, start + 1 + _longest_variant(text, alleles))
        if len(fields) > _FORMAT and not set(_ANY_BASES).isdisjoint(alleles):
            end = max(end, start + _longest_block(fields[_FORMAT]))
        return end

    def ends_file(self) -> bool:
        """Return true: the last line need have no end."""
        return True


def _longest_variant(text: bytes, alleles: Sequence[bytes]) -> int:
    """Return the largest of the lengths in ``SVLEN`` that take reference bases.

    They are those of symbolic alleles; inserted bases are none of the reference. Where there are not as many lengths as
    alleles, nobody knows which is of which: then all of them count, so that no record is lost.
    """
    values = text.split(b",")
    if len(values) == len(alleles):
        values = [
            value
            for value, allele in zip(values, alleles, strict=True)
            if allele.startswith(b"<") and not allele.startswith((b"<INS>", b"<INS:"))
        ]
    return max((abs(int(value)) for value in values if _NUMBER.fullmatch(value)), default=0)


def _longest_block(text: bytes) -> int:
    """Return the largest ``LEN`` of the samples, the number of bases that a record of the reference is for."""
    names, *samples = text.rstrip(b"\r\n").split(b"\t")
    keys = names.split(b":")
    if b"LEN" not in keys:
        return 0
    place = keys.index(b"LEN")
    values = [values[place] for values in (sample.split(b":", place + 1) for sample in samples) if len(values) > place]
    return max((abs(int(value)) for value in values if _NUMBER.fullmatch(value)), default=0)


def layout_of(header: Header, names: Sequence[str] | None) -> Layout:
    """Return the layout of a file, whose index has references of these names."""
    if header.format == "BAM":
        return BamLayout()
    if header.format == "BCF":
        return BcfLayout()
    return VcfLayout({name: number for number, name in enumerate(names or ())})


class Scanner:
    """A reader of the records in ranges of virtual offsets.

    Attributes
    ----------
    reached
        Where the last scan came to: all records before it were yielded.
    decoded
        The number of bytes decoded so far.
    """

    def __init__(self, blocks: Blocks, layout: Layout) -> None:
        self.blocks = blocks
        self.layout = layout
        self.reached = 0
        self.decoded = 0

    def scan(self, chunk: Chunk, most: int) -> Iterator[Batch]:
        """Yield the records in a range up to its end, or until `most` bytes and some more are decoded."""
        begin, end = chunk
        self.reached = begin
        most += self.decoded
        # Put together once it is whole: of one as long as hundreds of blocks, all would be copied with each of them.
        rest: list[bytes] = []
        held, rest_virtual = 0, begin
        for offset, block in self.blocks.each(begin >> 16):
            if offset << 16 >= end:
                break
            if self.decoded > most:
                return
            first = begin & WITHIN if offset == begin >> 16 else 0
            last = end & WITHIN if offset == end >> 16 else len(block.data)
            if first > len(block.data) or last > len(block.data):
                raise DamagedFile(f"the index is not that of the file: it points behind the block at byte {offset:,}")
            self.decoded += len(block.data)
            rest.append(block.data[first:last])
            if held and not self.layout.may_end(rest[0], held, rest[-1]):
                held += len(rest[-1])
                continue
            data = b"".join(rest)
            shift = (offset << 16) + first - held
            places, after = self.layout.split(data)
            if after >= held:
                rest_virtual, previous = shift + after, rest_virtual
                if places:
                    yield self._batch(data, places, after, shift, previous if held else shift)
            rest, held = [data[after:]], len(data) - after
            self.reached = rest_virtual if held else min(block.next << 16, end)
        yield from self._last(b"".join(rest), rest_virtual, end)

    def _batch(self, data: bytes, places: list[int], after: int, shift: int, first: int) -> Batch:
        """Return a batch whose first record begins at a virtual offset of its own."""
        array = np.array(places, np.int64)
        virtual = array + shift
        virtual[0] = first
        return Batch(data, array, after, *self.layout.intervals(data, array), virtual)

    def _last(self, rest: bytes, virtual: int, end: int) -> Iterator[Batch]:
        """Yield the record that has no end, if this is the end of the file and it need have none."""
        if not rest:
            return
        if end >> 16 < self.blocks.file.size - len(END_MARKER) or not self.layout.ends_file():
            raise DamagedFile("the file is damaged, or the index is not that of the file: a record is cut off")
        yield self._batch(rest + b"\n", [0], len(rest), virtual, virtual)
        self.reached = end

    def first(self, chunk: Chunk) -> Batch | None:
        """Return the first records of a range; none if it has none."""
        return next(self.scan(chunk, _LONGEST), None)
