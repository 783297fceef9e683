"""A matrix of ten thousand files: what is opened, held and looked up with its index."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from rnaget_server.storage.access import FileAccess
from rnaget_server.stores.base import MatrixStore
from rnaget_server.stores.native.sparse import NativeSparseStore
from rnaget_server.stores.native.write_dense import AxisTable
from rnaget_server.stores.sharded import IndexPlace, OpenShards
from tests.stores.sharded.cutting import open_cut, write_part

_FILES = 10_000
_SAMPLES = 3
_GENES = 40
_TEMPLATES = 16
_MOST_BYTES = 600 << 20


def _cells(template: int) -> NDArray[np.float32]:
    random = np.random.default_rng((20_261_127, template))
    return random.integers(0, 3, (_GENES, _SAMPLES)).astype(np.float32)


def _writer(directory: Path) -> Callable[[int], Path]:
    """Return what writes the file of a number: a few are made, and get the ids of each, which are as long."""
    genes = AxisTable("gene", {"gene": np.array([f"G{number}" for number in range(_GENES)], object)})
    templates = []
    for template in range(_TEMPLATES):
        ids = np.array([f"XXXXXXX-{sample}" for sample in range(_SAMPLES)], object)
        kinds = np.array([f"kind {template}"] * _SAMPLES, object)
        embeddings = {"X_umap": np.zeros((_SAMPLES, 2), np.float32)}
        samples = AxisTable("cell", {"cell": ids, "kind": kinds}, embeddings=embeddings)
        path = write_part(directory / "template", "sparse", genes, samples, [("counts", _cells(template), True)])
        templates.append(path.read_bytes())
        path.unlink()

    def write(number: int) -> Path:
        path = directory / f"part-{number:05}.h5"
        path.write_bytes(templates[number % _TEMPLATES].replace(b"XXXXXXX", f"c{number:06}".encode()))
        os.utime(path, ns=(0, time.time_ns() - 10**10))
        return path

    return write


def _peak() -> int:
    """Return the most bytes that this process has had in memory."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


@pytest.mark.long
def test_ten_thousand_files_are_one_matrix(tmp_path: Path) -> None:
    write = _writer(tmp_path)
    paths = [write(number) for number in range(_FILES)]
    names: list[str] = []

    def count(path: Path, units: str) -> MatrixStore:
        names.append(path.name)
        return NativeSparseStore(path, units)

    opened, place = OpenShards(), IndexPlace(tmp_path / "index", FileAccess(), "the matrix m")

    def timed() -> tuple[MatrixStore, float]:
        names.clear()
        began = time.process_time()
        store = open_cut(paths, "counts", ("gene", "cell"), opened, place, count)
        return store, time.process_time() - began

    before = len(os.listdir("/proc/self/fd"))
    Path("/proc/self/clear_refs").write_text("5")  # the peak is that of what follows, not of other tests
    held = _peak()
    _, first = timed()
    assert len(set(names)) == _FILES <= len(names) <= _FILES + 1  # the first once more, for the features
    store, again = timed()
    assert len(names) <= 1
    assert again < first / 10
    print(f"{_FILES:,} files: index made in {first:.1f} s, opened by it in {again:.2f} s of the processor")
    assert store.shape == (_GENES, _FILES * _SAMPLES)

    assert store.samples.find("cell", ["c004321-1"])[0].tolist() == [4321 * _SAMPLES + 1]
    found, _ = store.samples.where("kind", ["kind 5"])
    assert len(found) == _FILES // _TEMPLATES * _SAMPLES
    some = np.array([7 * _SAMPLES, 9_998 * _SAMPLES + 2])
    cells = np.concatenate(list(store.blocks("counts", None, some)))
    np.testing.assert_array_equal(cells, np.stack([_cells(7)[:, 0], _cells(9_998 % _TEMPLATES)[:, 2]], axis=1))
    assert len(names) <= 3
    gene = np.concatenate(list(store.blocks("counts", np.array([11]))))
    every = [_cells(template)[11] for template in range(_TEMPLATES)]
    np.testing.assert_array_equal(gene[0], np.concatenate([every[n % _TEMPLATES] for n in range(_FILES)]))
    assert len(os.listdir("/proc/self/fd")) - before < 2 * 128 + 50
    assert _peak() - held < _MOST_BYTES

    paths.insert(5, write(_FILES))
    store, _ = timed()
    assert {name for name in names if name != "part-00000.h5"} == {paths[5].name}
    assert store.samples.find("cell", [f"c{_FILES:06}-0"])[0].tolist() == [5 * _SAMPLES]
