"""The order of rows and columns in a heat map: that of the leaves of a hierarchical clustering."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST_ORDERED = 100
"""Of so many rows or fewer the leaves are ordered so that neighbours are alike; of more, it would take long."""

Values = NDArray[np.float64]


def clustered(values: Values) -> tuple[list[int], list[int]]:
    """Return the order of rows and that of columns by average linkage of Euclidean distances, as scipy gives it.

    What is no finite number counts as the mean of its row. Rows and columns without any come last, as they were.

    Parameters
    ----------
    values
        The values as they are shown, rows × columns.
    """
    finite = np.isfinite(values)
    rows, columns = np.flatnonzero(finite.any(axis=1)), np.flatnonzero(finite.any(axis=0))
    kept = _filled(values[np.ix_(rows, columns)])
    return (
        _with_others(rows[_leaves(kept)], len(values)),
        _with_others(columns[_leaves(np.ascontiguousarray(kept.T))], values.shape[1]),
    )


def _filled(values: Values) -> Values:
    """Return the values with the mean of its row in place of what is no finite number."""
    finite = np.isfinite(values)
    if finite.all():
        return values
    means = np.sum(values, axis=1, where=finite) / finite.sum(axis=1)
    return np.where(finite, values, means[:, None])


def _leaves(values: Values) -> NDArray[Any]:
    """Return the order of the rows."""
    if len(values) < 2:
        return np.arange(len(values))
    # It takes half a second to import, and most pages need none of it.
    from scipy.cluster.hierarchy import leaves_list, linkage

    tree = linkage(values, "average", metric="euclidean", optimal_ordering=len(values) <= MOST_ORDERED)
    leaves: NDArray[Any] = leaves_list(tree)
    return leaves


def _with_others(order: NDArray[Any], size: int) -> list[int]:
    chosen: Sequence[int] = order.tolist()
    missing = set(range(size)).difference(chosen)
    return [*chosen, *sorted(missing)]
