"""Cells in AnnData's file format: observations × variables, dense or compressed by rows (CSR)."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from rnaget_server.model.slice import LayerInfo
from rnaget_server.model.sparse import Array, CompressedBlock, SparseCells
from rnaget_server.writers.h5ad_tables import set_encoding
from rnaget_server.writers.skeleton import Allocate, Gap, allocate, cell_bytes, row_pieces
from rnaget_server.writers.transposed import transposed_runs

_CHUNK_BYTES = 2 << 20
HELD = _CHUNK_BYTES + (256 << 10)
"""The most bytes of cells that are transposed or cut at once."""
_PIECE = 512 << 10
_INDPTR_AT_ONCE = 1 << 17
_KEPT_CELLS = 1 << 21
# Index and value.
_BYTES_OF_CELL = 8
# Of more cells, the indices alone are kept.
_KEPT_INDICES = 2 * _KEPT_CELLS
_MOST_INT32 = np.iinfo(np.int32).max


def by_rows(
    group: h5py.Group, link: str, layer: LayerInfo, shape: tuple[int, int], allocate: Allocate = allocate
) -> list[Gap]:
    """Allocate cells whose blocks are observations as they come; return the gaps that they fill."""
    dataset, gaps = allocate(group, link, layer.dtype, shape, row_pieces(layer))
    set_encoding(dataset, "array", "0.2.0")
    return gaps


def by_features(
    group: h5py.Group, link: str, layer: LayerInfo, shape: tuple[int, int], allocate: Allocate = allocate
) -> list[Gap]:
    """Allocate cells whose blocks are variables; return the gaps that they fill."""
    dataset, gaps = feature_chunks(group, link, layer, shape, allocate)
    set_encoding(dataset, "array", "0.2.0")
    return gaps


def feature_chunks(
    group: h5py.Group, link: str, layer: LayerInfo, shape: tuple[int, int], allocate: Allocate = allocate
) -> tuple[h5py.Dataset, list[Gap]]:
    """Return a new dataset of samples × features out of blocks that are features, and the gaps that its cells fill.

    A chunk is all samples of some features, so that chunk after chunk can be filled while blocks arrive.
    """
    samples, features = shape
    count = max(1, -(-samples * features * layer.dtype.itemsize // _CHUNK_BYTES))
    width = -(-features // min(count, features))
    return allocate(group, link, layer.dtype, shape, _chunks(layer, samples, width), chunk=(samples, width))


def _chunks(layer: LayerInfo, observations: int, width: int) -> Iterator[bytes]:
    for run in transposed_runs(layer, observations, width):
        missing = width - run.shape[1]
        # The last chunk reaches beyond the last variable.
        yield from _cut(np.pad(run, ((0, 0), (0, missing))) if missing else run, layer.dtype)


def _cut(run: NDArray[Any], dtype: np.dtype[Any]) -> Iterator[bytes]:
    """Yield cells as `cell_bytes` gives them in pieces, so that few bytes wait to be sent in addition to the cells."""
    step = max(1, _PIECE // max(1, prod(run.shape[1:]) * dtype.itemsize))
    for start in range(0, len(run), step):
        yield cell_bytes(run[start : start + step], dtype)


def csr(
    group: h5py.Group,
    link: str,
    cells: SparseCells,
    dtype: np.dtype[Any],
    shape: tuple[int, int],
    allocate: Allocate = allocate,
) -> list[Gap]:
    """Allocate the three arrays of a sparse matrix, compressed by observations; return the gaps that they fill."""
    matrix = set_encoding(group.create_group(link), "csr_matrix", "0.1.0")
    matrix.attrs["shape"] = np.array(shape, np.int64)
    arrays = CsrArrays(cells, *shape)
    index, places = _places_of(shape[1]), _places_of(arrays.count)
    _, gaps = allocate(matrix, "data", dtype, (arrays.count,), arrays.data(dtype))
    gaps += allocate(matrix, "indices", index, (arrays.count,), arrays.indices(index))[1]
    gaps += allocate(matrix, "indptr", places, (shape[0] + 1,), arrays.indptr(places))[1]
    return gaps


def _places_of(most: int) -> np.dtype[Any]:
    """Return the type of numbers up to one, as scipy chooses it."""
    return np.dtype(np.int32 if most <= _MOST_INT32 else np.int64)


def held_of(layer: LayerInfo, shape: tuple[int, int]) -> int:
    """Return how many bytes of a sparse layer are kept while it is sent, at most."""
    return 0 if layer.sparse is None else min(_KEPT_CELLS, prod(shape)) * _BYTES_OF_CELL


class CsrArrays:
    """The arrays of a CSR matrix, to be read in turn.

    Few cells are kept, the indices of some more; of others, each of the two large arrays takes a pass.
    """

    def __init__(self, cells: SparseCells, observations: int, variables: int) -> None:
        self._cells = cells
        self._least = np.min_scalar_type(max(0, variables - 1))
        self._kept = _few(cells, observations)
        self._known = 0
        self.count = cells.count() if self._kept is None else sum(len(piece.data) for piece in self._kept)
        self._indptr = np.zeros(observations + 1, _places_of(self.count))

    def data(self, dtype: np.dtype[Any]) -> Iterator[bytes]:
        """Yield the values."""
        if self._kept is None and self.count <= _KEPT_INDICES:
            self._kept, nothing = [], np.empty(0, dtype)
            for piece in self._cells.compressed_along("samples"):
                self._kept.append(CompressedBlock(piece.indptr, piece.indices.astype(self._least), nothing))
                yield from _cut(piece.data, dtype)
            return
        for piece in self._pieces("indices"):
            yield from _cut(piece.data, dtype)

    def indices(self, dtype: np.dtype[Any]) -> Iterator[bytes]:
        """Yield the variable of each value."""
        for piece in self._rows():
            yield from _cut(piece.indices, dtype)

    def indptr(self, dtype: np.dtype[Any]) -> Iterator[bytes]:
        """Yield the place of the first value of each observation, and their number."""
        if self._known < len(self._indptr) - 1:  # the other pass is yet to come, or has ended at the last cell
            for _ in self._rows():
                pass
            # What is kept may end at the last cell, too.
            self._indptr[self._known + 1 :] = self._indptr[self._known]
        for start in range(0, len(self._indptr), _INDPTR_AT_ONCE):
            yield cell_bytes(self._indptr[start : start + _INDPTR_AT_ONCE], dtype)

    def _rows(self) -> Iterator[CompressedBlock]:
        """Yield the pieces, and note where their rows start."""
        self._known = 0
        for piece in self._pieces("data"):
            rows = len(piece.indptr) - 1
            self._indptr[self._known + 1 : self._known + rows + 1] = self._indptr[self._known] + piece.indptr[1:]
            self._known += rows
            yield piece

    def _pieces(self, without: Array) -> Iterator[CompressedBlock]:
        if self._kept is not None:
            return iter(self._kept)
        if self._cells.without is not None:
            return self._cells.without("samples", without)
        return self._cells.compressed_along("samples")


def _few(cells: SparseCells, observations: int) -> list[CompressedBlock] | None:
    """Return all cells, None if they are more than are kept, or likely to be."""
    if cells.known and cells.count() > _KEPT_CELLS:
        return None
    kept: list[CompressedBlock] = []
    rows = count = 0
    for piece in cells.compressed_along("samples"):
        rows += len(piece.indptr) - 1
        count += len(piece.data)
        if count > _KEPT_CELLS or count * observations > _KEPT_CELLS * rows:
            return None
        kept.append(piece)
    return kept
