"""Blocks of rows → runs of columns: for formats whose first axis is the samples, or that store columns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnaget_server.model.slice import LayerInfo

_TILE = 256


def transposed_runs(layer: LayerInfo, samples: int, step: int) -> Iterator[NDArray[Any]]:
    """Yield the cells as samples × features, `step` features at once and the rest at last.

    What is yielded holds until the next is asked for.
    """
    run = np.empty((samples, step), layer.dtype)
    filled = 0
    for block in layer.blocks():
        start = 0
        while start < len(block):
            rows = block[start : start + step - filled]
            # By tiles, since a row of the block and its column of the run do not fit into the cache together.
            for tile in range(0, samples, _TILE):
                run[tile : tile + _TILE, filled : filled + len(rows)] = rows[:, tile : tile + _TILE].T
            start += len(rows)
            filled += len(rows)
            if filled == step:
                yield run
                filled = 0
    if filled:
        yield run[:, :filled]
