"""The structure of a bigWig file, looked through before pybigtools follows it.

An offset or a length that is wrong makes pybigtools ask for any amount of memory, which ends the whole process, or go
in circles. So every node of its trees is read once: all must lie within the file, each in one place of its tree, and
no block of data may be longer than the file. The layout is that of the bigWig paper (Kent et al. 2010,
Bioinformatics 26, 2204, supplement).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

_MAGIC = 0x888FFC26
_NAMES_MAGIC = 0x78CA8C91
_INDEX_MAGIC = 0x2468ACE0
_HEADER = struct.Struct("<IHHQQQHHQQIQ")
_ZOOM = struct.Struct("<IIQQ")
_NAMES_HEADER = struct.Struct("<IIIIQQ")
_INDEX_HEADER = struct.Struct("<IIQIIIIQII")
_NODE = struct.Struct("<BBH")
# Of a block of data when it is unpacked; usual ones have some ten KiB.
_MOST_UNPACKED = 64 << 20
_LONGEST_NAME = 4096
_DEEPEST = 64


class _Offsets(NamedTuple):
    """The offsets at which the trees of a file start."""

    names: int
    indexes: tuple[int, ...]


def check_head(path: Path) -> None:
    """Refuse a file whose header, or list of chromosomes, points to where there is nothing.

    Raises
    ------
    OSError
        If it does, or the file is no bigWig; the message names no directory.
    """
    with path.open("rb") as file:
        opened = _File(file, path.name)
        opened.check_names(opened.trees().names)


def check_structure(path: Path) -> None:
    """Refuse a file of which a part points to where there is nothing; it costs a read of the indexes.

    Raises
    ------
    OSError
        If one does; the message names no directory.
    """
    with path.open("rb") as file:
        opened = _File(file, path.name)
        for place in opened.trees().indexes:
            opened.check_index(place)


class _File:
    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file = file
        self._name = name
        self._size = file.seek(0, 2)
        self._order = "<"

    def trees(self) -> _Offsets:
        """Return where the trees start; each has its header within the file."""
        self._file.seek(0)
        head = self._file.read(_HEADER.size)
        if len(head) < _HEADER.size:
            raise OSError(f"{self._name} is too short for a bigWig file")
        for order in "<>":
            header = struct.unpack(order + _HEADER.format[1:], head)
            if header[0] == _MAGIC:
                break
        else:
            raise OSError(f"{self._name} is no bigWig file")
        self._order = order
        zooms = self._file.read(_ZOOM.size * header[2])
        if len(zooms) < _ZOOM.size * header[2]:
            raise OSError(f"{self._name} is truncated")
        levels = list(struct.iter_unpack(order + _ZOOM.format[1:], zooms))
        offsets = [header[3], header[4], header[5], *(offset for level in levels for offset in level[2:])]
        if max(offsets) + _INDEX_HEADER.size > self._size:
            raise OSError(f"{self._name} is truncated: its header points beyond its end")
        if header[10] > _MOST_UNPACKED:
            raise self._damage()
        return _Offsets(header[3], (header[5], *(level[3] for level in levels)))

    def check_names(self, place: int) -> None:
        """Look through the tree of the chromosomes."""
        magic, _, key, value, count, _ = self._unpacked(_NAMES_HEADER, place)
        if magic != _NAMES_MAGIC or key > _LONGEST_NAME or value != 8 or count * (key + value) > self._size:
            raise self._damage()
        self._walk(place + _NAMES_HEADER.size, key + 8, key + value, key, lambda _: None)

    def check_index(self, place: int) -> None:
        """Look through the tree of the blocks of data, or of one zoom level."""
        if self._unpacked(_INDEX_HEADER, place)[0] != _INDEX_MAGIC:
            raise self._damage()
        self._walk(place + _INDEX_HEADER.size, 24, 32, 16, self._check_blocks)

    def _walk(self, root: int, inner: int, leaf: int, key: int, check: Callable[[bytes], None]) -> None:
        """Go through a tree whose items have these sizes; offsets of nodes stand behind `key` bytes."""
        waiting = [(root, 0)]
        left = self._size
        while waiting:
            place, depth = waiting.pop()
            is_leaf, _, count = self._unpacked(_NODE, place)
            items = self._bytes(place + _NODE.size, count * (leaf if is_leaf else inner))
            # Nodes that lie over one another, as in a circle, are more than the file has bytes.
            left -= _NODE.size + len(items)
            if left < 0 or depth > _DEEPEST:
                raise self._damage()
            if is_leaf:
                check(items)
            else:
                waiting += [(place, depth + 1) for place in self._numbers(items, inner, key).tolist()]

    def _check_blocks(self, items: bytes) -> None:
        starts, lengths = self._numbers(items, 32, 16), self._numbers(items, 32, 24)
        if (starts > self._size).any() or (lengths > self._size - starts).any():
            raise self._damage()

    def _numbers(self, items: bytes, size: int, at: int) -> NDArray[np.uint64]:
        """Return the 8-byte number at one place of every item."""
        fields = np.frombuffer(items, np.uint8).reshape(-1, size)[:, at : at + 8]
        return np.ascontiguousarray(fields).view(f"{self._order}u8").astype(np.uint64).ravel()

    def _unpacked(self, form: struct.Struct, place: int) -> tuple[int, ...]:
        return struct.unpack(self._order + form.format[1:], self._bytes(place, form.size))

    def _bytes(self, place: int, length: int) -> bytes:
        if place > self._size:  # it may be beyond what can be sought, too
            raise self._damage()
        self._file.seek(place)
        data = self._file.read(length)
        if len(data) < length:
            raise self._damage()
        return data

    def _damage(self) -> OSError:
        return OSError(f"{self._name} is damaged: a part of it points to where nothing is")
