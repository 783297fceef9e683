"""Long tables: their columns and types, what belongs to them, how ids are stored, and what is left out."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rnaget_server.model.slice import Slice
from rnaget_server.model.sparse import CompressedBlock, SparseCells
from rnaget_server.testing.slices import (
    ORIGIN,
    InMemoryLabels,
    feature_labels,
    layer_of,
    sample_labels,
    slice_of,
    texts,
)
from rnaget_server.writers.base import Writer
from rnaget_server.writers.entries import filled, nonzero_entries
from rnaget_server.writers.long_tables import ArrowLongWriter, ParquetLongWriter
from rnaget_server.writers.long_text import CsvLongWriter, TsvLongWriter
from tests.conftest import examples

CELLS = np.array([[0, 1.5, np.nan], [0, 0, 0], [7, 0, 2]], np.float32)
BOTH = pytest.mark.parametrize("writer", [ParquetLongWriter(), ArrowLongWriter()], ids=["parquet", "arrow"])


class AsciiLabels(InMemoryLabels):
    """Ids that are at hand as bytes, as those of the native store are."""

    def ascii(self, attribute: str) -> np.ndarray:
        return self.columns[attribute].astype("S")


def bytes_of(writer: Writer, slice: Slice) -> bytes:
    return b"".join(writer.write(slice).chunks)


def table_of(writer: Writer, slice: Slice) -> pa.Table:
    data = bytes_of(writer, slice)
    if isinstance(writer, ParquetLongWriter):
        return pq.read_table(io.BytesIO(data))
    with pa.ipc.open_stream(data) as stream:
        return stream.read_all()


def labels(ids: list[str], kind: type[InMemoryLabels] = InMemoryLabels) -> InMemoryLabels:
    return kind({"id": texts(ids)}, "id")


def example(**further: object) -> Slice:
    slice = slice_of(labels(["g1", "g 2", "g,3"]), labels(["s1", "s\t2", '"s3"']), layer_of(CELLS, sparse=True))
    return replace(slice, **further)


def test_lines_of_tsv_and_csv() -> None:
    """Fields are those of the wide forms: tabs are spaces, and only what readers take for quotes is quoted."""
    lines = ["feature\tsample\tvalue", "g1\ts 2\t1.5", 'g1\t"""s3"""\tNaN', "g,3\ts1\t7.0", 'g,3\t"""s3"""\t2.0']
    assert bytes_of(TsvLongWriter(), example()).decode().splitlines() == lines
    with_comments = bytes_of(TsvLongWriter(), example(tsv_comments=True)).decode().splitlines()
    assert with_comments == [*(f"# {key}: {value}" for key, value in ORIGIN.items()), *lines]
    by_csv = bytes_of(CsvLongWriter(), example(tsv_comments=True)).decode().splitlines()
    assert by_csv == ["feature,sample,value", "g1,s 2,1.5", 'g1,"""s3""",NaN', '"g,3",s1,7.0', '"g,3","""s3""",2.0']


def test_ids_at_hand_as_bytes_give_the_same_lines() -> None:
    for ids in (["s1", "s2", "s3"], ["s1", '"s2', "s3"], ["s1", "s,2", "s3"]):
        slices = [
            slice_of(labels(["g1", "g2", "g3"], kind), labels(ids, kind), layer_of(CELLS))
            for kind in (InMemoryLabels, AsciiLabels)
        ]
        for writer in (TsvLongWriter(), CsvLongWriter(), ArrowLongWriter(), ParquetLongWriter()):
            assert bytes_of(writer, slices[0]) == bytes_of(writer, slices[1])


@BOTH
def test_columns_and_what_belongs_to_them(writer: Writer) -> None:
    table = table_of(
        writer, slice_of(feature_labels(["g1", "g2", "g3"]), sample_labels(["a", "b", "c"]), layer_of(CELLS))
    )
    ids = pa.dictionary(pa.int32(), pa.string())
    assert table.schema.names == ["feature", "sample", "value"]
    assert table.schema.types == [ids, ids, pa.float32()]
    assert not any(field.nullable for field in table.schema)
    assert {key.decode(): json.loads(value) for key, value in table.schema.metadata.items()} == {
        "origin": ORIGIN,
        "units": "TPM",
        "shape": [3, 3],
        "features": {"id": "gene"},
        "samples": {"id": "sample"},
    }
    found = list(zip(*(table[name].to_pylist() for name in ("feature", "sample", "value")), strict=True))
    assert str(found) == str([("g1", "b", 1.5), ("g1", "c", np.nan), ("g3", "a", 7.0), ("g3", "c", 2.0)])


@BOTH
def test_samples_of_a_join_that_have_the_same_id(writer: Writer) -> None:
    """They are told apart as in the wide form; pandas refuses a dictionary in which a value repeats."""
    frame = table_of(writer, slice_of(labels(["g1", "g2", "g3"]), labels(["a", "a", "b"]), layer_of(CELLS))).to_pandas()
    assert frame["sample"].tolist() == ["a.1", "b", "a", "b"]


def test_groups_of_rows_have_dictionaries_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rnaget_server.writers.long_tables._GROUP", 1000)
    random = np.random.default_rng(4)
    cells = random.poisson(0.5, (300, 40)).astype(np.float32)
    ids = [f"ENSG{number:011d}" for number in range(300)]
    names = [f"c{number}" for number in range(40)]
    slice = slice_of(labels(ids), labels(names), layer_of(cells, whole=True, sparse=True))
    path = tmp_path / "long.parquet"
    path.write_bytes(bytes_of(ParquetLongWriter(), slice))
    described = pq.read_metadata(path)
    rows = [described.row_group(number).num_rows for number in range(described.num_row_groups)]
    assert rows[:-1] == [1000] * (np.count_nonzero(cells) // 1000) and len(rows) > 3
    assert all("RLE_DICTIONARY" in described.row_group(1).column(number).encodings for number in range(3))
    wide = pd.read_parquet(path).pivot(index="feature", columns="sample", values="value").fillna(0)
    assert np.array_equal(wide.reindex(ids, columns=names), cells)
    # The statistics of the features let a reader pass over all groups but one or two.
    assert pq.read_table(path, filters=[("feature", "==", ids[200])]).num_rows == np.count_nonzero(cells[200])
    first = described.row_group(0).column(0).statistics
    assert (first.min, first.max) == (ids[0], pq.ParquetFile(path).read_row_group(0)["feature"][-1].as_py())


@BOTH
@pytest.mark.parametrize("sparse", [False, True])
def test_a_slice_of_zeros_is_a_table_without_rows(writer: Writer, sparse: bool) -> None:
    slice = slice_of(labels(["g"]), labels(["a", "b"]), layer_of(np.zeros((1, 2), np.float32), sparse=sparse))
    assert table_of(writer, slice).num_rows == 0


def test_stored_zeros_are_left_out_as_others_are() -> None:
    block = CompressedBlock(np.array([0, 2, 2, 4]), np.array([0, 2, 0, 1]), np.array([0, 3, 4, 0], np.float32))
    stored = SparseCells(lambda: 4, lambda direction: iter([block]))
    layer = replace(layer_of(np.array([[0, 0, 3], [0, 0, 0], [4, 0, 0]], np.float32)), sparse=stored)
    slice = slice_of(labels(["g1", "g2", "g3"]), labels(["a", "b", "c"]), layer)
    assert bytes_of(TsvLongWriter(), slice).decode().splitlines()[1:] == ["g1\tc\t3.0", "g3\ta\t4.0"]


@settings(deadline=None, max_examples=examples(60))
@given(
    cells=st.tuples(st.integers(1, 9), st.integers(1, 9)).flatmap(
        lambda shape: arrays(np.float32, shape, elements=st.sampled_from([0.0, -0.0, 1.0, 2.5, np.nan, np.inf]))
    ),
    size=st.integers(1, 20),
    sparse=st.booleans(),
)
def test_entries_are_the_cells_that_are_not_zero_in_order(cells: np.ndarray, size: int, sparse: bool) -> None:
    layer = layer_of(cells, sparse=sparse)
    pieces = [tuple(map(np.copy, piece)) for piece in filled(nonzero_entries(layer, 3), size, layer.dtype)]
    assert all(len(piece[0]) == size for piece in pieces[:-1])
    rows, columns = np.nonzero(cells)
    expected = (rows, columns, cells[rows, columns])
    found = [np.concatenate(parts) for parts in zip(*pieces, strict=True)] if pieces else [np.empty(0)] * 3
    for one, other in zip(found, expected, strict=True):
        assert np.array_equal(one, other, equal_nan=True)
