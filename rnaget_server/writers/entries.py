"""The cells of a layer that are not 0, in bounded pieces, whether its source is sparse or dense."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnaget_server.model.slice import LayerInfo
from rnaget_server.model.sparse import CompressedBlock
from rnaget_server.stores.blocks import steps

Entries = tuple[NDArray[Any], NDArray[Any], NDArray[Any]]
"""Feature, sample and value of some cells; both places count within the slice."""


def nonzero_rows(layer: LayerInfo) -> Iterator[CompressedBlock]:
    """Yield the cells that are not 0, feature by feature; NaN is one of them."""
    if layer.sparse is not None:
        yield from map(_without_zeros, layer.sparse.compressed_along("features"))
        return
    yield from map(_nonzero, layer.blocks())


def nonzero_entries(layer: LayerInfo, size: int) -> Iterator[Entries]:
    """Yield the cells that are not 0, feature by feature and sample by sample, at most `size` at once."""
    start = 0
    for piece in nonzero_rows(layer):
        for first, last in steps(len(piece.indices), size):
            yield start + lines_of(piece, first, last), piece.indices[first:last], piece.data[first:last]
        start += len(piece.indptr) - 1


def filled(entries: Iterator[Entries], size: int, dtype: np.dtype[Any]) -> Iterator[Entries]:
    """Yield entries `size` at once, and the rest at last; what is yielded holds until the next is asked for."""
    kept = np.empty(size, np.int32), np.empty(size, np.int32), np.empty(size, dtype)
    count = 0
    for entry in entries:
        start = 0
        while start < len(entry[0]):
            taken = min(size - count, len(entry[0]) - start)
            for array, part in zip(kept, entry, strict=True):
                array[count : count + taken] = part[start : start + taken]
            start += taken
            count += taken
            if count == size:
                yield kept
                count = 0
    if count:
        rows, columns, values = (array[:count] for array in kept)
        yield rows, columns, values


def lines_of(piece: CompressedBlock, first: int, last: int) -> NDArray[np.int64]:
    """Return the row (or column) of some of the cells of a piece, counted from its first: of all they are many."""
    bounds: NDArray[np.int64] = np.clip(piece.indptr, first, last)
    return np.repeat(np.arange(len(piece.indptr) - 1), np.diff(bounds))


def _nonzero(block: NDArray[Any]) -> CompressedBlock:
    if len(block) == 1:  # which may be as long as a million rows of others
        columns = np.flatnonzero(block)
        return CompressedBlock(np.array([0, len(columns)]), columns, block[0, columns])
    rows, columns = np.nonzero(block)
    return CompressedBlock(np.searchsorted(rows, np.arange(len(block) + 1)), columns, block[rows, columns])


def _without_zeros(piece: CompressedBlock) -> CompressedBlock:
    kept = piece.data != 0
    if kept.all():
        return piece
    before = np.concatenate([np.zeros(1, np.int64), np.cumsum(kept)])
    return CompressedBlock(before[piece.indptr], piece.indices[kept], piece.data[kept])
