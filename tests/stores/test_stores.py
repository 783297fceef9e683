"""The contract of every store, held by the native store and by loom files as they come."""

from __future__ import annotations

from pathlib import Path

import h5py
import hdf5plugin  # noqa: F401
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rnaget_server.model.text import encode
from rnaget_server.stores.loom import LoomStore
from rnaget_server.stores.native import write_dense
from rnaget_server.stores.native.dense import NativeStore
from rnaget_server.stores.native.write_dense import AxisTable, LayerSource, write_native
from rnaget_server.testing.matrices import InMemory, example_axes, example_cells
from rnaget_server.testing.stores import MatrixStoreContract
from tests.conftest import examples


class TestNativeStore(MatrixStoreContract):
    @pytest.fixture(scope="class")
    def path(self, tmp_path_factory):
        """The file, which no test changes."""
        return _write_native(tmp_path_factory.mktemp("native") / "m.h5")

    @pytest.fixture
    def store(self, path, placed):
        return NativeStore(placed(path))


class TestNativeStoreOfLongRows(TestNativeStore):
    """Chunks so small that both orientations are cut along and across."""

    @pytest.fixture(scope="class")
    def path(self, tmp_path_factory):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(write_dense, "CHUNK_BYTES", 64)
            patch.setattr(write_dense, "_SHORT_ROWS_BYTES", 48)
            return _write_native(tmp_path_factory.mktemp("native") / "m.h5")


def _write_native(path: Path) -> Path:
    layers = [LayerSource(units, InMemory(cells), cells.dtype, whole) for units, cells, whole in example_cells()]
    write_native(path, *example_axes(), layers)
    return path


class TestLoomStore(MatrixStoreContract):
    @pytest.fixture(scope="class")
    def path(self, tmp_path_factory):
        """The file, which no test changes."""
        return _write_loom(tmp_path_factory.mktemp("loom") / "m.loom")

    @pytest.fixture
    def store(self, path, placed):
        return LoomStore(placed(path), "TPM")


def _write_loom(path: Path) -> Path:
    features, samples = example_axes()
    with h5py.File(path, "w") as file:
        (_, main, _), *further = example_cells()
        file.create_dataset("matrix", data=main, chunks=(8, 8), compression="gzip")
        for units, cells, whole in further:
            kind = np.int64 if whole else cells.dtype
            file.create_dataset(f"layers/{units}", data=cells.astype(kind), chunks=(8, 8))
        for group, table in (("row_attrs", features), ("col_attrs", samples)):
            for name, column in table.columns.items():
                text = column.dtype.kind == "O"
                file.create_dataset(f"{group}/{name}", data=[encode(value) for value in column] if text else column)
        file["col_attrs"].create_dataset("X_umap", data=samples.embeddings["X_umap"])
    return path


def test_native_store_is_a_loom_file_that_loompy_reads(tmp_path: Path) -> None:
    loompy = pytest.importorskip("loompy")
    features, samples = example_axes()
    (units, cells, whole), *_ = example_cells()
    write_native(tmp_path / "m.loom", features, samples, [LayerSource(units, InMemory(cells), cells.dtype, whole)])
    with loompy.connect(str(tmp_path / "m.loom"), "r") as loom:
        assert np.array_equal(loom[:, :], cells, equal_nan=True)
        assert loom.ra.gene.tolist() == features.columns["gene"].tolist()
        assert loom.ca.note.tolist() == samples.columns["note"].tolist()


def test_nothing_is_left_behind_when_writing_fails(tmp_path: Path) -> None:
    class Broken(InMemory):
        def columns(self, start, stop):
            raise RuntimeError("disk full")

    features, samples = example_axes()
    cells = example_cells()[0][1]
    with pytest.raises(RuntimeError):
        write_native(tmp_path / "m.h5", features, samples, [LayerSource("TPM", Broken(cells), cells.dtype, False)])
    assert list(tmp_path.iterdir()) == []


@settings(max_examples=examples(25), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(shape=st.tuples(st.integers(1, 40), st.integers(1, 40)), data=st.data())
def test_any_shape_and_any_slice(tmp_path_factory, shape, data) -> None:
    cells = np.random.default_rng(shape[0] * 100 + shape[1]).normal(size=shape).astype(np.float32)
    path = tmp_path_factory.mktemp("any") / "m.h5"
    ids = [np.array([f"{kind}{i}" for i in range(n)], object) for kind, n in zip("gs", shape, strict=True)]
    write_native(
        path,
        AxisTable("id", {"id": ids[0]}),
        AxisTable("id", {"id": ids[1]}),
        [LayerSource("TPM", InMemory(cells), cells.dtype, False)],
    )
    store = NativeStore(path)
    selected = [np.array(sorted(data.draw(st.sets(st.integers(0, n - 1), min_size=1))), np.int64) for n in shape]
    for rows in (None, selected[0]):
        for columns in (None, selected[1]):
            read = np.concatenate(list(store.blocks("TPM", rows, columns)))
            expected = cells if rows is None else cells[rows]
            assert np.array_equal(read, expected if columns is None else expected[:, columns])
