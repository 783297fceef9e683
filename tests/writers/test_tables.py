"""Parquet and Arrow: columns, their types, what the schema tells, and what is too wide."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rnaget_server.errors import ResultTooLarge
from rnaget_server.model.slice import Slice
from rnaget_server.stores.tracks.base import Run
from rnaget_server.stores.tracks.columns import Columns, PositionLabels
from rnaget_server.testing.slices import ORIGIN, InMemoryLabels, feature_labels, layer_of, slice_of, texts
from rnaget_server.writers.arrow import ArrowWriter
from rnaget_server.writers.base import Writer
from rnaget_server.writers.parquet import ParquetWriter
from rnaget_server.writers.tables import unique_names

CELLS = np.array([[0, 1.5, np.nan], [7, 0, 2]], np.float32)
BOTH = pytest.mark.parametrize("writer", [ParquetWriter(), ArrowWriter()], ids=["parquet", "arrow"])


def table_of(writer: Writer, slice: Slice) -> pa.Table:
    data = b"".join(writer.write(slice).chunks)
    if isinstance(writer, ParquetWriter):
        return pq.read_table(io.BytesIO(data))
    return pa.ipc.open_stream(data).read_all()


def labels(ids: list[str], **columns: list[str]) -> InMemoryLabels:
    return InMemoryLabels({"id": texts(ids)} | {name: texts(values) for name, values in columns.items()}, "id")


@BOTH
def test_columns_and_what_belongs_to_them(writer: Writer) -> None:
    samples = InMemoryLabels({"age": np.array([3, 4.5, np.nan]), "id": texts(["β 1", "R&D", ""])}, "id")
    features = feature_labels(["g1", "g2"])
    features = InMemoryLabels(dict(sorted(features.columns.items(), reverse=True)), "gene", "symbol")
    table = table_of(writer, slice_of(features, samples, layer_of(CELLS), layer_of(CELLS, "further")))
    assert table.column_names == ["gene", "symbol", "score", "length", "β 1", "R&D", ""]
    kinds = [pa.string(), pa.string(), pa.float64(), pa.int64(), *[pa.float32()] * 3]
    assert table.schema.types == kinds
    assert not any(field.nullable for field in table.schema)
    assert table["symbol"].to_pylist() == ["", "β2M"]
    metadata = {key.decode(): json.loads(value) for key, value in table.schema.metadata.items()}
    assert metadata["origin"] == ORIGIN
    assert metadata["units"] == "TPM"
    assert metadata["features"] == {"id": "gene", "name": "symbol", "attributes": ["gene", "symbol", "score", "length"]}
    assert metadata["samples"] == {
        "id": "id",
        "name": None,
        "attributes": {"age": [3, 4.5, None], "id": ["β 1", "R&D", ""]},
        "columns": ["β 1", "R&D", ""],
    }


@BOTH
def test_ids_that_are_taken_or_repeat(writer: Writer) -> None:
    features = labels(["g1", "g2"], s1=["x", "y"])
    table = table_of(writer, slice_of(features, labels(["s1", "s2", "s2"]), layer_of(CELLS)))
    assert table.column_names == ["id", "s1", "s1.1", "s2", "s2.1"]
    assert table["s2.1"].to_pylist()[1] == 2
    assert json.loads(table.schema.metadata[b"samples"])["attributes"]["id"] == ["s1", "s2", "s2"]


def test_unique_names_are_those_of_pandas() -> None:
    names = ["a", "b", "a", "a", "a.1", "b"]
    by_pandas = pd.read_csv(io.StringIO("\t".join(names) + "\n"), sep="\t").columns
    found = unique_names([], names)
    assert found == list(by_pandas) == ["a", "b", "a.2", "a.3", "a.1", "b.1"]
    assert unique_names(["a", "b.1"], ["a", "b"]) == ["a.1", "b"]


@BOTH
def test_counts_are_exact_numbers(writer: Writer) -> None:
    counts = np.array([[2**40 + 1, np.nan], [3, 0]])
    table = table_of(writer, slice_of(labels(["g1", "g2"]), labels(["a", "b"]), layer_of(counts, "counts", whole=True)))
    found = table.to_pandas()
    assert found["a"].tolist() == [2**40 + 1, 3]
    assert found["b"].dtype == np.float64 and np.isnan(found["b"][0])


@BOTH
def test_bins_of_tracks(writer: Writer) -> None:
    positions = PositionLabels(Columns((Run("chr1", 0, 9),), 3, 0, 9), {"chr1": 9}, "position")
    table = table_of(writer, slice_of(labels(["ER", "input"]), positions, layer_of(CELLS)))
    assert table.column_names == ["id", "chr1:0-3", "chr1:3-6", "chr1:6-9"]
    assert table["chr1:3-6"].to_pylist() == [1.5, 0]


def test_row_groups_are_bounded(tmp_path: Path) -> None:
    cells = np.random.default_rng(2).random((5000, 2500)).astype(np.float32)
    slice = slice_of(labels([str(n) for n in range(5000)]), labels([f"s{n}" for n in range(2500)]), layer_of(cells))
    path = tmp_path / "file.parquet"
    path.write_bytes(b"".join(ParquetWriter().write(slice).chunks))
    described = pq.read_metadata(path)
    rows = [described.row_group(number).num_rows for number in range(described.num_row_groups)]
    assert sum(rows) == 5000 and len(rows) > 1
    assert max(rows) * 2500 * 4 <= 32 << 20
    assert np.array_equal(pq.read_table(path, columns=["s2499"])["s2499"], cells[:, 2499])


@BOTH
def test_too_many_columns_are_refused(writer: Writer) -> None:
    most = 30_000
    positions = PositionLabels(Columns((Run("chr1", 0, most + 1),)), {"chr1": 200_000}, "position")
    slice = slice_of(labels(["ER"]), positions, layer_of(np.zeros((1, most + 1), np.float32)))
    for refuse in (writer.check, writer.write):
        with pytest.raises(ResultTooLarge, match=rf"at most {most:,}.*there are {most + 1:,}.*loom or h5ad"):
            refuse(slice)


def test_more_groups_of_rows_than_parquet_can_list_are_refused() -> None:
    """The size of GTEx; its message names a size that works."""
    samples = labels([f"s{number}" for number in range(17_382)])

    def of(features: int) -> Slice:
        cells = np.broadcast_to(np.float32(0), (features, 17_382))
        return slice_of(labels([str(number) for number in range(features)]), samples, layer_of(cells))

    with pytest.raises(ResultTooLarge, match=r"17,382 samples are at most 2,410 features, and there are 56,200"):
        ParquetWriter().check(of(56_200))
    ParquetWriter().check(of(2_410))
    ArrowWriter().check(of(56_200))
    with pytest.raises(ResultTooLarge):
        ParquetWriter().write(of(2_411))
