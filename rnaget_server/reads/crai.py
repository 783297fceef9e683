"""The index of CRAM files, CRAI (section 12 of the CRAM specification), and the containers that hold regions."""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rnaget_server.errors import DamagedFile, UnknownId, shown
from rnaget_server.reads.cram import Container, end_marker, read_container, read_slice_place, version_of_cram
from rnaget_server.reads.pieces import UNPLACED, Header, Piece, Region
from rnaget_server.reads.trim import merged
from rnaget_server.storage.source import ByteSource

MOST_BYTES = 128 << 20
"""The largest index, decoded."""
MOST_SLICES = 2_000_000
"""In each are 10,000 reads, where nobody has asked for fewer."""
_OTHER_BYTES = re.compile(rb"[^-0-9\t\r\n]")
_COLUMNS = 6
_NO_PLACE, SEVERAL = -1, -2
_MOST = 1 << 60

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class CramIndex:
    """The slices of a CRAM file, sorted by container.

    Attributes
    ----------
    reference, start, end
        The interval of each slice, 0-based and half-open; for the reference see `Container`.
    container, place, size
        The offset of its container, of itself from the end of the container's head on, and its number of bytes.
    """

    reference: Numbers
    start: Numbers
    end: Numbers
    container: Numbers
    place: Numbers
    size: Numbers

    @property
    def nbytes(self) -> int:
        """The number of bytes that it takes in memory."""
        columns = (self.reference, self.start, self.end, self.container, self.place, self.size)
        return sum(column.nbytes for column in columns)


def parse_crai(file: ByteSource) -> CramIndex:
    """Return a CRAI index.

    Raises
    ------
    DamagedFile
        If it is none, damaged or cut off.
    """
    if file.size > MOST_BYTES:
        raise _too_large()
    data = file.read_kept(0, file.size)
    if data[:2] == b"\x1f\x8b":
        data = _unpacked(data)
    if data.count(b"\n") > MOST_SLICES:
        raise _too_large()
    table = _table(data)
    if (table[:, 0] < SEVERAL).any() or (table[:, 2:] < 0).any() or (table > _MOST).any():
        raise DamagedFile("the CRAI index is damaged: it has numbers that cannot be")
    table = table[np.lexsort((table[:, 4], table[:, 3]))]
    reference, start, span, container, place, size = table.T.copy()
    return CramIndex(reference, start - 1, start - 1 + np.maximum(span, 1), container, place, size)


def _table(data: bytes) -> Numbers:
    if not data.strip():
        return np.empty((0, _COLUMNS), np.int64)
    wrong = DamagedFile("this is no CRAI index, or it is damaged: each line has to have six whole numbers")
    if _OTHER_BYTES.search(data):
        raise wrong
    try:
        table = np.loadtxt(io.BytesIO(data), np.int64, comments=None, delimiter="\t", ndmin=2)
    except (ValueError, OverflowError):
        raise wrong from None
    if table.shape[1] != _COLUMNS:
        raise wrong
    return table


def _unpacked(data: bytes) -> bytes:
    parts, size = [], 0
    try:
        while data:
            unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
            parts.append(unpacker.decompress(data, MOST_BYTES + 1))
            size += len(parts[-1])
            if size > MOST_BYTES:
                raise _too_large()
            if not unpacker.eof:
                raise DamagedFile("the CRAI index is cut off")
            data = unpacker.unused_data
    except zlib.error as error:
        raise DamagedFile(f"the CRAI index is damaged: {error}") from error
    return b"".join(parts)


def _too_large() -> DamagedFile:
    return DamagedFile(
        f"the CRAI index is larger than any: more than {MOST_SLICES:,} slices, or {MOST_BYTES >> 20} MiB"
    )


def cram_pieces(file: ByteSource, index: CramIndex, header: Header, regions: Iterable[Region]) -> list[Piece]:
    """Return the containers whose slices overlap regions, and the end marker.

    Raises
    ------
    UnknownId
        If a reference is none of the file.
    DamagedFile
        If the file or the index is damaged.
    """
    marker = end_marker(file)
    return [*_ranges(file, index, wanted_slices(index, header, regions)), Piece("body", 0, len(marker), marker)]


def wanted_slices(index: CramIndex, header: Header, regions: Iterable[Region]) -> npt.NDArray[np.bool_]:
    """Return for each slice whether it may have records of regions.

    Raises
    ------
    UnknownId
        If a reference is none of the file.
    """
    numbers = header.numbers
    wanted = np.zeros(len(index.reference), bool)
    for name, intervals in merged(regions).items():
        if name != UNPLACED and name not in numbers:
            raise UnknownId(f"there is no reference {shown(name)} in this file")
        if not intervals:
            continue
        number = _NO_PLACE if name == UNPLACED else numbers[name]
        of_reference = index.reference == number
        if name == UNPLACED:
            wanted |= of_reference
        for start, end in () if name == UNPLACED else intervals:
            before_end = True if end is None else index.start < end
            wanted |= of_reference & (index.end > start) & before_end
        wanted |= index.reference == SEVERAL
    return wanted


def _ranges(file: ByteSource, index: CramIndex, wanted: npt.NDArray[np.bool_]) -> list[Piece]:
    """Return the byte ranges of the containers that hold wanted slices."""
    major = version_of_cram(file)
    offsets = np.unique(index.container)
    places = np.searchsorted(offsets, np.unique(index.container[wanted]))
    pieces: list[Piece] = []
    for run in np.split(places, np.flatnonzero(np.diff(places) > 1) + 1) if len(places) else ():
        first, last = int(offsets[run[0]]), int(offsets[run[-1]])
        read_container(file, first, major)
        end = read_container(file, last, major).end
        pieces.append(Piece("body", first, end - first))
    return pieces


def check_slices(file: ByteSource, index: CramIndex, header: Header) -> None:
    """Refuse an index whose slices are not those of the file.

    Raises
    ------
    DamagedFile
        If it is.
    """
    wrong = "the index is not that of the file"
    major = version_of_cram(file)
    if len(index.reference) and int(index.reference.max()) >= len(header.references):
        raise DamagedFile(f"{wrong}: it names more references than the file")
    end = header.body
    for offset in np.unique(index.container).tolist():
        if offset != end:
            raise DamagedFile(f"{wrong}: it has a container at byte {offset:,}, and the file one at {end:,}")
        container = read_container(file, offset, major)
        _check_container(container, index, wrong)
        _check_places(file, container, index, wrong)
        end = container.end
    marker = end_marker(file)
    # A file whose header was replaced by samtools, or that was put together of others, has several.
    while end + len(marker) < file.size and file.read_kept(end, len(marker)) == marker:
        end += len(marker)
    if end != file.size - len(marker):
        raise DamagedFile(f"{wrong}, or older than the file: the file goes on behind the last container that it has")


def _check_container(container: Container, index: CramIndex, wrong: str) -> None:
    first, last = np.searchsorted(index.container, (container.offset, container.offset + 1)).tolist()
    if set(index.place[first:last].tolist()) != set(container.landmarks):
        raise DamagedFile(f"{wrong}: it has not the slices of the container at byte {container.offset:,}")
    if int((index.place[first:last] + index.size[first:last]).max()) > container.length:
        raise DamagedFile(f"{wrong}: a slice goes beyond the container at byte {container.offset:,}")
    if container.reference >= 0 and (index.reference[first:last] != container.reference).any():
        raise DamagedFile(f"{wrong}: the container at byte {container.offset:,} has another reference")


def _check_places(file: ByteSource, container: Container, index: CramIndex, wrong: str) -> None:
    """Compare the intervals of slices with those of their heads; those of several references have none there."""
    first, last = np.searchsorted(index.container, (container.offset, container.offset + 1)).tolist()
    # The container is the slice, and its head has been read; not every program writes an interval into it.
    place = container.reference, container.start, container.span
    if container.reference >= 0 and last - first == 1 and _is_place(index, first, *place):
        return
    for number in range(first, last):
        offset = container.offset + container.head + int(index.place[number])
        reference, start, span = read_slice_place(file, offset)
        if reference == SEVERAL:
            continue
        same = int(index.reference[number]) == reference
        if not same or (reference >= 0 and not _is_place(index, number, reference, start, span)):
            raise DamagedFile(
                f"{wrong}: the slice at byte {offset:,} has not the interval that the index says: make it again"
            )


def _is_place(index: CramIndex, number: int, reference: int, start: int, span: int) -> bool:
    interval = int(index.reference[number]), int(index.start[number]), int(index.end[number])
    return interval == (reference, start - 1, start - 1 + max(span, 1))
