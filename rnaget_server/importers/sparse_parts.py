"""Parts of a spooled sparse matrix, as small values by which another process finds their cells in the files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnaget_server.importers.sparse_blocks import LINES, MOVED, POSITIONS, VALUES, Block, BlockFiles, joined
from rnaget_server.model.sparse import CompressedBlock
from rnaget_server.stores.compressed import indptr_of


@dataclass(frozen=True)
class AlongPart:
    """A block as it came: `at` is the number of cells before it, `dtype` the type of all cells that are served."""

    block: Block
    at: int
    dtype: np.dtype[Any]

    def cells(self, files: BlockFiles) -> CompressedBlock:
        """Return its lines."""
        dtype = self.block.types[VALUES]
        if dtype.itemsize > self.dtype.itemsize:  # large whole numbers, where there are fractions in other blocks
            dtype = self.dtype
        if self.block.source is not None:
            return self.block.source.read(self.block, dtype)
        indptr = indptr_of(self.block.lengths)
        positions, values = (files.read(self.block, array, 0, int(indptr[-1])) for array in (POSITIONS, VALUES))
        return CompressedBlock(indptr, positions, values.astype(dtype, copy=False))


@dataclass(frozen=True)
class AcrossPart:
    """Some lines of the other axis: `starts` and `lengths` of their cells in each block, `at` the cells before them."""

    blocks: list[Block]
    starts: NDArray[np.int64]
    lengths: NDArray[np.int32]
    at: int
    stored_dtype: np.dtype[Any]

    def cells(self, files: BlockFiles) -> CompressedBlock:
        """Return these lines."""
        stops = np.cumsum(self.lengths.sum(axis=1)).tolist()
        count = stops[-1] if stops else 0
        lines, values = np.empty(count, np.int32), np.empty(count, self.stored_dtype)
        for block, start, at, stop in zip(self.blocks, self.starts.tolist(), [0, *stops], stops, strict=False):
            end = start + stop - at
            np.add(files.read(block, LINES, start, end), block.first, out=lines[at:stop], dtype=np.int32)
            values[at:stop] = files.read(block, MOVED, start, end)
        lines, values = joined(self.lengths, lines, values)
        return CompressedBlock(indptr_of(self.lengths.sum(axis=0)), lines, values)
