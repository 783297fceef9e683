"""The indexes of files in BGZF: BAI (section 5.2 of the SAM specification), TBI and CSI.

Each puts the records of a reference into bins, which are intervals of several sizes that lie within one another, and
has for each bin the chunks of the file that hold its records, as virtual offsets. Since records are sorted by their
start, two more facts cut these chunks: a record that overlaps a position is not before the first record known to
overlap a bin or window that begins before it, and not after the first record of a bin that begins behind it.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import cached_property

from rnaget_server.errors import DamagedFile
from rnaget_server.reads.bgzf import Blocks, NoBlock
from rnaget_server.reads.bins import Binning, References, Table, counted
from rnaget_server.storage.source import ByteSource

MOST_BYTES = 256 << 20
"""The largest index, decoded; that of a genome read a hundred times over has some ten megabytes."""
_COLUMNS = struct.Struct("<7i")
_BAI_SHIFT, _BAI_DEPTH = 14, 5
_DEEPEST, _WIDEST = 10, 62
_NAME_BYTES = 200


@dataclass(frozen=True)
class BinIndex:
    """An index in bins.

    Attributes
    ----------
    names
        The names of its references, if the index has them.
    """

    kind: str
    binning: Binning
    names: tuple[str, ...] | None
    references: References

    @cached_property
    def numbers(self) -> dict[str, int]:
        """The number of each reference by its name, if the index has names."""
        return {name: number for number, name in enumerate(self.names or ())}

    @property
    def last(self) -> int:
        """The offset behind all records that have a place; 0 if there are none."""
        return self.references.bounds[1]

    @property
    def nbytes(self) -> int:
        """About how many bytes it takes in memory."""
        return self.references.nbytes + _NAME_BYTES * len(self.names or ())


def parse_bin_index(file: ByteSource) -> BinIndex:
    """Return a BAI, TBI or CSI index, recognised by its first bytes.

    Raises
    ------
    DamagedFile
        If it is none of these, damaged or cut off.
    """
    if file.size > MOST_BYTES:
        raise DamagedFile(f"the index is larger than any index: {file.size:,} bytes")
    start = file.read_kept(0, min(4, file.size))
    if start[:2] == b"\x1f\x8b":
        try:
            data = _unpacked(file)
        except NoBlock as error:
            raise DamagedFile(f"the index is damaged: {error}") from error
    else:
        data = file.read_kept(0, file.size)
    try:
        return _parsed(data)
    except struct.error:
        raise DamagedFile("the index is cut off") from None


def _unpacked(file: ByteSource) -> bytes:
    parts, size = [], 0
    for _, block in Blocks(file).each(0):
        parts.append(block.data)
        size += len(block.data)
        if size > MOST_BYTES:
            raise DamagedFile("the index is larger than any index")
    return b"".join(parts)


def _parsed(data: bytes) -> BinIndex:
    magic = data[:4]
    if magic == b"BAI\x01":
        return _references(data, 4, "BAI", Binning(_BAI_SHIFT, _BAI_DEPTH), None)
    if magic == b"TBI\x01":
        listed, place = _names(data, 8)
        index = _references(data, 4, "TBI", Binning(_BAI_SHIFT, _BAI_DEPTH), listed, place)
        if len(index.references) != len(listed):
            raise DamagedFile("the index is damaged: it has not as many names as references")
        return index
    if magic == b"CSI\x01":
        shift, depth, aux = struct.unpack_from("<3i", data, 4)
        if not (0 < shift <= 30 and 0 <= depth <= _DEEPEST and shift + 3 * depth <= _WIDEST) or aux < 0:
            raise DamagedFile("the index is damaged: its bins have no possible size")
        names = _names(data, 16)[0] if aux >= _COLUMNS.size else None
        return _references(data, 16 + aux, "CSI", Binning(shift, depth), names)
    raise DamagedFile("the index is none of BAI, CSI and TBI")


def _names(data: bytes, place: int) -> tuple[tuple[str, ...], int]:
    """Return the names of references that stand at a place, and where they end."""
    length = _COLUMNS.unpack_from(data, place)[-1]
    place += _COLUMNS.size
    if not 0 <= length <= len(data) - place:
        raise DamagedFile("the index is cut off")
    found = data[place : place + length].split(b"\0")[:-1]
    return tuple(name.decode("utf-8", "replace") for name in found), place + length


def _references(
    data: bytes, place: int, kind: str, binning: Binning, names: tuple[str, ...] | None, behind_names: int = 0
) -> BinIndex:
    """Return the index whose number of references stands at a place."""
    count = counted(data, place)
    place = behind_names or place + 4
    table = Table()
    for _ in range(count):
        place = table.read(data, place, kind == "CSI")
        table.bounds.append(len(table.numbers))
        if kind != "CSI":
            length = counted(data, place)
            if length > (len(data) - place - 4) // 8:
                raise DamagedFile("the index is cut off")
            table.window_places.append(place + 4)
            table.window_counts.append(length)
            place += 4 + 8 * length
    return BinIndex(kind, binning, names, References(binning, table, data))
