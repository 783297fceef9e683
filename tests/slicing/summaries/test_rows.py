"""The summaries of a feature are the same whatever else is read with it, so that a matrix can be cut anywhere."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnaget_server.query.table import MATRIX_SUMMARIES
from rnaget_server.slicing.summaries import Grouping, summarised_slice
from rnaget_server.testing.slices import feature_labels, layer_of, sample_labels, slice_of
from tests.conftest import examples


def made(cells: np.ndarray, grouping: Grouping, sparse: bool) -> bytes:
    """The bytes of every summary of each group."""
    features = feature_labels([f"g{number}" for number in range(len(cells))])
    samples = sample_labels([str(number) for number in range(cells.shape[1])])
    slice = slice_of(features, samples, layer_of(cells, sparse=sparse))
    summaries = [name for name in MATRIX_SUMMARIES if not sparse or name not in ("median", "q1", "q3")]
    (layer,) = summarised_slice(slice, grouping, summaries, "x").layers
    return np.concatenate(list(layer.blocks())).tobytes()


@pytest.mark.parametrize("sparse", [False, True])
@settings(deadline=None, max_examples=examples(60))
@given(
    seed=st.integers(0, 1 << 32),
    size=st.sampled_from([3, 100, 4_097, 8_193, 20_000]),
    nans=st.booleans(),
    infinite=st.booleans(),
    cuts=st.sets(st.integers(1, 6), max_size=3),
)
def test_cut_anywhere(sparse: bool, seed: int, size: int, nans: bool, infinite: bool, cuts: set[int]) -> None:
    random = np.random.default_rng(seed)
    cells = random.lognormal(0, 8, (7, size)) * (random.random((7, size)) < 0.3)
    cells[2, random.integers(0, size)] = np.nan if nans else 1
    cells[5, random.integers(0, size)] = np.inf if infinite else -3
    cells[4] = 0
    grouping = Grouping("x", random.choice(["a", "b", ""], size, p=[0.9, 0.05, 0.05]).tolist())
    if not grouping.values:
        return
    borders = [0, *sorted(cuts), 7]
    parts = [made(np.ascontiguousarray(cells[start:stop]), grouping, sparse) for start, stop in pairwise(borders)]
    assert b"".join(parts) == made(cells, grouping, sparse)
