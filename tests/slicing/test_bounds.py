"""Features within bounds are those that numpy finds, whether bounds are for all features or for some."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnaget_server.slicing.bounds import Bounds, within
from rnaget_server.stores.base import MatrixStore
from rnaget_server.stores.native.dense import NativeStore
from rnaget_server.stores.native.write_dense import LayerSource, write_native
from rnaget_server.testing.matrices import FEATURES, SAMPLES, InMemory, example_axes, example_cells
from tests.conftest import examples

_, CELLS, _ = example_cells()[0]
NUMBERS = st.one_of(st.none(), st.sampled_from([0.0, 0.7, 1.0, 50.0, 1e300]))
OF_SOME = st.dictionaries(st.integers(0, FEATURES - 1), st.sampled_from([-1.0, 0.0, 0.001, 3.0, 1e4, 1e39]))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> MatrixStore:
    path = tmp_path_factory.mktemp("bounds") / "one.h5"
    write_native(path, *example_axes(), [LayerSource("TPM", InMemory(CELLS), CELLS.dtype, False)])
    return NativeStore(path)


class Unranged:
    """The same store without ranges, as files of others are."""

    def __init__(self, store: MatrixStore) -> None:
        self._store = store

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    def ranges(self, units: str) -> None:
        return None


@settings(deadline=None, max_examples=examples(150))
@given(
    bounds=st.builds(Bounds, low=NUMBERS, high=NUMBERS, lows=OF_SOME, highs=OF_SOME),
    features=st.one_of(st.none(), st.sets(st.integers(0, FEATURES - 1), min_size=1)),
    samples=st.one_of(st.none(), st.sets(st.integers(0, SAMPLES - 1), min_size=1)),
    ranged=st.booleans(),
)
def test_random_bounds(store: MatrixStore, bounds: Bounds, features: set, samples: set, ranged: bool) -> None:
    rows = np.arange(FEATURES) if features is None else np.array(sorted(features))
    columns = np.arange(SAMPLES) if samples is None else np.array(sorted(samples))
    expected = []
    for row in rows.tolist():
        low, high = bounds.lows.get(row, bounds.low), bounds.highs.get(row, bounds.high)
        cells = CELLS[row, columns]
        with np.errstate(over="ignore"):
            above = low is None or (cells >= np.float32(low)).all()
            below = high is None or (cells <= np.float32(high)).all()
        if above and below:
            expected.append(row)
    asked = [None if one is None else np.array(sorted(one), np.int64) for one in (features, samples)]
    found = within(store if ranged else Unranged(store), "TPM", *asked, bounds)  # type: ignore[arg-type]
    assert found.tolist() == expected
    assert bool(bounds) == (bounds.low is not None or bounds.high is not None or bool({**bounds.lows, **bounds.highs}))


def test_no_cells_are_read_where_the_stored_ranges_decide(store: MatrixStore) -> None:
    class Closed(Unranged):
        def ranges(self, units: str) -> object:
            return self._store.ranges(units)

        def blocks(self, *_: object) -> object:
            raise AssertionError("cells were read")

    found = within(Closed(store), "TPM", None, None, Bounds(low=0.5, highs={1: 2.0}))  # type: ignore[arg-type]
    with np.errstate(invalid="ignore"):
        expected = (CELLS >= 0.5).all(axis=1) & ((CELLS <= 2).all(axis=1) | (np.arange(FEATURES) != 1))
    assert found.tolist() == np.flatnonzero(expected).tolist()
