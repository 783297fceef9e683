"""Summaries of whole matrices kept on disk, so that the cells are read once for each summary of each matrix.

A kept file holds features × groups row by row, then a checksum for every `_PIECE_BYTES` of it. Everything that a
summary depends on is in its key, so that a file is right or is not found.
"""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from rnaget_server.disk_cache import DiskCache
from rnaget_server.slicing.summaries.grouping import gathered
from rnaget_server.stores.base import Positions
from rnaget_server.writers.base import LayerInfo, Slice

# To be raised whenever a summary gives other values than before.
_ALGORITHM = 1
_PIECE_BYTES = 64 << 10
_CHECKSUM = np.dtype(np.uint32)

Blocks = Iterator[NDArray[Any]]


@dataclass(frozen=True)
class _Form:
    """The shape and type of kept cells."""

    rows: int
    columns: int
    dtype: np.dtype[Any]

    @property
    def row_bytes(self) -> int:
        return self.columns * self.dtype.itemsize

    @property
    def piece_rows(self) -> int:
        return max(1, _PIECE_BYTES // self.row_bytes)

    @property
    def cell_bytes(self) -> int:
        return self.rows * self.row_bytes

    @property
    def size(self) -> int:
        return self.cell_bytes + -(-self.rows // self.piece_rows) * _CHECKSUM.itemsize


def file_version(path: Path) -> tuple[object, ...]:
    """Return what tells this version of a file from all others, empty if it is not there."""
    try:
        status = path.stat()
    except OSError:
        return ()
    return (str(path), status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


class KeptSummaries:
    """The summaries of one version of one matrix.

    Parameters
    ----------
    cache
        Where they are kept.
    source
        What tells this version of the matrix from all others; see `file_version`.
    rows
        How many features the matrix has.
    """

    def __init__(self, cache: DiskCache, source: Sequence[object], rows: int) -> None:
        self._cache = cache
        self._source = tuple(source)
        self._rows = rows

    def of(self, slice: Slice, summary: str, features: Positions | None) -> Slice:
        """Return the slice with cells that are read from disk where they are kept.

        Parameters
        ----------
        slice
            A summary of all samples of the matrix.
        summary
            Which summary it is.
        features
            Which features of the matrix it has, ascending; None: all, and then what is made is kept.
        """
        return replace(slice, layers=tuple(self._layer(layer, slice, summary, features) for layer in slice.layers))

    def _layer(self, layer: LayerInfo, slice: Slice, summary: str, features: Positions | None) -> LayerInfo:
        form = _Form(self._rows, slice.samples.size, layer.dtype)
        attribute = slice.samples.id
        told = (_ALGORITHM, self._source, layer.units, summary, attribute, slice.samples.column(attribute).tolist())
        key = hashlib.sha256(repr((*told, form.rows, form.dtype.str)).encode()).hexdigest()
        return replace(layer, blocks=lambda: self._blocks(key, form, features, layer.blocks))

    def _blocks(self, key: str, form: _Form, features: Positions | None, make: Callable[[], Blocks]) -> Blocks:
        wanted = np.arange(form.rows) if features is None else features
        file = self._cache.open(key)
        if file is not None:
            with file:
                if _sound(file, form, wanted):
                    yield from gathered(_rows(file, form, wanted))
                    return
        if features is None and form.size <= self._cache.most_bytes:
            yield from self._keeping(key, form, make())
        else:
            yield from make()

    def _keeping(self, key: str, form: _Form, blocks: Blocks) -> Blocks:
        """Yield the blocks, and keep them once all were taken."""
        try:
            entry = self._cache.entry(key)
        except OSError:
            yield from blocks
            return
        try:
            writer = _Writer(entry.file, form)
            for block in blocks:
                writer.write(block)
                yield block
            writer.finish()
            if not writer.failed:
                entry.keep()
        finally:
            entry.drop()


def _sound(file: BinaryIO, form: _Form, wanted: Positions) -> bool:
    """Return whether the pieces that hold the wanted rows are as they were written."""
    try:
        return os.fstat(file.fileno()).st_size == form.size and all(True for _ in _rows(file, form, wanted))
    except (OSError, ValueError):
        return False


def _rows(file: BinaryIO, form: _Form, wanted: Positions) -> Blocks:
    """Yield the wanted rows piece by piece.

    Raises
    ------
    ValueError
        If a piece is damaged.
    """
    file.seek(form.cell_bytes)
    checksums = np.frombuffer(file.read(), _CHECKSUM)
    numbers = wanted // form.piece_rows
    for number in np.unique(numbers).tolist():
        first = number * form.piece_rows
        file.seek(first * form.row_bytes)
        data = file.read(min(form.piece_rows, form.rows - first) * form.row_bytes)
        if zlib.crc32(data) != checksums[number]:
            raise ValueError("a kept summary is damaged")
        chosen = wanted[np.searchsorted(numbers, number) : np.searchsorted(numbers, number, side="right")]
        yield np.frombuffer(data, form.dtype).reshape(-1, form.columns)[chosen - first]


class _Writer:
    """Writes rows, then the checksums of their pieces, for as long as the disk lets it."""

    def __init__(self, file: BinaryIO, form: _Form) -> None:
        self._file = file
        self._room = self._piece = form.piece_rows * form.row_bytes
        self._checksum = 0
        self._checksums: list[int] = []
        self.failed = False

    def write(self, block: NDArray[Any]) -> None:
        """Write a block of rows; on an error of the disk, give up."""
        if self.failed:
            return
        try:
            self._write(np.ascontiguousarray(block).data.cast("B"))
        except OSError:
            self.failed = True

    def finish(self) -> None:
        """Write the checksums."""
        if self._room < self._piece:
            self._end_piece()
        try:
            self._file.write(np.array(self._checksums, _CHECKSUM).tobytes())
            self._file.flush()
        except OSError:
            self.failed = True

    def _write(self, data: memoryview) -> None:
        while data:
            part = data[: self._room]
            self._file.write(part)
            self._checksum = zlib.crc32(part, self._checksum)
            self._room -= len(part)
            data = data[len(part) :]
            if not self._room:
                self._end_piece()

    def _end_piece(self) -> None:
        self._checksums.append(self._checksum)
        self._checksum, self._room = 0, self._piece
