"""Round trips of exports: what is imported and exported in one format is the same to the readers of that format."""

from __future__ import annotations

import gzip
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
import pyarrow.ipc
import pytest
import scipy.io
import scipy.sparse
from click.testing import CliRunner

from rnaget_server.cli.server import main

IDS = ["ENSG01.1", 'it\'s, "so"', "β 2/M", "0012", "1+2=", "x;y"]
QUOTED = [*IDS[:-1], '"x";y']
SAMPLES = ["s 1", "S,2", "λ\u00e9", "a/b"]
VALUES = np.array(
    [
        [0.1, 1e-30, 3e38, 0],
        [np.nan, -2.5, 7, 1 / 3],
        [0, 0, 0, 0],
        [5, 6, 7, 8],
        [1e10, 1, np.nan, 2],
        [-666, 0, 1, 2],
    ],
    np.float32,
)
COUNTS = np.array(
    [[0, 1, 2, 3], [16_777_216, 5, 0, 7], [0, 0, 0, 0], [9, 9, 9, 9], [1, 0, 0, 0], [2, 3, 4, 5]], np.float32
)
NAMES = ["A", "B, C", "", "D", "N A", "F"]
LENGTHS = [100.5, 2, 3, np.nan, 5, 6]
TISSUES = ["liver", "lung, left", "", "liver"]
AGES = [1.5, np.nan, 3, 4]


def run(*arguments: str | Path, code: int = 0) -> str:
    result = CliRunner().invoke(main, [str(one) for one in arguments])
    assert result.exit_code == code, result.output
    return result.output


def there_and_back(source: Path, output: Path, *options: str | Path, export: tuple[str | Path, ...] = ()) -> str:
    data = output.parent / "data"
    run("import", source, "--data", data, "--project", "p", "--study", "s", "--id", "m", *options)
    return run("export", "m", output, "--data", data, *export)


def table(cells: np.ndarray) -> pd.DataFrame:
    frame = pd.DataFrame(cells, pd.Index(QUOTED, name="gene_id"), SAMPLES)
    frame.insert(0, "Gene Name", NAMES)
    frame.insert(1, "len", LENGTHS)
    return frame


def as_texts(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a table with its numbers in the fewest digits that give the same float32."""
    return frame.map(lambda value: str(value) if isinstance(value, np.float32) else value)


def same_table(found: pd.DataFrame, expected: pd.DataFrame) -> None:
    assert found.index.tolist() == expected.index.tolist() and found.index.name == expected.index.name
    assert found.columns.tolist() == expected.columns.tolist()
    assert found["Gene Name"].fillna("").tolist() == expected["Gene Name"].tolist()
    np.testing.assert_array_equal(found["len"].to_numpy(float), expected["len"].to_numpy())
    np.testing.assert_array_equal(found[SAMPLES].to_numpy(np.float32), expected[SAMPLES].to_numpy())


def read(separator: str) -> Callable[[Path], pd.DataFrame]:
    return lambda path: pd.read_csv(path, sep=separator, index_col=0, dtype={"gene_id": str}, keep_default_na=True)


TABLES: dict[str, tuple[Callable[[pd.DataFrame, Path], object], Callable[[Path], pd.DataFrame]]] = {
    "tsv": (lambda frame, path: as_texts(frame).to_csv(path, sep="\t"), read("\t")),
    "csv": (lambda frame, path: as_texts(frame).to_csv(path), read(",")),
    "csv.gz": (lambda frame, path: as_texts(frame).to_csv(path), read(",")),
    "xlsx": (lambda frame, path: frame.to_excel(path), lambda path: pd.read_excel(path, index_col=0, dtype={0: str})),
    "parquet": (lambda frame, path: frame.to_parquet(path), lambda path: pd.read_parquet(path).set_index("gene_id")),
    "arrow": (
        lambda frame, path: frame.reset_index().to_feather(path),
        lambda path: pyarrow.ipc.open_stream(path.read_bytes()).read_pandas().set_index("gene_id"),
    ),
}


@pytest.mark.parametrize("format", TABLES)
@pytest.mark.parametrize("cells", [VALUES, COUNTS], ids=["fractions", "counts"])
def test_tables(format: str, cells: np.ndarray, tmp_path: Path) -> None:
    write, found_in = TABLES[format]
    frame, source, output = table(cells), tmp_path / f"source.{format}", tmp_path / f"out.{format}"
    write(frame, source)
    samples, samples_out = tmp_path / "samples.tsv", tmp_path / "samples_out.tsv"
    attributes = pd.DataFrame({"Tissue": TISSUES, "age": AGES}, pd.Index(SAMPLES, name="run"))
    attributes.to_csv(samples, sep="\t")
    options = ("--units", "TPM", "--samples", samples, "--label-columns", "3")
    there_and_back(source, output, *options, export=("--sample-table", samples_out))
    same_table(found_in(output), frame)
    pd.testing.assert_frame_equal(
        pd.read_csv(samples_out, sep="\t", index_col=0), pd.read_csv(samples, sep="\t", index_col=0)
    )
    # Our own file comes back as well, with all that was in the first.
    again = tmp_path / "again" / output.name
    again.parent.mkdir()
    there_and_back(output, again, "--units", "TPM", "--samples", samples_out, "--label-columns", "3")
    assert again.read_bytes() == output.read_bytes()


def gct_13() -> str:
    lines = ["#1.3", "6\t4\t2\t2", "\t".join(["id", "pr_symbol", "score", *SAMPLES])]
    lines.append("\t".join(["Tissue", "na", "na", *TISSUES]))
    lines.append("\t".join(["age", "na", "na", *("NaN" if age != age else str(age) for age in AGES)]))
    for id, name, length, row in zip(IDS, NAMES, LENGTHS, VALUES, strict=True):
        cells = [str(value) if value != -666 else "-666.00" for value in row]
        lines.append("\t".join([id, name, str(length), *cells]))
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("name", ["out.gct", "out.gct.gz"])
def test_gct_13_with_all_attributes(name: str, tmp_path: Path) -> None:
    source, output = tmp_path / "source.gct", tmp_path / name
    source.write_text(gct_13())
    there_and_back(source, output, "--units", "z")
    text = gzip.decompress(output.read_bytes()).decode() if name.endswith("gz") else output.read_text()
    lines, expected = ([line.split("\t") for line in text.splitlines()] for text in (text, gct_13()))
    assert lines[:2] == expected[:2] and lines[2] == expected[2]
    for found, wanted in zip(lines[3:5], expected[3:5], strict=True):
        assert [found[0], *found[3:]] == [wanted[0], *(text.removesuffix(".0") for text in wanted[3:])]
    for found, wanted in zip(lines[5:], expected[5:], strict=True):
        assert found[:2] == wanted[:2]
        numbers = [np.array(row[2:], np.float32) for row in (found, wanted)]
        np.testing.assert_array_equal(*numbers)
    assert "-666" not in lines[-1]  # which readers would take as missing
    again = tmp_path / "again" / name
    again.parent.mkdir()
    there_and_back(output, again, "--units", "z")
    assert again.read_bytes() == output.read_bytes()


def test_gct_12_comes_back_as_such(tmp_path: Path) -> None:
    text = "#1.2\n2\t2\nName\tDescription\tS-1\tS-2\nENSG1.1\tA B\t0.1\t12.0\nENSG2.2\t\t0.0\t-666.0\n"
    source = tmp_path / "source.gct"
    source.write_text(text)
    there_and_back(source, tmp_path / "out.gct", "--units", "TPM")
    assert (tmp_path / "out.gct").read_text() == text


def test_words_that_gct_takes_as_missing_are_named(tmp_path: Path) -> None:
    (tmp_path / "source.tsv").write_text("gene_id\tbiotype\ts1\ns2\tNone\t1\ns3\tx\t2\n")
    output = there_and_back(tmp_path / "source.tsv", tmp_path / "out.gct", "--units", "TPM", "--label-columns", "2")
    assert "attributes with these values are missing ones to readers of GCT: None" in output


def folder(path: Path, cells: scipy.sparse.spmatrix) -> dict[str, bytes]:
    features = "".join(f"{id}\t{name}\tAntibody Capture\n" for id, name in zip(IDS, NAMES, strict=True))
    parts = {"features.tsv.gz": features.encode(), "barcodes.tsv.gz": "\n".join([*SAMPLES, ""]).encode()}
    path.mkdir()
    for name, text in parts.items():
        (path / name).write_bytes(gzip.compress(text))
    with gzip.open(path / "matrix.mtx.gz", "wb") as file:
        scipy.io.mmwrite(file, cells)
    return parts


@pytest.mark.parametrize("kind", ["counts", "fractions"])
@pytest.mark.parametrize("name", ["out", "out.zip"])
def test_a_folder_of_10x(kind: str, name: str, tmp_path: Path) -> None:
    cells = scipy.sparse.csc_matrix((COUNTS if kind == "counts" else VALUES).astype(int if kind == "counts" else float))
    parts = folder(tmp_path / "source", cells)
    output = tmp_path / name
    there_and_back(tmp_path / "source", output, "--units", "count", export=("--format", "mtx"))
    if name.endswith(".zip"):
        with zipfile.ZipFile(output) as archive:
            archive.extractall(output := tmp_path / "unpacked")
    assert sorted(path.name for path in output.iterdir()) == ["barcodes.tsv.gz", "features.tsv.gz", "matrix.mtx.gz"]
    for label, text in parts.items():
        assert gzip.decompress((output / label).read_bytes()) == text
    found = scipy.io.mmread(output / "matrix.mtx.gz").tocsc()
    assert found.dtype.kind == ("i" if kind == "counts" else "f") and found.nnz == cells.nnz
    np.testing.assert_array_equal(found.toarray().astype(np.float32), cells.toarray().astype(np.float32))


def test_a_dense_matrix_as_a_folder(tmp_path: Path) -> None:
    as_texts(table(VALUES)).to_csv(tmp_path / "source.tsv", sep="\t")
    out = tmp_path / "out"
    said = there_and_back(
        tmp_path / "source.tsv", out, "--units", "TPM", "--label-columns", "3", export=("--format", "mtx")
    )
    assert "further attributes of features are not in it: add --feature-table FILE (len)" in said
    np.testing.assert_array_equal(scipy.io.mmread(out / "matrix.mtx.gz").toarray().astype(np.float32), VALUES)
    genes = pd.read_csv(out / "features.tsv.gz", sep="\t", header=None, dtype=str, keep_default_na=False)
    assert genes.to_numpy().T.tolist() == [QUOTED, NAMES, ["Gene Expression"] * len(IDS)]


@pytest.mark.parametrize("sparse", [True, False], ids=["sparse", "dense"])
def test_all_layers_of_annotated_data(sparse: bool, tmp_path: Path) -> None:
    form = scipy.sparse.csr_matrix if sparse else np.asarray
    var = pd.DataFrame({"Gene Name": NAMES, "len": LENGTHS}, IDS)
    obs = pd.DataFrame({"Tissue": TISSUES, "age": AGES}, SAMPLES)
    made = anndata.AnnData(form(COUNTS.T), obs, var, layers={"TPM": form(VALUES.T)})
    source, output = tmp_path / "source.h5ad", tmp_path / "out.h5ad"
    made.write_h5ad(source)
    more = ("--data", tmp_path / "data", "--project", "p", "--study", "s", "--id", "m", "--layer", "TPM")
    run("import", source, "--units", "count", *more[:-2])
    run("import", source, "--units", "TPM", *more)
    run("export", "m", output, "--data", tmp_path / "data")
    found = anndata.read_h5ad(output)
    for values, expected in ((found.X, COUNTS), (found.layers["TPM"], VALUES)):
        assert scipy.sparse.issparse(values) == sparse and values.dtype == np.float32
        dense = values.toarray() if sparse else values
        np.testing.assert_array_equal(dense, expected.T)
    for axis, wanted in ((found.obs, obs), (found.var, var)):
        assert axis.index.tolist() == wanted.index.tolist()
        for name in wanted:
            np.testing.assert_array_equal(axis[name].astype(wanted[name].dtype), wanted[name])


def annotated(sparse: bool) -> anndata.AnnData:
    form = scipy.sparse.csr_matrix if sparse else np.asarray
    var = pd.DataFrame({"Gene Name": NAMES, "len": LENGTHS}, IDS)
    obs = pd.DataFrame({"Tissue": TISSUES, "age": AGES}, SAMPLES)
    return anndata.AnnData(form(VALUES.T), obs, var, obsm={"X_pca": np.arange(8, dtype=np.float32).reshape(4, 2)})


def write_h5mu(data: anndata.AnnData, path: Path) -> None:
    with h5py.File(path, "w", userblock_size=512) as file:
        file.attrs["encoding-type"] = "MuData"
        anndata.io.write_elem(file.create_group("mod"), "prot", data)


def read_h5mu(path: Path) -> anndata.AnnData:
    with h5py.File(path) as file:
        return anndata.io.read_elem(file["mod/rna"])


@pytest.mark.parametrize("sparse", [True, False], ids=["sparse", "dense"])
@pytest.mark.parametrize("name", ["m.h5mu", "m.zarr", "m.zarr.zip"])
def test_annotated_data_in_other_containers(name: str, sparse: bool, tmp_path: Path) -> None:
    made, output = annotated(sparse), tmp_path / "out" / name
    output.parent.mkdir()
    source = tmp_path / name.removesuffix(".zip")
    if name == "m.h5mu":
        write_h5mu(made, source)
    else:
        made.write_zarr(source)
    there_and_back(source, output, "--units", "TPM")
    if name.endswith(".zip"):
        with zipfile.ZipFile(output) as archive:
            archive.extractall(output := output.with_suffix(""))
    found = read_h5mu(output) if name == "m.h5mu" else anndata.io.read_zarr(output)
    assert scipy.sparse.issparse(found.X) == sparse
    np.testing.assert_array_equal(found.X.toarray() if sparse else found.X, VALUES.T)
    np.testing.assert_array_equal(found.obsm["X_pca"], made.obsm["X_pca"])
    for axis, wanted in ((found.obs, made.obs), (found.var, made.var)):
        assert axis.index.tolist() == wanted.index.tolist()
        for column in wanted:
            np.testing.assert_array_equal(axis[column].astype(wanted[column].dtype), wanted[column])
    again = tmp_path / "again"
    again.mkdir()
    run("import", output, "--data", again, "--project", "p", "--study", "s", "--id", "m", "--units", "TPM")


def texts_of(group: h5py.Group, name: str) -> list[str]:
    return [text.decode() for text in group[name][:]]


@pytest.mark.parametrize("sparse", [True, False], ids=["sparse", "dense"])
def test_10x(sparse: bool, tmp_path: Path) -> None:
    source, output = tmp_path / "m.h5ad", tmp_path / "out.h5"
    made = annotated(sparse)
    made.X = scipy.sparse.csr_matrix(COUNTS.T) if sparse else COUNTS.T.copy()
    made.write_h5ad(source)
    said = there_and_back(source, output, "--units", "count")
    assert "attributes of samples are not in it: add --sample-table FILE (Tissue, age)" in said
    again = tmp_path / "again" / "out.h5"
    again.parent.mkdir()
    there_and_back(output, again, "--units", "count")
    assert again.read_bytes() == output.read_bytes()
    with h5py.File(output) as file:
        matrix = file["matrix"]
        assert matrix["data"].dtype == np.int32 and matrix["shape"][:].tolist() == [6, 4]
        parts = tuple(matrix[name][:] for name in ("data", "indices", "indptr"))
        np.testing.assert_array_equal(scipy.sparse.csc_matrix(parts, (6, 4)).toarray(), COUNTS)
        assert len(parts[0]) == np.count_nonzero(COUNTS)
        assert (texts_of(matrix, "barcodes"), texts_of(matrix["features"], "id")) == (SAMPLES, IDS)
        assert texts_of(matrix["features"], "name") == NAMES
        assert texts_of(matrix["features"], "feature_type") == ["Gene Expression"] * 6
        np.testing.assert_array_equal(matrix["features/len"][:], LENGTHS)


def test_a_10x_file_that_is_served_as_it_is_is_copied(tmp_path: Path) -> None:
    annotated(True).write_h5ad(tmp_path / "m.h5ad")
    source, output = tmp_path / "source.h5", tmp_path / "again" / "out.h5"
    output.parent.mkdir()
    there_and_back(tmp_path / "m.h5ad", source, "--units", "TPM")
    with h5py.File(source, "a") as file:
        file.attrs["chemistry"] = "mine"
    there_and_back(source, output, "--units", "TPM", "--as-is")
    assert output.read_bytes() == source.read_bytes()


def test_gctx(tmp_path: Path) -> None:
    source, output = tmp_path / "m.gctx", tmp_path / "out.gctx"
    text = h5py.string_dtype()
    columns = {"ROW": {"id": IDS, "pr_gene_symbol": NAMES, "len": LENGTHS}}
    columns["COL"] = {"id": SAMPLES, "Tissue": TISSUES, "age": AGES, "lot": ["-667", "a", "b", "c"]}
    with h5py.File(source, "w") as file:
        file["0/DATA/0/matrix"] = VALUES.T
        for side, table in columns.items():
            for name, values in table.items():
                of_text = isinstance(values[0], str)
                file.create_dataset(f"0/META/{side}/{name}", data=values, dtype=text if of_text else np.float64)
    assert "-666" not in there_and_back(source, output, "--units", "z")
    with h5py.File(output) as file:
        assert file.attrs["version"] == b"GCTX1.0"
        np.testing.assert_array_equal(file["0/DATA/0/matrix"][:], VALUES.T)
        for side, table in columns.items():
            assert set(file[f"0/META/{side}"]) == set(table)
            for name, values in table.items():
                found = file[f"0/META/{side}/{name}"]
                if isinstance(values[0], str):
                    assert texts_of(file[f"0/META/{side}"], name) == values
                else:
                    np.testing.assert_array_equal(found[:], values)


def test_nulls_of_gctx_are_named(tmp_path: Path) -> None:
    (tmp_path / "source.tsv").write_text("gene_id\tscore\ts1\ng1\t-666\t1\ng2\t2\t3\n")
    said = there_and_back(tmp_path / "source.tsv", tmp_path / "m.gctx", "--units", "TPM", "--label-columns", "2")
    assert "missing value to readers of GCTX, and these attributes have it: score" in said


def test_json_holds_all(tmp_path: Path) -> None:
    as_texts(table(VALUES)).to_csv(tmp_path / "source.tsv", sep="\t")
    there_and_back(tmp_path / "source.tsv", tmp_path / "out.json", "--units", "TPM", "--label-columns", "3")
    found = json.loads((tmp_path / "out.json").read_text())
    assert found["units"] == "TPM" and found["features"]["attributes"]["Gene Name"] == NAMES
    np.testing.assert_array_equal(np.array(found["values"], float).astype(np.float32), VALUES)


def test_folders_are_written_whole_and_replaced_on_demand(tmp_path: Path) -> None:
    (tmp_path / "source.tsv").write_text("gene_id\ts1\ng1\t1\n")
    out = tmp_path / "out"
    mtx = ("export", "m", out, "--data", tmp_path / "data", "--format", "mtx")
    out.mkdir()
    there_and_back(tmp_path / "source.tsv", out, "--units", "count", export=("--format", "mtx"))
    assert "out exists: --force replaces it" in run(*mtx, code=1)
    (out / "barcodes.tsv.gz").write_bytes(b"old")
    run(*mtx, "--force")
    assert gzip.decompress((out / "barcodes.tsv.gz").read_bytes()) == b"s1\n"
    (out / "mine.txt").write_text("mine")
    assert "is no directory of features.tsv.gz, barcodes.tsv.gz, matrix.mtx.gz alone" in run(*mtx, "--force", code=1)
    assert (out / "mine.txt").read_text() == "mine"
    tsv = ("export", "m", out, "--data", tmp_path / "data", "--format", "tsv", "--force")
    assert "is a directory: name a file" in run(*tsv, code=1)
    named = run("export", "m", tmp_path / "m.mtx", "--data", tmp_path / "data", code=1)
    assert "name a directory, or a file that ends in .zip" in named
    assert {path.name for path in tmp_path.iterdir()} == {"source.tsv", "data", "out"}
