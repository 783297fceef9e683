"""The records of BAM, BCF and VCF files: where each begins and ends, and what interval it covers."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping
from typing import NamedTuple, Protocol

from rnaget_server.errors import DamagedFile
from rnaget_server.reads.bgzf import END_MARKER, WITHIN, Blocks
from rnaget_server.reads.index import Chunk
from rnaget_server.reads.pieces import Header

OTHER = -1
"""The number of reads without a place, and of a reference that the index does not name."""

_HEAD = struct.Struct("<iii")
_NONE_HERE = "the file is damaged, or the index is not that of the file: a place that should have one has no"
_LEAST_BAM, _LEAST_BCF = 32, 24
_LONGEST = 512 << 20
_USES_REFERENCE = 0b110001101  # M, D, N, = and X
_INFO = 7
_LENGTHS = re.compile(rb"(?:^|;)(END|SVLEN)=(-?\d+)")


class Record(NamedTuple):
    """A record of a file: its bytes are those of `data` from `place` on."""

    virtual: int
    reference: int
    start: int
    data: bytes
    place: int


class Layout(Protocol):
    """The way the records of a format are laid out."""

    def split(self, data: bytes, place: int) -> Iterator[tuple[int, int, int, int]]:
        """Yield the place, the end, the reference and the start of each record that is there from end to end."""

    def end(self, record: Record) -> int:
        """Return where the interval of a record ends; it is one base at least."""

    def ends_file(self, data: bytes) -> bool:
        """Return whether the last record of a file may be these bytes, which are no whole record elsewhere."""


class BamLayout:
    """The records of BAM (section 4.2 of the SAM specification)."""

    def split(self, data: bytes, place: int) -> Iterator[tuple[int, int, int, int]]:
        """Yield the place, the end, the reference and the start of each record."""
        unpack, length = _HEAD.unpack_from, len(data)
        while place + _HEAD.size <= length:
            size, reference, start = unpack(data, place)
            if not _LEAST_BAM <= size <= _LONGEST or reference < -1 or start < -1:
                raise DamagedFile(f"{_NONE_HERE} read")
            end = place + 4 + size
            if end > length:
                return
            yield place, end, reference, start
            place = end

    def end(self, record: Record) -> int:
        """Return where an alignment ends by its CIGAR."""
        data, place = record.data, record.place
        operations = int.from_bytes(data[place + 16 : place + 18], "little")
        first = place + 36 + data[place + 12]
        if first + 4 * operations > len(data):
            raise DamagedFile("the file is damaged: the CIGAR of a read is longer than the read")
        length = 0
        for operation in struct.unpack_from(f"<{operations}I", data, first):
            if _USES_REFERENCE >> (operation & 15) & 1:
                length += operation >> 4
        return record.start + max(length, 1)

    def ends_file(self, data: bytes) -> bool:
        """Return false: no read is cut off."""
        return False


class BcfLayout:
    """The records of BCF (section 6.3 of the VCF specification)."""

    def split(self, data: bytes, place: int) -> Iterator[tuple[int, int, int, int]]:
        """Yield the place, the end, the reference and the start of each record."""
        length = len(data)
        while place + 16 <= length:
            shared, single, reference, start = struct.unpack_from("<IIii", data, place)
            if shared < _LEAST_BCF or shared + single > _LONGEST or reference < 0 or start < -1:
                raise DamagedFile(f"{_NONE_HERE} variant")
            end = place + 8 + shared + single
            if end > length:
                return
            yield place, end, reference, start
            place = end

    def end(self, record: Record) -> int:
        """Return where a variant ends."""
        length: int = struct.unpack_from("<i", record.data, record.place + 16)[0]
        return record.start + max(length, 1)

    def ends_file(self, data: bytes) -> bool:
        """Return false: no record is cut off."""
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

    def split(self, data: bytes, place: int) -> Iterator[tuple[int, int, int, int]]:
        """Yield the place, the end, the reference and the start of each line."""
        while end := data.find(b"\n", place) + 1:
            first = data.find(b"\t", place, end)
            second = data.find(b"\t", first + 1, end)
            position = data[first + 1 : second]
            if first < 0 or second < 0 or not position.isdigit():
                raise DamagedFile("the file is damaged: a line of it begins with no reference and position")
            yield place, end, self._numbers.get(data[place:first], OTHER), int(position) - 1
            place = end
        if len(data) - place > _LONGEST:
            raise DamagedFile("the file is damaged: a line of it does not end")

    def end(self, record: Record) -> int:
        """Return where a variant ends by its reference bases, ``END`` and ``SVLEN``."""
        after = record.data.find(b"\n", record.place)
        line = record.data[record.place : after if after >= 0 else len(record.data)]
        fields = line.split(b"\t", _INFO + 1)
        if len(fields) <= _INFO:
            raise DamagedFile("the file is damaged: a line of it has too few columns")
        end = record.start + max(len(fields[3]), 1)
        for name, value in _LENGTHS.findall(fields[_INFO]):
            end = max(end, int(value) if name == b"END" else record.start + 1 + abs(int(value)))
        return end

    def ends_file(self, data: bytes) -> bool:
        """Return true: the last line need have no end."""
        return True


def layout_of(header: Header, names: tuple[str, ...] | None) -> Layout:
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

    def scan(self, chunk: Chunk, most: int) -> Iterator[Record]:
        """Yield the records in a range up to its end, or until `most` bytes and some more are decoded."""
        begin, end = chunk
        self.reached = begin
        most += self.decoded
        rest, rest_virtual = b"", begin
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
            data = rest + block.data[first:last]
            shift = (offset << 16) + first - len(rest)
            after = 0
            for place, after, reference, start in self.layout.split(data, 0):  # noqa: B007
                yield Record(shift + place if place >= len(rest) else rest_virtual, reference, start, data, place)
            if after >= len(rest):
                rest_virtual = shift + after
            rest = data[after:]
            self.reached = rest_virtual if rest else min(block.next << 16, end)
        yield from self._last(rest, rest_virtual, end)

    def _last(self, rest: bytes, virtual: int, end: int) -> Iterator[Record]:
        """Yield the record that has no end, if this is the end of the file and it need have none."""
        if not rest:
            return
        if end >> 16 < self.blocks.file.size - len(END_MARKER) or not self.layout.ends_file(rest):
            raise DamagedFile("the file is damaged, or the index is not that of the file: a record is cut off")
        for place, _, reference, start in self.layout.split(rest + b"\n", 0):
            yield Record(virtual, reference, start, rest, place)
        self.reached = end
