"""The numbers of plots are those of pandas and scipy on the same values."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnaget_server.slicing.densities import density
from rnaget_server.slicing.distributions import SUMMARIES, GroupValues, _groups
from rnaget_server.slicing.summaries import Grouping
from tests.conftest import examples

CELLS = st.one_of(st.sampled_from([0.0, -0.0, 1.0, 1e6, np.nan]), st.floats(-1000, 1000, width=32))


def fenced(values: pd.Series) -> tuple[list[float], list[float]]:
    """The values within Tukey's fences, and those beyond them, ascending."""
    low, high = values.quantile(0.25), values.quantile(0.75)
    inside = values.between(low - 1.5 * (high - low), high + 1.5 * (high - low))
    return sorted(values[inside]), sorted(values[~inside])


@settings(deadline=None, max_examples=examples(40))
@given(st.lists(st.tuples(st.sampled_from(["a", "b", "c", ""]), CELLS), min_size=1, max_size=40))
def test_groups_of_random_values(pairs: list[tuple[str, float]]) -> None:
    texts, cells = [text for text, _ in pairs], np.array([value for _, value in pairs], np.float32)
    made = _groups(cells, Grouping("x", texts), "")
    frame = pd.DataFrame({"group": texts, "value": cells.astype(np.float64)})
    assert {group.name for group in made} == set(texts) - {""}
    medians = [group.median for group in made if group.median is not None]
    assert medians == sorted(medians, reverse=True)
    assert all(group.median is None for group in made[len(medians) :])
    for group in made:
        values = frame.loc[frame["group"] == group.name, "value"]
        assert (group.samples, group.n) == (len(values), values.count())
        values = values.dropna()
        if values.empty:
            assert (group.q1, group.median, group.q3, group.min, group.max, group.low, group.high) == (None,) * 7
            continue
        expected = [values.quantile(share) for share in (0.25, 0.5, 0.75, 0, 1)]
        shown = [group.q1, group.median, group.q3, group.min, group.max]
        np.testing.assert_allclose(shown, expected, rtol=1e-6, atol=1e-6)
        within, beyond = fenced(values)
        assert [np.float32(group.low), np.float32(group.high)] == [np.float32(within[0]), np.float32(within[-1])]
        assert np.float32(group.outliers).tolist() == np.float32(beyond).tolist()


def test_of_very_many_outliers_the_farthest_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rnaget_server.slicing.distributions._MOST_OUTLIERS", 6)
    cells = np.array([0.0] * 100 + [50, -60, 70, -80, 1, 2, 3, 90], np.float32)
    (group,) = _groups(cells, Grouping("", ["all"] * len(cells)), "")
    assert group.outliers == (-80, -60, 3, 50, 70, 90)
    assert group.more_outliers == 2


def test_of_thousands_of_groups_the_highest_are_kept() -> None:
    texts = [f"g{number % 2000}" for number in range(4000)]
    cells = np.random.default_rng(2).normal(size=4000).astype(np.float32)
    made = _groups(cells, Grouping("x", texts), "")
    expected = pd.Series(cells.astype(float)).groupby(texts).median().nlargest(60)
    assert [group.name for group in made] == expected.index.tolist()


@pytest.mark.parametrize("count", [7, 900, 20_000])
@pytest.mark.parametrize("shape", ["linear", "log"])
def test_a_density_is_that_of_scipy(count: int, shape: str) -> None:
    stats = pytest.importorskip("scipy.stats")
    values = np.random.default_rng(count).lognormal(1, 1, count).astype(np.float32)
    found = density(values, shape)
    assert found is not None
    numbers = values.astype(np.float64) if shape == "linear" else np.log10(values.astype(np.float64) + 1)
    assert (found.start, found.stop) == (numbers.min(), numbers.max())
    heights = stats.gaussian_kde(numbers)(np.linspace(found.start, found.stop, len(found.heights)))
    np.testing.assert_allclose(found.heights, heights / heights.max(), atol=2e-3)


@pytest.mark.parametrize("values", [[], [1.0], [2.0, 2.0], [1.0, np.inf]])
def test_values_without_a_density(values: list[float]) -> None:
    assert density(np.array(values, np.float32), "linear") is None


def test_the_numbers_are_named_as_those_of_a_query() -> None:
    assert set(SUMMARIES) <= set(GroupValues.__dataclass_fields__)
