"""The cells of a dense layer that are not 0, compressed by samples: sorted by way of a temporary file."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from rnaget_server.model.slice import LayerInfo
from rnaget_server.model.sparse import CompressedBlock, Direction, SparseCells
from rnaget_server.writers.entries import nonzero_entries

_ENTRIES = 1 << 17


def cells_by_samples(layer: LayerInfo, samples: int) -> SparseCells:
    """Return the stored cells of a layer, or those of a dense one that are not 0, which can be read by samples alone.

    The cells of a dense layer are read once here, and again whenever they are asked for.
    """
    if layer.sparse is not None:
        return layer.sparse
    indptr = np.zeros(samples + 1, np.int64)
    for _, columns, _ in nonzero_entries(layer, _ENTRIES):
        indptr[1:] += np.bincount(columns, minlength=samples)
    np.cumsum(indptr, out=indptr)

    def pieces(_: Direction) -> Iterator[CompressedBlock]:
        with tempfile.TemporaryFile(prefix="rnaget-") as file:
            kind = np.dtype([("feature", np.int32), ("value", layer.dtype)])
            file.truncate(max(1, int(indptr[-1])) * kind.itemsize)
            cells = np.memmap(file, kind, "r+", shape=(max(1, int(indptr[-1])),))
            _scatter(layer, cells, indptr[:-1].copy())
            yield from _gathered(cells, indptr)

    return SparseCells(lambda: int(indptr[-1]), pieces)


def _scatter(layer: LayerInfo, cells: NDArray[np.void], free: NDArray[np.int64]) -> None:
    """Put each cell at the first free place of its sample; features ascend, so they ascend within a sample, too."""
    for rows, columns, values in nonzero_entries(layer, _ENTRIES):
        order = np.argsort(columns, kind="stable")
        ordered = columns[order]
        places = free[ordered] + np.arange(len(ordered)) - np.searchsorted(ordered, ordered)
        cells["feature"][places] = rows[order]
        cells["value"][places] = values[order]
        free += np.bincount(columns, minlength=len(free))


def _gathered(cells: NDArray[np.void], indptr: NDArray[np.int64]) -> Iterator[CompressedBlock]:
    first, samples = 0, len(indptr) - 1
    while first < samples:
        last = max(first + 1, int(np.searchsorted(indptr, indptr[first] + _ENTRIES, "right")) - 1)
        part = np.array(cells[indptr[first] : indptr[last]])
        yield CompressedBlock(indptr[first : last + 1] - indptr[first], part["feature"], part["value"])
        first = last
