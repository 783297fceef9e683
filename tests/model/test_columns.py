"""The different values of a column, in the time that sorting takes."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pytest

from rnaget_server.model.columns import different

_RANDOM = np.random.default_rng(5)
_COUNT = 300_000


@pytest.mark.parametrize(
    "values",
    [
        _RANDOM.integers(0, 1 << 40, _COUNT),
        _RANDOM.integers(0, 50, _COUNT).astype(np.int32),
        np.where(_RANDOM.random(_COUNT) < 0.1, np.nan, _RANDOM.random(_COUNT)),
        np.array([b"%016d-1" % number for number in range(_COUNT)]),
    ],
    ids=["numbers", "few", "fractions", "texts"],
)
def test_different_values_are_found_by_sorting(values: np.ndarray) -> None:
    found = different(values)
    expected = sorted({value for value in values.tolist() if value == value})
    assert found[: len(expected)].tolist() == expected
    assert len(found) - len(expected) == (values != values).any()  # NaN comes once, at the end
    assert _fastest(lambda: different(values)) < 20 * _fastest(lambda: np.sort(values))


def _fastest(call: Callable[[], object]) -> float:
    times = []
    for _ in range(5):
        start = time.process_time()
        call()
        times.append(time.process_time() - start)
    return min(times)
