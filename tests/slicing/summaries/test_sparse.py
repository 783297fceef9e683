"""Summaries out of stored cells are those of pandas for the same cells with their zeros, and as exact."""

from __future__ import annotations

import math
import warnings
from fractions import Fraction
from pathlib import Path

import hypothesis.extra.numpy as arrays
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnaget_server.datasets.repository import View, open_repository
from rnaget_server.model.slice import LayerInfo
from rnaget_server.settings import Settings
from rnaget_server.slicing.summaries import Grouping, summarised_slice
from rnaget_server.slicing.summaries.sparse import OF_STORED_CELLS
from rnaget_server.testing.slices import feature_labels, layer_of, sample_labels, slice_of
from tests.conftest import examples, import_matrix
from tests.slicing.summaries.reference import summary_by_pandas
from tests.slicing.summaries.test_grouping import ask, frame_of

SUMMARIES = sorted(OF_STORED_CELLS)
CELLS = st.one_of(
    st.sampled_from([0.0, 0.0, 0.0, -0.0, 1.0, 0.5, 1e6, np.nan, np.inf, -np.inf]), st.floats(-1000, 1000, width=32)
)


def never() -> None:
    raise AssertionError("the dense cells were read")


def summarised(cells: np.ndarray, texts: list[str], summaries: list[str]) -> LayerInfo:
    """The summaries of a sparse layer, which fail if its dense cells are read."""
    layer = layer_of(cells, sparse=True)
    slice = slice_of(feature_labels([f"g{number}" for number in range(len(cells))]), sample_labels(texts), layer)
    (made,) = summarised_slice(slice, Grouping("x", texts), summaries, "x").layers
    object.__setattr__(layer, "blocks", never)
    return made


def cells_of(layer: LayerInfo) -> np.ndarray:
    blocks = list(layer.blocks())
    assert all(block.flags.c_contiguous for block in blocks), "writers cannot take them"
    return np.concatenate(blocks)


@pytest.mark.parametrize("summary", SUMMARIES)
@settings(deadline=None, max_examples=examples(60))
@given(data=st.data(), dtype=st.sampled_from([np.float32, np.float64]))
def test_groups_of_random_cells(summary: str, data: st.DataObject, dtype: type) -> None:
    rows, columns = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 12))
    cells = data.draw(arrays.arrays(dtype, (rows, columns), elements=CELLS))
    texts = data.draw(st.lists(st.sampled_from(["a", "b", "c", ""]), min_size=columns, max_size=columns))
    if not any(texts):
        texts[0] = "a"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = cells_of(summarised(cells, texts, [summary]))
    expected = summary_by_pandas(pd.DataFrame(cells), texts, summary)
    rtol = 1e-9 if made.dtype == np.float64 else 1e-6
    np.testing.assert_allclose(made, expected.to_numpy(np.float64), rtol=rtol, atol=1e-7)


def test_a_median_is_made_of_all_cells() -> None:
    cells = np.array([[0, 0, 5, 1], [2, 0, 0, 3]], np.float32)
    layer = layer_of(cells, sparse=True)
    slice = slice_of(feature_labels(["g", "h"]), sample_labels(["a", "a", "a", "b"]), layer)
    (made,) = summarised_slice(slice, Grouping("x", ["a", "a", "a", "b"]), ["median", "sum"], "x").layers
    assert cells_of(made).tolist() == [[0, 5, 1, 1], [0, 2, 3, 3]]


@settings(deadline=None, max_examples=examples(100))
@given(
    values=st.lists(st.floats(-1e300, 1e300, allow_subnormal=True), min_size=1, max_size=60),
    groups=st.lists(st.sampled_from("ab"), min_size=60, max_size=60),
)
def test_sums_are_those_of_exact_fractions(values: list[float], groups: list[str]) -> None:
    """However different the values are, and where they cancel out."""
    texts = groups[: len(values)]
    made = cells_of(summarised(np.array([values]), texts, ["sum"]))[0]
    for group, found in zip(dict.fromkeys(texts), made, strict=True):
        own = [value for value, text in zip(values, texts, strict=True) if text == group]
        # What is left of two doubles for numbers of the size of the largest.
        bound = max(map(abs, values)) * 2.0**-90
        assert abs(Fraction(float(found)) - sum(map(Fraction, own))) <= max(bound, abs(math.fsum(own)) * 2.0**-53)


def test_the_sum_of_very_many_cells_is_exact() -> None:
    """A plain loop of float64 is wrong in the ninth digit here."""
    cells = np.full((1, 1_000_000), 0.1)
    cells[0, 0] = 1e16
    made = cells_of(summarised(cells, ["a"] * 1_000_000, ["sum"]))
    assert made[0, 0] == math.fsum(cells[0].tolist())


def test_counts_beyond_float32_are_exact() -> None:
    cells = np.array([[2**24, 1, 2**24, 3]], np.float32)
    made = summarised(cells, ["a", "a", "b", "b"], ["sum", "n"])
    assert cells_of(made).tolist() == [[2**24 + 1, 2, 2**24 + 3, 2]]


@pytest.mark.parametrize("summary", ["mean", "fraction", "fraction_nonzero", "std", "mean,max"])
def test_what_is_reckoned_of_fractions_has_all_digits(summary: str) -> None:
    """A mean of float32 cells is no float32, also where no sum is asked for with it."""
    random = np.random.default_rng(4)
    cells = (random.gamma(1, 1, (30, 50)) * (random.random((30, 50)) < 0.4)).astype(np.float32)
    texts = [f"t{number % 3}" for number in range(50)]
    found = summarised(cells, texts, summary.split(","))
    made = cells_of(found)[:, :: summary.count(",") + 1]
    assert (found.dtype, made.dtype) == (np.float64, np.float64)
    expected = summary_by_pandas(pd.DataFrame(cells.astype(np.float64)), texts, summary.split(",")[0])
    np.testing.assert_allclose(made, expected.to_numpy(np.float64), rtol=1e-14, atol=0)


@pytest.mark.parametrize("summary", ["min", "max", "n"])
def test_what_is_picked_stays_as_it_is_stored(summary: str) -> None:
    assert summarised(np.ones((2, 3), np.float32), ["a", "a", "b"], [summary]).dtype == np.float32


def test_very_many_groups_are_counted_some_features_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rnaget_server.slicing.summaries.sparse._COUNTERS", 7)
    random = np.random.default_rng(1)
    cells = random.poisson(0.3, (50, 40)).astype(np.float32)
    texts = [f"t{number % 9}" for number in range(40)]
    made = cells_of(summarised(cells, texts, ["mean", "n"]))
    assert np.array_equal(made[:, ::2], summary_by_pandas(pd.DataFrame(cells), texts, "mean"))
    assert (made[:, 1::2] == [texts.count(text) for text in dict.fromkeys(texts)]).all()


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory, shared_data: Path) -> tuple[View, pd.DataFrame, pd.Series]:
    """Real cells in the native sparse store and as their file is, and the same by anndata."""
    import anndata

    data = tmp_path_factory.mktemp("stored") / "data"
    path = shared_data / "singlecell" / "infercnvpy" / "oligodendroglioma.h5ad"
    import_matrix(data, path, "--id", "cells", "--units", "log")
    import_matrix(data, path, "--id", "served", "--units", "log", "--as-is")
    source = anndata.read_h5ad(path)
    view = open_repository(Settings(data=data, reload_seconds=0, cache_bytes=0)).visible_to()
    return view, source.to_df().T, source.obs["cell_type"].astype(str)


@pytest.mark.parametrize("matrix", ["cells", "served"])
def test_pseudobulk_of_a_whole_matrix(stored: tuple[View, pd.DataFrame, pd.Series], matrix: str) -> None:
    view, frame, types = stored
    made = frame_of(ask(view, matrix, ("group_by", "cell_type"), ("summary", "sum,mean,fraction,n")))
    assert made.index.tolist() == frame.index.tolist()
    for summary in ("sum", "mean", "fraction", "n"):
        expected = summary_by_pandas(frame, types.tolist(), summary)
        found = made[[f"{group} {summary}" for group in expected.columns]]
        np.testing.assert_allclose(found.to_numpy(), expected.to_numpy(np.float64), rtol=1e-14, atol=0)


def test_some_genes_of_some_cells_above_a_bound(stored: tuple[View, pd.DataFrame, pd.Series]) -> None:
    """A filter of cells, a list of genes and a threshold; groups are in the order of the cells that are selected."""
    view, frame, types = stored
    chosen = types[types.isin(["Microglia/Macrophage", "malignant_93"])].index
    genes = frame.index[frame[chosen].max(axis=1) <= 3][:40]
    asked = [*genes[:30], *frame.index[frame[chosen].max(axis=1) > 3][:5]]
    pairs = [("cell_type", "malignant_93,Microglia/Macrophage"), ("feature_max_value", "3")]
    found = ask(view, "cells", *pairs, *(("featureIDList", gene) for gene in asked), ("group_by", "cell_type"))
    made = frame_of(found)
    expected = summary_by_pandas(
        frame.loc[genes[:30].intersection(frame.index), chosen], types[chosen].tolist(), "mean"
    )
    assert made.columns.tolist() == expected.columns.tolist()
    assert sorted(made.index) == sorted(genes[:30])
    np.testing.assert_allclose(made.loc[genes[:30]].to_numpy(), expected.to_numpy(np.float64), rtol=1e-6, atol=0)


def test_a_join_of_sparse_matrices(stored: tuple[View, pd.DataFrame, pd.Series]) -> None:
    view, frame, types = stored
    genes = frame.index[[3, 50, 700]].tolist()
    made = frame_of(
        ask(view, None, *(("featureIDList", gene) for gene in genes), ("group_by", "cell_type"), ("summary", "n,sum"))
    )
    expected = summary_by_pandas(frame.loc[genes], types.tolist(), "sum")
    np.testing.assert_allclose(made.iloc[:, 1::2].to_numpy(), 2 * expected.to_numpy(np.float64), rtol=1e-6)
