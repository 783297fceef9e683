"""Summaries of whole matrices kept on disk, so that the cells are read once for each summary of each matrix.

A kept file holds features × groups row by row, with a checksum for whole rows of about `_PIECE_BYTES`. Everything
that a summary depends on is in its key, so that a file is right or is not found.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from rnaget_server.model.axis import Positions
from rnaget_server.model.slice import LayerInfo, Slice
from rnaget_server.slicing.summaries.grouping import gathered
from rnaget_server.storage.checked_file import CheckedFile, CheckedWriter
from rnaget_server.storage.disk_cache import DiskCache

# To be raised whenever a summary gives other values than before.
_ALGORITHM = 4
_PIECE_BYTES = 64 << 10

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
    def piece_bytes(self) -> int:
        return self.piece_rows * self.row_bytes


class SummaryCache:
    """The summaries of one version of one matrix.

    Parameters
    ----------
    cache
        Where they are kept.
    source
        What distinguishes this version of the matrix from all others; see `storage.source.FileVersion`.
    rows
        How many features the matrix has.
    """

    def __init__(self, cache: DiskCache, source: Sequence[object], rows: int) -> None:
        self._cache = cache
        self._source = tuple(source)
        self._rows = rows

    def of(self, slice: Slice, summaries: Sequence[str], attribute: str, features: Positions | None) -> Slice:
        """Return the slice with cells that are read from disk where they are kept.

        Parameters
        ----------
        slice
            Summaries of all samples of the matrix.
        summaries
            Which summaries they are.
        attribute
            The attribute of samples that defines the groups.
        features
            Which features of the matrix it has, ascending; None: all, and then what is made is kept.
        """
        groups = slice.samples.column(attribute).tolist()
        basis = (self._source, ",".join(summaries), attribute, groups)
        return replace(slice, layers=tuple(self._layer(layer, basis, len(groups), features) for layer in slice.layers))

    def _layer(
        self, layer: LayerInfo, basis: tuple[object, ...], columns: int, features: Positions | None
    ) -> LayerInfo:
        form = _Form(self._rows, columns, layer.dtype)
        source, *others = basis
        whole = (_ALGORITHM, source, layer.units, *others, form.rows, form.dtype.str)
        key = hashlib.sha256(repr(whole).encode()).hexdigest()
        return replace(layer, blocks=lambda: self._blocks(key, form, features, layer.blocks))

    def _blocks(self, key: str, form: _Form, features: Positions | None, make: Callable[[], Blocks]) -> Blocks:
        wanted = np.arange(form.rows) if features is None else features
        file = self._cache.open(key)
        if file is not None:
            with file:
                if _is_whole(file, form, wanted):
                    yield from gathered(_rows(CheckedFile(file, form.piece_bytes), form, wanted))
                    return
            self._cache.remove(key)
        if features is None and form.cell_bytes <= self._cache.max_bytes:
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
            writer: CheckedWriter | None = CheckedWriter(entry.file, form.piece_bytes)
            for block in blocks:
                writer = _written(writer, block)
                yield block
            if writer is not None:
                with suppress(OSError):
                    writer.finish()
                    entry.commit()
        finally:
            entry.discard()


def _is_whole(file: BinaryIO, form: _Form, wanted: Positions) -> bool:
    """Return whether the pieces that hold the wanted rows are as they were written."""
    try:
        checked = CheckedFile(file, form.piece_bytes)
        return checked.length == form.cell_bytes and all(True for _ in _rows(checked, form, wanted))
    except OSError:
        return False


def _rows(file: CheckedFile, form: _Form, wanted: Positions) -> Blocks:
    """Yield the wanted rows piece by piece.

    Raises
    ------
    DamagedFileError
        If a piece is damaged.
    """
    numbers = wanted // form.piece_rows
    for number in np.unique(numbers).tolist():
        chosen = wanted[np.searchsorted(numbers, number) : np.searchsorted(numbers, number, side="right")]
        cells = np.frombuffer(file.piece(number), form.dtype).reshape(-1, form.columns)
        yield cells[chosen - number * form.piece_rows]


def _written(writer: CheckedWriter | None, block: NDArray[Any]) -> CheckedWriter | None:
    """Write a block of rows; return the writer, or None once the disk does not let it."""
    try:
        if writer is not None:
            writer.write(np.ascontiguousarray(block).data.cast("B"))
        return writer
    except OSError:
        return None
