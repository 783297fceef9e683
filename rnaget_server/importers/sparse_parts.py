"""Parts of a spooled sparse matrix, as small values by which another process finds their cells in the file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rnaget_server.importers.sparse_blocks import LINES, MOVED, POSITIONS, VALUES, Block, BlockFile, joined
from rnaget_server.model.sparse import CompressedBlock
from rnaget_server.stores.compressed import indptr_of


class CellsPart(Protocol):
    """Some lines of either axis."""

    @property
    def at(self) -> int:
        """Number of cells before them."""

    def cells(self, file: BlockFile) -> CompressedBlock:
        """Return these lines."""


StraightMaker = Callable[[Block, int, np.dtype[Any]], CellsPart]
"""Makes what gives the lines of a block as they came, of the block, the number of cells before it, and the type of all
cells that are served."""


def value_dtype(block: Block, dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the type in which the values of a block are given where `dtype` is that of all cells that are served."""
    kept = block.types[VALUES]
    # Large whole numbers, where there are fractions in other blocks.
    return dtype if kept.itemsize > dtype.itemsize else kept


@dataclass(frozen=True)
class StraightPart:
    """A block as it came: `at` is the number of cells before it, `dtype` the type of all cells that are served."""

    block: Block
    at: int
    dtype: np.dtype[Any]

    def cells(self, file: BlockFile) -> CompressedBlock:
        """Return its lines."""
        indptr = indptr_of(self.block.lengths)
        positions, values = (file.read(self.block, array, 0, int(indptr[-1])) for array in (POSITIONS, VALUES))
        return CompressedBlock(indptr, positions, values.astype(value_dtype(self.block, self.dtype), copy=False))


@dataclass(frozen=True)
class AcrossPart:
    """Some lines of the other axis: `starts` and `lengths` of their cells in each block, `at` the cells before them."""

    blocks: list[Block]
    starts: NDArray[np.int64]
    lengths: NDArray[np.int32]
    at: int
    stored_dtype: np.dtype[Any]

    def cells(self, file: BlockFile) -> CompressedBlock:
        """Return these lines."""
        stops = np.cumsum(self.lengths.sum(axis=1)).tolist()
        count = stops[-1] if stops else 0
        lines, values = np.empty(count, np.int32), np.empty(count, self.stored_dtype)
        for block, start, at, stop in zip(self.blocks, self.starts.tolist(), [0, *stops], stops, strict=False):
            end = start + stop - at
            np.add(file.read(block, LINES, start, end), block.first, out=lines[at:stop], dtype=np.int32)
            values[at:stop] = file.read(block, MOVED, start, end)
        lines, values = joined(self.lengths, lines, values)
        return CompressedBlock(indptr_of(self.lengths.sum(axis=0)), lines, values)
