"""A native file that is known is opened without HDF5, and is the same store."""

from __future__ import annotations

import os
import shutil
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from rnaget_server.storage.access import FileAccess
from rnaget_server.storage.known_contents import KnownContents
from rnaget_server.stores.base import MatrixStore
from rnaget_server.stores.hdf5_file import File
from tests.stores.test_hdf5_file import FORMATS, example_cells, loom, native


def _shown(store: MatrixStore) -> list[str]:
    labels = [axis.column(name).tolist() for axis in (store.features, store.samples) for name in axis.attributes]
    found = store.features.find("gene", ["ENSG00000000010"])[0].tolist()
    cells = [np.concatenate(list(store.blocks(units))).tobytes() for units in store.units]
    points = [store.embedding(name).tolist() for name in store.embeddings]
    return [repr(part) for part in (labels, found, cells, points, store.units, store.ranges(store.units[0]))]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that HDF5 opens."""
    found: list[Path] = []
    construct: Callable[..., None] = File.__init__

    def noting(self: File, path: Path, *given: Any, **named: Any) -> None:
        found.append(path)
        construct(self, path, *given, **named)

    monkeypatch.setattr(File, "__init__", noting)
    return found


@pytest.mark.parametrize("form", ["native", "sparse"])
def test_a_known_file_is_opened_without_hdf5(tmp_path: Path, opened: list[Path], form: str) -> None:
    make, kind = FORMATS[form]
    path, access = make(tmp_path / "m.h5"), FileAccess()
    first = _shown(kind(path, access=access))
    opened.clear()
    assert _shown(kind(path, access=access)) == first == _shown(kind(path))
    assert opened == [path]  # by the one that does not know it


def test_a_known_file_that_was_replaced_is_looked_at_again(tmp_path: Path, opened: list[Path]) -> None:
    path, access = native(tmp_path / "m.h5"), FileAccess()
    kind = FORMATS["native"][1]
    _shown(kind(path, access=access))
    other = native(tmp_path / "other")
    os.utime(other, ns=(1, 1))
    shutil.move(other, path)
    opened.clear()
    cells = np.concatenate(list(kind(path, access=access).blocks("TPM")))
    assert np.array_equal(cells, example_cells()[0][1], equal_nan=True)
    assert opened == [path]
    shutil.move(loom(tmp_path / "loom"), path)
    with pytest.raises(OSError, match="no native store"):
        kind(path, access=access)


def test_what_is_not_known_of_a_replaced_file_is_refused(tmp_path: Path) -> None:
    path, access = native(tmp_path / "m.h5"), FileAccess()
    kind = FORMATS["native"][1]
    kind(path, access=access)  # without its labels
    store = kind(path, access=access)
    shutil.move(native(tmp_path / "other"), path)
    with pytest.raises(OSError, match="was replaced since it was opened"):
        assert store.features
    assert np.array_equal(np.concatenate(list(store.blocks("TPM"))), example_cells()[0][1], equal_nan=True)


def test_what_is_known_of_all_files_is_bounded(tmp_path: Path, opened: list[Path]) -> None:
    paths, access = (
        [native(tmp_path / f"{number}.h5") for number in range(4)],
        FileAccess(contents=KnownContents(40_000)),
    )
    kind = FORMATS["native"][1]
    shown = [_shown(kind(path, access=access)) for path in paths * 2]
    assert shown[:4] == shown[4:]
    assert 0 < access.contents.nbytes <= 40_000
    opened.clear()
    _shown(kind(paths[-1], access=access))
    assert opened == []


def test_a_group_of_many_names_counts_as_much_as_it_takes(tmp_path: Path, opened: list[Path]) -> None:
    paths, access = (
        [native(tmp_path / f"{number}.h5") for number in range(3)],
        FileAccess(contents=KnownContents(1 << 20)),
    )
    for path in paths:
        with h5py.File(path, "r+") as file:
            for number in range(9_000):
                file["rnaget/index/features/gene"].create_group(f"name {number:05}")
    kind = FORMATS["native"][1]
    tracemalloc.start()
    for path in paths:
        assert kind(path, access=access).features.attributes
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert access.contents.nbytes <= 1 << 20
    assert held < 3 << 20
    opened.clear()
    kind(paths[0], access=access)
    assert opened == paths[:1]  # which had to go
