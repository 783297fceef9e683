"""Rows of a sparse matrix as they go into the file, made where the rows are: in another process, perhaps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnaget_server.compute.base import Result
from rnaget_server.model.sparse import CompressedBlock
from rnaget_server.stores.base import Ranges
from rnaget_server.stores.dtypes import cell_dtype
from rnaget_server.stores.native.run_form import EncodedCells, RunForm


def map_blocks(blocks: Iterable[CompressedBlock], work: Callable[[CompressedBlock, int], Result]) -> Iterator[Result]:
    """Yield what `work` returns for each block of rows and the number of cells before it, in their order."""
    at = 0
    for block in blocks:
        yield work(block, at)
        at += len(block.data)


@dataclass(frozen=True)
class EncodedRows:
    """Consecutive rows: where each begins among their cells, these encoded, and the ranges of the rows, if wanted."""

    indptr: NDArray[np.int64]
    indices: EncodedCells
    values: EncodedCells
    ranges: Ranges | None


@dataclass(frozen=True)
class RowsEncoder:
    """Encodes rows.

    Parameters
    ----------
    indices, values
        The forms of both runs.
    across
        Length of a row, if the ranges of the rows are wanted.
    """

    indices: RunForm
    values: RunForm
    across: int | None

    def __call__(self, block: CompressedBlock, at: int) -> EncodedRows:
        """Return rows encoded; `at` is the number of cells before them."""
        indices, values = self.indices.encoded(block.indices, at), self.values.encoded(block.data, at)
        ranges = None if self.across is None else self._ranges(block, self.across)
        return EncodedRows(block.indptr, indices, values, ranges)

    def _ranges(self, block: CompressedBlock, across: int) -> Ranges:
        stored, dtype = np.diff(block.indptr), cell_dtype(self.values.dtype)
        ranges = Ranges(np.zeros(len(stored), dtype), np.zeros(len(stored), dtype), np.zeros(len(stored), np.int32))
        filled = np.flatnonzero(stored)
        starts = block.indptr[:-1][filled]
        if not len(filled):
            return ranges
        minimum, maximum = np.fmin.reduceat(block.data, starts), np.fmax.reduceat(block.data, starts)
        gaps = stored[filled] < across
        ranges.minimum[filled] = np.where(gaps, np.fmin(minimum, 0), minimum)
        ranges.maximum[filled] = np.where(gaps, np.fmax(maximum, 0), maximum)
        if block.data.dtype.kind == "f" and (nans := np.isnan(block.data)).any():
            ranges.nans[filled] = np.add.reduceat(nans, starts, dtype=np.int32)
        return ranges


def joined_ranges(parts: Sequence[Ranges], dtype: np.dtype[Any]) -> Ranges:
    """Return the ranges of consecutive parts of rows as one; `dtype` is the type of the cells."""
    nothing = Ranges(np.empty(0, dtype), np.empty(0, dtype), np.empty(0, np.int32))
    arrays = zip(*((part.minimum, part.maximum, part.nans) for part in (nothing, *parts)), strict=True)
    return Ranges(*map(np.concatenate, arrays))
