"""The layout of a bigWig file: its header, its chromosomes and its indexes, each field checked as it is read.

The layout is that of the bigWig paper (Kent et al. 2010, Bioinformatics 26, 2204, supplement). All that a file says is
held to be possible: a damaged one is an `OSError` that says what is wrong, and takes no more memory than it has bytes.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from rnaget_server.storage.local import FileVersion, version_of
from rnaget_server.storage.places import open_file
from rnaget_server.storage.source import OpenFile

_MAGIC = 0x888FFC26
_BIGBED_MAGIC = 0x8789F2EB
_NAMES_MAGIC = 0x78CA8C91
_INDEX_MAGIC = 0x2468ACE0
_HEADER = struct.Struct("<IHHQQQHHQQIQ")
_ZOOM = struct.Struct("<IIQQ")
_NAMES_HEADER = struct.Struct("<IIIIQQ")
_INDEX_HEADER = struct.Struct("<IIQIIIIQII")
_NODE = struct.Struct("<BBH")
_INNER_ITEM, _LEAF_ITEM = 24, 32
_SUMMARY_BYTES = 40
_LATEST_VERSION = 4
_LONGEST_NAME = 4096  # in bytes
_DEEPEST = 64
# The head of a section, which its intervals follow.
_SECTION_BYTES = 24
DATA_INDEX, ZOOM_INDEX = "the index of its data", "the index of a zoom level"
_POSITION_BITS = np.uint64(32)

Keys = NDArray[np.uint64]
"""Places in the genome: the number of the chromosome in the upper half, the position in the lower."""


def can_be_asked_for(name: str) -> bool:
    """Return whether this is the name of a chromosome: not empty or too long, and without control characters."""
    return 0 < len(name.encode()) <= _LONGEST_NAME and not any(
        ord(letter) < 32 or 127 <= ord(letter) < 160 for letter in name
    )


class Zoom(NamedTuple):
    """A zoom level: the bases that one of its records summarises, and where its index is."""

    bases: int
    place: int


class Chromosome(NamedTuple):
    """A chromosome as the file has it."""

    id: int
    size: int


class Layout(NamedTuple):
    """The layout of a file: what its header and the tree of its chromosomes say."""

    order: str
    unpacked: int
    """The most bytes that a block of data has when it is unpacked; 0: blocks are not packed."""
    data_index: int
    zooms: tuple[Zoom, ...]
    chromosomes: dict[str, Chromosome]


class Blocks(NamedTuple):
    """Blocks of data, or nodes of an index: from which place to which, and where in the file."""

    first: Keys
    last: Keys
    places: NDArray[np.uint64]
    lengths: NDArray[np.uint64]

    def within(self, first: int, last: int) -> Blocks:
        """Return those that reach into a range; all are in order."""
        low, high = int(self.last.searchsorted(first, "right")), int(self.first.searchsorted(last))
        return Blocks(self.first[low:high], self.last[low:high], self.places[low:high], self.lengths[low:high])


_NOTHING = Blocks(*(np.empty(0, np.uint64) for _ in range(4)))


class BigWigFile:
    """A bigWig file, opened when it is first read. It is read by position, so that nothing of it is kept.

    Attributes
    ----------
    version
        The state of the file.

    Raises
    ------
    OSError
        If it is not there.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: OpenFile | None = None
        try:
            status = os.stat(path)
        except OSError as error:
            raise self._unreadable(error) from None
        self.version: FileVersion = version_of(status)
        self.size = status.st_size

    @property
    def name(self) -> str:
        """Name of the file, without its directory."""
        return self._path.name

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def _read(self, length: int, place: int) -> bytes:
        if self._file is None:
            try:
                self._file = open_file(self._path)
            except OSError as error:
                raise self._unreadable(error) from None
            if self._file.version != self.version:
                raise OSError(f"{self.name} was replaced while it was read")
        return self._file.read_kept(place, max(0, min(length, self.size - place)))

    def _unreadable(self, error: OSError) -> OSError:
        return OSError(f"{self.name} cannot be read: {error.strerror}")

    def damage(self, what: str) -> OSError:
        """Return the error to raise for a file in which something is wrong."""
        return OSError(f"{self.name} is damaged: {what}; copy or make it again")

    def bytes_at(self, place: int, length: int, what: str) -> bytes:
        """Return a part of the file, all of which must be there."""
        if place + length > self.size:
            raise self.damage(f"{what} lies beyond its end")
        data = self._read(length, place)
        while len(data) < length:  # one read gives at most 2 GB
            more = self._read(length - len(data), place + len(data))
            if not more:
                raise self.damage(f"{what} lies beyond its end")
            data += more
        return data

    def layout(self) -> Layout:
        """Return what header and chromosomes say.

        Raises
        ------
        OSError
            If this is no bigWig file, or a field of it cannot be right; the message names no directory.
        """
        head = self._read(_HEADER.size, 0)
        if len(head) < _HEADER.size:
            raise OSError(f"{self.name} is too short for a bigWig file")
        order = _order(head, _MAGIC)
        if order is None:
            if _order(head, _BIGBED_MAGIC):
                raise OSError(f"{self.name} is a bigBed file, which holds regions and no signal")
            raise OSError(f"{self.name} is no bigWig file")
        header = struct.unpack(order + _HEADER.format[1:], head)
        if not 1 <= header[1] <= _LATEST_VERSION:
            raise self.damage(f"its header names version {header[1]} of the format, and there are 1 to 4")
        zooms = self._zooms(order, header[2])
        self._check_offsets(header, zooms)
        return Layout(
            order,
            header[10],
            header[5],
            tuple(Zoom(level[0], level[3]) for level in zooms),
            self._chromosomes(header[3], order),
        )

    def _zooms(self, order: str, count: int) -> list[tuple[int, ...]]:
        if _HEADER.size + count * _ZOOM.size > self.size:
            raise OSError(f"{self.name} is truncated: its header lies beyond its end")
        data = self.bytes_at(_HEADER.size, count * _ZOOM.size, "its header")
        return list(struct.iter_unpack(order + _ZOOM.format[1:], data))

    def _check_offsets(self, header: tuple[int, ...], zooms: list[tuple[int, ...]]) -> None:
        """Refuse offsets that point into the header or beyond the end, and a file that does not end as it should."""
        trees = [level[3] for level in zooms]
        # A file without any value may have no index.
        if header[5] or self.bytes_at(header[4], 4, "its data") != bytes(4):
            trees.append(header[5])
        ends = [(header[3], _NAMES_HEADER.size), (header[4], 0), *((place, _INDEX_HEADER.size) for place in trees)]
        ends += [(level[2], 0) for level in zooms]
        ends += [(place, length) for place, length in ((header[9], _SUMMARY_BYTES), (header[11], 1)) if place]
        for place, length in ends:
            if place + length > self.size:
                raise OSError(f"{self.name} is truncated: its header points beyond its end")
            if place < _HEADER.size:
                raise self.damage("its header points into itself")
        # Files without zoom levels come from simple writers, some of which leave the last magic number out.
        if zooms and self._read(4, self.size - 4) != self._read(4, 0):
            raise OSError(
                f"{self.name} is truncated: a bigWig file ends with its magic number, and this one does not; "
                "copy it again"
            )

    def _chromosomes(self, place: int, order: str) -> dict[str, Chromosome]:
        """Return the chromosomes by name, in the order of their tree."""
        what = "the list of chromosomes"
        magic, _, key, value, count, _ = struct.unpack(
            order + _NAMES_HEADER.format[1:], self.bytes_at(place, _NAMES_HEADER.size, what)
        )
        if magic != _NAMES_MAGIC or not 0 < key <= _LONGEST_NAME or value != 8:
            raise self.damage(f"{what} is none")
        found: dict[str, Chromosome] = {}
        ids: set[int] = set()
        form = struct.Struct(f"{order}{key}sII")
        for items, _ in self._leaves(place + _NAMES_HEADER.size, order, key + 8, key + 8, key, what):
            for stored, id, size in form.iter_unpack(items):
                name = self._chromosome_name(stored)
                if name in found or id in ids:
                    raise self.damage(f"the chromosome {name!r}, or its number, is there twice")
                found[name] = Chromosome(id, size)
                ids.add(id)
        if len(found) != count:
            raise self.damage(f"it says that it has {count} chromosomes, and lists {len(found)}")
        return found

    def _chromosome_name(self, stored: bytes) -> str:
        raw = stored.rstrip(b"\0")
        try:
            name = raw.decode()
        except UnicodeDecodeError:
            raise OSError(
                f"{self.name} has a chromosome named {raw!r}, which is not UTF-8: rename it, and make the file again"
            ) from None
        if not can_be_asked_for(name):
            raise OSError(
                f"{self.name} has a chromosome named {name!r}, which cannot be asked for: rename it, and make the "
                "file again"
            )
        return name

    def nodes(self, layout: Layout, place: int, what: str) -> Blocks:
        """Return the nodes of an index that hold blocks, in order; `lengths` are numbers of blocks.

        Raises
        ------
        OSError
            If a node is none, or blocks are not in order or do not lie in the file.
        """
        if not place:
            return _NOTHING
        order = layout.order
        header = struct.unpack(order + _INDEX_HEADER.format[1:], self.bytes_at(place, _INDEX_HEADER.size, what))
        if header[0] != _INDEX_MAGIC:
            raise self.damage(f"{what} is none")
        rows: list[tuple[int, int, int, int]] = []
        last = found = 0
        for items, at in self._leaves(place + _INDEX_HEADER.size, order, _INNER_ITEM, _LEAF_ITEM, 16, what):
            blocks = blocks_in(items, order)
            if len(blocks.first):
                self._check_blocks(blocks, last, layout, what)
                last, found = int(blocks.last[-1]), found + len(blocks.first)
                rows.append((int(blocks.first[0]), last, at, len(blocks.first)))
        # Of a zoom level, some writers count the records.
        if what == DATA_INDEX and found != header[2]:
            raise self.damage(f"{what} says that it has {header[2]} blocks, and has {found}")
        columns = np.array(rows, np.uint64).reshape(-1, 4).T
        return Blocks(*(np.ascontiguousarray(column) for column in columns))

    def blocks_at(self, place: int, count: int, order: str, what: str) -> Blocks:
        """Return the blocks of a node of an index."""
        return blocks_in(self.bytes_at(place, count * _LEAF_ITEM, what), order)

    def _check_blocks(self, blocks: Blocks, before: int, layout: Layout, what: str) -> None:
        """Refuse blocks that do not lie in the file, or not one behind the other in the genome."""
        size = np.uint64(self.size)
        if (blocks.places > size).any() or (blocks.lengths > size - blocks.places).any():
            raise self.damage(f"{what} points beyond its end")
        if (blocks.lengths == 0).any() or (blocks.first > blocks.last).any():
            raise self.damage(f"{what} has a hole")
        wrong = blocks.first < np.concatenate([np.array([before], np.uint64), blocks.last[:-1]])
        for number in np.flatnonzero(wrong).tolist():
            if what == DATA_INDEX and self._is_empty(blocks, number, layout):
                continue
            id, start = divmod(int(blocks.first[number]), 1 << 32)
            name = next((name for name, own in layout.chromosomes.items() if own.id == id), None)
            if name is None or what != DATA_INDEX:
                raise self.damage(f"{what} is out of order")
            raise self.overlap(name, start)

    def _is_empty(self, blocks: Blocks, number: int, layout: Layout) -> bool:
        """Return whether a block has no intervals.

        libBigWig writes such a block where the form of the intervals changes, with the range of the one before it.
        """
        data = self.bytes_at(int(blocks.places[number]), int(blocks.lengths[number]), "a block of data")
        if layout.unpacked:
            try:
                data = zlib.decompressobj().decompress(data, _SECTION_BYTES + 1)
            except zlib.error:
                return False
        return len(data) == _SECTION_BYTES

    def overlap(self, chromosome: str, start: int) -> OSError:
        """Return the error to raise for a file in which intervals overlap, the first of them at that place."""
        return OSError(
            f"{self.name} has intervals that overlap or are out of order, the first at {chromosome}:{start}: "
            "make it again from sorted intervals that do not overlap"
        )

    def _leaves(self, root: int, order: str, inner: int, leaf: int, key: int, what: str) -> Iterator[tuple[bytes, int]]:
        """Yield the items of the leaves of a tree in order, and where they are.

        `inner` and `leaf` are the sizes of items; offsets of nodes follow `key` bytes.
        """
        waiting = [(root, 0)]
        left = self.size
        while waiting:
            place, depth = waiting.pop()
            is_leaf, _, count = struct.unpack(order + _NODE.format[1:], self.bytes_at(place, _NODE.size, what))
            items = self.bytes_at(place + _NODE.size, count * (leaf if is_leaf else inner), what)
            # Nodes that lie over one another, as in a circle, are more than the file has bytes.
            left -= _NODE.size + len(items)
            if left < 0 or depth > _DEEPEST or is_leaf > 1 or not (is_leaf or count):
                raise self.damage(f"{what} is no tree")
            if is_leaf:
                yield items, place + _NODE.size
            else:
                fields = np.frombuffer(items, np.uint8).reshape(-1, inner)[:, key : key + 8]
                places = np.ascontiguousarray(fields).view(f"{order}u8").ravel().tolist()
                waiting += [(place, depth + 1) for place in reversed(places)]


def _order(head: bytes, magic: int) -> str | None:
    """Return the order of bytes in a file that starts with a magic number; None if it does not."""
    return next((order for order in "<>" if struct.unpack(order + "I", head[:4])[0] == magic), None)


def blocks_in(items: bytes, order: str) -> Blocks:
    """Return the blocks in the items of a leaf of an index."""
    halves = np.frombuffer(items, f"{order}u4").reshape(-1, 8)
    keys: Any = halves[:, :4].astype(np.uint64)
    offsets: Any = np.frombuffer(items, f"{order}u8").reshape(-1, 4)[:, 2:].astype(np.uint64)
    return Blocks(
        keys[:, 0] << _POSITION_BITS | keys[:, 1],
        keys[:, 2] << _POSITION_BITS | keys[:, 3],
        offsets[:, 0],
        offsets[:, 1],
    )


def key_of(chromosome: int, position: int) -> int:
    """Return a place in the genome as `Keys` has it."""
    return chromosome << 32 | position
