"""Sparse cells that are kept in memory, compressed along the other axis.

They are counted and put in place by scipy, part by part of the other axis: a part is so small that the places where its
cells go fit into the processor's cache, where to sort all of them, or to count them at once, would miss it for each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnaget_server.model.sparse import CompressedBlock
from rnaget_server.stores.compressed import PIECE, indptr_of, panels

PART = 1 << 17
"""About how many cells are put in place at once where rows are long."""

LONG = 128
"""Cells of a row from which on it is cut into parts by bisection; of shorter ones, all cells are looked at."""

_SAMPLED = 16

_Bounds = NDArray[np.int32]
_Arrays = tuple[NDArray[np.int64], Sequence[NDArray[Any]], Sequence[NDArray[Any]]]
"""Lengths of rows, and their indices and values in one array or several."""


def by_minor(kept: Sequence[CompressedBlock], width: int) -> Iterator[CompressedBlock]:
    """Yield rows whose indices are int32 compressed along the other axis, which is `width` long.

    Raises
    ------
    OSError
        If the indices of a row do not ascend.
    """
    cells = sum(len(piece.indices) for piece in kept)
    if not cells:
        nothing = np.empty(0, np.int32)
        yield CompressedBlock(np.zeros(width + 1, np.int64), nothing, kept[0].data if kept else np.empty(0))
        return
    is_long = cells >= LONG * sum(len(piece.indptr) - 1 for piece in kept)
    bounds = _sampled(kept, width) if is_long else _counted(kept, width)
    cut: Callable[[CompressedBlock, _Bounds], Iterator[_Arrays]] = _slices if is_long else _inside
    parts = zip(*(cut(piece, bounds) for piece in kept), strict=True)
    for (first, last), rows in zip(pairwise(bounds.tolist()), parts, strict=True):
        yield _put_in_place(rows, first, last - first)


def _sampled(kept: Sequence[CompressedBlock], width: int) -> _Bounds:
    """Return where parts of about `PART` cells begin and end, by some of the cells of long rows."""
    some = np.sort(np.concatenate([piece.indices[::_SAMPLED] for piece in kept]))
    step = max(1, PART // _SAMPLED)
    return np.unique(np.concatenate([[0], some[step::step], [width]]).astype(np.int32))


def _counted(kept: Sequence[CompressedBlock], width: int) -> _Bounds:
    """Return where parts of about `PIECE` cells begin and end."""
    counts = np.zeros(width, np.int32)
    for piece in kept:
        counts += np.bincount(piece.indices, minlength=width)
    return np.array([0, *(last for _, last in panels(counts, PIECE))], np.int32)


def _slices(piece: CompressedBlock, bounds: _Bounds) -> Iterator[_Arrays]:
    """Yield the cells between each bound and the next, row by row."""
    cuts = np.empty((len(piece.indptr) - 1, len(bounds)), np.int64)
    for cut, (first, last) in zip(cuts, pairwise(piece.indptr.tolist()), strict=True):
        cut[:] = first
        cut[1:-1] += np.searchsorted(piece.indices[first:last], bounds[1:-1])
        cut[-1] = last
    # No cell is in two parts, or in none, even if a damaged file has them in no order.
    np.maximum.accumulate(cuts, axis=1, out=cuts)
    for begin, end in pairwise(cuts.T):
        some = list(map(slice, begin.tolist(), end.tolist()))
        yield end - begin, [piece.indices[cells] for cells in some], [piece.data[cells] for cells in some]


def _inside(piece: CompressedBlock, bounds: _Bounds) -> Iterator[_Arrays]:
    """Yield the cells between each bound and the next, out of all."""
    for first, last in pairwise(bounds.tolist()):
        # What is before the first is far beyond the last.
        inside = np.flatnonzero((piece.indices - np.int32(first)).view(np.uint32) < last - first)
        lengths = np.diff(np.searchsorted(inside, piece.indptr))
        yield lengths, [piece.indices[inside]], [piece.data[inside]]


def _put_in_place(parts: Sequence[_Arrays], first: int, width: int) -> CompressedBlock:
    """Return the cells of some rows at `width` positions of the other axis, from `first`, compressed along that one."""
    from scipy.sparse import csr_array

    lengths = np.concatenate([lengths for lengths, _, _ in parts])
    indices, data = (np.concatenate([*chain.from_iterable(part[of] for part in parts)]) for of in (1, 2))
    indices -= np.int32(first)
    # scipy writes to the place that an index names, whether it has such a place or not.
    if len(indices) and int(indices.view(np.uint32).max()) >= width:
        raise OSError("the indices of a row of a sparse matrix do not ascend")
    rows = csr_array((data, indices, indptr_of(lengths).astype(np.int32)), (len(lengths), width))
    columns = rows.tocsc()
    return CompressedBlock(columns.indptr.astype(np.int64), columns.indices, columns.data)
