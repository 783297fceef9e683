"""The summaries of cells along their last axis, as pandas defines them: NaN is skipped; of nothing comes NaN, 0 as sum.

Each takes float32 or float64 cells and returns float64, one dimension less. They reckon in float64, and may divide 0
by 0: call them with numpy's warnings off.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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


def fraction(cells: Cells) -> Summary:
    """Return the share of the cells that are not NaN which are above 0."""
    nans = np.count_nonzero(np.isnan(cells), axis=-1)
    return np.asarray(np.count_nonzero(cells > 0, axis=-1) / (cells.shape[-1] - nans))


def total(cells: Cells) -> Summary:
    """Return the sum."""
    found = cells.sum(axis=-1, dtype=np.float64)
    return np.asarray(np.nansum(cells, axis=-1, dtype=np.float64) if np.isnan(found).any() else found)


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
    # Not einsum, which adds long rows up in another order where there are several.
    squares = np.square(distance, out=distance).sum(axis=-1)
    return np.where(size > 1, np.sqrt(squares / (size - 1)), np.nan)


def least(cells: Cells) -> Summary:
    """Return the minimum."""
    return np.asarray(np.fmin.reduce(cells, axis=-1), np.float64)


def greatest(cells: Cells) -> Summary:
    """Return the maximum."""
    return np.asarray(np.fmax.reduce(cells, axis=-1), np.float64)


def _quantiles(cells: Cells, shares: Sequence[float]) -> list[Summary]:
    """Return the quantiles at some shares, linear between neighbours; the cells are sorted once."""
    ordered = np.sort(cells, axis=-1)  # NaN comes last
    last = np.full((*cells.shape[:-1], 1), cells.shape[-1] - 1)
    if np.isnan(ordered[..., -1]).any():
        last -= np.count_nonzero(np.isnan(cells), axis=-1, keepdims=True)
    at = last.clip(min=0) * np.array(shares)
    places = np.floor(at).astype(np.int64)
    below, above = (
        np.take_along_axis(ordered, chosen, axis=-1).astype(np.float64)
        for chosen in (places, np.minimum(places + 1, last.clip(min=0)))
    )
    weight = at - places
    between = np.where(np.array(shares) == _HALF, (below + above) / 2, below + (above - below) * weight)
    found = np.where(weight == 0, below, between)
    return [found[..., number] for number in range(len(shares))]


_HALF = 0.5
_SHARES = {"median": _HALF, "q1": 0.25, "q3": 0.75}
_OTHERS: Mapping[str, Callable[[Cells], Summary]] = {
    "mean": mean,
    "min": least,
    "max": greatest,
    "std": deviation,
    "sum": total,
    "fraction": fraction,
    "fraction_nonzero": fraction_nonzero,
    "n": count,
}


def summarise(cells: Cells, summaries: Sequence[str]) -> list[Summary]:
    """Return summaries by the names that a query has for them; the cells are sorted at most once."""
    of_shares = [name for name in summaries if name in _SHARES]
    quantiles = _quantiles(cells, [_SHARES[name] for name in of_shares]) if of_shares else ()
    found = dict(zip(of_shares, quantiles, strict=True))
    return [found[name] if name in found else _OTHERS[name](cells) for name in summaries]
