"""The summaries of cells along their last axis, as pandas defines them: NaN is skipped, of nothing comes NaN.

Each takes float32 or float64 cells and returns float64, one dimension less. They reckon in float64, and may divide 0
by 0: call them with numpy's warnings off.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

Cells = NDArray[Any]
Summary = NDArray[np.float64]


def count(cells: Cells) -> Summary:
    """Return how many cells are not NaN."""
    return np.asarray(cells.shape[-1] - np.count_nonzero(np.isnan(cells), axis=-1), np.float64)


def fraction_nonzero(cells: Cells) -> Summary:
    """Return the share of the cells that are not NaN which are not 0."""
    nans = np.count_nonzero(np.isnan(cells), axis=-1)
    return np.asarray((np.count_nonzero(cells, axis=-1) - nans) / (cells.shape[-1] - nans))


def mean(cells: Cells) -> Summary:
    """Return the mean."""
    total = cells.sum(axis=-1, dtype=np.float64)
    if not np.isnan(total).any():
        return np.asarray(total / cells.shape[-1])
    present = ~np.isnan(cells)
    return np.asarray(cells.sum(axis=-1, dtype=np.float64, where=present) / np.count_nonzero(present, axis=-1))


def deviation(cells: Cells) -> Summary:
    """Return the standard deviation of a sample (ddof 1); NaN for fewer than two values."""
    distance = np.subtract(cells, mean(cells)[..., np.newaxis], dtype=np.float64)
    size = np.full(distance.shape[:-1], cells.shape[-1])
    if np.isnan(distance).any():
        nan = np.isnan(cells)
        distance[nan] = 0
        size -= np.count_nonzero(nan, axis=-1)
    squares = np.einsum("...i,...i->...", distance, distance)
    return np.where(size > 1, np.sqrt(squares / (size - 1)), np.nan)


def least(cells: Cells) -> Summary:
    """Return the minimum."""
    return np.asarray(np.fmin.reduce(cells, axis=-1), np.float64)


def greatest(cells: Cells) -> Summary:
    """Return the maximum."""
    return np.asarray(np.fmax.reduce(cells, axis=-1), np.float64)


def median(cells: Cells) -> Summary:
    """Return the median."""
    below, above, weight = _around(cells, 0.5)
    return np.asarray(np.where(weight == 0, below, (below + above) / 2))


def quantile(cells: Cells, share: float) -> Summary:
    """Return the quantile at `share`, linear between neighbours."""
    below, above, weight = _around(cells, share)
    return np.asarray(np.where(weight == 0, below, below + (above - below) * weight))


def _around(cells: Cells, share: float) -> tuple[Summary, Summary, Summary]:
    """Return the values next to a quantile, and how far from the first to the second it lies, from 0 to 1."""
    ordered = np.sort(cells, axis=-1)  # NaN comes last
    last = np.full(cells.shape[:-1], cells.shape[-1] - 1)
    if np.isnan(ordered[..., -1]).any():
        last -= np.count_nonzero(np.isnan(cells), axis=-1)
    at = last.clip(min=0) * share
    below = np.floor(at).astype(np.int64)
    above = np.minimum(below + 1, last.clip(min=0))
    low, high = (
        np.take_along_axis(ordered, places[..., np.newaxis], axis=-1)[..., 0].astype(np.float64)
        for places in (below, above)
    )
    return low, high, at - below


SUMMARY_OF: Mapping[str, Callable[[Cells], Summary]] = {
    "mean": mean,
    "median": median,
    "q1": partial(quantile, share=0.25),
    "q3": partial(quantile, share=0.75),
    "min": least,
    "max": greatest,
    "std": deviation,
    "fraction_nonzero": fraction_nonzero,
    "n": count,
}
"""The summaries by the names that a query has for them."""
