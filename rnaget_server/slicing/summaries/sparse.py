"""Summaries by group out of the stored cells of a sparse matrix alone: every other cell is 0."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnaget_server.model.sparse import CompressedBlock, SparseCells
from rnaget_server.stores.compressed import indptr_of

# Features × groups that are counted at once.
_COUNTERS = 1 << 17

_Numbers = NDArray[np.float64]


def summarise_stored(
    cells: SparseCells,
    codes: NDArray[np.int32],
    sizes: NDArray[np.int64],
    summaries: Sequence[str],
    dtype: np.dtype[Any],
) -> Iterator[NDArray[Any]]:
    """Yield blocks of features × columns: group by group, each of the summaries of it.

    Parameters
    ----------
    cells
        Features × samples.
    codes
        For each sample, which of the groups it belongs to, or -1.
    sizes
        How many samples each group has.
    summaries
        Some of `OF_STORED_CELLS`.
    dtype
        Of the blocks.
    """
    step = max(1, _COUNTERS // len(sizes))
    for piece in cells.compressed_along("features"):
        for start in range(0, len(piece.indptr) - 1, step):
            yield _summarised(StoredGroups(piece, slice(start, start + step), codes, sizes), summaries, dtype)


def _summarised(groups: StoredGroups, summaries: Sequence[str], dtype: np.dtype[Any]) -> NDArray[Any]:
    with np.errstate(all="ignore"):
        made = np.stack([OF_STORED[summary](groups) for summary in summaries], axis=-1)
        return np.ascontiguousarray(made.reshape(len(made), -1), dtype)


class StoredGroups:
    """The stored cells of some features, each with the bin it is counted in: a bin for each feature and group.

    Parameters
    ----------
    piece
        Stored cells compressed along features.
    rows
        Which of its features.
    codes
        For each sample, which of the groups it belongs to, or -1.
    sizes
        How many samples each group has.

    Attributes
    ----------
    present
        How many cells of each bin are not NaN.
    """

    def __init__(self, piece: CompressedBlock, rows: slice, codes: NDArray[np.int32], sizes: NDArray[np.int64]) -> None:
        starts = piece.indptr[rows]
        indptr = piece.indptr[rows.start : rows.start + len(piece.indptr[:-1][rows]) + 1]
        lengths = np.diff(indptr)
        stored = slice(int(starts[0]), int(indptr[-1]))
        self._shape = len(lengths), len(sizes)
        group, values = codes[piece.indices[stored]], piece.data[stored]
        bins = np.repeat(np.arange(len(lengths)) * len(sizes), lengths) + group
        is_nan = np.isnan(values)
        kept = (group >= 0) & ~is_nan
        absent = self._count(bins[is_nan & (group >= 0)]) if is_nan.any() else 0
        if not kept.all():
            bins, values = bins[kept], values[kept]
            lengths = np.diff(indptr_of(kept)[indptr - indptr[0]])
        self._bins = bins
        self._lengths = lengths
        self._values = values.astype(np.float64)
        self.present = np.broadcast_to(sizes - absent, self._shape)

    def count(self) -> _Numbers:
        """Return how many cells are not NaN."""
        return self.present.astype(np.float64)

    @cached_property
    def _sums(self) -> _Numbers:
        """Sums in twice the precision of float64 where that one alone would be rounded on the way.

        The high part of every value of a feature is a multiple of one power of 2, so large that adding them up is exact
        in any order; what is left is so small that the errors of its sum do not matter. No feature has to do with what
        else is read with it, so that its sums are the same in any part of a matrix.
        """
        # More than twice as large as any sum of high parts.
        scale = 2.0 * self._lengths * self._greatest()
        border = np.where((scale > 0) & np.isfinite(scale * 4), 2.0 ** np.ceil(np.log2(scale)), 0)
        borders = np.repeat(border, self._lengths)
        high = self._values + borders
        high -= borders
        low = self._values - high
        if not border.all():
            low[borders == 0] = 0
        return self._sum(high) + self._sum(low) if low.any() else self._sum(high)

    def _greatest(self) -> _Numbers:
        """Return how far from 0 the cells of each feature are, at most."""
        found = np.zeros(len(self._lengths))
        filled = self._lengths > 0
        starts = indptr_of(self._lengths)[:-1][filled]
        found[filled] = np.maximum.reduceat(np.abs(self._values), starts) if len(starts) else 0
        return found

    def sum(self) -> _Numbers:
        """Return the sum; 0 of nothing."""
        return self._sums

    def mean(self) -> _Numbers:
        """Return the mean."""
        found: _Numbers = self._sums / self.present
        return found

    def deviation(self) -> _Numbers:
        """Return the standard deviation of a sample (ddof 1); NaN for fewer than two values."""
        mean = self.mean()
        distance = self._values - mean.reshape(-1)[self._bins]
        zeros = self.present - self._count(self._bins)
        squares = self._sum(distance * distance) + np.where(zeros > 0, zeros * mean * mean, 0)
        return np.where(self.present > 1, np.sqrt(squares / (self.present - 1)), np.nan)

    def minimum(self) -> _Numbers:
        """Return the minimum."""
        return self._extreme(np.minimum, np.inf)

    def maximum(self) -> _Numbers:
        """Return the maximum."""
        return self._extreme(np.maximum, -np.inf)

    def fraction(self) -> _Numbers:
        """Return the share of the cells above 0."""
        return np.asarray(self._count(self._bins[self._values > 0]) / self.present)

    def fraction_nonzero(self) -> _Numbers:
        """Return the share of the cells that are not 0."""
        return np.asarray(self._count(self._bins[self._values != 0]) / self.present)

    def _extreme(self, of_two: np.ufunc, none: float) -> _Numbers:
        found = np.full(self._shape, none)
        of_two.at(found.reshape(-1), self._bins, self._values)
        with_zeros = np.where(self._count(self._bins) < self.present, of_two(found, 0), found)
        return np.where(self.present > 0, with_zeros, np.nan)

    def _count(self, bins: NDArray[np.int64]) -> NDArray[np.int64]:
        features, groups = self._shape
        return np.bincount(bins, minlength=features * groups).reshape(self._shape)

    def _sum(self, values: _Numbers) -> _Numbers:
        features, groups = self._shape
        return np.bincount(self._bins, values, features * groups).astype(np.float64, copy=False).reshape(self._shape)


OF_STORED: Mapping[str, Callable[[StoredGroups], _Numbers]] = {
    "mean": StoredGroups.mean,
    "sum": StoredGroups.sum,
    "min": StoredGroups.minimum,
    "max": StoredGroups.maximum,
    "std": StoredGroups.deviation,
    "fraction": StoredGroups.fraction,
    "fraction_nonzero": StoredGroups.fraction_nonzero,
    "n": StoredGroups.count,
}
OF_STORED_CELLS = frozenset(OF_STORED)
"""The summaries that need no cell but those that are stored."""
