"""Blocks of cells on their way into the native store: their ranges, and their transposition."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnaget_server.stores.base import Ranges

_TILE = 256
_SHORT_ROW = 64


def block_ranges(block: NDArray[Any]) -> Ranges:
    """Return the ranges of the rows of a block."""
    # To begin with a row costs as much as some of its cells: short ones are gone through across.
    cells, along = (np.ascontiguousarray(block.T), 0) if block.shape[1] < _SHORT_ROW else (block, 1)
    nans = np.isnan(cells).sum(axis=along).astype(np.int32)
    return Ranges(np.fmin.reduce(cells, axis=along), np.fmax.reduce(cells, axis=along), nans)


def transposed(block: NDArray[Any]) -> NDArray[Any]:
    """Return the transposed block; at once, every cell copied would miss the processor's cache."""
    if block.T.flags.c_contiguous:
        return block.T
    out = np.empty(block.shape[::-1], block.dtype)
    for start in range(0, len(block), _TILE):
        out[:, start : start + _TILE] = block[start : start + _TILE].T
    return out
