"""Imports of AnnData and 10x files, against what anndata and scipy read from the same files."""

from __future__ import annotations

import gzip
import itertools
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.io
import scipy.sparse
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from rnaget_server.errors import ImportFailure
from rnaget_server.importers import sparse_blocks, sparse_lines, sparse_spool
from rnaget_server.importers.matrices.delimited import DelimitedImporter
from rnaget_server.importers.matrices.loom import LoomImporter
from rnaget_server.importers.sparse_spool import SparseSpool
from rnaget_server.importers.text import lines
from rnaget_server.model.sparse import CompressedBlock
from rnaget_server.stores.native import write_sparse
from rnaget_server.stores.native.dense import NativeStore
from rnaget_server.stores.native.sparse import NativeSparseStore
from rnaget_server.testing.stores import check_sparse
from tests.compute.test_processes import open_sizes
from tests.conftest import examples
from tests.stores.test_sparse import as_once_written

Write = Callable[..., Path]


@pytest.fixture
def single_cell(shared_data: Path) -> Path:
    return shared_data / "singlecell"


def check_store(workshop: Any, expected: np.ndarray, units: str, id: str = "m") -> None:
    """Check both orientations and the ranges of a sparse store."""
    store = workshop.store(id)
    assert isinstance(store, NativeSparseStore)
    assert np.array_equal(workshop.frame(units, id).to_numpy(), expected, equal_nan=True)
    assert np.array_equal(workshop.by_columns(units, id), expected, equal_nan=True)
    check_sparse(store.sparse(units), expected)
    ranges = store.ranges(units)
    assert np.array_equal(ranges.minimum, np.fmin.reduce(expected, axis=1), equal_nan=True)
    assert np.array_equal(ranges.maximum, np.fmax.reduce(expected, axis=1), equal_nan=True)
    assert np.array_equal(ranges.nans, np.isnan(expected).sum(axis=1))


def test_a_real_anndata_file(workshop: Any, single_cell: Path) -> None:
    path = single_cell / "infercnvpy" / "oligodendroglioma.h5ad"
    expected = anndata.read_h5ad(path)
    outcome = workshop.run(path, units="log")
    check_store(workshop, expected.X.toarray().T, "log")
    assert outcome.file.name == "m.h5"
    assert outcome.remarks[0] == "9450 features × 184 samples, in log; 770139 cells of log are stored, the others are 0"
    store, matrix = workshop.store(), workshop.matrix()
    assert store.sparse("log").count() == expected.X.nnz
    assert (matrix.feature_id, matrix.feature_name, matrix.sample_id) == ("gene_symbol", None, "cell_id")
    assert store.features.column("gene_symbol").tolist() == expected.var_names.tolist()
    assert store.samples.column("cell_type").tolist() == expected.obs["cell_type"].tolist()
    assert set(matrix.filters) == {"cell_type", "chromosome", "feature_end", "feature_start", "n_cells", "n_counts"}
    assert {path.name for path in outcome.file.parent.iterdir()} == {"m.h5", "study.yaml"}


def test_ids_and_names_of_anndata(workshop: Any, single_cell: Path) -> None:
    path = single_cell / "scp" / "indexed_by_gene_id.h5ad"
    expected = anndata.read_h5ad(path)
    workshop.run(path)
    check_store(workshop, expected.X.toarray().T, "TPM")
    matrix = workshop.matrix()
    assert (matrix.feature_id, matrix.feature_name, matrix.sample_id) == ("gene_ids", "gene_symbols", "obs_names")
    workshop.run(path, id="n", feature_id="gene_symbols", feature_name="gene_ids", sample_id="observation_joinid")
    other = workshop.matrix("n")
    assert (other.feature_id, other.feature_name) == ("gene_symbols", "gene_ids")
    assert workshop.frame(id="n").columns.tolist() == expected.obs["observation_joinid"].tolist()
    assert workshop.frame(id="n").index.tolist() == expected.var["gene_symbols"].tolist()
    with pytest.raises(ImportFailure, match=r"sex holds '\w+' more than once, and ids must be unique"):
        workshop.run(path, id="o", sample_id="sex")
    with pytest.raises(ImportFailure, match=r"--feature-name: there is no column 'no'"):
        workshop.run(path, id="o", feature_name="no")
    with pytest.raises(ImportFailure, match=r"--sample-id names a column of the table.* and it has .*donor_id"):
        workshop.run(path, id="o", sample_id="no")
    with pytest.raises(ImportFailure, match=r"--sample-id: there is no attribute 'no'; there are obs_names"):
        workshop.run(path, id="o", sample_id="no", as_is=True)


def test_a_real_10x_file(workshop: Any, single_cell: Path) -> None:
    folder = single_cell / "scanpy_10x"
    outcome = workshop.run(folder / "filtered_feature_bc_matrix.h5", units="count")
    expected = scipy.io.mmread(folder / "filtered_feature_bc_matrix" / "matrix.mtx.gz").toarray().astype(np.float32)
    check_store(workshop, expected, "count")
    assert workshop.store().whole("count")
    assert outcome.remarks[0].endswith("count are whole numbers")
    labels = pd.read_csv(folder / "filtered_feature_bc_matrix" / "features.tsv.gz", sep="\t", header=None)
    frame = workshop.frame("count")
    assert frame.index.tolist() == labels[0].tolist()
    matrix = workshop.matrix()
    assert (matrix.feature_id, matrix.feature_name, matrix.sample_id) == ("feature_id", "feature_name", "barcode")
    assert set(matrix.filters) == {"feature_type", "genome"}


@pytest.mark.parametrize("name", ["infercnvpy/oligodendroglioma.h5ad", "scanpy_10x/filtered_feature_bc_matrix.h5"])
def test_as_it_is(workshop: Any, single_cell: Path, name: str) -> None:
    outcome = workshop.run(single_cell / name, units="u", as_is=True)
    assert outcome.file.read_bytes() == (single_cell / name).read_bytes()
    assert outcome.file.suffix == Path(name).suffix
    assert outcome.remarks[0].endswith("in u; served as it is")
    served, matrix = workshop.frame("u"), workshop.matrix()
    workshop.run(single_cell / name, units="u", id="n")
    pd.testing.assert_frame_equal(workshop.frame("u", "n"), served)
    other = workshop.matrix("n")
    assert (matrix.feature_id, matrix.sample_id, matrix.filters) == (other.feature_id, other.sample_id, other.filters)
    with pytest.raises(ImportFailure, match="served as it is and takes no further units"):
        workshop.run(single_cell / name, units="v")
    workshop.run(single_cell / name, units="v", replace=True)
    assert isinstance(workshop.store(), NativeSparseStore)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("dup_cell", "the sample attribute obs_names holds 'AA' more than once, and ids must be unique"),
        ("dup_feature", "the feature attribute var_names holds 'Baz' more than once, and ids must be unique"),
    ],
)
@pytest.mark.parametrize("as_is", [False, True])
def test_repeated_ids(workshop: Any, single_cell: Path, name: str, message: str, as_is: bool) -> None:
    with pytest.raises(ImportFailure, match=re.escape(message)):
        workshop.run(single_cell / "scp" / f"{name}.h5ad", as_is=as_is)
    assert sorted(workshop.data.rglob("*")) == []


def test_dense_anndata_makes_the_dense_store(workshop: Any, single_cell: Path) -> None:
    path = single_cell / "scp" / "nan_value.h5ad"
    expected = anndata.read_h5ad(path).X.T
    workshop.run(path)
    assert isinstance(workshop.store(), NativeStore)
    assert np.isnan(expected).any()
    assert np.array_equal(workshop.frame().to_numpy(), expected, equal_nan=True)
    assert np.array_equal(workshop.by_columns(), expected, equal_nan=True)


def write_layers(path: Path) -> anndata.AnnData:
    random = np.random.default_rng(3)
    counts = scipy.sparse.random(30, 20, 0.3, "csr", random_state=random)
    counts.data = np.round(counts.data * 1000)
    obs = pd.DataFrame({"tissue": ["a", "b", "c"] * 10}, index=[f"c{n}" for n in range(30)])
    data = anndata.AnnData(counts.copy(), obs, pd.DataFrame(index=[f"g{n}" for n in range(20)]))
    data.raw = data.copy()
    data = data[:, :15].copy()
    data.layers["counts"] = data.X.tocsc().astype(np.int32)
    data.layers["dense"] = data.X.toarray() + 0.5
    data.X = scipy.sparse.csr_matrix(data.X.log1p().astype(np.float32))
    data.write_h5ad(path)
    return data


def test_layers_and_raw(workshop: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.h5ad"
    data = write_layers(path)
    workshop.run(path, units="log")
    outcome = workshop.run(path, units="count", layer="counts")
    assert outcome.remarks[0].startswith("15 features × 30 samples, in log, count; ")
    assert workshop.store().units == ("log", "count")
    assert (workshop.store().whole("log"), workshop.store().whole("count")) == (False, True)
    check_store(workshop, data.X.toarray().T, "log")
    check_store(workshop, data.layers["counts"].toarray().T.astype(np.float32), "count")
    assert workshop.store().samples.column("tissue").tolist() == data.obs["tissue"].tolist()
    workshop.run(path, units="count", id="raw", layer="raw")
    check_store(workshop, data.raw.X.toarray().T.astype(np.float32), "count", "raw")
    assert workshop.frame("count", "raw").index.tolist() == data.raw.var_names.tolist()
    workshop.run(path, units="log", layer="counts", replace=True)
    check_store(workshop, data.layers["counts"].toarray().T.astype(np.float32), "log")
    before = workshop.matrix().path.read_bytes()
    for units, layer, message in (
        ("raw", "raw", "stored sparse, and a further unit of it needs the same features and samples in the same order"),
        ("dense", "dense", "this file is dense and the matrix m is stored sparse"),
        ("log", None, "has the units log already: add --replace"),
        ("x", "no", "--layer: there is no matrix 'no'; there are X, raw, counts, dense"),
    ):
        with pytest.raises(ImportFailure, match=re.escape(message)):
            workshop.run(path, units=units, layer=layer)
    workshop.run(path, units="dense", layer="dense", id="dense")
    with pytest.raises(ImportFailure, match="this file is sparse and the matrix dense is stored dense"):
        workshop.run(path, units="count", layer="counts", id="dense")
    workshop.run(path, units="dense", layer="counts", id="dense", replace=True)
    check_store(workshop, data.layers["counts"].toarray().T.astype(np.float32), "dense", "dense")
    assert workshop.matrix().path.read_bytes() == before


@pytest.mark.parametrize(
    ("is_old", "frame"), [(False, 8), (False, 4096), (True, 8), pytest.param(True, 4096, marks=pytest.mark.long)]
)
def test_layers_of_several_types_join(
    workshop: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, frame: int, is_old: bool
) -> None:
    monkeypatch.setattr(write_sparse, "FRAME", frame)
    random = np.random.default_rng(frame)
    counts = np.where(random.random((90, 40)) < 0.4, random.integers(1, 256, (90, 40)), 0)
    odd = {"u16": 65_535, "single": 65_536, "double": 2**24 + 1, "negative": -1, "nan": np.nan, "fraction": 0.5}
    layers = {}
    for name, value in odd.items():
        layers[name] = counts.astype(np.float64 if isinstance(value, float) else np.int64)
        layers[name][-1, -1] = value
    frames = [
        pd.DataFrame(index=[f"{kind}{n}" for n in range(size)]) for kind, size in zip("cg", (90, 40), strict=True)
    ]
    data = anndata.AnnData(scipy.sparse.csr_matrix(counts.astype(np.float32)), *frames)
    for name, form in zip(odd, itertools.cycle((scipy.sparse.csr_matrix, scipy.sparse.csc_matrix)), strict=False):
        data.layers[name] = form(layers[name])
    data.write_h5ad(tmp_path / "a.h5ad")
    workshop.run(tmp_path / "a.h5ad", units="u8")
    for name in odd:
        if is_old:  # made by an earlier version
            as_once_written(workshop.matrix().path)
        workshop.run(tmp_path / "a.h5ad", units=name, layer=name)
    for name, cells in {"u8": counts, **layers}.items():
        check_store(workshop, cells.T.astype(np.float64 if name == "double" else np.float32), name)
    stored = {name: workshop.store().stored_dtype(name).name for name in workshop.store().units}
    small = {"u8": "float32", "u16": "float32"} if is_old else {"u8": "uint8", "u16": "uint16"}
    assert stored == {**dict.fromkeys(stored, "float32"), **small, "double": "float64"}


def test_tables_join(workshop: Any, write: Write, tmp_path: Path) -> None:
    data = write_layers(tmp_path / "a.h5ad")
    rows = "".join(f"c{n}\t{n}\tX{n}\n" for n in reversed(range(30)))
    samples = write("cell\tage\tother\n" + rows, "s.tsv")
    features = write("id,symbol,length\n" + "".join(f"g{n},S{n},{n}\n" for n in range(10)), "f.csv")
    workshop.run(
        tmp_path / "a.h5ad", samples=samples, features=features, sample_id="cell", column="{obs_names}-{tissue}"
    )
    store, matrix = workshop.store(), workshop.matrix()
    assert store.samples.attributes == ("obs_names", "tissue", "age", "other")
    assert store.samples.column("age").tolist() == list(range(30))
    assert store.features.column("symbol").tolist() == [f"S{n}" if n < 10 else "" for n in range(15)]
    assert (matrix.feature_id, matrix.feature_name, matrix.sample_id) == ("var_names", "symbol", "obs_names")
    assert matrix.tsv.column == "{obs_names}-{tissue}"
    check_store(workshop, data.X.toarray().T, "TPM")
    with pytest.raises(ImportFailure, match="--samples and --features do not apply to a file that is served as it is"):
        workshop.run(tmp_path / "a.h5ad", id="n", samples=samples, as_is=True)


@pytest.mark.parametrize("sparse", [False, True])
def test_whole_numbers_that_would_be_changed_are_refused_as_they_are(
    workshop: Any, tmp_path: Path, sparse: bool
) -> None:
    cells = np.array([[2**53 + 1, 0], [0, 3]], np.int64)
    frames = [pd.DataFrame(index=["a", "b"]), pd.DataFrame(index=["g", "h"])]
    layers = {"big": scipy.sparse.csr_matrix(cells) if sparse else cells}
    anndata.AnnData(np.eye(2, dtype=np.float32), *frames, layers=layers).write_h5ad(tmp_path / "a.h5ad")
    with pytest.raises(ImportFailure, match=r"a\.h5ad: the file has a whole number beyond 2\*\*53 in layers/big"):
        workshop.run(tmp_path / "a.h5ad", as_is=True)
    assert sorted(workshop.data.rglob("*")) == []


OPTIONS_REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"transpose": True}, "--transpose and --label-columns do not apply to AnnData"),
    ({"label_columns": 2}, "--transpose and --label-columns do not apply to AnnData"),
    ({"layer": "counts", "as_is": True}, "--layer cannot be given with --as-is"),
    ({"column": "{no}"}, "--column: there is no sample attribute no; there are obs_names, tissue"),
]


@pytest.mark.parametrize(("options", "message"), OPTIONS_REFUSED)
def test_options_that_are_refused(workshop: Any, tmp_path: Path, options: dict[str, Any], message: str) -> None:
    write_layers(tmp_path / "a.h5ad")
    with pytest.raises(ImportFailure, match=re.escape(message)):
        workshop.run(tmp_path / "a.h5ad", **options)
    assert sorted(workshop.data.rglob("*")) == []


def test_options_for_such_files_alone(workshop: Any, write: Write, single_cell: Path) -> None:
    with pytest.raises(ImportFailure, match="--as-is cannot be given for this file"):
        workshop.run(write("id\tS\ng\t1\n"), as_is=True)
    with pytest.raises(ImportFailure, match="--layer cannot be given for this file"):
        workshop.run(write("id\tS\ng\t1\n"), layer="X")
    with pytest.raises(ImportFailure, match="--layer cannot be given for this file"):
        workshop.run(single_cell / "scanpy_10x" / "filtered_feature_bc_matrix.h5", layer="X")
    with pytest.raises(ImportFailure, match="do not apply to a 10x file"):
        workshop.run(single_cell / "scanpy_10x" / "filtered_feature_bc_matrix.h5", transpose=True)
    workshop.run(single_cell / "scp" / "test_loom.loom", as_is=True)
    assert workshop.matrix().path.suffix == ".loom"


def test_importers_whose_attributes_are_wrong(
    workshop: Any, write: Write, single_cell: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(LoomImporter, "always_as_is")
    with pytest.raises(ImportFailure, match=r"test_loom\.loom: LoomImporter serves .* `always_as_is`"):
        workshop.run(single_cell / "scp" / "test_loom.loom")
    workshop.run(write("id\tS\ng\t1\n"))
    monkeypatch.setattr(DelimitedImporter, "always_as_is", True, raising=False)
    with pytest.raises(ImportFailure, match=r"DelimitedImporter reads the cells .* by `always_as_is`"):
        workshop.run(write("id\tS\ng\t1\n"), id="n")


def changed(path: Path, change: Callable[[h5py.File], None]) -> Path:
    anndata.AnnData(scipy.sparse.csr_matrix(np.eye(3, 4, dtype=np.float32))).write_h5ad(path)
    with h5py.File(path, "a") as file:
        change(file)
    return path


def put(file: h5py.File, place: str, values: Any) -> None:
    del file[place]
    file[place] = values


FILES_REFUSED: dict[str, tuple[Callable[[h5py.File], None], str]] = {
    "no X": (lambda file: file.__delitem__("X"), "has no matrix, neither X nor a layer"),
    "encoding": (
        lambda file: file["X"].attrs.modify("encoding-type", "bsr_matrix"),
        "in an encoding that is not known",
    ),
    "text": (lambda file: put(file, "X/data", [b"a", b"b", b"c"]), "has no numbers in X"),
    "shape": (lambda file: file["X"].attrs.modify("shape", (3, 5)), "damaged or truncated (X is of (5, 3)"),
    "starts": (lambda file: put(file, "X/indptr", [0, 1, 2, 9]), "damaged or truncated (the parts"),
    "indices": (
        lambda file: put(file, "X/indices", [0, 1, 9]),
        "damaged or truncated (a sparse matrix has a cell beyond",
    ),
    "too large": (lambda file: put(file, "X/data", [1, 1e39, 3.5]), "the value 1e+39 is larger than float32 can hold"),
    "too large, dense": (lambda file: put(file, "X", np.full((3, 4), -1e39)), "the value 1e+39 is larger"),
    "empty id": (lambda file: put(file, "var/_index", ["a", "b", "", "d"]), "var_names holds nothing for at least one"),
    "no columns": (lambda file: put(file, "var", 1), "has no data frame in var: write the file again"),
}


@pytest.mark.parametrize("name", FILES_REFUSED)
def test_files_that_are_refused(workshop: Any, tmp_path: Path, name: str) -> None:
    change, message = FILES_REFUSED[name]
    path = changed(tmp_path / "a.h5ad", change)
    with pytest.raises(ImportFailure, match=re.escape(message)) as caught:
        workshop.run(path)
    assert str(path) in str(caught.value)
    assert sorted(workshop.data.rglob("*")) == []


def test_a_file_that_is_cut_off(workshop: Any, single_cell: Path, tmp_path: Path) -> None:
    content = (single_cell / "infercnvpy" / "oligodendroglioma.h5ad").read_bytes()
    (tmp_path / "a.h5ad").write_bytes(content[: len(content) // 2])
    with pytest.raises(ImportFailure, match="damaged"):
        workshop.run(tmp_path / "a.h5ad")


def test_unsorted_repeated_and_special_cells(workshop: Any, tmp_path: Path) -> None:
    def change(file: h5py.File) -> None:
        put(file, "X/indices", [3, 0, 3, 2, 1, 0])
        put(file, "X/data", np.array([1, 0, 2, np.nan, -np.inf, -4], np.float32))
        put(file, "X/indptr", [0, 3, 5, 6])

    path = changed(tmp_path / "a.h5ad", change)
    expected = anndata.read_h5ad(path).X.toarray().T
    workshop.run(path)
    check_store(workshop, expected, "TPM")
    assert expected[3, 0] == 3
    assert workshop.store().sparse("TPM").count() == 5


@pytest.mark.parametrize("dense", [False, True])
def test_whole_numbers_beyond_float32(workshop: Any, tmp_path: Path, dense: bool) -> None:
    cells = np.array([[0, 2**24 + 1], [5, 0]], np.int64)
    anndata.AnnData(cells if dense else scipy.sparse.csr_matrix(cells)).write_h5ad(tmp_path / "a.h5ad")
    workshop.run(tmp_path / "a.h5ad")
    assert workshop.store().dtype("TPM") == np.float64
    assert workshop.frame().to_numpy().tolist() == cells.T.tolist()


VALUES: dict[str, Callable[[np.random.Generator, int], Any]] = {
    "bytes": lambda random, count: random.integers(0, 1 << 8, count),
    "two bytes": lambda random, count: random.integers(0, 1 << 16, count),
    "whole": lambda random, count: random.integers(-(1 << 24), 1 << 24, count),
    "large": lambda random, count: random.integers(0, 1 << 40, count),
    "fractions": lambda random, count: random.normal(0, 1000, count),
    "zeros": lambda random, count: random.choice([-0.0, 0.0, 3.0], count),
    "special": lambda random, count: random.choice([np.nan, np.inf, -np.inf, 3.0], count),
}


@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    shape=st.tuples(st.integers(1, 40), st.sampled_from([1, 2, 40, 300, 70_000])),
    density=st.sampled_from([0.5, 0.05, 0]),
    direction=st.sampled_from(["features", "samples"]),
    kinds=st.permutations(list(VALUES)).map(lambda kinds: kinds[:3]),
    few=st.sampled_from([0, 1 << 19]),
    block=st.sampled_from([20, 500, 1 << 21]),
)
@example(shape=(40, 300), density=0.5, direction="samples", kinds=["bytes", "zeros"], few=0, block=500)
@example(shape=(40, 300), density=0.5, direction="samples", kinds=["two bytes", "large", "fractions"], few=0, block=20)
@example(shape=(99, 300), density=0.5, direction="features", kinds=["whole", "special"], few=0, block=1 << 21)
@example(shape=(300, 40), density=0.5, direction="samples", kinds=["bytes", "two bytes"], few=0, block=20)
@example(shape=(40, 70_000), density=0.5, direction="samples", kinds=["bytes", "large"], few=1 << 19, block=500)
def test_spool_gives_both_directions(
    tmp_path: Path, shape: tuple[int, int], density: float, direction: Any, kinds: list[str], few: int, block: int
) -> None:
    """The values of each line are of one of the kinds, each of which may need another type than those before."""
    random = np.random.default_rng(shape[0])
    cells = scipy.sparse.random(shape[0], shape[1], density * min(1, 300 / shape[1]), "csr", random_state=random)
    cells.sort_indices()
    for line in range(shape[0]):
        part = slice(*cells.indptr[line : line + 2])
        cells.data[part] = VALUES[kinds[line % len(kinds)]](random, part.stop - part.start)
    with pytest.MonkeyPatch.context() as patch:
        # Of a long axis, parts of twenty cells would be thousands, and each takes a thread.
        patch.setattr(sparse_spool, "BLOCK", max(block, shape[1] // 100))
        patch.setattr(sparse_lines, "BLOCK", block)
        patch.setattr(sparse_lines, "MOST_LINES", 12 if block < 1000 else 1 << 16)
        patch.setattr(sparse_blocks, "_FEW", few)
        parts = (cells[[row]] for row in range(shape[0]))
        lines = (
            CompressedBlock(part.indptr.astype(np.int64), part.indices.astype(np.int64), part.data) for part in parts
        )
        spooled = SparseSpool(tmp_path / "source", tmp_path, direction, shape[1]).by_threads(lines)
        finite = cells.data[np.isfinite(cells.data)]
        whole = bool((finite % 1 == 0).all())
        dtype = np.float64 if whole and (abs(finite) > 1 << 24).any() else np.float32
        along, across = cells.astype(dtype), cells.astype(dtype).tocsc()
        expected = {"features": (along, across), "samples": (across.T, along.T)}[direction]
        assert (spooled.shape, spooled.count) == (expected[0].shape, cells.nnz)
        assert (spooled.whole, spooled.dtype) == (whole, dtype)
        for way, matrix in zip(("features", "samples"), expected, strict=True):
            pieces, before = zip(*spooled.map_blocks(way, lambda block, at: (block, at)), strict=True)
            # Whoever adds the cells before, of which there may be more than an int32 holds, gets no other type.
            assert {piece.indptr.dtype for piece in pieces} == {np.dtype(np.int64)}
            assert list(before) == np.cumsum([0, *(len(piece.data) for piece in pieces)])[:-1].tolist()
            lengths = np.concatenate([np.diff(piece.indptr) for piece in pieces])
            assert np.array_equal(lengths, np.diff(matrix.indptr))
            assert np.array_equal(np.concatenate([piece.indices for piece in pieces]), matrix.indices)
            assert {piece.indices.dtype.name for piece in pieces} <= {"uint8", "uint16", "int32"}
            assert {piece.data.dtype.name for piece in pieces} <= {"uint8", "uint16", "float32", np.dtype(dtype).name}
            # By their bytes: -0 is not 0.
            assert np.concatenate([piece.data for piece in pieces], dtype=dtype).tobytes() == matrix.data.tobytes()
        spooled.close()
    assert list(tmp_path.iterdir()) == []


def test_spool_refuses_what_float32_cannot_hold(tmp_path: Path) -> None:
    row = CompressedBlock(np.array([0, 1]), np.array([0]), np.array([1e39]))
    with pytest.raises(ImportFailure, match=r"source: the value 1e\+39 is larger than float32 can hold"):
        SparseSpool(Path("source"), tmp_path, "features", 1).by_threads([row])
    assert open_sizes(tmp_path) == []


def test_blocks_lie_one_behind_another_in_files_of_bounded_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of each cell there are its position, its line and twice its value: here of a byte each."""
    monkeypatch.setattr(sparse_lines, "BLOCK", 200)
    random = np.random.default_rng(5)
    cells = random.integers(1, 200, (300, 100)).astype(np.float64)
    rows = (CompressedBlock(np.array([0, 100]), np.arange(100), row) for row in cells)
    with closing(SparseSpool(tmp_path, tmp_path, "samples", 100).by_threads(rows)) as spooled:
        sizes = open_sizes(tmp_path)
        counts = cells.size // 200 * 100  # a byte for each position of each block
        assert sum(sizes) == 4 * cells.size + counts
        assert len(sizes) == sparse_spool.PROCESSORS + 1
        (first,) = {block.indices.dtype for block in spooled.map_blocks("samples", lambda block, _: block)}
        assert first == np.uint8


def test_a_copy_of_the_source_is_not_needed(workshop: Any, single_cell: Path, tmp_path: Path) -> None:
    """A file is taken over once it is imported: its source may go."""
    path = Path(shutil.copy(single_cell / "scp" / "indexed_by_gene_id.h5ad", tmp_path))
    workshop.run(path)
    path.unlink()
    assert workshop.frame().shape == (123, 150)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of memory is read as on Linux")
def test_memory_stays_bounded(tmp_path: Path) -> None:
    """Dense, the matrix would take 2,400 MB, and its cells alone 144 MB in the form in which they are spooled."""
    script = Path(__file__).with_name("memory_of_sparse.py")
    done = subprocess.run([sys.executable, script, tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 400


@pytest.mark.parametrize("packed", [True, False])
def test_a_real_folder_of_cell_ranger(workshop: Any, single_cell: Path, tmp_path: Path, packed: bool) -> None:
    folder = single_cell / "scanpy_10x" / "filtered_feature_bc_matrix"
    for path in folder.iterdir():
        copy = tmp_path / f"GSM1_{path.name if packed else path.stem}"
        copy.write_bytes(path.read_bytes() if packed else gzip.decompress(path.read_bytes()))
    workshop.run(tmp_path / ("GSM1_matrix.mtx.gz" if packed else "GSM1_matrix.mtx"), units="count")
    workshop.run(single_cell / "scanpy_10x" / "filtered_feature_bc_matrix.h5", units="count", id="n")
    pd.testing.assert_frame_equal(workshop.frame("count"), workshop.frame("count", "n"))
    check_store(workshop, workshop.frame("count", "n").to_numpy(), "count")
    store, other = workshop.store(), workshop.store("n")
    for name in ("feature_name", "feature_type"):
        assert store.features.column(name).tolist() == other.features.column(name).tolist()


def write_mtx(path: Path, entries: str, shape: tuple[int, int] = (3, 2), kind: str = "real general") -> Path:
    count = len(entries.splitlines())
    path.write_text(f"%%MatrixMarket matrix coordinate {kind}\n%x\n%\n{shape[0]} {shape[1]} {count}\n{entries}")
    (path.parent / "genes.tsv").write_text("g1\tA\ng2\tB\ng3\tC\n")
    (path.parent / "barcodes.tsv").write_text("c1\nc2\n")
    return path


@pytest.mark.parametrize(
    "entries",
    [
        "1 1 2\n3 1 0\n2 2 -1.5\n3 2 nan\n",
        "3 1 0\n1 1 2\n3 2 nan\n2 2 -1.5\n",
        "1 1 2\n2 2 -1.5\n3 1 0\n3 2 nan\n",
        "1 1 1\n1 1 1\n3 1 0\n2 2 -1.5\n3 2 nan\n",
    ],
    ids=["columns", "rows descend", "rows", "repeated"],
)
def test_orders_of_entries(workshop: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entries: str) -> None:
    monkeypatch.setattr(lines, "_CHUNK", 64)
    path = write_mtx(tmp_path / "matrix.mtx", entries)
    workshop.run(path)
    check_store(workshop, scipy.io.mmread(path).toarray().astype(np.float32), "TPM")
    assert workshop.store().sparse("TPM").count() == 4
    assert workshop.frame().index.tolist() == ["g1", "g2", "g3"]
    assert workshop.store().features.column("feature_name").tolist() == ["A", "B", "C"]


def test_a_pattern(workshop: Any, tmp_path: Path) -> None:
    workshop.run(write_mtx(tmp_path / "matrix.mtx", "1 1\n3 2\n", kind="pattern general"))
    assert workshop.frame().to_numpy().tolist() == [[1, 0], [0, 0], [0, 1]]


MTX_REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "symmetric": ("1 1 1\n", {"kind": "real symmetric"}, "mtx:1: this is 'matrix coordinate real symmetric'"),
    "order": ("2 2 1\n1 1 1\n3 1 1\n1 2 1\n", {}, "neither in the order of their columns nor of their rows"),
    "fields": ("1 1 1\n1 2\n", {}, "mtx:6: an entry has 3 numbers, and this line is '1 2'"),
    "text": ("1 1 1\n1 x 3\n", {}, "mtx:6: an entry has 3 numbers, and this line is '1 x 3'"),
    "beyond": ("1 1 1\n4 2 3\n", {}, "mtx:6: the entry '4 2 3' is not within 3 rows and 2 columns"),
    "zero": ("0 1 1\n", {}, "the entry '0 1 1' is not within"),
    "labels": ("1 1 1\n", {"shape": (4, 2)}, "genes.tsv: there are 3 features here, and 4 in matrix.mtx"),
    "too large": ("1 1 1e39\n2 1 0.5\n", {}, "matrix.mtx:5: the third field, '1e39', is larger than a matrix can hold"),
}


@pytest.mark.parametrize("name", MTX_REFUSED)
def test_matrix_market_that_is_refused(workshop: Any, tmp_path: Path, name: str) -> None:
    entries, options, message = MTX_REFUSED[name]
    with pytest.raises(ImportFailure, match=re.escape(message)):
        workshop.run(write_mtx(tmp_path / "matrix.mtx", entries, **options))
    assert sorted(workshop.data.rglob("*")) == []


def test_labels_of_matrix_market_that_are_refused(workshop: Any, tmp_path: Path) -> None:
    path = write_mtx(tmp_path / "matrix.mtx", "1 1 1\n")
    path.write_text(path.read_text().replace("3 2 1", "3 2 2"))
    with pytest.raises(ImportFailure, match="says that it holds 2 entries, and it holds 1"):
        workshop.run(path)
    (tmp_path / "barcodes.tsv").write_text("c1\nc1\n")
    with pytest.raises(ImportFailure, match=r"barcodes.tsv:2: the sample id 'c1' is here and in line 1"):
        workshop.run(path)
    (tmp_path / "barcodes.tsv").unlink()
    with pytest.raises(ImportFailure, match=r"must be in a file barcodes.tsv.gz or barcodes.tsv next to it"):
        workshop.run(path)
