"""Slices by group equal what pandas makes of the same selection, of one matrix and of several joined."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnaget_server.datasets.repository import View
from rnaget_server.errors import InvalidQuery, UnknownId
from rnaget_server.model.columns import as_texts
from rnaget_server.query import parse_matrix_query
from rnaget_server.query.table import MATRIX_SUMMARIES
from rnaget_server.slicing.matrices import MatrixSlice, slice_by_id, slice_by_search
from rnaget_server.slicing.summaries import Grouping
from rnaget_server.slicing.summaries.grouping import SummaryLabels, gathered
from tests.conftest import examples
from tests.slicing.summaries.reference import example_groups, summary_by_pandas

GROUPS = example_groups()


def frame_of(found: MatrixSlice, layer: int = 0) -> pd.DataFrame:
    """The cells of a layer of a slice, ids as labels."""
    features, samples = found.slice.features, found.slice.samples
    cells = np.concatenate(list(found.slice.layers[layer].blocks()))
    assert cells.flags.c_contiguous
    assert cells.dtype == found.slice.layers[layer].dtype
    return pd.DataFrame(cells, features.column(features.id), as_texts(samples.column(samples.id)))


def ask(view: View, matrix: str | None, *pairs: tuple[str, str]) -> MatrixSlice:
    query = parse_matrix_query(pairs, view.catalog.filter_names)
    return slice_by_search(view, query) if matrix is None else slice_by_id(view, matrix, query)


def same(made: pd.DataFrame, expected: pd.DataFrame) -> None:
    assert made.index.tolist() == expected.index.tolist()
    assert made.columns.tolist() == expected.columns.tolist()
    np.testing.assert_allclose(made.to_numpy(), expected.to_numpy(np.float64), rtol=1e-6, atol=1e-6)


def some(labels: Sequence[str]) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(list(labels)), min_size=1, max_size=8, unique=True)


@settings(deadline=None, max_examples=examples(80))
@given(data=st.data())
def test_random_selections_of_one_matrix(view: View, frames: dict[str, pd.DataFrame], data: st.DataObject):
    matrix, name = data.draw(st.sampled_from(list(GROUPS)))
    summary = data.draw(st.sampled_from(MATRIX_SUMMARIES))
    frame = frames[matrix]
    pairs = [("group_by", name), ("summary", summary), ("units", "TPM")]
    groups = pd.Series(GROUPS[matrix, name], frame.columns)
    if data.draw(st.booleans()):
        chosen = data.draw(some(frame.columns))
        pairs += [("sampleIDList", one) for one in chosen]
        frame = frame.loc[:, frame.columns.isin(chosen)]
    if data.draw(st.booleans()):
        chosen = data.draw(some(frame.index))
        pairs += [("featureIDList", one) for one in chosen]
        frame = frame.loc[frame.index.isin(chosen)]
    if data.draw(st.booleans()) and (frame <= 20).all(axis=1).any():
        pairs.append(("feature_max_value", "20"))
        frame = frame[(frame <= 20).all(axis=1)]
    texts = groups[frame.columns].tolist()
    if not any(texts):
        with pytest.raises(UnknownId, match="no groups"):
            ask(view, matrix, *pairs)
        return
    found = ask(view, matrix, *pairs)
    same(frame_of(found), summary_by_pandas(frame, texts, summary))
    assert found.ungrouped == texts.count("")
    sizes = found.slice.samples.column("samples").tolist()
    assert sizes == [texts.count(value) for value in dict.fromkeys(texts) if value]


@pytest.mark.parametrize("summary", MATRIX_SUMMARIES)
def test_groups_of_several_matrices_are_pooled(view: View, frames: dict[str, pd.DataFrame], summary: str) -> None:
    """The attribute that is note in the one is remark in the other."""
    found = ask(view, None, ("group_by", "note"), ("summary", summary), ("units", "TPM"))
    joined = pd.concat([frames["one"], frames["two"]], axis=1)
    texts = GROUPS["one", "note"] + GROUPS["two", "note"]
    same(frame_of(found), summary_by_pandas(joined, texts, summary))
    assert found.slice.samples.id == "note"
    assert found.slice.samples.attributes == ("note", "samples")
    assert found.slice.origin["summary"] == f"{summary} by note"
    assert found.slice.origin["ungrouped"] == f"{texts.count('')} of 34 samples, which have no note"


def test_a_search_leaves_out_matrices_that_cannot_be_grouped_so(view: View) -> None:
    found = ask(view, None, ("group_by", "years"))
    assert [record.id for record in found.sources] == ["one"]
    assert found.slice.origin["expression"] == "one"


def test_every_layer_is_summarised(view: View, frames: dict[str, pd.DataFrame]) -> None:
    found = ask(view, "one", ("group_by", "note"), ("summary", "max"))
    counts = ask(view, "one", ("units", "counts"))
    assert [(layer.units, layer.whole) for layer in found.slice.layers] == [("TPM", False), ("counts", True)]
    same(frame_of(found, 1), summary_by_pandas(frame_of(counts), GROUPS["one", "note"], "max"))


@pytest.mark.parametrize(
    ("units", "summary", "dtype", "whole"),
    [
        ("TPM", "mean", np.float32, False),
        ("counts", "mean", np.float64, False),
        ("counts", "min", np.float64, True),
        ("counts", "n", np.float32, True),
        ("TPM", "n", np.float32, True),
        ("TPM", "sum", np.float64, False),
        ("counts", "sum,n", np.float64, True),
        ("counts", "sum,mean", np.float64, False),
    ],
)
def test_types(view: View, units: str, summary: str, dtype: type, whole: bool) -> None:
    layer = ask(view, "one", ("group_by", "note"), ("summary", summary), ("units", units)).slice.layers[0]
    assert (layer.dtype, layer.whole, layer.sparse) == (dtype, whole, None)


@pytest.mark.parametrize(
    ("matrix", "pairs", "error", "message"),
    [
        ("one", [("group_by", "noet")], InvalidQuery, "did you mean 'note'"),
        ("one", [("group_by", "xyz")], InvalidQuery, "there are sample, note, age, years"),
        ("one", [("group_by", "remark")], InvalidQuery, "no filter or attribute of samples 'remark'"),
        (None, [("group_by", "xyz")], InvalidQuery, "remark"),
        ("one", [("group_by", "years"), ("sampleIDList", "S 3")], UnknownId, "no selected sample has a years"),
    ],
)
def test_refusals(view: View, matrix: str | None, pairs: list, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        ask(view, matrix, *pairs)


def test_a_group_may_be_called_by_its_attribute(view: View) -> None:
    assert frame_of(ask(view, "two", ("group_by", "remark"))).equals(frame_of(ask(view, "two", ("group_by", "note"))))


@settings(deadline=None, max_examples=examples(40))
@given(
    texts=st.lists(st.sampled_from(["a", "a median", "a q1", " ", "", "median", "n"]), min_size=1, max_size=9),
    summaries=st.lists(st.sampled_from(MATRIX_SUMMARIES), min_size=2, max_size=11, unique=True),
    data=st.data(),
)
def test_several_summaries_are_those_of_pandas_group_by_group(
    texts: list[str], summaries: list[str], data: st.DataObject
) -> None:
    """Groups may be called as columns of others are, and attributes of columns as those of samples."""
    texts = [*texts, "a"]
    attribute = data.draw(st.sampled_from(["tissue", "column", "summary", "samples"]))
    values = st.sampled_from([0.0, -1.5, 2.0, 1e6, np.nan])
    cells = np.array(data.draw(st.lists(st.lists(values, min_size=len(texts), max_size=len(texts)), min_size=1)))
    grouping = Grouping(attribute, texts)
    labels = SummaryLabels(grouping, summaries)
    frame = pd.DataFrame(cells)
    alone = [summary_by_pandas(frame, [text.strip() for text in texts], summary) for summary in summaries]
    by_summary = dict(zip(summaries, alone, strict=True))
    expected = {(group, summary): by_summary[summary][group] for group in alone[0] for summary in summaries}
    made = grouping.summarise(cells, summaries, np.dtype(np.float64))
    np.testing.assert_allclose(made, np.column_stack(list(expected.values())), rtol=1e-9, atol=1e-9)
    ids = labels.column(labels.id).tolist()
    assert ids == [f"{group} {summary}" for group, summary in expected]
    assert len(set(ids)) == len(ids) == labels.size
    assert len(set(labels.attributes)) == 4
    _, group, summary, samples = labels.attributes
    assert group == attribute
    assert list(zip(labels.column(group), labels.column(summary), strict=True)) == list(expected)
    assert labels.column(samples).tolist() == [texts.count(group) for group, _ in expected]


@settings(deadline=None, max_examples=examples(60))
@given(heights=st.lists(st.integers(0, 9), max_size=8), height=st.integers(1, 12))
def test_blocks_have_one_height_whatever_they_are_made_of(heights: list[int], height: int) -> None:
    rows = np.arange(3 * sum(heights), dtype=np.float32).reshape(-1, 3)
    blocks = np.split(rows, np.cumsum(heights))[:-1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rnaget_server.slicing.summaries.grouping._GATHERED_BYTES", 12 * height + 5)
        made = list(gathered(blocks))
    assert [len(block) for block in made[:-1]] == [height] * (len(made) - 1)
    assert np.concatenate([rows[:0], *made]).tolist() == rows.tolist()
