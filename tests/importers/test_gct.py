"""GCT as its reference reader (parse_gct of cmapPy, which is pandas.read_csv) takes it."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from starlette.testclient import TestClient

from rnaget_server.errors import ImportFailure
from rnaget_server.importers.base import ReadOptions, SourceMatrix
from rnaget_server.importers.matrices.gct import GctImporter
from tests.conftest import client_of, examples

Write = Callable[..., Path]
# The words of parse_gct; it adds -666 by default.
WORDS = ["#N/A", "N/A", "NA", "#NA", "NULL", "NaN", "-NaN", "nan", "-nan", "#N/A!", "na", "None", "#VALUE!"]


def gct(rows: Sequence[Sequence[str]], shape: Sequence[int], version: str = "1.3") -> str:
    out = io.StringIO()
    csv.writer(out, delimiter="\t", lineterminator="\n").writerows(rows)
    return f"#{version}\n" + "\t".join(map(str, shape)) + "\n" + out.getvalue()


def read(path: Path) -> tuple[SourceMatrix, NDArray[Any]]:
    read = GctImporter().read(path, ReadOptions(), path.parent, lambda _: None)
    assert isinstance(read, SourceMatrix)
    cells = read.cells.rows(0, read.cells.shape[0])  # type: ignore[union-attr]
    read.cells.close()
    return read, cells


def reference(path: Path, attributes: tuple[int, int], nulls: Sequence[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The table as parse_gct reads it, and its cells as numbers."""
    table = pd.read_csv(
        path, sep="\t", header=None, skiprows=2, dtype=str, na_values=[*WORDS, *nulls], keep_default_na=False
    )
    cells = table.iloc[1 + attributes[1] :, 1 + attributes[0] :]
    return table, cells.replace({"": np.nan}).astype(np.float32)


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\n\r\0"), min_size=1, max_size=6)
IDS = st.lists(NAMES.filter(str.strip), min_size=2, max_size=4, unique=True)
VALUES = st.one_of(NAMES, st.sampled_from([*WORDS, "-666", "-666.0", "", "7", "-666.5", "0.25"]))
CELLS = st.one_of(
    st.floats(width=32, allow_nan=False, allow_infinity=False).map(repr),
    st.sampled_from([*WORDS, "-666", "-666.0", "-666.5", "", "1e3"]),
)


@settings(max_examples=examples(150), deadline=None)
@given(st.data(), IDS, IDS)
def test_any_names_and_values(data: st.DataObject, features: list[str], samples: list[str]) -> None:
    def row(of: st.SearchStrategy[str], count: int) -> list[str]:
        return data.draw(st.lists(of, min_size=count, max_size=count))

    rows = [["id", "note", *samples], ["tissue", "na", *row(VALUES, len(samples))]]
    rows += [[feature, *row(VALUES, 1), *row(CELLS, len(samples))] for feature in features]
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "m.gct")
        path.write_text(gct(rows, (len(features), len(samples), 1, 1)), newline="")
        matrix, cells = read(path)
        table, expected = reference(path, (1, 1), ["-666"])
    assert matrix.features.columns[matrix.features.id].tolist() == features
    assert matrix.samples.columns[matrix.samples.id].tolist() == samples
    assert np.array_equal(cells, expected.to_numpy(), equal_nan=True)
    for found, wanted in (
        (matrix.features.columns["note"], table.iloc[2:, 1]),
        (matrix.samples.columns["tissue"], table.iloc[1, 2:]),
    ):
        texts = [value or "" for value in wanted.replace({np.nan: ""})]
        if found.dtype != object:
            numbers = [np.nan if text.strip() in ("", *WORDS) else float(text) for text in texts]
            assert np.array_equal(found.astype(float), np.array(numbers, float), equal_nan=True)
        else:
            assert [text.strip() or "" for text in found] == [text.strip() for text in texts]


def test_a_tab_within_quotes_is_no_column(write: Write) -> None:
    head = '#1.3\n2\t2\t1\t1\nid\tDescription\ts1\ts2\ntissue\tna\t"a\tb"\t\n'
    matrix, cells = read(write(f'{head}"g\t1"\tA\t1.5\t\n"g\t2"\tB\t2.5\t\t\t\n', "m.gct"))
    assert matrix.samples.columns["tissue"].tolist() == ["a\tb", ""]
    assert matrix.features.columns[matrix.features.id].tolist() == ["g\t1", "g\t2"]
    np.testing.assert_array_equal(cells, np.array([[1.5, np.nan], [2.5, np.nan]], np.float32))


@pytest.mark.parametrize("text", [*WORDS, "-666", "-666.0", '"-666"', " -666 "])
@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_missing_cells_and_attributes(write: Write, text: str, version: str) -> None:
    new = version == "1.3"
    head = f"#{version}\n2\t2" + ("\t1\t1\n" if new else "\n") + "id\tDescription\ts1\ts2\n"
    attribute = f"dose\tna\t{text}\t10\n" if new else ""
    matrix, cells = read(write(f"{head}{attribute}g1\t{text}\t1.5\t{text}\ng2\tB\t{text}\t-666.5\n", "m.gct"))
    null = -666 if "666" in text and not new else np.nan
    np.testing.assert_array_equal(cells, np.array([[1.5, null], [null, -666.5]], np.float32))
    known = text.strip('"') if "666" in text and not new else ""
    assert matrix.features.columns["Description"].tolist() == [known, "B"]
    if new:
        np.testing.assert_array_equal(matrix.samples.columns["dose"], [np.nan, 10])


def test_a_missing_value_is_not_found(workshop: Any, write: Write) -> None:
    path = write(
        "#1.3\n3\t3\t1\t2\nid\tpr_gene_symbol\ts1\ts2\ts3\ndose\t-666\t10\t-666\t2.5\ncell\t-666\tMCF7\t-666\tA549\n"
        "g1\t-666\t1\t-666\t3\ng2\tTP53\t4\t5\t6\ng3\t-666\t-666\t-666.0\t1\n",
        "m.gct",
    )
    workshop.run(path)
    frame = workshop.frame()
    assert frame.isna().to_numpy().tolist() == [[False, True, False], [False] * 3, [True, True, False]]
    for client in client_of(workshop.data):
        get = "/rnaget/expressions/m/bytes?format=json&"
        for nothing in ("dose=-666", "cell=-666", "featureNameList=-666"):
            reply = client.get(get + nothing)
            assert reply.status_code == 404 or "-666" not in reply.text
        assert client.get(get + "dose=10&featureIDList=g2").status_code == 200


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_rows_and_columns_that_spreadsheets_add(write: Write, version: str, end: str) -> None:
    sizes = "2\t2\t1\t1" if version == "1.3" else "2\t2"
    rows = [f"#{version}\t\t\t\t", f"{sizes}\t\t", "NAME\tDescription\ts1\ts2\t\t"]
    rows += ["tissue\t\tliver\tlung\t\t"] if version == "1.3" else []
    rows += ["G1\tna\t1\t\t\t", "\t\t\t\t\t", "G2\tna\t3\t4\t\t", "\t\t\t\t\t", "", " \t\t\t\t\t"]
    matrix, cells = read(write(end.join(rows) + end, "m.gct"))
    assert matrix.features.columns[matrix.features.id].tolist() == ["G1", "G2"]
    assert matrix.samples.columns[matrix.samples.id].tolist() == ["s1", "s2"]
    np.testing.assert_array_equal(cells, [[1, np.nan], [3, 4]])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("#1.2\n2\t2\nid\tD\ts1\ts2\ng1\ta\t1\t2\n", ":2: the file says that it holds 2 features, and it holds 1: see"),
        (
            "#1.2\n1\t3\nid\tD\ts1\ts2\ng1\ta\t1\t2\n",
            ":3: the file says that it holds 3 samples, and its header names 2",
        ),
        ("#1.3\n1\t2\t2\t0\nid\tD\ts1\ts2\ng1\ta\t1\t2\n", "names 1 (behind the id and 2 attributes of features)"),
        ("#1.2\n1\t2\t3\nid\tD\ts1\ts2\n", ":2: the second line of a GCT of this version holds 2 whole numbers, not"),
        ("#1.2\n1\t0_2\nid\tD\ts1\ts2\ng1\ta\t1\t2\n", ":2: the second line of a GCT of this version holds 2"),
        (f"#1.2\n1\t{'2' * 5000}\n", ":2: the second line of a GCT of this version holds 2 whole numbers"),
        ("#1.2\n1\t2\nid\tD\ts1\ts2\ng1\ta\t1\t2\t7\n", ":4: this line has 5 fields, and the header 4"),
        ("#1.2\n1\t2\nid\tD\ts1\ts2\n\ta\t1\t2\n", ":4: the feature id (the first field) is empty"),
        ('#1.2\n1\t2\nid\tD\ts1\ts2\n"g\ta\t1\t2\n', ":4: a quoted field"),
        ("#1.2\n1\t2\nid\tD\ts1\ts2\ng\ta\t-66x\t#N/B\n", ":4: the cell '-66x' in the column 's1' is not a number"),
    ],
)
def test_gct_that_is_refused(write: Write, tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(ImportFailure) as failure:
        read(write(content, "m.gct"))
    assert message in str(failure.value)


@pytest.mark.parametrize("version", ["#1.2\n1\t2\n", "#1.3\n1\t2\t1\t0\n"])
def test_a_byte_order_mark_does_not_hide_what_it_is(write: Write, version: str) -> None:
    text = f"\ufeff{version}id\tD\ts1\ts2\ng1\ta\t1\t2\n".replace("\n", "\r\n")
    assert GctImporter().recognises(Path("m.gct"), text.encode())
    assert not GctImporter().recognises(Path("m.gct"), text.replace("#1.", "#1.20").encode())
    matrix, cells = read(write(text, "m.gct"))
    assert matrix.samples.columns[matrix.samples.id].tolist() == ["s1", "s2"]
    np.testing.assert_array_equal(cells, [[1, 2]])


def test_hints_name_no_option_that_is_not_for_gct(write: Write) -> None:
    for cell in ("1,5", "low"):
        with pytest.raises(ImportFailure, match="is not a number") as failure:
            read(write(f"#1.2\n1\t2\nid\tD\ts1\ts2\ng1\ta\t{cell}\t2\n", "m.gct"))
        assert "--" not in str(failure.value)


def test_ids_of_any_characters_can_be_asked_for(workshop: Any, write: Write) -> None:
    ids = ["a b", "a,b", 'say "hi"', "-666", "NA", "#N/A", "β—2", "a/b", "50%", "a&b=c", "x;y", "'q'", "{j}", "[k]"]
    rows = [["Name", "Description", "s 1", 's"2', "-666"], *([id, f"of {id}", "1", "2", "3"] for id in ids)]
    workshop.run(write(gct(rows, (len(ids), 3), "1.2"), "m.gct"))
    for client in client_of(workshop.data):
        for id in ids:
            assert ask(client, featureIDList=[id], sampleIDList=['s"2'])["values"] == [[2]]


def ask(client: TestClient, **lists: list[str]) -> Any:
    reply = client.post("/rnaget/expressions/m/bytes", json={"format": "json", **lists})
    assert reply.status_code == 200, reply.text
    return reply.json()
