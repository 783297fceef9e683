"""Repeated feature ids of text tables, against pandas."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from rnaget_server.cli.server import main

ROWS = [("a", 1, 2.5), ("b", 3, 4), ("a", 10, 20), ("a.1", 5, 6), ("a", 100, np.nan), ("b", 7, 8), ("c", 2**24, 1)]


def run(source: Path, data: Path, *more: str) -> tuple[int, str]:
    arguments = ["import", str(source), "--data", str(data), "--id", "m", "--units", "x", *more]
    result = CliRunner().invoke(main, arguments)
    return result.exit_code, result.output


def table(path: Path) -> Path:
    frame = pd.DataFrame(ROWS, columns=["gene_id", "s1", "s2"])
    frame.insert(1, "symbol", [f"n{number}" for number in range(len(frame))])
    frame.to_csv(path, sep="\t", index=False, na_rep="NaN")
    return path


def exported(data: Path) -> pd.DataFrame:
    out = data.with_suffix(".tsv")
    assert CliRunner().invoke(main, ["export", "m", str(out), "--data", str(data)]).exit_code == 0
    return pd.read_csv(out, sep="\t", index_col=0)


def test_without_a_way_out_they_are_refused(tmp_path: Path) -> None:
    code, said = run(table(tmp_path / "m.tsv"), tmp_path / "data")
    assert code == 1
    assert "the feature id 'a' is here and in line 2 already" in said
    assert "--duplicates first, sum or suffix" in said


@pytest.mark.parametrize("way", ["first", "sum", "suffix"])
def test_the_ways_out(tmp_path: Path, way: str) -> None:
    code, said = run(table(tmp_path / "m.tsv"), tmp_path / "data", "--duplicates", way)
    assert code == 0, said
    assert "rows of ids that were there already, such as a: " in said
    frame, found = pd.DataFrame(ROWS, columns=["gene_id", "s1", "s2"]), exported(tmp_path / "data")
    groups = frame.groupby("gene_id", sort=False)
    cells = found[["s1", "s2"]].to_numpy()
    if way == "suffix":
        assert list(found.index) == ["a", "b", "a.1", "a.1.1", "a.2", "b.1", "c"]
        np.testing.assert_array_equal(cells, frame[["s1", "s2"]].to_numpy())
        return
    expected = groups.first() if way == "first" else groups.agg(lambda column: column.sum(skipna=False))
    assert list(found.index) == list(expected.index)
    assert list(found["symbol"]) == ["n0", "n1", "n3", "n6"]
    np.testing.assert_array_equal(cells, expected[["s1", "s2"]].to_numpy())


def test_the_ways_out_of_a_sheet(tmp_path: Path) -> None:
    pd.DataFrame(ROWS, columns=["gene_id", "s1", "s2"]).to_excel(tmp_path / "m.xlsx", index=False)
    code, said = run(tmp_path / "m.xlsx", tmp_path / "data", "--duplicates", "first")
    assert code == 0, said
    assert exported(tmp_path / "data")["s1"].tolist() == [1, 3, 5, 2**24]


def test_long_tables_have_none(tmp_path: Path) -> None:
    (tmp_path / "m.tsv").write_text("gene\tsample\tTPM\na\ts\t1\na\tt\t2\na\ts\t3\n")
    code, said = run(tmp_path / "m.tsv", tmp_path / "data", "--duplicates", "sum")
    assert code == 1
    assert "--duplicates does not apply to a long table" in said


def test_many_rows_are_summed_by_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rnaget_server.importers.text.repeats._BLOCK_BYTES", 100)
    numbers = np.random.default_rng(3).integers(0, 2**26, (500, 3))
    ids = [f"g{number}" for number in np.random.default_rng(4).integers(0, 90, 500)]
    frame = pd.DataFrame(numbers, ids, ["s1", "s2", "s3"])
    frame.to_csv(tmp_path / "m.tsv", sep="\t", index_label="gene_id")
    assert run(tmp_path / "m.tsv", tmp_path / "data", "--duplicates", "sum")[0] == 0
    expected = frame.groupby(level=0, sort=False).sum()
    found = exported(tmp_path / "data")
    assert list(found.index) == list(expected.index)
    np.testing.assert_array_equal(found.to_numpy(), expected.to_numpy())


def test_other_mistakes_are_still_found(tmp_path: Path) -> None:
    (tmp_path / "m.tsv").write_text("gene_id\ts1\na\t1\na\tx\n\t1\n")
    code, said = run(tmp_path / "m.tsv", tmp_path / "data", "--duplicates", "sum")
    assert code == 1
    assert "m.tsv:3: the cell 'x'" in said
    assert "m.tsv:4: the feature id (the first field) is empty" in said
    assert "already" not in said


def test_sums_are_those_of_the_numbers_in_the_file(tmp_path: Path) -> None:
    """And not of these as float32, of which a fifth of the sums would be another float32."""
    values = np.random.default_rng(5).lognormal(2, 2, (600, 3)).round(5)
    frame = pd.DataFrame(values, [f"g{number % 200}" for number in range(600)], ["s1", "s2", "s3"])
    frame.to_csv(tmp_path / "m.tsv", sep="\t", index_label="gene_id")
    code, said = run(tmp_path / "m.tsv", tmp_path / "data", "--duplicates", "sum")
    assert code == 0, said
    expected = frame.groupby(level=0, sort=False).sum().astype(np.float32)
    pd.testing.assert_frame_equal(exported(tmp_path / "data").astype(np.float32), expected, check_names=False, rtol=0)


def test_without_repeats_sums_are_the_cells_of_the_table(tmp_path: Path) -> None:
    (tmp_path / "m.tsv").write_text("gene_id\ts1\ts2\na\t0.5\t2\nb\t3\t4\n")
    for data, more in (("plain", ()), ("summed", ("--duplicates", "sum"))):
        assert run(tmp_path / "m.tsv", tmp_path / data, *more)[0] == 0
    plain, summed = (exported(tmp_path / data) for data in ("plain", "summed"))
    assert summed.to_dict() == plain.to_dict() == {"s1": {"a": 0.5, "b": 3}, "s2": {"a": 2, "b": 4}}
    sizes = [path.stat().st_size for data in ("plain", "summed") for path in (tmp_path / data).rglob("*.h5")]
    assert len(sizes) == 2 and sizes[0] == sizes[1]


def test_files_that_it_is_not_for(tmp_path: Path) -> None:
    for text, more in (("#1.2\n1\t1\nName\tDescription\ts\na\tb\t1\n", ()), ("id\tg\ns\t1\n", ("--transpose",))):
        (tmp_path / "m").write_text(text)
        code, said = run(tmp_path / "m", tmp_path / "data", "--duplicates", "first", *more)
        assert code == 1
        assert "tables with features as rows" in said


@pytest.mark.parametrize("other", ["1", "0.5"])
def test_a_sum_that_float32_cannot_hold_is_refused(tmp_path: Path, other: str) -> None:
    (tmp_path / "m.tsv").write_text(f"gene_id\ts1\na\t3e38\nb\t{other}\na\t3e38\n")
    code, said = run(tmp_path / "m.tsv", tmp_path / "data", "--duplicates", "sum")
    assert code == 1
    assert "m.tsv: the value 6e+38 is larger than float32 can hold" in said
