"""Stores of sparse cells: the contract, and what scipy and anndata read from the same files."""

from __future__ import annotations

import functools
import gc
import shutil
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anndata
import h5py
import hdf5plugin
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rnaget_server.catalog import load
from rnaget_server.compute.base import Result
from rnaget_server.datasets.opening import open_store, validate_against_catalog
from rnaget_server.model.sparse import CompressedBlock
from rnaget_server.plugins import Registry
from rnaget_server.stores import blocks, compressed, sparse_layer, sparse_transpose, transposed
from rnaget_server.stores.h5ad import H5adStore
from rnaget_server.stores.loom import LoomStore
from rnaget_server.stores.native import write_sparse as sparse_writer
from rnaget_server.stores.native.dense import NativeStore
from rnaget_server.stores.native.sparse import NativeSparseStore
from rnaget_server.stores.native.write_dense import AxisTable
from rnaget_server.stores.native.write_sparse import SparseLayerSource, write_sparse
from rnaget_server.stores.tenx import TenXStore
from rnaget_server.testing.matrices import InMemorySparse, example_axes, example_cells
from rnaget_server.testing.stores import MatrixStoreContract, check_sparse
from tests.conftest import examples

KINDS = Registry("rnaget_server.stores")


@pytest.fixture(scope="class")
def small_pieces() -> Iterator[None]:
    """Bounds so small that everything is read in many pieces, of some rows, and transposed in many panels."""
    with pytest.MonkeyPatch.context() as patch:
        shrink(patch, 48, 200)
        yield


def shrink(monkeypatch: pytest.MonkeyPatch, piece: int = 16, panel: int = 100) -> None:
    monkeypatch.setattr(compressed, "PIECE", piece)
    monkeypatch.setattr(compressed, "_SPAN", 4 * piece)
    monkeypatch.setattr(sparse_layer, "PANEL", panel)
    monkeypatch.setattr(sparse_layer, "SORTED", panel // 2)
    monkeypatch.setattr(sparse_layer, "PIECE", piece)
    monkeypatch.setattr(sparse_transpose, "PIECE", piece)
    monkeypatch.setattr(sparse_transpose, "PART", piece)
    monkeypatch.setattr(sparse_transpose, "LONG", 4)
    monkeypatch.setattr(sparse_writer, "FRAME", 8)
    monkeypatch.setattr(transposed, "_PANEL_BYTES", 256)
    monkeypatch.setattr(transposed, "_READ_BYTES", 128)
    monkeypatch.setattr(transposed, "_NEAR", 3)


def write_example(path: Path) -> Path:
    layers = [
        SparseLayerSource(name, InMemorySparse(cells), cells.dtype, whole) for name, cells, whole in example_cells()
    ]
    write_sparse(path, *example_axes(), layers)
    return path


class TestNativeSparseStore(MatrixStoreContract):
    @pytest.fixture(scope="class")
    def path(self, tmp_path_factory):
        """The file, which no test changes."""
        return write_example(tmp_path_factory.mktemp("sparse") / "m.h5")

    @pytest.fixture
    def store(self, path, placed):
        return NativeSparseStore(placed(path))


@pytest.mark.usefixtures("small_pieces")
class TestNativeSparseStoreInSmallPieces(TestNativeSparseStore):
    pass


def as_once_written(path: Path) -> Path:
    """Make of a store what earlier versions wrote: chunks of a frame each, and types that are as wide as any."""
    with h5py.File(path, "a") as file:
        for direction in ("feature", "sample"):
            for number in file[f"rnaget/by_{direction}"]:
                group = file[f"rnaget/by_{direction}/{number}"]
                for part, kinds in (("indices", {"u": np.int32}), ("values", {"u": np.float32})):
                    cells = group[part][()]
                    del group[part], file[f"rnaget/chunks/{number}/{direction}s_{part}"]
                    cells = cells.astype(kinds.get(cells.dtype.kind, cells.dtype))
                    group.create_dataset(part, data=cells, chunks=(8,), compression=hdf5plugin.Blosc(cname="lz4"))
                    places = [group[part].id.get_chunk_info(n) for n in range(-(-len(cells) // 8))]
                    table = np.array([(p.byte_offset, -p.size if p.filter_mask else p.size) for p in places], np.int64)
                    file[f"rnaget/chunks/{number}/{direction}s_{part}"] = table
    return path


class TestNativeSparseStoreOfAnEarlierVersion(MatrixStoreContract):
    @pytest.fixture(scope="class")
    def path(self, tmp_path_factory):
        """The file, which no test changes."""
        return as_once_written(write_example(tmp_path_factory.mktemp("sparse") / "m.h5"))

    @pytest.fixture
    def store(self, path, placed):
        return NativeSparseStore(placed(path))


@pytest.mark.parametrize(("most", "stored"), [(255, np.uint8), (65_535, np.uint16), (65_536, np.float32)])
def test_counts_in_small_types(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int, stored: type) -> None:
    monkeypatch.setattr(sparse_writer, "FRAME", 128)
    random = np.random.default_rng(most)
    cells = np.where(random.random((120, 90)) < 0.5, random.integers(0, most + 1, (120, 90)), 0).astype(np.float32)
    layer = SparseLayerSource("u", InMemorySparse(cells), np.dtype(stored), True)
    ids = [AxisTable("id", {"id": np.array([f"{n}" for n in range(size)], object)}) for size in cells.shape]
    write_sparse(tmp_path / "m.h5", *ids, [layer])
    with h5py.File(tmp_path / "m.h5") as file:
        assert file["rnaget/by_sample/0/values"].dtype == stored
        assert file["rnaget/by_sample/0/indices"].dtype == np.uint16
        assert file["rnaget/by_sample/0/values"].chunks == (128 * 16,)
        assert file["rnaget/chunks/0/samples_values"].attrs["frame"] == 128
        np.testing.assert_array_equal(file["rnaget/by_sample/0/values"][()], cells.T[cells.T != 0])
        np.testing.assert_array_equal(file["rnaget/by_sample/0/indices"][()], cells.T.nonzero()[1])
    store = NativeSparseStore(tmp_path / "m.h5")
    assert (store.dtype("u"), store.stored_dtype("u")) == (np.float32, stored)
    ranges = store.ranges("u")
    np.testing.assert_array_equal(ranges.maximum, cells.max(axis=1))
    assert not ranges.nans.any()
    for rows, columns in ((None, None), ([3, 77], None), (None, [0, 44, 89]), ([1, 2, 119], [5, 6])):
        expected = cells[slice(None) if rows is None else rows][:, slice(None) if columns is None else columns]
        check_sparse(store.sparse("u", positions(rows), positions(columns)), expected)
        read = np.concatenate(list(store.blocks("u", positions(rows), positions(columns))))
        assert read.dtype == np.float32
        np.testing.assert_array_equal(read, expected)


class Coming:
    """Cells of one feature and 200 samples, of which fewer or more come than were announced, or none in the end."""

    shape, count = (1, 200), 200

    def __init__(self, come: int, fails: bool) -> None:
        self._come, self._fails = come, fails

    def map_blocks(self, _: object, work: Callable[[CompressedBlock, int], Result]) -> Iterator[Result]:
        indices = np.arange(self._come)
        yield work(CompressedBlock(np.array([0, self._come]), indices, np.ones(self._come, np.float32)), 0)
        if self._fails:
            raise OSError("the source is cut off")


@pytest.mark.parametrize(
    ("come", "fails", "message"),
    [
        (0, False, "0 cells of 1 features came, and there should be 200 of 1"),
        (199, False, "199 cells of 1 features came"),
        (201, False, "201 cells of 1 features came"),
        (200, True, "the source is cut off"),
    ],
)
def test_cells_that_do_not_come_as_announced_leave_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, come: int, fails: bool, message: str
) -> None:
    monkeypatch.setattr(sparse_writer, "FRAME", 8)  # a chunk is written, and a part of one is left
    ids = [AxisTable("id", {"id": np.array([f"{n}" for n in range(size)], object)}) for size in Coming.shape]
    with pytest.raises(OSError, match=message):
        write_sparse(tmp_path / "m.h5", *ids, [SparseLayerSource("u", Coming(come, fails), np.dtype(np.float32), True)])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("frame", [0, -1, 4_097, 1 << 40, "many", 4096.0])
def test_a_table_of_frames_that_cannot_be_is_refused(tmp_path: Path, frame: Any) -> None:
    path = write_example(tmp_path / "m.h5")
    with h5py.File(path, "a") as file:
        file["rnaget/chunks/0/samples_values"].attrs["frame"] = frame
    with pytest.raises(OSError, match="damaged"):
        NativeSparseStore(path)


def example_h5ad(path: Path, form: Any, **options: Any) -> Path:
    (features, samples), (main, further) = example_axes(), example_cells()
    frames = [pd.DataFrame(dict(axis.columns)).set_index(axis.id) for axis in (samples, features)]
    frames[0]["note"] = pd.Categorical(frames[0]["note"].replace("", None))
    data = anndata.AnnData(
        form(main[1].T), frames[0], frames[1], layers={"counts": form(further[1].T.astype(np.int64))}
    )
    data.write_h5ad(path, **options)
    return path


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A function that writes the example in a form with some options, once."""
    return functools.cache(
        lambda form, *options: example_h5ad(tmp_path_factory.mktemp("h5ad") / "m.h5ad", form, **dict(options))
    )


class H5adStoreContract(MatrixStoreContract):
    @pytest.fixture
    def store(self, written, form, options, placed):
        return H5adStore(placed(written(form, *options.items())), "TPM")


@pytest.mark.parametrize("form", [scipy.sparse.csr_matrix, scipy.sparse.csc_matrix, np.asarray])
@pytest.mark.parametrize("options", [{}, {"compression": "gzip"}])
class TestH5adStore(H5adStoreContract):
    pass


# Those that are not compressed are read in small pieces by test_any_matrix_and_any_slice.
@pytest.mark.parametrize("form", [scipy.sparse.csr_matrix, scipy.sparse.csc_matrix, np.asarray])
@pytest.mark.parametrize("options", [{"compression": "gzip"}])
@pytest.mark.usefixtures("small_pieces")
class TestH5adStoreInSmallPieces(H5adStoreContract):
    pass


def write_10x(path: Path, cells: scipy.sparse.csc_matrix, version: int = 3) -> Path:
    features, samples = cells.shape
    ids = np.array([f"g{n}" for n in range(features)], "S")
    with h5py.File(path, "w") as file:
        group = file.create_group("matrix" if version == 3 else "mm10")
        for name, part in (("data", cells.data), ("indices", cells.indices), ("indptr", cells.indptr)):
            group[name] = part.astype(part.dtype if name == "data" else np.int64)
        group["shape"] = np.array(cells.shape, np.int32)
        group["barcodes"] = np.array([f"c{n}" for n in range(samples)], "S")
        if version == 3:
            group["features/id"], group["features/name"] = ids, np.char.upper(ids)
            group["features/feature_type"] = np.array([b"Gene Expression"] * features)
            group["features/_all_tag_keys"] = np.array([b"genome"])
        else:
            group["genes"], group["gene_names"] = ids, np.char.upper(ids)
    return path


def positions(selected: list[int] | None) -> Any:
    return None if selected is None else np.array(selected, np.int64)


FORMS = ("csr", "csc", "dense", "10x", "native")


def stored_as(form: str, path: Path, cells: np.ndarray) -> Any:
    """A store of the cells (features × samples) in one of the forms."""
    if form == "10x":
        return TenXStore(write_10x(path, scipy.sparse.csc_matrix(cells)), units="u")
    if form == "native":
        ids = [AxisTable("id", {"id": np.array([f"{n}" for n in range(size)], object)}) for size in cells.shape]
        write_sparse(path, *ids, [SparseLayerSource("u", InMemorySparse(cells), cells.dtype, False)])
        return NativeSparseStore(path)
    kind = {"csr": scipy.sparse.csr_matrix, "csc": scipy.sparse.csc_matrix, "dense": np.ascontiguousarray}[form]
    names = [pd.DataFrame(index=[f"{n}" for n in range(size)]) for size in cells.shape]
    anndata.AnnData(kind(cells.T), names[1], names[0]).write_h5ad(path)
    return H5adStore(path, "u")


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=examples(25), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    shape=st.tuples(st.integers(1, 30), st.integers(1, 30)), density=st.sampled_from([0.0, 0.05, 0.4]), data=st.data()
)
def test_any_matrix_and_any_slice(tmp_path_factory, form: str, shape, density: float, data) -> None:
    random = np.random.default_rng(shape[0] * 100 + shape[1])
    cells = np.where(random.random(shape) < density, random.normal(size=shape), 0).astype(np.float32)
    cells[random.random(shape) < density / 10] = np.nan
    selected = [sorted(data.draw(st.sets(st.integers(0, size - 1), min_size=1))) for size in shape]
    with pytest.MonkeyPatch.context() as patch:
        shrink(patch)
        patch.setattr(blocks, "BLOCK_BYTES", 64)
        store = stored_as(form, tmp_path_factory.mktemp("any") / "m", cells)
        for rows in (None, selected[0]):
            for columns in (None, selected[1]):
                expected = cells if rows is None else cells[rows]
                expected = expected if columns is None else expected[:, columns]
                read = np.concatenate(list(store.blocks("u", positions(rows), positions(columns))))
                assert np.array_equal(read, expected, equal_nan=True)
                sparse = store.sparse("u", positions(rows), positions(columns))
                assert (sparse is None) == (form == "dense")
                if sparse is not None:
                    check_sparse(sparse, expected)


def test_real_csr(shared_data: Path) -> None:
    path = shared_data / "singlecell" / "infercnvpy" / "oligodendroglioma.h5ad"
    expected = anndata.read_h5ad(path)
    store = H5adStore(path, "counts")
    assert (store.shape, store.units) == ((9450, 184), ("counts",))
    assert np.array_equal(np.concatenate(list(store.blocks("counts"))), expected.X.toarray().T)
    rows, columns = np.arange(3, 9450, 700), np.array([0, 5, 6, 183])
    part = np.concatenate(list(store.blocks("counts", rows, columns)))
    assert np.array_equal(part, expected.X[columns][:, rows].toarray().T)
    sparse = store.sparse("counts")
    assert sparse is not None and sparse.count() == expected.X.nnz
    assert store.features.attributes == ("gene_symbol", *expected.var.columns)
    assert store.samples.column("cell_id").tolist() == expected.obs_names.tolist()
    assert store.samples.column("cell_type").tolist() == expected.obs["cell_type"].tolist()
    assert store.features.column("chromosome").tolist() == expected.var["chromosome"].astype(object).fillna("").tolist()
    for name in ("start", "end", "n_cells", "n_counts"):
        assert store.features.column(name).tolist() == expected.var[name].tolist()
    assert store.features.find("gene_symbol", ["RPS11"])[0].tolist() == [expected.var_names.get_loc("RPS11")]


def test_every_column_of_a_real_file(shared_data: Path) -> None:
    path = shared_data / "singlecell" / "scp" / "indexed_by_gene_id.h5ad"
    expected = anndata.read_h5ad(path)
    store = H5adStore(path)
    assert np.array_equal(np.concatenate(list(store.blocks("X"))), expected.X.toarray().T)
    assert store.samples.attributes == ("obs_names", *expected.obs.columns)
    for axis, frame in ((store.samples, expected.obs), (store.features, expected.var)):
        for name, column in frame.items():
            found = axis.column(str(name))
            if found.dtype == object:
                assert found.tolist() == ["" if pd.isna(value) else str(value) for value in column], name
            else:
                np.testing.assert_array_equal(found, column.astype(found.dtype), str(name))


def test_real_10x(shared_data: Path) -> None:
    folder = shared_data / "singlecell" / "scanpy_10x"
    with h5py.File(folder / "filtered_feature_bc_matrix.h5") as file:
        group = file["matrix"]
        parts = (group["data"][()], group["indices"][()], group["indptr"][()])
        expected = scipy.sparse.csc_matrix(parts, shape=group["shape"][()])
        names = [value.decode() for value in group["features/name"][()]]
    store = TenXStore(folder / "filtered_feature_bc_matrix.h5", units="counts")
    assert (store.shape, store.whole("counts"), store.dtype("counts")) == ((507, 1107), True, np.float32)
    assert np.array_equal(np.concatenate(list(store.blocks("counts"))), expected.toarray())
    sparse = store.sparse("counts")
    check_sparse(sparse, expected.toarray().astype(np.float32))
    labels = pd.read_csv(folder / "filtered_feature_bc_matrix" / "features.tsv.gz", sep="\t", header=None)
    barcodes = pd.read_csv(folder / "filtered_feature_bc_matrix" / "barcodes.tsv.gz", header=None)
    assert store.features.attributes == ("feature_id", "feature_name", "feature_type", "genome")
    assert store.features.column("feature_id").tolist() == labels[0].tolist()
    assert store.features.column("feature_name").tolist() == names
    assert store.features.values("feature_type", 10) == ["Gene Expression"]
    assert store.samples.column("barcode").tolist() == barcodes[0].tolist()


def test_10x_of_cell_ranger_2(tmp_path: Path) -> None:
    cells = scipy.sparse.random(9, 5, 0.4, "csc", np.float64, random_state=1)
    cells.data = np.round(cells.data * 100).astype(np.int32)
    path = write_10x(tmp_path / "a.h5", cells, 2)
    shutil.copy(path, tmp_path / "two.h5")
    store = TenXStore(path)
    assert np.array_equal(np.concatenate(list(store.blocks("matrix"))), cells.toarray())
    assert store.features.attributes == ("feature_id", "feature_name", "genome")
    assert store.features.column("genome").tolist() == ["mm10"] * 9
    with h5py.File(tmp_path / "two.h5", "a") as file:
        file.copy("mm10", "hg19")
    with pytest.raises(OSError, match="has the genomes hg19, mm10"):
        TenXStore(tmp_path / "two.h5")


def test_each_file_is_of_one_kind(tmp_path: Path, shared_data: Path) -> None:
    cells = example_cells()[0][1]
    paths = {
        "h5ad": example_h5ad(tmp_path / "a.h5ad", scipy.sparse.csr_matrix),
        "native_sparse": write_example(tmp_path / "a.h5"),
        "tenx": write_10x(tmp_path / "b.h5", scipy.sparse.csc_matrix(cells)),
        "loom": shared_data / "singlecell" / "scp" / "test_loom.loom",
    }
    for name, path in paths.items():
        assert [kind for kind in KINDS.names if KINDS[kind].recognises(path)] == [name]
    assert not NativeStore.recognises(paths["native_sparse"])
    assert not LoomStore.recognises(paths["native_sparse"])


def columns_of_every_form(path: Path) -> anndata.AnnData:
    obs = pd.DataFrame(index=["a", "b", "c"])
    obs["flag"] = [True, False, True]
    obs["flag_or_not"] = pd.array([True, None, False], "boolean")
    obs["whole"] = pd.array([1, None, 3], "Int64")
    obs["whole_there"] = pd.array([1, 2, 3], "Int32")
    obs["large"] = pd.array([2**60 + 1, None, 3], "Int64")
    obs["category"] = pd.Categorical(["x", None, "x"], ["unused", "x"])
    obs["numbers"] = pd.Categorical([5, None, 7])
    obs["half"] = np.array([0.5, np.nan, 1], np.float32)
    obs["text"] = ["β", "R&D", ""]
    obs["with/slash"] = [1, 2, 3]
    data = anndata.AnnData(np.eye(3, 2, dtype=np.float32), obs, pd.DataFrame(index=["g", "h"]))
    data.obsm["X_pca"] = np.zeros((3, 2))
    with anndata.settings.override(disallow_forward_slash_in_h5ad=False):  # as older versions wrote it
        data.write_h5ad(path)
    return data


def test_columns_of_every_form(tmp_path: Path) -> None:
    columns_of_every_form(tmp_path / "a.h5ad")
    axis = H5adStore(tmp_path / "a.h5ad").samples
    found = {name: axis.column(name).tolist() for name in axis.attributes if name not in ("whole", "numbers", "half")}
    assert found == {
        "obs_names": ["a", "b", "c"],
        "flag": ["True", "False", "True"],
        "flag_or_not": ["True", "", "False"],
        "whole_there": [1, 2, 3],
        "large": [str(2**60 + 1), "", "3"],
        "category": ["x", "", "x"],
        "text": ["β", "R&D", ""],
        "with/slash": [1, 2, 3],
    }
    np.testing.assert_array_equal(axis.column("whole"), [1, np.nan, 3])
    np.testing.assert_array_equal(axis.column("numbers"), [5, np.nan, 7])
    np.testing.assert_array_equal(axis.column("half"), [0.5, np.nan, 1])
    assert axis.where("category", ["x"])[0].tolist() == [0, 2]
    assert axis.where("category", ["unused"])[1] == ["unused"]
    assert axis.values("category", 10) == ["x"]
    assert axis.column("category", np.array([1, 2])).tolist() == ["", "x"]
    assert axis.where("flag", ["False"])[0].tolist() == [1]
    assert axis.find("category", ["x"])[0].tolist() == [0, 2]


def test_layers_are_further_units_and_raw_is_not(tmp_path: Path) -> None:
    data = anndata.AnnData(scipy.sparse.eye(3, 2, format="csr", dtype=np.float32))
    data.raw = data.copy()
    data.layers["counts"] = scipy.sparse.csc_matrix(np.full((3, 2), 2**24 + 1, np.int32))
    data.layers["dense"] = np.ones((3, 2), np.int16)
    data.write_h5ad(tmp_path / "a.h5ad")
    store = H5adStore(tmp_path / "a.h5ad", "TPM")
    assert store.units == ("TPM", "counts", "dense")
    assert [store.dtype(units) for units in store.units] == [np.float32, np.float64, np.float32]
    assert [store.whole(units) for units in store.units] == [False, True, True]
    assert np.concatenate(list(store.blocks("counts"))).tolist() == [[2**24 + 1] * 3] * 2
    assert store.sparse("dense") is None


def unsorted(path: Path, indices: list[int], starts: tuple[int, ...] = (0, 3, 5), form: str = "csr") -> Path:
    anndata.AnnData(scipy.sparse.csr_matrix(np.zeros((2, 4), np.float32))).write_h5ad(path)
    with h5py.File(path, "a") as file:
        for name, part in (("indices", indices), ("data", np.arange(1, 6, dtype=np.float32)), ("indptr", starts)):
            del file[f"X/{name}"]
            file[f"X/{name}"] = np.array(part)
    return path


def test_unsorted_and_repeated_cells_are_as_scipy_takes_them(tmp_path: Path) -> None:
    path = unsorted(tmp_path / "a.h5ad", [3, 0, 3, 2, 1])
    expected = anndata.read_h5ad(path).X.toarray().T
    store = H5adStore(path)
    assert expected.tolist() == [[2, 0], [0, 5], [0, 4], [4, 0]]
    assert np.concatenate(list(store.blocks("X"))).tolist() == expected.tolist()
    sparse = store.sparse("X")
    assert sparse is not None and sparse.count() == 4
    check_sparse(sparse, expected)
    part = store.sparse("X", np.array([0, 3]), np.array([0]))
    assert part is not None
    check_sparse(part, expected[[0, 3]][:, [0]])


def test_stored_zeros_and_special_values_stay(tmp_path: Path) -> None:
    cells = scipy.sparse.csr_matrix(np.array([[np.nan, -1.5, 0], [np.inf, 0, 1]], np.float32))
    cells.data[-1] = 0
    anndata.AnnData(cells).write_h5ad(tmp_path / "a.h5ad")
    store = H5adStore(tmp_path / "a.h5ad")
    expected = np.array([[np.nan, np.inf], [-1.5, 0], [0, 0]], np.float32)
    sparse = store.sparse("X")
    assert sparse is not None and sparse.count() == 4
    check_sparse(sparse, expected)
    assert np.array_equal(np.concatenate(list(store.blocks("X"))), expected, equal_nan=True)


@pytest.mark.parametrize("group", ["by_feature", "by_sample"])
@pytest.mark.parametrize("damage", ["repeated", "exchanged"])
def test_cells_of_a_native_store_in_no_order_are_refused(tmp_path: Path, group: str, damage: str) -> None:
    stored_as("native", tmp_path / "m.h5", np.arange(1, 61, dtype=np.float32).reshape(12, 5))
    with h5py.File(tmp_path / "m.h5", "r+") as file:
        name = f"rnaget/{group}/0/indices"
        indices = file[name][()]
        indices[:2] = [0, 0] if damage == "repeated" else [1, 0]
        del file[name]
        file[name] = indices
    cells = NativeSparseStore(tmp_path / "m.h5").sparse("u")
    with pytest.raises(OSError, match="ascend"):
        list(cells.compressed_along("features" if group == "by_feature" else "samples"))


@pytest.mark.parametrize(
    ("indices", "starts", "message"),
    [
        ([0, 1, 4, 0, 1], (0, 3, 5), "a cell beyond its shape"),
        ([0, 1, -1, 0, 1], (0, 3, 5), "a cell beyond its shape"),
        ([0, 1, 2, 0, 1], (0, 3, 6), "do not fit together"),
        ([0, 1, 2, 0, 1], (0, 6, 5), "do not fit together"),
        ([0, 1, 2, 0, 1], (0, 5), "do not fit its shape"),
    ],
)
def test_damaged_cells(tmp_path: Path, indices: list[int], starts: tuple[int, ...], message: str) -> None:
    path = unsorted(tmp_path / "a.h5ad", indices, starts)
    with pytest.raises(OSError, match=message):
        list(H5adStore(path).blocks("X"))


CATALOG = """
id: s
expressions:
  - {{id: m, file: {name}, units: u, feature_id: var_names, sample_id: obs_names}}
"""


def problems(path: Path) -> list[str]:
    """The problems of a file that stands in a catalogue as it is."""
    (path.parent / "catalog.yaml").write_text("id: org.example\nname: n\n")
    for place, text in (("p/project.yaml", "id: p\n"), ("p/s/study.yaml", CATALOG.format(name=f"../../{path.name}"))):
        (path.parent / place).parent.mkdir(exist_ok=True)
        (path.parent / place).write_text(text)
    catalog, mistakes = load(path.parent)
    assert catalog is not None and not mistakes
    matrix = catalog.matrices["m"]
    try:
        return validate_against_catalog(matrix, open_store(matrix, KINDS))
    except OSError as error:
        return [str(error)]
    finally:
        gc.collect()  # a store that is not collected yet keeps its file open, and HDF5 from writing to it


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("dup_cell", ["dup_cell.h5ad has the sample id 'AA' more than once: ids must be unique"]),
        ("dup_feature", ["dup_feature.h5ad has the feature id 'Baz' more than once: ids must be unique"]),
        ("nan_value", []),
    ],
)
def test_made_up_bad_files(tmp_path: Path, shared_data: Path, name: str, expected: list[str]) -> None:
    path = Path(shutil.copy(shared_data / "singlecell" / "scp" / f"{name}.h5ad", tmp_path))
    assert problems(path) == expected


def test_files_that_cannot_be_served(tmp_path: Path) -> None:
    path = tmp_path / "a.h5ad"
    anndata.AnnData(
        None, pd.DataFrame(index=["a"]), pd.DataFrame(index=["g"]), layers={"b": np.ones((1, 1))}
    ).write_h5ad(path)
    assert problems(path) == ["a.h5ad has no X: import one of b by `rnaget-server import --layer NAME`"]
    example_h5ad(path, scipy.sparse.csr_matrix)
    with h5py.File(path, "a") as file:
        file["X"].attrs["encoding-type"] = "bsr_matrix"
    (found,) = problems(path)
    assert "has X in an encoding that is not known" in found
    with h5py.File(path, "a") as file:
        del file["X"]
        file["X"] = np.ones((25, 59))
    assert problems(path) == ["a.h5ad is damaged or truncated (X is of (59, 25), and the labels of (60, 25))"]


def test_opening_decodes_no_cell(tmp_path: Path) -> None:
    path = example_h5ad(tmp_path / "a.h5ad", scipy.sparse.csr_matrix, compression="gzip")
    with h5py.File(path) as file:
        places = [file[f"X/{name}"].id.get_chunk_info(0) for name in ("data", "indices")]
    with path.open("r+b") as raw:
        for place in places:
            raw.seek(place.byte_offset)
            raw.write(b"\0" * place.size)
    store = H5adStore(path)
    assert store.samples.column("sample")[0] == "S 0"
    with pytest.raises(OSError):
        list(store.blocks("X"))


class _Wide:
    """Forty features of a million samples, of each of which every eighth has a value."""

    major_size, minor_size = 40, 1_000_000
    _each = 125_000

    def cells(self, major: object) -> int:
        return self.major_size * self._each

    def counts(self, major: object, minor: NDArray[np.int64] | None) -> NDArray[np.int64]:
        return np.full(self.minor_size if minor is None else len(minor), self.major_size // 8, np.int64)

    def pieces(self, major: object, minor: NDArray[np.int64] | None, dtype: np.dtype[Any]) -> Iterator[CompressedBlock]:
        assert minor is not None
        for feature in range(self.major_size):
            indices = np.flatnonzero(minor % 8 == feature % 8).astype(np.int32)
            data = np.full(len(indices), feature + 1, dtype)
            yield CompressedBlock(np.array([0, len(indices)]), indices, data)


def test_many_cells_are_transposed_in_little_memory() -> None:
    source = _Wide()
    assert source.cells(None) > sparse_layer.SORTED
    at = 0
    tracemalloc.start()
    for piece in sparse_layer.transposed(source, None, None, np.dtype(np.float32)):
        lengths = np.diff(piece.indptr)
        assert (lengths == 5).all()
        samples = np.repeat(np.arange(at, at + len(lengths)), lengths)
        assert np.array_equal(piece.indices, samples % 8 + np.arange(len(samples)) % 5 * 8)
        assert np.array_equal(piece.data, piece.indices + 1)
        at += len(lengths)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert at == source.minor_size
    assert peak < 60 << 20


@pytest.mark.parametrize("samples", [None, 900_000, 600_000, 300_000])
def test_the_cost_of_transposing_is_that_of_its_passes(samples: int | None) -> None:
    passes = ["counts"]

    class Counted(_Wide):
        def pieces(self, *given: Any) -> Iterator[CompressedBlock]:
            passes.append("pieces")
            return super().pieces(*given)

    minor = None if samples is None else np.arange(samples)
    for _ in sparse_layer.transposed(Counted(), None, minor, np.dtype(np.float32)):
        pass
    assert sparse_layer.passes(_Wide(), None, minor) == len(passes)
