"""Summaries are those of pandas, for any cells."""

from __future__ import annotations

import warnings

import hypothesis.extra.numpy as arrays
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnaget_server.query.table import MATRIX_SUMMARIES
from rnaget_server.slicing.summaries import Grouping
from rnaget_server.slicing.summaries.statistics import summarise
from tests.conftest import examples
from tests.slicing.summaries.reference import summary_by_pandas

CELLS = st.one_of(
    st.sampled_from([0.0, -0.0, 1.0, 0.5, 1e6, np.nan, np.inf, -np.inf]),
    st.floats(-1000, 1000, width=32),
)


def test_every_summary_of_a_query_is_there() -> None:
    made = summarise(np.ones((2, 3), np.float32), MATRIX_SUMMARIES)
    assert [values.shape for values in made] == [(2,)] * len(MATRIX_SUMMARIES)


@pytest.mark.parametrize("summary", MATRIX_SUMMARIES)
@settings(deadline=None, max_examples=examples(60))
@given(data=st.data(), dtype=st.sampled_from([np.float32, np.float64]))
def test_groups_of_random_cells(summary: str, data: st.DataObject, dtype: type) -> None:
    rows, columns = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 12))
    cells = data.draw(arrays.arrays(dtype, (rows, columns), elements=CELLS))
    texts = data.draw(st.lists(st.sampled_from(["a", "b", "c", ""]), min_size=columns, max_size=columns))
    grouping = Grouping("x", texts)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = grouping.summarise(cells, (summary,), np.dtype(np.float64))
    expected = summary_by_pandas(pd.DataFrame(cells), texts, summary)
    assert list(grouping.values) == expected.columns.tolist()
    assert grouping.sizes.tolist() == [texts.count(value) for value in grouping.values]
    assert grouping.ungrouped == texts.count("")
    np.testing.assert_allclose(made, expected.to_numpy(np.float64), rtol=1e-9, atol=1e-7)


def test_values_by_hand() -> None:
    cells = np.array([[4, 1, 3, 2, np.nan, 7, 0]], np.float32)
    grouping = Grouping("x", ["a", "a", "a", "a", "a", "b", ""])
    expected = {
        "mean": [2.5, 7],
        "median": [2.5, 7],
        "q1": [1.75, 7],
        "q3": [3.25, 7],
        "min": [1, 7],
        "max": [4, 7],
        "std": [np.sqrt(5 / 3), np.nan],
        "sum": [10, 7],
        "fraction": [1, 1],
        "fraction_nonzero": [1, 1],
        "n": [4, 1],
    }
    for summary, values in expected.items():
        made = grouping.summarise(cells, (summary,), np.dtype(np.float64))
        assert np.array_equal(made[0], values, equal_nan=True), summary
    assert (grouping.values, grouping.sizes.tolist(), grouping.ungrouped) == (("a", "b"), [5, 1], 1)


@pytest.mark.parametrize("summary", MATRIX_SUMMARIES)
def test_equal_values_have_no_deviation_and_nothing_gives_nan(summary: str) -> None:
    cells = np.array([[0.7] * 5, [np.nan] * 5], np.float32)
    made = Grouping("x", ["a"] * 5).summarise(cells, (summary,), np.dtype(np.float32))
    of_equal = {"std": 0, "sum": 5 * np.float64(np.float32(0.7)), "fraction": 1, "fraction_nonzero": 1, "n": 5}
    assert made[0, 0] == np.float32(of_equal.get(summary, 0.7))
    assert made[1, 0] == 0 if summary in ("n", "sum") else np.isnan(made[1, 0])


def test_thousands_of_groups_of_many_sizes() -> None:
    random = np.random.default_rng(1)
    texts = [f"g{number}" for number in random.geometric(0.002, 6000)]
    cells = random.normal(size=(7, 6000)).astype(np.float32)
    for summary in MATRIX_SUMMARIES:
        made = Grouping("x", texts).summarise(cells, (summary,), np.dtype(np.float64))
        expected = summary_by_pandas(pd.DataFrame(cells), texts, summary)
        np.testing.assert_allclose(made, expected.to_numpy(np.float64), rtol=1e-9, atol=1e-12)
