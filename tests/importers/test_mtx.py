"""MatrixMarket against scipy, its label files by all their names, and 10x files of several genomes."""

from __future__ import annotations

import gzip
import io
import os
import tempfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.io
import scipy.sparse
from click.testing import CliRunner
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from rnaget_server.cli.importing import import_command
from rnaget_server.errors import ImportFailure
from rnaget_server.importers.base import ReadOptions, SourceMatrix
from rnaget_server.importers.detect import read_head
from rnaget_server.importers.matrices.mtx import MtxImporter
from rnaget_server.importers.sparse_spool import SpooledSparse
from rnaget_server.stores.native.sparse import NativeSparseStore
from tests.conftest import examples

FEATURES = "g1\tA\tGene Expression\ng2\tA\tGene Expression\ng3\tC d \tGene Expression\n"
BARCODES = "c1\nc2\n"
CELLS = np.array([[1, 0], [0, 2], [3, 0]])


def read(path: Path, **options: Any) -> SourceMatrix:
    assert MtxImporter().recognises(path, read_head(path))
    matrix = MtxImporter().read(path, ReadOptions(**options), path.parent, lambda _: None)
    assert isinstance(matrix, SourceMatrix)
    return matrix


def dense(matrix: SourceMatrix) -> np.ndarray:
    cells = matrix.cells
    assert isinstance(cells, SpooledSparse)
    blocks = [
        scipy.sparse.csr_matrix((block.data, block.indices, block.indptr), (len(block.indptr) - 1, cells.shape[1]))
        for block in cells.map_blocks("features", lambda block, _: block)
    ]
    cells.close()
    return np.concatenate([block.toarray() for block in blocks])


def ids(matrix: SourceMatrix) -> tuple[list[str], list[str]]:
    return tuple(axis.columns[axis.id].tolist() for axis in (matrix.features, matrix.samples))  # type: ignore[return-value]


def folder(directory: Path, matrix: str, features: str | None, barcodes: str | None, packed: bool = False) -> Path:
    """Write a matrix and its labels under these names."""
    directory.mkdir(exist_ok=True)
    entries = "1 1 1\n3 1 3\n2 2 2\n"
    texts = {matrix: f"%%MatrixMarket matrix coordinate integer general\n3 2 3\n{entries}"}
    texts |= {name: text for name, text in ((features, FEATURES), (barcodes, BARCODES)) if name is not None}
    for name, text in texts.items():
        raw = text.encode()
        (directory / name).write_bytes(gzip.compress(raw) if name.endswith(".gz") else raw)
    return directory / matrix


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\n\r\0"), min_size=1, max_size=6)


@settings(max_examples=examples(100), deadline=None)
@given(st.data(), st.sampled_from(["real", "integer", "pattern"]))
def test_any_matrix_and_any_labels(data: st.DataObject, kind: str) -> None:
    shape = data.draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    numbers = st.integers(-1000, 1000) if kind == "integer" else st.floats(-(2.0**99), 2.0**99, width=32)
    places = st.tuples(*(st.integers(0, size - 1) for size in shape))
    entries = data.draw(st.dictionaries(places, numbers, max_size=12))
    rows, columns = (np.array([place[axis] for place in entries], np.int64) for axis in (0, 1))
    dtype = np.int64 if kind == "integer" else np.float64
    cells = scipy.sparse.coo_matrix((np.array([*entries.values()], dtype), (rows, columns)), shape)
    labels = [data.draw(st.lists(NAMES.filter(str.strip), min_size=n, max_size=n, unique=True)) for n in shape]
    assume(all(axis[0][:1] not in ("0", "1") for axis in labels))  # row numbers are refused
    names = data.draw(st.lists(NAMES, min_size=shape[0], max_size=shape[0]))
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "matrix.mtx")
        if kind == "pattern":
            cells.data = np.ones(len(cells.data))
        scipy.io.mmwrite(path, cells.tocsc().tocoo(), field=kind, precision=17, symmetry="general")
        pd.DataFrame({"id": labels[0], "name": names}).to_csv(
            path.with_name("features.tsv"), sep="\t", header=False, index=False, lineterminator="\n"
        )
        pd.Series(labels[1]).to_csv(
            path.with_name("barcodes.tsv"), sep="\t", header=False, index=False, lineterminator="\n"
        )
        matrix = read(path)
        expected = scipy.io.mmread(path).toarray()
        assert np.array_equal(dense(matrix), expected.astype(np.float32))
    assert ids(matrix) == tuple(labels)
    assert matrix.features.columns["feature_name"].tolist() == names


@pytest.mark.parametrize("field", ["real", "float", "double", "Float"])
def test_fields_that_others_write(tmp_path: Path, field: str) -> None:
    path = folder(tmp_path, "UniqueAndMult-EM.mtx", "features.tsv", "barcodes.tsv")
    text = f"%%MatrixMarket matrix coordinate {field} general\n%\n3 2 3\n1 1 1.99219\n3 1 0\n2 2 0.0078125\n"
    path.write_text(text)
    matrix = read(path)
    assert matrix.cells.count == 3  # type: ignore[union-attr]
    assert np.array_equal(dense(matrix), np.array([[1.99219, 0], [0, 0.0078125], [0, 0]], np.float32))
    path.write_text(text.replace("%%MatrixMarket", "\ufeff%%matrixmarket").replace("\n", "\r\n"))
    assert dense(read(path))[0, 0] == np.float32(1.99219)


@pytest.mark.parametrize(
    ("head", "message"),
    [
        ("matrix array real general\n3 2\n1\n2\n3\n4\n5\n6\n", "array lists all cells: write it again, as by scipy"),
        ("matrix coordinate complex general\n3 2 1\n1 1 1 0\n", "complex numbers are no expression values"),
        ("matrix coordinate real symmetric\n3 3 1\n1 1 1\n", "symmetric leaves out one half of the cells"),
        ("matrix coordinate real skew-symmetric\n3 3 1\n2 1 1\n", "skew-symmetric leaves out one half"),
        ("matrix coordinate real hermitian\n3 3 1\n1 1 1\n", "hermitian leaves out one half"),
        ("matrix coordinate real\n3 2 1\n1 1 1\n", "a matrix must be coordinate, integer or real, general"),
        ("matrix coordinate real general\n3 2\n1 1 1\n", ":2: the first line below the comments holds rows"),
        ("matrix coordinate real general\n3 2 -1\n1 1 1\n", ":2: the first line below the comments holds rows"),
        ("matrix coordinate real general\n3 2 1_0\n1 1 1\n", ":2: the first line below the comments holds rows"),
        ("matrix coordinate real general\n3 2 2\n1 1 inf\n2 1 1e400\n", ":4: the third field, '1e400', is larger"),
        ("matrix coordinate real general\n3 2 2\n1 1 1\n2 1 -4e38\n", ":4: the third field, '-4e38', is larger"),
        ("matrix coordinate real general\n3 2 2\n1 1 1\n0 1 1\n", ":4: the entry '0 1 1' is not within 3 rows"),
        ("matrix coordinate real general\n3 2 2\n1 1 1\n1 3 1\n", ":4: the entry '1 3 1' is not within 3 rows and 2"),
        ("matrix coordinate real general\n3 2 2\n1 1 1\n1.5 2 1\n", ":4: the entry '1.5 2 1' is not within"),
        ("matrix coordinate real general\n3 2 2\n1 1 1\n", ":2: the file says that it holds 2 entries, and it holds 1"),
        ("matrix coordinate real general\n3 2 1\n1 1 1\n2 2 1\n", ":2: the file says that it holds 1 entries"),
        ("matrix coordinate real general\n3 2 2\n1 1 1\n2 2 1,5\n", ":4: an entry has 3 numbers, and this line is"),
        ("matrix coordinate real general\n2 4 1\n1 1 1\n", "there are 3 features here, and 2 in matrix.mtx"),
    ],
)
def test_matrices_that_are_refused(tmp_path: Path, head: str, message: str) -> None:
    path = folder(tmp_path, "matrix.mtx", "features.tsv", "barcodes.tsv")
    path.write_text("%%MatrixMarket " + head)
    with pytest.raises(ImportFailure) as failure:
        read(path)
    assert message in str(failure.value)
    assert sorted(os.listdir(tmp_path)) == ["barcodes.tsv", "features.tsv", "matrix.mtx"]


@pytest.mark.parametrize(
    ("matrix", "features", "barcodes"),
    [
        ("matrix.mtx", "features.tsv", "barcodes.tsv"),
        ("matrix.mtx.gz", "genes.tsv.gz", "barcodes.tsv"),
        ("UniqueAndMult-EM.mtx", "features.tsv", "barcodes.tsv"),
        ("GSM1_matrix.mtx.gz", "GSM1_features.tsv.gz", "GSM1_barcodes.tsv.gz"),
        ("GSM1_N1-matrix.mtx", "GSE161529_features.tsv", "GSM1_N1-barcodes.tsv"),
        ("GSM1_N1-matrix.mtx", "features.tsv.gz", "GSM1_N1_barcodes.tsv.gz"),
        ("matrix_S1.mtx", "features_S1.tsv", "barcodes_S1.tsv"),
        ("matrix_S1.mtx.gz", "features.tsv.gz", "barcodes_S1.tsv.gz"),
        ("matrix-S1.mtx", "S1-genes.tsv", "S1-barcodes.tsv"),
        ("S1.mtx", "S1_features.tsv", "S1_barcodes.tsv"),
        ("S1.mtx", "S1.genes.tsv", "S1.barcodes.tsv"),
        ("S1_raw_matrix_x.mtx", "S1_raw_features_x.tsv", "S1_raw_barcodes_x.tsv"),
        ("GSM7_matrix.mtx", "GSM7_tumour_features.tsv", "GSM7_tumour_barcodes.tsv"),
    ],
)
def test_labels_are_found_by_their_names(tmp_path: Path, matrix: str, features: str, barcodes: str) -> None:
    found = read(folder(tmp_path, matrix, features, barcodes))
    assert ids(found) == (["g1", "g2", "g3"], ["c1", "c2"])
    assert found.features.columns["feature_name"].tolist() == ["A", "A", "C d "]
    assert np.array_equal(dense(found), CELLS)


LAYOUTS = {
    "kallisto|bustools": ("cells_x_genes.mtx", "cells_x_genes.genes.txt", "cells_x_genes.barcodes.txt", True),
    "its nascent": ("cells_x_genes.nascent.mtx", "cells_x_genes.genes.txt", "cells_x_genes.barcodes.txt", True),
    "bustools": ("spliced.mtx", "spliced.genes.txt", "spliced.barcodes.txt", True),
    "alevin-fry": ("quants_mat.mtx", "quants_mat_cols.txt", "quants_mat_rows.txt", True),
    "alevin": ("quants_mat.mtx.gz", "quants_mat_cols.txt", "quants_mat_rows.txt", True),
    "alevin-fry, deposited": ("GSM1_quants_mat.mtx", "GSM1_quants_mat_cols.txt", "GSM1_quants_mat_rows.txt", True),
    "Atlas": ("E-1.filtered_counts.mtx", "E-1.filtered_counts.mtx_rows", "E-1.filtered_counts.mtx_cols", False),
    "Atlas, packed": ("E.mtx.gz", "E.mtx_rows.gz", "E.mtx_cols.gz", False),
}


@pytest.mark.parametrize("square", [False, True])
@pytest.mark.parametrize("order", ["rows", "columns"])
@pytest.mark.parametrize("name", LAYOUTS)
def test_layouts_of_other_programs(tmp_path: Path, name: str, order: str, square: bool) -> None:
    """Rows are cells where the program writes it so, though the numbers of labels do not say it."""
    matrix, features, barcodes, cells_as_rows = LAYOUTS[name]
    samples = ["c1", "c2", "c3"] if square else ["c1", "c2"]
    expected = np.array([[1, 0, 4], [0, 2, 0], [3, 5, 0]])[:, : len(samples)]
    made = scipy.sparse.coo_matrix(expected.T if cells_as_rows else expected)
    written = made.tocsr() if order == "rows" else made.tocsc()
    content = io.BytesIO()
    scipy.io.mmwrite(content, written.tocoo(), symmetry="general")
    texts = {matrix: content.getvalue(), features: b"g1\ng2\ng3\n", barcodes: "\n".join(samples).encode()}
    names = tmp_path / features.replace("genes.txt", "genes.names.txt")
    if "genes.txt" in features:
        names.write_text("A\nB\nA\n")
    for file, text in texts.items():
        (tmp_path / file).write_bytes(gzip.compress(text) if file.endswith(".gz") else text)
    found = read(tmp_path / matrix)
    assert ids(found) == (["g1", "g2", "g3"], samples)
    assert np.array_equal(dense(found), expected)
    assert ("rows are cells, columns are features" in found.remarks) == cells_as_rows
    if names.exists() and "genes.txt" in features:
        assert found.features.columns["feature_name"].tolist() == ["A", "B", "A"]


def test_rows_and_columns_of_unknown_programs_are_asked_for(tmp_path: Path) -> None:
    """Only of alevin it is known that the columns are the features."""
    scipy.io.mmwrite(tmp_path / "X.mtx", scipy.sparse.coo_matrix(np.array([[1, 7], [0, 2]])), symmetry="general")
    features, samples = tmp_path / "X_rows.txt", tmp_path / "X_cols.txt"
    features.write_text("g1\ng2\n")
    samples.write_text("c1\nc2\n")
    with pytest.raises(ImportFailure, match="name the file by --mtx-features"):
        read(tmp_path / "X.mtx")
    found = read(tmp_path / "X.mtx", mtx_features=features, mtx_barcodes=samples)
    assert ids(found) == (["g1", "g2"], ["c1", "c2"]) and dense(found).tolist() == [[1, 7], [0, 2]]


def test_cells_as_rows(tmp_path: Path) -> None:
    """The numbers of labels say what the rows are, and --transpose where these are the same."""
    path = folder(tmp_path, "matrix.mtx", "features.tsv", "barcodes.tsv")
    with pytest.raises(ImportFailure, match=r"--transpose: the rows of the matrix are its 3 features.*leave it out"):
        read(path, transpose=True)
    right = scipy.sparse.coo_matrix(np.array([[1, 0], [0, 2], [3, 0]]))
    scipy.io.mmwrite(path, right.T.tocoo(), symmetry="general")
    for options in ({}, {"transpose": True}):
        assert np.array_equal(dense(read(path, **options)), right.toarray())
    (tmp_path / "features.tsv").write_text("g1\ng2\n")
    square = scipy.sparse.coo_matrix(np.array([[1, 7], [0, 2]]))
    scipy.io.mmwrite(path, square, symmetry="general")
    found = read(path)
    assert np.array_equal(dense(found), square.toarray())
    assert any("rows are taken for features; --transpose takes them for samples" in line for line in found.remarks)
    assert np.array_equal(dense(read(path, transpose=True)), square.toarray().T)


def test_labels_of_other_samples_are_not_taken(tmp_path: Path) -> None:
    path = folder(tmp_path, "GSM1_matrix.mtx", "GSE9_features.tsv", None)
    folder(tmp_path, "GSM2_matrix.mtx", None, "GSM2_barcodes.tsv")
    with pytest.raises(ImportFailure) as failure:
        read(path)
    for words in ("GSM1_barcodes.tsv.gz", "there is GSM2_barcodes.tsv", "name the file by --mtx-barcodes"):
        assert words in str(failure.value)
    (tmp_path / "GSM2_barcodes.tsv").rename(tmp_path / "barcodes.x.tsv")
    with pytest.raises(ImportFailure, match="--mtx-barcodes"):
        read(path)
    (tmp_path / "GSM3_features.tsv").write_text(FEATURES)
    (tmp_path / "GSM1_barcodes.tsv").write_text(BARCODES)
    with pytest.raises(ImportFailure, match=r"there are GSE9_features.tsv, GSM3_features.tsv: name .* --mtx-features"):
        read(path)
    assert ids(read(path, mtx_features=tmp_path / "GSE9_features.tsv"))[0] == ["g1", "g2", "g3"]
    behind = folder(tmp_path / "c", "matrix_S1.mtx", "features.tsv", "barcodes_S2.tsv")
    with pytest.raises(ImportFailure, match=r"barcodes_S1.tsv .*; there is barcodes_S2.tsv: name the file"):
        read(behind)
    other = folder(tmp_path / "b", "sampleA_matrix.mtx", "features.tsv", "sampleB_barcodes.tsv")
    with pytest.raises(ImportFailure, match=r"there is sampleB_barcodes.tsv: name the file by --mtx-barcodes"):
        read(other)


def test_options_name_label_files(tmp_path: Path) -> None:
    path = folder(tmp_path / "a", "counts.mtx", None, None)
    (tmp_path / "rows.csv").write_text('g1,"A, B"\ng2,C\ng3,D\n')
    (tmp_path / "columns.txt.gz").write_bytes(gzip.compress(BARCODES.encode()))
    where = ["--data", tmp_path / "data", "--project", "p", "--study", "s", "--id", "m", "--units", "count"]
    options = ["--mtx-features", tmp_path / "rows.csv", "--mtx-barcodes", tmp_path / "columns.txt.gz"]
    result = CliRunner().invoke(import_command, [str(part) for part in (path, *where, *options)])
    assert result.exit_code == 0, result.output
    assert "labels from rows.csv and columns.txt.gz" in result.stdout
    store = NativeSparseStore(tmp_path / "data" / "p" / "s" / "m.h5")
    assert store.features.column("feature_name").tolist() == ["A, B", "C", "D"]
    (tmp_path / "m.tsv").write_text("id\ts\ng\t1\n")
    where[-3] = "n"
    result = CliRunner().invoke(import_command, [str(part) for part in (tmp_path / "m.tsv", *where, *options)])
    assert result.exit_code == 1
    assert "--mtx-features and --mtx-barcodes cannot be given for this file" in result.stderr
    with pytest.raises(ImportFailure, match="cannot be read"):
        read(path, mtx_features=tmp_path / "gone", mtx_barcodes=tmp_path / "columns.txt.gz")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("features.tsv", "gene_id\tgene_name\n" + FEATURES, None),
        ("barcodes.tsv", "x\n" + BARCODES, None),
        ("barcodes.tsv", '"x"\n"c1"\n"c2"\n', None),
        ("features.tsv", "g1\ng2\ng3\n", None),
        ("features.tsv", "g1\tA\ng2\ng3\tC d \n", None),
        ("features.tsv", '"g1"\t"A"\n"g2"\t"A"\n"g3"\t"C d "\n', None),
        ("barcodes.tsv", "something\n" + BARCODES, "if line 1 ('something') is a header, remove it"),
        ("barcodes.tsv", "c1\nc2\nc3\nc4\n", "there are 4 samples here, and 2 in matrix.mtx"),
        ("barcodes.tsv", "c1\n \n", "barcodes.tsv:2: the sample id (the first field) is empty"),
        ("barcodes.tsv", "c1\n\nc1\n", "barcodes.tsv:3: the sample id 'c1' is here and in line 1 already"),
        ("features.tsv", "g1\n\tA\ng3\n", "features.tsv:2: the feature id (the first field) is empty"),
        ("features.tsv", "1\tg1\n2\tg2\n3\tg3\n", "the first column holds row numbers"),
        ("features.tsv", "0\tg1\n1\tg2\n2\tg3\n", "the first column holds row numbers"),
        ("features.tsv", "\t0\n0\tg1\n1\tg2\n2\tg3\n", "the first column holds row numbers"),
        ("features.tsv", '"x"\n"1" "g1"\n"2" "g2"\n"3" "g3"\n', "the first column holds row numbers"),
        ("features.tsv", '"1" "g1"\n"2" "g2"\n"3" "g3"\n', "the first column holds row numbers"),
        ("features.tsv", "1 g1\n2 g2\n3 g3\n", "the first column holds row numbers"),
        ("features.tsv", '"","x"\n"1","g1"\n"2","g2"\n"3","g3"\n', "the first column holds row numbers"),
        ("features.tsv", '"g1" "A"\n"g2" "A"\n"g3" "C d "\n', None),
        ("features.tsv", "symbol\ng1\ng2\ng3\n", None),
        ("features.tsv", "gene_name\ng1\ng2\ng3\n", None),
        ("features.tsv", b"g1\ng\xe92\ng3\n", "features.tsv:2: the text is not UTF-8"),
        ("features.tsv", b"", "there are 0 features here"),
    ],
)
def test_files_of_labels(tmp_path: Path, name: str, text: str | bytes, message: str | None) -> None:
    path = folder(tmp_path, "matrix.mtx", "features.tsv", "barcodes.tsv")
    (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    if message is not None:
        with pytest.raises(ImportFailure) as failure:
            read(path)
        assert message in str(failure.value)
        return
    matrix = read(path)
    assert ids(matrix) == (["g1", "g2", "g3"], ["c1", "c2"])
    assert np.array_equal(dense(matrix), CELLS)
    header = any(start in str(text) for start in ("gene_", "x", "symbol"))
    assert any("is a header" in remark for remark in matrix.remarks) == header


def two_genomes(path: Path) -> dict[str, np.ndarray]:
    cells = {"hg19": np.array([[1, 0], [0, 2], [3, 0]]), "mm10": np.array([[0, 5], [7, 0]])}
    with h5py.File(path, "w") as file:
        for genome, matrix in cells.items():
            packed, group = scipy.sparse.csc_matrix(matrix.astype(np.int32)), file.create_group(genome)
            for name in ("data", "indices", "indptr"):
                group[name] = getattr(packed, name)
            group["shape"] = np.array(matrix.shape, np.int32)
            group["barcodes"] = [b"c1", b"c2"]
            group["genes"] = [f"{genome}_g{row}".encode() for row in range(len(matrix))]
            group["gene_names"] = [b"A"] * len(matrix)
    return cells


def test_a_genome_of_several(workshop: Any, tmp_path: Path) -> None:
    cells = two_genomes(tmp_path / "two.h5")
    for genome, expected in cells.items():
        workshop.run(tmp_path / "two.h5", id=genome, units="count", genome=genome)
        frame = workshop.frame("count", genome)
        assert np.array_equal(frame.to_numpy(), expected)
        assert frame.index.tolist() == [f"{genome}_g{row}" for row in range(len(expected))]
        assert set(workshop.store(genome).features.column("genome")) == {genome}
    for options in ({}, {"genome": "GRCh38"}, {"genome": "hg19", "as_is": True}):
        with pytest.raises(ImportFailure, match=r"has the genomes hg19, mm10, .* as --genome hg19 \(without --as-is\)"):
            workshop.run(tmp_path / "two.h5", id="m", units="count", **options)
    with h5py.File(tmp_path / "two.h5", "a") as file:
        del file["mm10"]
    workshop.run(tmp_path / "two.h5", id="m", units="count", genome="GRCh37")
    assert np.array_equal(workshop.frame("count").to_numpy(), cells["hg19"])


def test_situations_of_users(workshop: Any, shared_data: Path) -> None:
    """Every GCT and MatrixMarket file among the situations that users report gives the cells that are right."""
    sources = [path for end in ("gct", "mtx") for path in sorted((shared_data / "cases" / "matrix").glob(f"*/*.{end}"))]
    if not sources:
        pytest.skip("the situations of users are absent")
    for number, path in enumerate(sources):
        try:
            workshop.run(path, id=f"m{number}", units="x")
        except ImportFailure as failure:
            assert "no MatrixMarket line" in str(failure), failure
            continue
        frame, right = workshop.frame("x", f"m{number}"), path.with_name("expected.tsv")
        if right.exists():
            expected = pd.read_csv(right, sep="\t", index_col=0).astype(np.float32)
            assert frame.index.tolist() == expected.index.tolist()
            assert frame.columns.tolist() == expected.columns.tolist()
            assert np.array_equal(frame.to_numpy(), expected.to_numpy(), equal_nan=True)


def test_numbers_that_are_ids_and_names_stay_ids(tmp_path: Path) -> None:
    path = folder(tmp_path, "matrix.mtx", "features.tsv", "barcodes.tsv")
    (tmp_path / "features.tsv").write_text("0\t0\n1\t1\n2\t2\n")
    assert ids(read(path)) == (["0", "1", "2"], ["c1", "c2"])


@pytest.mark.parametrize(("value", "taken"), [("9007199254740993", False), ("9007199254740994", True), ("1e20", True)])
def test_whole_numbers_that_would_be_changed(tmp_path: Path, value: str, taken: bool) -> None:
    path = folder(tmp_path, "matrix.mtx", "features.tsv", "barcodes.tsv")
    path.write_text(path.read_text().replace("3 1 3\n", f"3 1 {value}\n"))
    if taken:
        assert dense(read(path))[2, 0] == np.float64(value)
        return
    with pytest.raises(ImportFailure, match=r"matrix\.mtx:4: the third field, '9007199254740993', is a whole number"):
        read(path)


@pytest.mark.parametrize(
    "entries",
    [
        "1 1 3\n2 1 4\n2 2 5",
        "1 1 3.25\n2 1 4e2\n2 2 -0.1",
        "1 1 3\n2 1 4.5\n2 2 5",
        "1\t1\t3\n2 1  4\n 2 2 5",
        "1 1 +3\n2 1 .5\n2 2 007",
        "01 1 3\n2 1 4\n2 2 9007199254740991",
        "1 1 1e-7\n2 1 0.30000000000000004\n2 2 16777216",
    ],
)
def test_numbers_in_any_form_are_what_python_reads(workshop: Any, tmp_path: Path, entries: str) -> None:
    path = tmp_path / "matrix.mtx"
    path.write_text(f"%%MatrixMarket matrix coordinate real general\n2 2 3\n{entries}\n")
    (tmp_path / "features.tsv").write_text("a\nb\n")
    (tmp_path / "barcodes.tsv").write_text("x\ny\n")
    workshop.run(path)
    expected = np.zeros((2, 2))
    for row, column, value in (map(float, line.split()) for line in entries.split("\n")):
        expected[int(row) - 1, int(column) - 1] = value
    assert np.array_equal(workshop.frame().to_numpy(), expected.astype(workshop.store().dtype("TPM")))


@pytest.mark.parametrize("entry", ["2 1 4 4", "2 1", "2 1 4.5.1", "2 1 3-4", "2 1 4e", "2 1 0x4", "2  4", "2 1 4 "])
def test_entries_of_other_forms_are_refused_or_read_by_their_fields(workshop: Any, tmp_path: Path, entry: str) -> None:
    path = tmp_path / "matrix.mtx"
    path.write_text(f"%%MatrixMarket matrix coordinate real general\n2 2 3\n1 1 3\n{entry}\n2 2 5\n")
    (tmp_path / "features.tsv").write_text("a\nb\n")
    (tmp_path / "barcodes.tsv").write_text("x\ny\n")
    if entry.split() == ["2", "1", "4"]:
        workshop.run(path)
        assert workshop.frame().to_numpy().tolist() == [[3, 0], [4, 5]]
        return
    with pytest.raises(ImportFailure, match=r"matrix\.mtx:4: an entry has 3 numbers"):
        workshop.run(path)


def test_entries_that_are_there_twice_are_summed_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "matrix.mtx"
    entries = "1 1 1\n1 1 4\n3 1 0\n1 2 2\n2 2 5\n2 2 5\n2 2 5\n"
    path.write_text(f"%%MatrixMarket matrix coordinate integer general\n3 2 7\n{entries}")
    (tmp_path / "features.tsv").write_text(FEATURES)
    (tmp_path / "barcodes.tsv").write_text(BARCODES)
    matrix = read(path)
    assert "entries of cells that have one already were added to it: 3" in matrix.remarks
    assert isinstance(matrix.cells, SpooledSparse) and matrix.cells.count == 4
    matrix.cells.close()
