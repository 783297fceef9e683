"""The sequences that slices of a CRAM file are decoded with (sections 8.4 and 8.5 of the CRAM specification)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from rnaget_server.errors import DamagedFile
from rnaget_server.reads.crai import SEVERAL, CramIndex, wanted_slices
from rnaget_server.reads.cram import Block, Container, Numbers, read_block, read_container, version_of_cram
from rnaget_server.reads.pieces import Header, Reference, Region
from rnaget_server.storage.source import ByteSource

_COMPRESSION_HEADER, _SLICE_HEADER = 1, 2
_REQUIRED = b"RR"
_LENGTHS = {b"RN": 1, b"AP": 1, _REQUIRED: 1, b"QO": 1, b"SM": 5}
"""The bytes of each value of the preservation map; that of ``TD`` begins with its length."""

_DICTIONARY = b"TD"


@dataclass(frozen=True)
class NeededReferences:
    """The references whose bases some slices are decoded with.

    Attributes
    ----------
    surely
        Those that the index names.
    perhaps
        All of the header, where slices have reads of several references, which the index does not name.
    """

    surely: tuple[Reference, ...]
    perhaps: tuple[Reference, ...]

    @cached_property
    def all(self) -> tuple[Reference, ...]:
        """Both, each once."""
        return tuple(dict.fromkeys((*self.surely, *self.perhaps)))


NONE_NEEDED = NeededReferences((), ())


def needed_references(
    file: ByteSource, index: CramIndex, header: Header, regions: Iterable[Region] | None
) -> NeededReferences:
    """Return the references that the slices of regions, or all slices, are decoded with.

    A file is compressed with references or without. The first of the slices shows which of both.

    Raises
    ------
    UnknownId
        If a reference is none of the file.
    DamagedFile
        If the file is damaged.
    """
    wanted = np.ones(len(index.reference), bool) if regions is None else wanted_slices(index, header, regions)
    # Whole containers are decoded, and the index names a slice once for each of its references.
    sent = np.isin(index.container, index.container[wanted])
    placed = np.flatnonzero(sent & (index.reference != -1))
    if not len(placed) or not _is_needed(file, int(index.container[placed[0]]), int(index.place[placed[0]])):
        return NONE_NEEDED
    numbers = np.unique(index.reference[placed])
    names = dict(zip(header.ids, header.references, strict=True))
    surely = tuple(names[number] for number in numbers.tolist() if number in names)
    return NeededReferences(surely, header.references if SEVERAL in numbers else ())


def _is_needed(file: ByteSource, offset: int, place: int) -> bool:
    """Return whether a slice has no bases of its own, and not those of its reference with it."""
    major = version_of_cram(file)
    container = read_container(file, offset, major)
    try:
        return _requires(_block(file, container, 0, _COMPRESSION_HEADER, major).data) and not _embeds(
            _block(file, container, place, _SLICE_HEADER, major).data, major
        )
    except IndexError:
        raise DamagedFile(f"the CRAM container at byte {offset:,} is damaged") from None


def _block(file: ByteSource, container: Container, place: int, kind: int, major: int) -> Block:
    block = read_block(file, container, place, major)
    if block.kind != kind:
        raise IndexError
    return block


def _requires(data: bytes) -> bool:
    """Return what the preservation map of a compression header says: true unless it says otherwise."""
    numbers = Numbers(data)
    numbers.itf8()  # its number of bytes
    for _ in range(numbers.itf8()):
        key = bytes((numbers.byte(), numbers.byte()))
        if key == _REQUIRED:
            return numbers.byte() != 0
        if key != _DICTIONARY and key not in _LENGTHS:
            return True
        length = numbers.itf8() if key == _DICTIONARY else _LENGTHS[key]
        if length < 0:
            raise IndexError
        numbers.place += length
    return True


def _embeds(data: bytes, major: int) -> bool:
    """Return whether a slice has the bases of its reference in a block of its own."""
    numbers = Numbers(data)
    for _ in range(4):  # reference, start, span, number of records
        numbers.itf8()
    if major < 3:
        numbers.itf8()  # records before it
    else:
        numbers.ltf8()
    numbers.itf8()  # number of blocks
    for _ in range(numbers.itf8()):
        numbers.itf8()
    return numbers.itf8() >= 0
