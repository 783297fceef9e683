"""Cells in AnnData's file format: observations × variables, dense or compressed by rows (CSR)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from rnaget_server.model.slice import LayerInfo
from rnaget_server.model.sparse import CompressedBlock, SparseCells
from rnaget_server.writers.h5ad_tables import set_encoding
from rnaget_server.writers.skeleton import Place, allocate, cell_bytes, row_pieces
from rnaget_server.writers.transposed import transposed_runs

_CHUNK_BYTES = 2 << 20
HELD = _CHUNK_BYTES + (256 << 10)
"""The most bytes of cells that are transposed or cut at once."""
_PIECE = 512 << 10
_INDPTR_AT_ONCE = 1 << 17


def by_rows(group: h5py.Group, link: str, layer: LayerInfo, shape: tuple[int, int]) -> list[Place]:
    """Allocate cells whose blocks are observations as they come; return their places."""
    dataset, places = allocate(group, link, layer.dtype, shape, row_pieces(layer))
    set_encoding(dataset, "array", "0.2.0")
    return places


def by_features(group: h5py.Group, link: str, layer: LayerInfo, shape: tuple[int, int]) -> list[Place]:
    """Allocate cells whose blocks are variables; return their places."""
    dataset, places = feature_chunks(group, link, layer, shape)
    set_encoding(dataset, "array", "0.2.0")
    return places


def feature_chunks(
    group: h5py.Group, link: str, layer: LayerInfo, shape: tuple[int, int]
) -> tuple[h5py.Dataset, list[Place]]:
    """Return a new dataset of samples × features out of blocks that are features, and the places of its cells.

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
    step = max(1, _PIECE // max(1, run.shape[1] * dtype.itemsize))
    for start in range(0, len(run), step):
        yield cell_bytes(run[start : start + step], dtype)


def csr(group: h5py.Group, link: str, cells: SparseCells, dtype: np.dtype[Any], shape: tuple[int, int]) -> list[Place]:
    """Allocate the three arrays of a sparse matrix, compressed by observations; return their places."""
    matrix = set_encoding(group.create_group(link), "csr_matrix", "0.1.0")
    matrix.attrs["shape"] = np.array(shape, np.int64)
    arrays = CsrArrays(cells, shape[0])
    count = cells.count()
    index = np.dtype(np.int32 if shape[1] <= np.iinfo(np.int32).max else np.int64)
    _, places = allocate(matrix, "data", dtype, (count,), arrays.data(dtype))
    places += allocate(matrix, "indices", index, (count,), arrays.indices(index))[1]
    places += allocate(matrix, "indptr", np.dtype(np.int64), (shape[0] + 1,), arrays.indptr())[1]
    return places


class CsrArrays:
    """The arrays of a CSR matrix: a pass over the cells for each of the two large ones."""

    def __init__(self, cells: SparseCells, observations: int) -> None:
        self._cells = cells
        self._indptr = np.zeros(observations + 1, np.int64)
        self._known = 0

    def data(self, dtype: np.dtype[Any]) -> Iterator[bytes]:
        """Yield the values."""
        for piece in self._cells.compressed_along("samples"):
            yield cell_bytes(piece.data, dtype)

    def indices(self, dtype: np.dtype[Any]) -> Iterator[bytes]:
        """Yield the variable of each value."""
        for piece in self._pieces():
            yield cell_bytes(piece.indices, dtype)

    def indptr(self) -> Iterator[bytes]:
        """Yield the place of the first value of each observation, and their number."""
        if self._known < len(self._indptr) - 1:  # the other pass is yet to come, or has ended at the last cell
            for _ in self._pieces():
                pass
        for start in range(0, len(self._indptr), _INDPTR_AT_ONCE):
            yield cell_bytes(self._indptr[start : start + _INDPTR_AT_ONCE], self._indptr.dtype)

    def _pieces(self) -> Iterator[CompressedBlock]:
        self._known = 0
        for piece in self._cells.compressed_along("samples"):
            rows = len(piece.indptr) - 1
            self._indptr[self._known + 1 : self._known + rows + 1] = self._indptr[self._known] + piece.indptr[1:]
            self._known += rows
            yield piece
