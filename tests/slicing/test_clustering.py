"""The order of a heat map is scipy's; what has no value is out of the way."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.cluster.hierarchy import average, leaves_list, optimal_leaf_ordering
from scipy.spatial.distance import pdist

from rnaget_server.slicing.clustering import MOST_ORDERED, clustered


def order_of(values: np.ndarray, optimal: bool = True) -> list[int]:
    """The leaves of the rows, by other functions of scipy than the server calls."""
    distances = pdist(values)
    tree = average(distances)
    found: list[int] = leaves_list(optimal_leaf_ordering(tree, distances) if optimal else tree).tolist()
    return found


@pytest.mark.parametrize("shape", [(2, 2), (3, 7), (40, 9), (MOST_ORDERED, 3), (MOST_ORDERED + 1, 3), (5, 300)])
def test_order_is_that_of_scipy(shape: tuple[int, int]) -> None:
    values = np.random.default_rng(5).normal(size=shape)
    rows, columns = clustered(values)
    assert rows == order_of(values, shape[0] <= MOST_ORDERED)
    assert columns == order_of(values.T, shape[1] <= MOST_ORDERED)


def test_one_row_or_column_stays() -> None:
    assert clustered(np.ones((1, 1))) == ([0], [0])
    assert clustered(np.array([[3.0], [1.0], [2.9]]))[1] == [0]


def test_missing_values_count_as_the_mean_of_the_row_and_empty_lines_come_last() -> None:
    values = np.random.default_rng(6).normal(size=(6, 5))
    values[2] = np.nan
    values[:, 1] = np.nan
    values[0, 3], values[4, 0] = np.nan, np.inf
    rows, columns = clustered(values)
    kept = np.delete(np.delete(values, 2, 0), 1, 1)
    kept[0, 2] = kept[0, [0, 1, 3]].mean()
    kept[3, 0] = kept[3, 1:].mean()
    assert rows == [[0, 1, 3, 4, 5][row] for row in order_of(kept)] + [2]
    assert columns == [[0, 2, 3, 4][column] for column in order_of(kept.T)] + [1]


def test_without_any_value_all_stay() -> None:
    assert clustered(np.full((3, 2), np.nan)) == ([0, 1, 2], [0, 1])
