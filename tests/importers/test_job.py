"""Imports of small files: what is understood, what is refused, and that a refusal leaves nothing behind."""

from __future__ import annotations

import bz2
import gzip
import io
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from rnaget_server.errors import ImportFailure
from rnaget_server.importers.detect import read_head
from rnaget_server.importers.matrices import job

Write = Callable[..., Path]
GOOD = "gene_id\tS1\tS2\ng1\t1\t2\ng2\t3\t4\n"


def cells(workshop: Any, units: str = "TPM") -> list[list[float]]:
    found: list[list[float]] = workshop.frame(units).to_numpy().tolist()
    return found


def left_behind(workshop: Any) -> list[Path]:
    return sorted(workshop.data.rglob("*"))


@pytest.mark.parametrize(
    ("name", "content", "options"),
    [
        ("tab", GOOD, {}),
        ("carriage returns", GOOD.replace("\n", "\r"), {}),
        ("windows", GOOD.replace("\n", "\r\n"), {}),
        ("no last newline", GOOD.rstrip(), {}),
        ("empty last lines", GOOD + "\n\n", {}),
        ("byte order mark", "\ufeff" + GOOD, {}),
        ("commas", GOOD.replace("\t", ","), {}),
        ("quotes", '"gene_id","S1","S2"\n"g1","1","2"\n"g2",3,"4"\n', {}),
        ("header of R", "S1\tS2\ng1\t1\t2\ng2\t3\t4\n", {}),
        ("header of R, quoted", '"S1","S2"\n"g1",1,2\n"g2",3,4\n', {}),
        ("empty first header", GOOD.replace("gene_id", ""), {}),
        ("comments", "# one\n#two\tx\n" + GOOD, {}),
        ("header behind #", "#one\n#" + GOOD, {}),
        ("name column", "id\tGene Name\tS1\tS2\ng1\t7\t1\t2\ng2\t8\t3\t4\n", {}),
        ("text column", "id\tx\tS1\tS2\ng1\ta\t1\t2\ng2\tb\t3\t4\n", {}),
        ("said columns", "id\tx\tS1\tS2\ng1\t7\t1\t2\ng2\t8\t3\t4\n", {"label_columns": 2}),
        ("transposed", "sample\tg1\tg2\nS1\t1\t3\nS2\t2\t4\n", {"transpose": True}),
        ("transposed with a label", "sample\ttissue\tg1\tg2\nS1\ta\t1\t3\nS2\tb\t2\t4\n", {"transpose": True}),
        ("gct", "#1.2\n2\t2\nName\tDescription\tS1\tS2\ng1\ta\t1\t2\ng2\tb\t3\t4\n", {}),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_forms_of_text(
    workshop: Any, write: Write, name: str, content: str, options: dict[str, Any], packed: bool
) -> None:
    raw = content.encode()
    workshop.run(write(gzip.compress(raw) if packed else raw, "table.csv" if name == "commas" else "table"), **options)
    assert cells(workshop) == [[1, 2], [3, 4]]
    assert workshop.frame().index.tolist() == ["g1", "g2"]
    assert workshop.frame().columns.tolist() == ["S1", "S2"]
    assert workshop.store().whole("TPM")


def test_missing_and_infinite_cells(workshop: Any, write: Write) -> None:
    workshop.run(write("id\tA\tB\tC\ng1\t\tNA\t1.5\ng2\tInf\t-Inf\tnull\n"))
    np.testing.assert_array_equal(workshop.frame().to_numpy(), [[np.nan, np.nan, 1.5], [np.inf, -np.inf, np.nan]])


def test_counts_beyond_float32_stay_exact(workshop: Any, write: Write) -> None:
    workshop.run(write("id\tA\tB\ng1\t16777217\t1\ng2\t4294967297\t\n"))
    np.testing.assert_array_equal(workshop.frame().to_numpy(), [[16777217, 1], [4294967297, np.nan]])
    assert workshop.store().dtype("TPM") == np.float64


def test_numbers_as_ids_stay_text(workshop: Any, write: Write) -> None:
    workshop.run(write("entrez\t007\t8\n0012\t1\t2\n100\t3\t4\n"))
    assert workshop.frame().index.tolist() == ["0012", "100"]
    assert workshop.frame().columns.tolist() == ["007", "8"]


def test_text_that_is_not_ascii(workshop: Any, write: Write) -> None:
    samples = write("Probe\tGewebe (Art)\tµ/l\nPrüf 1\tLeber & Niere\t1\nS,2\tHöhle\t2\n", "s.tsv")
    workshop.run(write('id\tPrüf 1\t"S,2"\ng/1\t1\t2\n'), samples=samples)
    assert workshop.frame().columns.tolist() == ["Prüf 1", "S,2"]
    assert workshop.store().samples.column("Gewebe (Art)").tolist() == ["Leber & Niere", "Höhle"]
    assert {name: filter.attribute for name, filter in workshop.matrix().filters.items()} == {
        "Gewebe_Art": "Gewebe (Art)",
        "l": "µ/l",
    }


def test_names_that_cannot_stand_in_a_template(workshop: Any, write: Write) -> None:
    samples = write("id: {x}\ta\nS1\tb\nS2\tc\n", "s.tsv")
    workshop.run(write(GOOD), samples=samples)
    assert workshop.matrix().tsv.column == "{id_ _x_}"
    assert workshop.store().samples.column("id_ _x_").tolist() == ["S1", "S2"]


def test_columns_that_clash(workshop: Any, write: Write) -> None:
    features = write("id\tgene_id\tsame\tbiotype\ng2\tx2\tb\tq\ng1\tx1\ta\tp\nzz\tx\tc\tr\n", "f.tsv")
    matrix = write("gene_id\tsame\tbiotype\tS1\ng1\ta\tother\t1\ng2\tb\tother\t2\n")
    outcome = workshop.run(matrix, features=features)
    columns = {name: workshop.store().features.column(name).tolist() for name in workshop.store().features.attributes}
    assert columns == {
        "gene_id": ["g1", "g2"],
        "same": ["a", "b"],
        "biotype": ["other", "other"],
        "gene_id_2": ["x1", "x2"],
        "biotype_2": ["p", "q"],
    }
    assert any("became gene_id_2" in remark for remark in outcome.remarks)
    assert any("1 rows left out" in remark for remark in outcome.remarks)


def test_features_without_a_row_are_empty(workshop: Any, write: Write) -> None:
    features = write("id,symbol,n,x\ng2,B,2,u\n", "f.csv")
    outcome = workshop.run(write(GOOD), features=features)
    store = workshop.store()
    assert workshop.matrix().feature_name == "symbol"
    assert store.features.column("symbol").tolist() == ["", "B"]
    np.testing.assert_array_equal(store.features.column("n"), [np.nan, 2])
    assert any("1 features without a row" in remark for remark in outcome.remarks)


def test_named_columns_of_tables(workshop: Any, write: Write) -> None:
    samples = write("# from the lab\nrun\tsample\tage\nr1\tS2\t50\nr2\tS1\tNA\n", "s.tsv")
    features = write('symbol\tensg\tlabel\n"A\tB"\tg1\tx\nC\tg2\ty\n', "f.tsv")
    workshop.run(
        write(GOOD),
        samples=samples,
        features=features,
        sample_id="sample",
        feature_id="ensg",
        feature_name="label",
    )
    store, matrix = workshop.store(), workshop.matrix()
    assert (matrix.sample_id, matrix.feature_id, matrix.feature_name) == ("sample", "gene_id", "label")
    assert store.samples.column("run").tolist() == ["r2", "r1"]
    np.testing.assert_array_equal(store.samples.column("age"), [np.nan, 50])
    assert store.features.column("symbol").tolist() == ["A\tB", "C"]


def test_template_and_table(workshop: Any, write: Write) -> None:
    samples = write("s\tage\nb\t2\na\t1\n", "s.tsv")
    workshop.run(write("id\tx|a\ty|b\ng\t1\t2\n"), column="{Tissue}|{Name}", sample_id="Name", samples=samples)
    store, matrix = workshop.store(), workshop.matrix()
    assert matrix.sample_id == "Name"
    assert store.samples.column("Name").tolist() == ["a", "b"]
    assert store.samples.column("age").tolist() == [1, 2]
    assert matrix.tsv.column == "{Tissue}|{Name}"


REFUSED: dict[str, tuple[str | bytes, dict[str, Any], str]] = {
    "empty": ("", {}, "the file is empty"),
    "blank": ("\n \n", {}, "the file is empty"),
    "comments only": ("# a\n# b\n", {}, "the file holds no table"),
    "header only": ("id\tS1\n", {}, ":1: there is a header and nothing below it"),
    "one column": ("id\ng1\n", {}, "neither tabs nor commas"),
    "labels only": ("id\tsymbol\ng1\tA\n", {}, ":1: all 2 columns are label columns"),
    "duplicate sample": ("id\tS1\tS2\tS1\ng1\t1\t2\t3\n", {}, ":1: the sample id 'S1' is in the header twice"),
    "empty sample": ("id\tS1\t\tS3\ng1\t1\t2\t3\n", {}, ":1: the sample id in the header is empty (the 2. of 3)"),
    "duplicate feature": (GOOD + "\ng1\t5\t6\n", {}, ":5: the feature id 'g1' is here and in line 2"),
    "empty feature": ("id\tS1\n\t1\n", {}, ":2: the feature id (the first field) is empty"),
    "too few fields": (GOOD + "g3\t1\n", {}, ":4: this line has 2 fields, and the header 3"),
    "too many fields": (GOOD + "g3\t1\t2\t3\n", {}, ":4: this line has 4 fields, and the header 3"),
    "no fields": (GOOD + "g3\n", {}, ":4: this line has 1 fields, and the header 3"),
    "line ends": ("id\tS1\ng1\t1\t\ng2\t2\t\n", {}, ":1: every line ends with a separator"),
    "not a number": (GOOD + "g3\t1\tx1\n", {}, ":4: the cell 'x1' in the column 'S2' is not a number"),
    "json is no number": (GOOD + "g3\t1\ttrue\n", {}, ":4: the cell 'true' in the column 'S2'"),
    "decimal comma": ("id\tS1\tS2\ng1\t1\t2\ng2\t1,5\t2\n", {}, ":3: the cell '1,5' in the column 'S1'"),
    "thousands": ('id,S1\ng1,"1,000"\ng2,2\ng3,3\n', {}, ":2: the cell '1,000' is not a number"),
    "too large": (GOOD + "g3\t1\t1e39\n", {}, ":4: the cell '1e39' in the column 'S2' is larger"),
    "label taken for sample": (
        "id\tx\tS1\n" + "".join(f"g{n}\t{n if n < 4 else 'a'}\t1\n" for n in range(10)),
        {},
        "\nif that column describes the features, say so by --label-columns",
    ),
    "open quote": (GOOD + '"g3\t1\t2\n', {}, ":4: a quoted field"),
    "not utf-8": (GOOD.encode() + b"g\xe9\t1\t2\n", {}, ":4: the text is not UTF-8"),
    "utf-16": (GOOD.encode("utf-16"), {}, "UTF-16"),
    "binary": (b"\x00\x01\x02\x03", {}, "binary data"),
    "binary within": (GOOD.encode() * 9000 + b"\0", {}, "binary data"),
    "damaged gzip": (gzip.compress(GOOD.encode())[:-12], {}, "damaged or cut off"),
    "damaged bzip2": (bz2.compress(GOOD.encode())[:-3], {}, "the bzip2 data are damaged or cut off"),
    "transposed duplicates": (
        "s\tg1\ng\t1\ng\t2\n",
        {"transpose": True},
        ":3: the sample id 'g' is here and in line 2",
    ),
    "template": ("id\ta, b\tc\ng\t1\t2\n", {"column": "{S}, {T}"}, ":1: the column label 'c' is not of the form"),
    "template twice": ("id\ta, b, c\ng\t1\n", {"column": "{S}, {T}"}, "in more than one way"),
    "template ids": ("id\ta, b\ta, c\ng\t1\t2\n", {"column": "{S}, {T}"}, ":1: the sample id 'a' is in"),
    "no such name column": (GOOD, {"feature_name": "x"}, "--feature-name: there is no column 'x'"),
    "sample id without table": (GOOD, {"sample_id": "x"}, "--sample-id names a column of the table"),
    "feature id without table": (GOOD, {"feature_id": "x"}, "--feature-id names a column of the table"),
    "two label columns": ("id\tx\tx\tS\ng\ta\tb\t1\nh\tc\td\t2\n", {}, ":1: two label columns have the header 'x'"),
    "gct counts": ("#1.2\n2\n", {}, ":2: the second line of a GCT"),
    "gct features": (
        "#1.2\n2\t1\nName\tDescription\tS1\ng\td\t1\n",
        {},
        ":2: the file says that it holds 2 features, and it holds 1",
    ),
    "gct samples": (
        "#1.2\n1\t2\nName\tDescription\tS1\ng\td\t1\n",
        {},
        ":3: the file says that it holds 2 samples, and its header names 1",
    ),
    "gct attribute": ("#1.3\n1\t1\t0\t1\nid\tS1\ntissue\ng\t1\n", {}, ":4: this line has 1 fields, and the header 2"),
    "gct cut": ("#1.3\n1\t1\t0\t1\nid\tS1\n", {}, "ends within its header"),
    "gct options": ("#1.2\n1\t1\n", {"transpose": True}, "do not apply to GCT"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(workshop: Any, write: Write, name: str) -> None:
    content, options, message = REFUSED[name]
    with pytest.raises(ImportFailure, match=re.escape(message)):
        workshop.run(write(content), **options)
    assert left_behind(workshop) == []


SAMPLES_REFUSED = {
    "missing": ("id\ta\nS1\tx\n", "1 of 2 samples have no row in this table: 'S2'"),
    "duplicate": ("id\ta\nS1\tx\nS2\ty\nS1\tz\n", ":4: the sample 'S1' has two rows, here and in line 2"),
    "ragged": ("id\ta\nS1\tx\nS2\n", ":3: this line has 1 fields, and the header 2"),
    "no rows": ("id\ta\n", "no rows"),
    "headers": ("id\ta\ta\nS1\tx\ty\n", "two columns have the header 'a'"),
    "quotes": ('id\ta\nS1\tx\nS2\t"y\n', "not well formed"),
}


@pytest.mark.parametrize("name", SAMPLES_REFUSED)
def test_sample_tables_that_are_refused(workshop: Any, write: Write, name: str) -> None:
    table, message = SAMPLES_REFUSED[name]
    with pytest.raises(ImportFailure, match=re.escape(message)) as caught:
        workshop.run(write(GOOD), samples=write(table, "s.tsv"))
    assert "s.tsv" in str(caught.value)
    assert left_behind(workshop) == []


def test_feature_table_without_any_match(workshop: Any, write: Write) -> None:
    with pytest.raises(ImportFailure, match=r"f.tsv: no feature of the matrix has a row"):
        workshop.run(write(GOOD), features=write("id\ta\nG1\tx\n", "f.tsv"))
    with pytest.raises(ImportFailure, match=r"--feature-id: this table has no column 'x'; it has id, a"):
        workshop.run(write(GOOD), features=write("id\ta\nG1\tx\n", "f.tsv"), feature_id="x")
    assert left_behind(workshop) == []


def test_files_of_other_kinds(workshop: Any, write: Write, tmp_path: Path) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as book:
        book.writestr("[Content_Types].xml", "")
    with pytest.raises(ImportFailure, match="no spreadsheet"):
        workshop.run(write(archive.getvalue(), "a.xlsx"))
    with pytest.raises(ImportFailure, match="cannot be read"):
        read_head(tmp_path / "absent.tsv")
    with pytest.raises(ImportFailure, match="cannot be read"):
        read_head(tmp_path)


def _loom(path: Path, genes: list[bytes], cells_: list[bytes]) -> Path:
    with h5py.File(path, "w") as file:
        file["matrix"] = np.ones((2, 2), np.float32)
        file["row_attrs/Gene"] = np.array(genes)
        file["col_attrs/CellID"] = np.array(cells_)
    return path


def test_looms_that_are_refused(workshop: Any, write: Write, tmp_path: Path) -> None:
    with pytest.raises(ImportFailure, match="the feature attribute Gene holds 'a' more than once"):
        workshop.run(_loom(tmp_path / "a.loom", [b"a", b"a"], [b"x", b"y"]))
    with pytest.raises(ImportFailure, match="the sample attribute CellID holds 'x' more than once"):
        workshop.run(_loom(tmp_path / "b.loom", [b"a", b"b"], [b"x", b"x"]))
    with pytest.raises(ImportFailure, match=r"/col_attrs/CellID has the shape \(1,\)"):
        workshop.run(_loom(tmp_path / "c.loom", [b"a", b"b"], [b"x"]))
    good = _loom(tmp_path / "d.loom", [b"a", b"b"], [b"x", b"y"])
    with pytest.raises(ImportFailure, match=r"--sample-id: there is no attribute 'q'; there are CellID"):
        workshop.run(good, sample_id="q")
    with pytest.raises(ImportFailure, match="--samples and --features do not apply"):
        workshop.run(good, samples=write("id\tx\nx\t1\n", "s.tsv"))
    assert left_behind(workshop) == []
    workshop.run(good)
    with pytest.raises(ImportFailure, match=r"is there already: add --replace|served as it is"):
        workshop.run(good)
    with pytest.raises(ImportFailure, match="takes no further units"):
        workshop.run(write(GOOD), units="count")
    outcome = workshop.run(write(GOOD), units="count", replace=True)
    assert workshop.matrix().path.name == "m.h5"
    assert any("m.loom is no longer used" in remark for remark in outcome.remarks)


def test_the_same_units_need_replace(workshop: Any, write: Write) -> None:
    workshop.run(write(GOOD))
    before = workshop.matrix().path.read_bytes()
    with pytest.raises(ImportFailure, match="has the units TPM already: add --replace"):
        workshop.run(write(GOOD))
    assert workshop.matrix().path.read_bytes() == before
    workshop.run(write("id\tsymbol\tX\nh\ta\t9\n"), replace=True)
    assert cells(workshop) == [[9]]
    assert workshop.matrix().feature_id == "id"
    assert workshop.matrix().feature_name == "symbol"
    workshop.run(write(GOOD), replace=True)
    assert workshop.matrix().feature_name is None
    assert workshop.catalog.studies["s"].matrices == (workshop.matrix(),)


def test_one_of_several_units_is_replaced(workshop: Any, write: Write) -> None:
    table = write("id\tTissue\nS1\tliver\nS2\tlung\n", "s.tsv")
    workshop.run(write(GOOD), samples=table)
    workshop.run(write("g\tS2\tS1\ng2\t10\t20\ng3\t30\t40\n"), units="count")
    workshop.run(write("g\tS2\tS1\ng1\t7\t8\n"), replace=True)
    store = workshop.store()
    assert store.units == ("TPM", "count")
    assert workshop.frame().index.tolist() == ["g1", "g2", "g3"]
    np.testing.assert_array_equal(workshop.frame("TPM").to_numpy(), [[8, 7], [np.nan] * 2, [np.nan] * 2])
    np.testing.assert_array_equal(workshop.frame("count").to_numpy(), [[np.nan] * 2, [20, 10], [40, 30]])
    assert store.samples.column("Tissue").tolist() == ["liver", "lung"]


def test_a_layer_keeps_attributes_and_may_add_some(workshop: Any, write: Write) -> None:
    workshop.run(
        write(GOOD),
        samples=write("id\tTissue\tage\nS1\tliver\t1\nS2\tlung\t2\n", "s.tsv"),
        features=write("id\tsymbol\tn\ng1\tA\t1\ng2\tB\t2\n", "f.tsv"),
    )
    outcome = workshop.run(
        write("Gene\tS2\tS1\ng3\t1\t2\ng2\t3\t4\n"),
        units="count",
        samples=write("id\tTissue\tsex\nS1\tKIDNEY\tf\nS2\tlung\tm\n", "s.tsv"),
        features=write("id\tsymbol\tn\tlength\ng3\tC\t3\t30\ng2\tB\t2\t20\n", "f.tsv"),
    )
    store, matrix = workshop.store(), workshop.matrix()
    samples = {name: store.samples.column(name).tolist() for name in store.samples.attributes}
    assert samples == {"id": ["S1", "S2"], "Tissue": ["liver", "lung"], "age": [1, 2], "sex": ["f", "m"]}
    features = {name: store.features.column(name) for name in store.features.attributes}
    assert features["gene_id"].tolist() == ["g1", "g2", "g3"]
    assert features["symbol"].tolist() == ["A", "B", "C"]
    assert features["n"].tolist() == [1, 2, 3]
    np.testing.assert_array_equal(features["length"], [np.nan, 20, 30])
    assert matrix.feature_name == "symbol"
    assert set(matrix.filters) == {"Tissue", "age", "sex", "n", "length"}
    assert set(outcome.new_filters) == {"sex", "length"}
    assert any("Tissue differs in 1 places" in remark for remark in outcome.remarks)


def test_layers_that_are_refused(workshop: Any, write: Write) -> None:
    workshop.run(write(GOOD))
    before = {path: path.read_bytes() for path in left_behind(workshop) if path.is_file()}
    with pytest.raises(ImportFailure, match=r"this file lacks 'S2' and the matrix has no 'S3'"):
        workshop.run(write("id\tS1\tS3\ng1\t1\t2\n"), units="count")
    with pytest.raises(ImportFailure, match=r"no feature of this file is in the matrix m: 'x1'"):
        workshop.run(write("id\tS1\tS2\nx1\t1\t2\n"), units="count")
    with pytest.raises(ImportFailure, match="belongs to a matrix of the study 's' already"):
        workshop.run(write(GOOD), study="other")
    with pytest.raises(ImportFailure, match="cannot be used in a URL"):
        workshop.run(write(GOOD), id="a/b")
    with pytest.raises(ImportFailure, match="name of a route"):
        workshop.run(write(GOOD), id="bytes")
    with pytest.raises(ImportFailure, match="--units must not be empty"):
        workshop.run(write(GOOD), id="n", units=" ")
    assert {path: path.read_bytes() for path in left_behind(workshop) if path.is_file()} == before


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError("disk full"), MemoryError()])
@pytest.mark.parametrize("step", ["write_native", "make_entry"])
def test_a_break_leaves_everything_as_it_was(
    workshop: Any, write: Write, monkeypatch: pytest.MonkeyPatch, error: Any, step: str
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    def attempt() -> None:
        with monkeypatch.context() as patch:
            patch.setattr(job, step, fail)
            expected = ImportFailure if isinstance(error, Exception) else error
            with pytest.raises(expected):
                workshop.run(write(GOOD.replace("4", "5")), units="count")

    attempt()
    assert left_behind(workshop) == []
    workshop.run(write(GOOD))
    before = {path: path.read_bytes() for path in left_behind(workshop) if path.is_file()}
    attempt()
    assert {path: path.read_bytes() for path in left_behind(workshop) if path.is_file()} == before


def test_a_catalogue_that_does_not_check_is_not_touched(workshop: Any, write: Write) -> None:
    workshop.run(write(GOOD))
    (workshop.data / "p" / "project.yaml").write_text("id: p\nnmae: x\n")
    with pytest.raises(ImportFailure, match=r"(?s)must be in order.*project.yaml:2:\d: the key 'nmae'"):
        workshop.run(write(GOOD), id="n")
    assert not (workshop.data / "p" / "s" / "n.h5").exists()
