"""The cells of a selection without its zeros."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Direction = Literal["features", "samples"]
Array = Literal["indices", "data"]


@dataclass(frozen=True)
class CompressedBlock:
    """Consecutive rows (or columns) of a sparse selection: the cells that are stored, one row after another.

    Row ``i`` holds ``data[indptr[i]:indptr[i + 1]]`` at ``indices[indptr[i]:indptr[i + 1]]``, which count
    within the selection and ascend; every other cell of it is 0.
    """

    indptr: NDArray[np.int64]
    indices: NDArray[Any]
    """Of any type of whole numbers."""

    data: NDArray[Any]


@dataclass(frozen=True)
class SparseCells:
    """A selection out of a sparse layer, without its zeros."""

    count: Callable[[], int]
    """Returns how many cells are stored in the selection."""

    compressed_along: Callable[[Direction], Iterator[CompressedBlock]]
    """Yields the selection in bounded pieces, compressed along ``features`` (rows) or ``samples`` (columns)."""

    without: Callable[[Direction, Array], Iterator[CompressedBlock]] | None = None
    """Yields the same pieces with one of their arrays left empty, if the other can be had by itself: then it takes half
    the time. The array is there all the same where it has to be read anyhow."""

    known: bool = False
    """Whether `count` reads no cells."""


def check_block(block: CompressedBlock, rows: int, across: int, without: Array | None = None) -> None:
    """Refuse a block whose arrays do not fit one another, or what is left of a matrix.

    Parameters
    ----------
    block
        The block.
    rows
        How many rows are left after it.
    across
        The length of a row.
    without
        The array that may be empty.

    Raises
    ------
    OSError
        If they do not.
    """
    stored = int(block.indptr[-1])
    ascending = int(block.indptr[0]) == 0 and not (block.indptr[1:] < block.indptr[:-1]).any()
    lengths = {"indices": len(block.indices), "data": len(block.data)}
    if without is not None and not lengths[without]:
        lengths[without] = stored
    if rows < 0 or not ascending or any(length != stored for length in lengths.values()):
        raise OSError("the cells do not fit the matrix")
    if len(block.indices) and (int(block.indices.max()) >= across or int(block.indices.min()) < 0):
        raise OSError("a cell lies beyond the matrix")
