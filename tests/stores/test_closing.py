"""A store that cannot be opened leaves no file open, however long its error is kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from rnaget_server.stores import layout
from rnaget_server.stores.base import StoreClass
from rnaget_server.stores.h5ad import H5adFile, H5adStore
from rnaget_server.stores.loom import LoomStore
from rnaget_server.stores.native.dense import NativeStore
from rnaget_server.stores.native.sparse import NativeSparseStore
from rnaget_server.stores.tenx import TenXStore


def _empty(file: h5py.File) -> None:
    file.create_group("x")


def _linked(file: h5py.File) -> None:
    file["x"] = h5py.ExternalLink("other.h5", "/")


def _without_x(file: h5py.File) -> None:
    for axis in ("obs", "var"):
        group = file.create_group(axis)
        group.attrs.update({"_index": "_index", "encoding-type": "dataframe", "encoding-version": "0.2.0"})
        group.attrs["column-order"] = np.array([], object).astype(h5py.string_dtype())
        group.create_dataset("_index", data=np.array(["a"], object), dtype=h5py.string_dtype())


def _marked(kind: layout.Kind) -> Callable[[h5py.File], None]:
    def make(file: h5py.File) -> None:
        file.attrs[kind.attribute] = kind.version

    return make


@pytest.mark.parametrize(
    ("store", "make"),
    [
        (TenXStore, _linked),
        (TenXStore, _empty),
        (LoomStore, _empty),
        (LoomStore, _linked),
        (H5adFile, _empty),
        (H5adStore, _without_x),
        (NativeStore, _empty),
        (NativeStore, _marked(layout.DENSE)),
        (NativeSparseStore, _marked(layout.SPARSE)),
    ],
)
def test_a_store_that_fails_closes_its_file(tmp_path: Path, store: Callable[[Path], object], make: Callable) -> None:
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        make(file)
    with pytest.raises(Exception) as caught:
        store(path)
    with h5py.File(path, "a") as file:  # while the error is kept
        file.attrs["changed"] = 1
    assert caught.value is not None


@pytest.mark.parametrize("store", [TenXStore, LoomStore, H5adStore, NativeStore, NativeSparseStore])
def test_a_file_that_was_looked_at_is_closed_without_a_search_for_all_open_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: StoreClass
) -> None:
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        _empty(file)
    with monkeypatch.context() as patch:
        patch.setattr(h5py.File, "close", lambda _: pytest.fail("all open objects were looked through"))
        assert not store.recognises(path)
    with h5py.File(path, "a") as file:  # which HDF5 refuses while it is open
        file.attrs["changed"] = 1
