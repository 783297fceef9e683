"""Kinds of matrices whose values and attributes other programs read: each must be the same here."""

from __future__ import annotations

import datetime
import decimal
import gzip
import lzma
import struct
import sys
import zipfile
from pathlib import Path
from typing import Any

import anndata
import h5py
import numpy as np
import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
import scipy.sparse
from click.testing import CliRunner

from rnaget_server.cli.server import main
from rnaget_server.errors import ImportFailure
from tests.importers.conftest import Workshop


def cells(features: int = 6, samples: int = 4, seed: int = 1) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    return pd.DataFrame(
        np.round(random.lognormal(1, 2, (features, samples)), 3),
        pd.Index([f"ENSG{number:011d}" for number in range(features)], name="gene_id"),
        [f"s{number}" for number in range(samples)],
    )


def data_of(frame: pd.DataFrame) -> anndata.AnnData:
    obs = pd.DataFrame({"tissue": pd.Categorical(["liver", "lung", None, "liver"]), "age": [1, 2, 3, 4]}, frame.columns)
    var = pd.DataFrame({"symbol": [f"G{n}" for n in range(len(frame))]}, frame.index)
    data = anndata.AnnData(scipy.sparse.csr_matrix(frame.T.to_numpy(np.float32)), obs, var)
    data.layers["dense"] = frame.T.to_numpy() * 2
    data.raw = data
    return data


def check(workshop: Workshop, expected: pd.DataFrame, id: str = "m") -> None:
    found = workshop.frame(id=id)
    assert (found.index.tolist(), found.columns.tolist()) == (expected.index.tolist(), expected.columns.tolist())
    np.testing.assert_array_equal(found.to_numpy(), expected.to_numpy(np.float32))
    np.testing.assert_array_equal(workshop.by_columns(id=id), expected.to_numpy(np.float32))


@pytest.mark.parametrize("kind", ["parquet", "feather", "stream"])
def test_wide_columns(workshop: Workshop, tmp_path: Path, kind: str) -> None:
    frame = cells()
    frame.iloc[2, 1] = np.nan
    table = frame.copy()
    table.insert(0, "entrez", ["7", "8", "9", "10", "11", "12"])
    table.insert(1, "length", [1, 2, 3, 4, 5, 6])
    table["biotype"] = pd.Categorical(["a", "b"] * 3)
    table["when"] = pd.Timestamp("2020-01-01")
    path = tmp_path / f"m.{kind}"
    if kind == "parquet":
        table.to_parquet(path, row_group_size=2)
    elif kind == "feather":
        table.reset_index().to_feather(path, chunksize=4)
    else:
        arrow = pa.Table.from_pandas(table)
        with pa.ipc.new_stream(str(path), arrow.schema) as stream:
            stream.write_table(arrow, max_chunksize=4)
    outcome = workshop.run(path)
    check(workshop, frame)
    features = workshop.store().features
    assert features.column("entrez").tolist() == ["7", "8", "9", "10", "11", "12"]
    assert features.column("length").tolist() == [1, 2, 3, 4, 5, 6]
    assert features.column("biotype").tolist() == ["a", "b"] * 3
    assert any("neither text nor numbers: when" in remark for remark in outcome.remarks)


def test_counts_beyond_float32_stay_exact(workshop: Workshop, tmp_path: Path) -> None:
    table = pd.DataFrame({"gene": ["a", "b"], "s1": [2**40 + 1, 3], "s2": [5, 6]})
    table.to_parquet(tmp_path / "m.parquet")
    workshop.run(tmp_path / "m.parquet")
    assert workshop.frame().to_numpy().tolist() == [[2**40 + 1, 5], [3, 6]]
    assert workshop.store().whole("TPM")


def test_attributes_beyond_exact_numbers_are_texts(workshop: Workshop, tmp_path: Path) -> None:
    large = pa.array([2**53 + 1, None], pa.int64()), pa.array([2**63, 2**64 - 1], pa.uint64()), [1, 2]
    attributes = dict(zip(("length", "start", "end"), large, strict=True))
    table = pa.table({"gene": ["a", "b"], **attributes, "s1": [1.5, 2.5]})
    pa.parquet.write_table(table, tmp_path / "m.parquet")
    workshop.run(tmp_path / "m.parquet", label_columns=4)
    found = [workshop.store().features.column(name).tolist() for name in attributes]
    assert found == [["9007199254740993", ""], [str(2**63), str(2**64 - 1)], [1, 2]]


COLUMNS: dict[str, tuple[dict[str, Any], str]] = {
    "repeated": ({"gene": ["a", "b", "a"], "s": [1, 2, 3]}, r"'a' is here and in row 1 already \(column gene, row 3\)"),
    "empty": ({"gene": ["a", None], "s": [1, 2]}, r"the feature id is empty \(column gene, row 2\)"),
    "too large": ({"gene": ["a", "b"], "s": [1, 1e39]}, r"1e\+39 is larger .* \(column s, row 2\)"),
    "changed": ({"gene": ["a", "b"], "s": [1, 2**53 + 1]}, r"beyond 2\*\*53 .* \(column s, row 2\)"),
    "no numbers": ({"gene": ["a", "b"], "s": ["x", "y"]}, "is a sample|holds numbers"),
    "no rows": ({"gene": [], "s": []}, "no rows|fewer than two columns"),
    "long, repeated": (
        {"gene": ["a", "b", "a"], "sample": ["s", "s", "s"], "TPM": [1.0, 2.0, 3.0]},
        "m.parquet:3: the feature 'a' has a value for the sample 's' here and in line 1 already",
    ),
    "long, empty": ({"gene": ["a", ""], "sample": ["s", "s"], "TPM": [1.0, 2.0]}, r"empty \(column gene, row 2\)"),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_columns_that_are_refused(workshop: Workshop, tmp_path: Path, name: str) -> None:
    table, message = COLUMNS[name]
    pd.DataFrame(table).to_parquet(tmp_path / "m.parquet")
    with pytest.raises(ImportFailure, match=message):
        workshop.run(tmp_path / "m.parquet")
    assert not list(tmp_path.rglob("*.h5"))


def test_a_package_that_is_not_installed(workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cells().to_parquet(tmp_path / "m.parquet")
    cells().to_excel(tmp_path / "m.xlsx")
    for package, name, extra in (("pyarrow.parquet", "m.parquet", "arrow"), ("openpyxl", "m.xlsx", "excel")):
        monkeypatch.setitem(sys.modules, package, None)
        with pytest.raises(ImportFailure, match=rf"pip install 'rnaget-server\[{extra}\]'"):
            workshop.run(tmp_path / name)


def book(path: Path, sheets: dict[str, list[list[Any]]]) -> Path:
    made = openpyxl.Workbook()
    made.remove(made.active)
    for name, rows in sheets.items():
        sheet = made.create_sheet(name)
        for row in rows:
            sheet.append(row)
    made.save(path)
    return path


def test_sheets(workshop: Workshop, tmp_path: Path) -> None:
    rows: list[list[Any]] = [["gene", "s1", "s2"], ["A", 1.5, 2], ["B", None, "#N/A"], [], ["C", 0.1, 1e-7]]
    notes = [["A note on the data"]]
    path = book(tmp_path / "m.xlsx", {"notes": notes, "TPM": [["Table S1. All genes."], [], *rows]})
    outcome = workshop.run(path)
    expected = pd.read_excel(path, sheet_name="TPM", skiprows=2, index_col=0).dropna(how="all", axis=1)
    assert workshop.frame().index.tolist() == ["A", "B", "C"] == [name for name in expected.index if name == name]
    np.testing.assert_array_equal(
        workshop.frame().to_numpy(), np.array([[1.5, 2], [np.nan, np.nan], [0.1, 1e-7]], np.float32)
    )
    assert any("sheet TPM, after 1 lines of titles" in remark for remark in outcome.remarks)
    several = book(tmp_path / "n.xlsx", {"a": rows, "b": [["gene", "s1"], ["X", 5]]})
    with pytest.raises(ImportFailure, match=r"several sheets have a table: .* --sheet, one of 'a', 'b'"):
        workshop.run(several, id="n")
    with pytest.raises(ImportFailure, match=r"no sheet 'c'; there are 'a', 'b'"):
        workshop.run(several, id="n", sheet="c")
    workshop.run(several, id="n", sheet="b")
    assert workshop.frame(id="n").to_dict() == {"s1": {"X": 5}}
    (tmp_path / "m.tsv").write_text("gene\ts1\nA\t2\n")
    with pytest.raises(ImportFailure, match="--sheet cannot be given"):
        workshop.run(tmp_path / "m.tsv", sheet="b")


def test_a_table_in_the_middle_of_a_sheet(workshop: Workshop, tmp_path: Path) -> None:
    rows = [[], ["", "", "A title"], [], *([None, None, *row] for row in (["gene", "s1"], ["A", 1.5], ["B", 2]))]
    workshop.run(book(tmp_path / "m.xlsx", {"a": rows}))
    assert workshop.frame().to_dict() == {"s1": {"A": 1.5, "B": 2}}


def test_mistakes_in_a_sheet(workshop: Workshop, tmp_path: Path) -> None:
    path = book(tmp_path / "m.xlsx", {"a": [["gene", "s1"], ["A", 1], ["A", "x"]]})
    with pytest.raises(ImportFailure) as caught:
        workshop.run(path)
    said = str(caught.value)
    assert "m.xlsx:3: the feature id 'A' is here and in line 2 already" in said
    assert "m.xlsx:3: the cell 'x' in the column 's1' is not a number" in said


def test_names_that_excel_made_dates(workshop: Workshop, tmp_path: Path) -> None:
    day = datetime.datetime(2020, 3, 1)
    outcome = workshop.run(book(tmp_path / "m.xlsx", {"a": [["gene", "s1"], ["A", 1], [day, 2]]}))
    assert workshop.frame().index.tolist() == ["A", "2020-03-01"]
    assert any("look" in remark and "dates" in remark for remark in outcome.remarks)


@pytest.mark.parametrize("kind", ["parquet", "feather", "xlsx"])
@pytest.mark.parametrize("way", ["gz", "xz", "zip", "pipe"])
def test_packed_kinds_are_unpacked(tmp_path: Path, kind: str, way: str) -> None:
    frame, path = cells(), tmp_path / f"m.{kind}"
    write = {"parquet": frame.to_parquet, "feather": frame.reset_index().to_feather, "xlsx": frame.to_excel}[kind]
    write(path)
    content = path.read_bytes()
    packed = tmp_path / f"m.{kind}.{way}"
    if way == "zip":
        with zipfile.ZipFile(packed, "w") as archive:
            archive.write(path, f"deposit/m.{kind}")
    else:
        packed.write_bytes({"gz": gzip.compress, "xz": lzma.compress, "pipe": bytes}[way](content))
    place = ["--data", str(tmp_path / "data"), "--id", "m", "--units", "TPM"]
    source, stdin = ("-", content) if way == "pipe" else (str(packed), None)
    result = CliRunner().invoke(main, ["import", source, *place], input=stdin)
    assert result.exit_code == 0, result.output
    out = tmp_path / "out.tsv"
    assert CliRunner().invoke(main, ["export", "m", str(out), "--data", str(tmp_path / "data")]).exit_code == 0
    found = pd.read_csv(out, sep="\t", index_col=0)
    assert found.index.tolist() == frame.index.tolist()
    np.testing.assert_array_equal(found.to_numpy(np.float32), frame.to_numpy(np.float32))


def test_formulas_without_results(workshop: Workshop, tmp_path: Path) -> None:
    path = book(tmp_path / "m.xlsx", {"a": [["gene", "s1"], ["A", 1], ["B", "=B2*2"]]})
    with pytest.raises(ImportFailure, match="a formula without its result in the cell B3"):
        workshop.run(path)


@pytest.mark.parametrize("format", [2, 3])
def test_zarr(workshop: Workshop, tmp_path: Path, format: int) -> None:
    frame = cells()
    data = data_of(frame)
    with anndata.settings.override(zarr_write_format=format):
        data.write_zarr(tmp_path / "m.zarr")
    read: Any = anndata.io.read_zarr(tmp_path / "m.zarr")
    for id, layer, matrix in (
        ("m", None, read.X.toarray()),
        ("n", "dense", read.layers["dense"]),
        ("o", "raw", read.raw.X.toarray()),
    ):
        workshop.run(tmp_path / "m.zarr" / (".zgroup" if format == 2 else "zarr.json"), id=id, layer=layer)
        check(workshop, pd.DataFrame(matrix.T, read.var_names, read.obs_names), id)
        store = workshop.store(id)
        assert store.samples.column("tissue").tolist() == ["liver", "lung", "", "liver"]
        assert store.samples.column("age").tolist() == [1, 2, 3, 4]
        assert store.features.column("symbol").tolist() == read.var["symbol"].tolist()
    assert not [path for path in workshop.data.rglob(".import-*")]


@pytest.mark.parametrize("format", [2, 3])
@pytest.mark.parametrize(("layer", "array"), [(None, "X/indices"), (None, "X/indptr"), ("dense", "layers/dense")])
def test_chunks_that_a_zarr_store_lacks(
    workshop: Workshop, tmp_path: Path, format: int, layer: str | None, array: str
) -> None:
    """They mean zeros, and are what a copy that broke off lacks."""
    with anndata.settings.override(zarr_write_format=format):
        data_of(cells()).write_zarr(tmp_path / "m.zarr", chunks=(2, 2))
    mark = tmp_path / "m.zarr" / (".zgroup" if format == 2 else "zarr.json")
    assert not any("chunks of" in remark for remark in workshop.run(mark, layer=layer).remarks)
    chunks = [path for path in (tmp_path / "m.zarr" / array).rglob("*") if path.is_file() and path.name[0].isdigit()]
    chunks[0].unlink()
    remarks = workshop.run(mark, id="n", layer=layer).remarks
    assert any(f"warning: 1 of {len(chunks)} chunks of {array} are not in the store" in remark for remark in remarks)


def test_modalities(workshop: Workshop, tmp_path: Path) -> None:
    frame = cells()
    path = tmp_path / "m.h5mu"
    with h5py.File(path, "w") as file:
        group = file.create_group("mod")
        anndata.io.write_elem(group, "rna", data_of(frame))
        anndata.io.write_elem(group, "prot", data_of(frame.iloc[:2] * 3))
    with pytest.raises(ImportFailure, match=r"\(prot, rna\): name one by --modality"):
        workshop.run(path)
    with pytest.raises(ImportFailure, match=r"no modality 'x'; there are prot, rna"):
        workshop.run(path, modality="x")
    workshop.run(path, id="rna", modality="rna", layer="raw")
    check(workshop, frame, "rna")
    workshop.run(path, id="prot", modality="prot", layer="dense")
    check(workshop, frame.iloc[:2] * 6, "prot")
    assert workshop.store("prot").samples.column("tissue").tolist() == ["liver", "lung", "", "liver"]


def test_gctx(workshop: Workshop, tmp_path: Path) -> None:
    frame = cells()
    path = tmp_path / "m.gctx"
    with h5py.File(path, "w") as file:
        file["0/DATA/0/matrix"] = frame.T.to_numpy(np.float32)
        file["0/META/ROW/id"] = [id.encode() for id in frame.index]
        file["0/META/ROW/pr_gene_symbol"] = [b"A", b"-666", b"C", b"D", b"E", b"F"]
        file["0/META/COL/id"] = [id.encode() for id in frame.columns]
        file["0/META/COL/dose"] = np.array([1, -666, 2, 3])
    workshop.run(path)
    check(workshop, frame)
    store = workshop.store()
    assert store.features.column("pr_gene_symbol").tolist() == ["A", "", "C", "D", "E", "F"]
    np.testing.assert_array_equal(store.samples.column("dose"), [1, np.nan, 2, 3])
    assert workshop.matrix().feature_name == "pr_gene_symbol"


def test_gctx_of_its_own_library(workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("cmapPy", reason="cmapPy is not installed")
    monkeypatch.setattr(np, "string_", np.bytes_, raising=False)  # it was written for numpy 1
    from cmapPy.pandasGEXpress import GCToo, write_gctx  # type: ignore[import-not-found]

    frame = cells()
    rows = pd.DataFrame({"symbol": list("abcdef")}, frame.index.rename("rid"))
    columns = pd.DataFrame({"dose": [1.0, 2, 3, 4]}, frame.columns.rename("cid"))
    data = frame.rename_axis(index="rid", columns="cid")
    write_gctx.write(GCToo.GCToo(data, rows, columns), str(tmp_path / "m.gctx"))
    (path,) = tmp_path.glob("*.gctx")
    workshop.run(path)
    check(workshop, frame)
    assert workshop.store().features.column("symbol").tolist() == list("abcdef")


@pytest.mark.parametrize("by_gene", [True, False], ids=["2", "1"])
def test_archs4(workshop: Workshop, tmp_path: Path, by_gene: bool) -> None:
    random = np.random.default_rng(5)
    counts = random.integers(0, 1000, (30, 50)).astype(np.uint32)
    between = "," if by_gene else "Xx-xX"
    series = [f"GSE{n % 7}" if n % 5 else f"GSE{n % 7}{between}GSE99" for n in range(50)]
    accessions = [f"GSM{n}" for n in range(50)]
    path = tmp_path / "human.h5"
    with h5py.File(path, "w") as file:
        matrix = counts if by_gene else counts.T
        file.create_dataset("data/expression", data=matrix, chunks=(10, 3), compression="gzip")
        genes = [f"GENE{n}".encode() for n in range(30)]
        where = "meta/samples/" if by_gene else "meta/Sample_"
        file["meta/genes/symbol" if by_gene else "meta/genes"] = genes
        file[f"{where}geo_accession"] = [id.encode() for id in accessions]
        file[f"{where}series_id"] = [id.encode() for id in series]
    attribute = "series_id" if by_gene else "Sample_series_id"
    workshop.run(path, select=(f"{attribute}=GSE3,GSE99",))
    kept = [n for n, ids in enumerate(series) if {"GSE3", "GSE99"} & set(ids.split(between))]
    expected = pd.DataFrame(counts[:, kept], [f"GENE{n}" for n in range(30)], [accessions[n] for n in kept])
    check(workshop, expected)
    workshop.run(path, id="all")
    np.testing.assert_array_equal(workshop.frame(id="all").to_numpy(), counts)
    for select, message in (
        (f"{attribute}=GSE1234", "no sample has 'GSE1234'"),
        ("series", "write ATTRIBUTE=VALUE, with one of"),
    ):
        with pytest.raises(ImportFailure, match=message):
            workshop.run(path, id="none", select=(select,))


def test_seurat(workshop: Workshop, tmp_path: Path) -> None:
    frame = cells()
    sparse = scipy.sparse.csc_matrix(frame.to_numpy())
    path = tmp_path / "m.h5seurat"
    with h5py.File(path, "w") as file:
        file.attrs["active.assay"] = "RNA"
        for name, factor in (("counts", 1), ("data", 2)):
            for part in ("data", "indices", "indptr"):
                file[f"assays/RNA/{name}/{part}"] = getattr(sparse * factor, part)
        file["assays/RNA/features"] = [id.encode() for id in frame.index]
        file["assays/RNA/scaled.features"] = [id.encode() for id in frame.index[:2]]
        file["assays/RNA/scale.data"] = frame.iloc[:2].T.to_numpy() * -1
        file["cell.names"] = [id.encode() for id in frame.columns]
        file["meta.data/cluster/levels"] = [b"T", b"B"]
        file["meta.data/cluster/values"] = np.array([1, 2, -(2**31), 1], np.int32)
        file["meta.data/nCount_RNA"] = np.arange(4.0)
    outcome = workshop.run(path)
    check(workshop, frame)
    assert any("RNA/data, RNA/scale.data as well (--layer)" in remark for remark in outcome.remarks)
    assert workshop.store().samples.column("cluster").tolist() == ["T", "B", "", "T"]
    workshop.run(path, id="d", layer="data")
    check(workshop, frame * 2, "d")
    workshop.run(path, id="e", layer="RNA/scale.data")
    check(workshop, frame.iloc[:2] * -1, "e")
    with pytest.raises(ImportFailure, match=r"no matrix 'x'; there are RNA/counts, RNA/data"):
        workshop.run(path, id="f", layer="x")


@pytest.mark.parametrize("compound", [False, True])
def test_columns_of_seurat_are_what_they_were_in_r(workshop: Workshop, tmp_path: Path, compound: bool) -> None:
    """A data frame is a group or one dataset; truth values are 0, 1 and, if missing, 2; NA_integer_ is -2**31."""
    frame, path = cells(), tmp_path / "m.h5seurat"
    numbers = np.array([3, -(2**31), 2, 0], np.int32)
    columns = {"mito": np.array([1, 0, 2, 1], np.int32), "few": numbers, "all": np.arange(4, dtype=np.int32)}
    with h5py.File(path, "w") as file:
        file["assays/RNA/data"] = frame.to_numpy().T
        file["assays/RNA/features"] = [id.encode() for id in frame.index]
        file["cell.names"] = [id.encode() for id in frame.columns]
        if compound:
            rows = np.empty(4, [*((name, "i4") for name in columns), ("batch", "S1")])
            for name, column in {**columns, "batch": [b"a", b"b", b"a", b"b"]}.items():
                rows[name] = column
            file["meta.data"] = rows
            file["meta.data"].attrs["logicals"] = ["mito"]
        else:
            for name, column in {**columns, "batch": [b"a", b"b", b"a", b"b"]}.items():
                file[f"meta.data/{name}"] = column
            file["meta.data/mito"].attrs["s3class"] = "logical"
    workshop.run(path)
    samples = workshop.store().samples
    assert samples.column("mito").tolist() == ["True", "False", "", "True"]
    np.testing.assert_array_equal(samples.column("few"), [3, np.nan, 2, 0])
    assert samples.column("all").tolist() == [0, 1, 2, 3]
    assert samples.column("batch").tolist() == ["a", "b", "a", "b"]


def test_truth_values_are_labels_and_no_sample(workshop: Workshop, tmp_path: Path) -> None:
    frame = cells()
    frame.assign(is_coding=[at % 2 == 0 for at in range(len(frame))]).to_parquet(tmp_path / "m.parquet")
    workshop.run(tmp_path / "m.parquet")
    check(workshop, frame)
    coding = workshop.store().features.column("is_coding").tolist()
    assert coding == ["True" if at % 2 == 0 else "False" for at in range(len(frame))]


@pytest.mark.parametrize("kind", ["parquet", "feather", "stream"])
def test_categories_of_numbers_are_cells(workshop: Workshop, tmp_path: Path, kind: str) -> None:
    """pandas and Arrow keep a column of few different numbers as a dictionary of them."""
    few = pa.array([1.5, None, 1.5, 2.5]).dictionary_encode()
    table = pa.table({"gene": ["a", "b", "c", "d"], "s1": few, "length": few, "s2": [1.0, 2.0, 3.0, 4.0]})
    path = tmp_path / f"m.{kind}"
    if kind == "parquet":
        pa.parquet.write_table(table, path)
    else:
        with (pa.ipc.new_file if kind == "feather" else pa.ipc.new_stream)(str(path), table.schema) as file:
            file.write_table(table, max_chunksize=3)
    workshop.run(path)
    check(workshop, pd.DataFrame({"s1": [1.5, np.nan, 1.5, 2.5], "s2": [1.0, 2, 3, 4]}, list("abcd")))
    np.testing.assert_array_equal(workshop.store().features.column("length"), [1.5, np.nan, 1.5, 2.5])


def test_decimals_that_would_be_changed_are_refused(workshop: Workshop, tmp_path: Path) -> None:
    values = pa.array([decimal.Decimal(2**53 + 1), decimal.Decimal(2**60)])
    path = tmp_path / "m.parquet"
    pa.parquet.write_table(pa.table({"gene": ["a", "b"], "s": values}), path)
    with pytest.raises(ImportFailure, match=r"9007199254740993 is beyond 2\*\*53 .* \(column s, row 1\)"):
        workshop.run(path)
    pa.parquet.write_table(pa.table({"gene": ["a", "b"], "s": pa.concat_arrays([values[1:], values[1:]])}), path)
    workshop.run(path)
    assert workshop.frame().to_numpy().tolist() == [[2.0**60], [2.0**60]]


@pytest.mark.parametrize("kind", [pa.decimal32(5, 0), pa.decimal64(5, 0), pa.decimal64(9, 2), pa.decimal256(40, 0)])
def test_decimals_of_any_width(workshop: Workshop, tmp_path: Path, kind: pa.DataType) -> None:
    values = [decimal.Decimal(12), None, decimal.Decimal(345)]
    column = pa.array(values, kind)
    with pa.ipc.new_file(
        str(tmp_path / "m.feather"), (table := pa.table({"gene": ["a", "b", "c"], "s": column})).schema
    ) as file:
        file.write_table(table)
    workshop.run(tmp_path / "m.feather")
    np.testing.assert_array_equal(workshop.frame()["s"].to_numpy(), [12, np.nan, 345])


def test_pages_of_parquet_that_are_not_what_their_checksums_say(workshop: Workshop, tmp_path: Path) -> None:
    table, path = pa.table({"gene": ["a", "b"], "s": [7.125, 3.0]}), tmp_path / "m.parquet"
    options = {"compression": "none", "use_dictionary": False, "write_page_checksum": True}
    pa.parquet.write_table(table, path, write_statistics=False, **options)
    workshop.run(path)
    path.write_bytes(path.read_bytes().replace(struct.pack("<d", 7.125), struct.pack("<d", 9.5)))
    with pytest.raises(ImportFailure, match=r"m.parquet: the file is damaged or truncated \(.*CRC checksum"):
        workshop.run(path, id="n")


def test_a_stream_cut_between_two_batches_is_refused(workshop: Workshop, tmp_path: Path) -> None:
    table, path = pa.Table.from_pandas(cells()), tmp_path / "m.arrows"
    ends = []
    with path.open("wb") as file, pa.ipc.new_stream(file, table.schema) as stream:
        for batch in table.to_batches(max_chunksize=2):
            stream.write_batch(batch)
            ends.append(file.tell())
    whole = path.read_bytes()
    path.write_bytes(whole[: ends[0]])
    assert pa.ipc.open_stream(whole[: ends[0]]).read_all().num_rows == 2  # it looks whole
    with pytest.raises(ImportFailure, match="does not end with Arrow's mark of the end, so that rows may be missing"):
        workshop.run(path)
    path.write_bytes(whole)
    workshop.run(path)
    check(workshop, cells())
