"""Chunks of gzip that threads unpack hold what HDF5 reads, and a damaged one is refused."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from rnaget_server.stores.gzip_run import GzipRun, by_threads
from rnaget_server.stores.hdf5_file import File
from rnaget_server.stores.runs import Hdf5Run, Run

RANDOM = np.random.default_rng(20_261_128)


def run_of(path: Path) -> Run:
    return by_threads(Hdf5Run(File(path).dataset("cells")))


def written(path: Path, cells: np.ndarray[Any, Any], **options: Any) -> Path:
    with h5py.File(path, "w") as file:
        file.create_dataset("cells", data=cells, **options)
    return path


@pytest.mark.parametrize("dtype", ["i4", ">i4", "i8", "u2", "f4", "f8"])
@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("chunk", [1, 7, 100, 1000])
def test_cells_are_those_that_hdf5_reads(tmp_path: Path, dtype: str, shuffle: bool, chunk: int) -> None:
    cells = RANDOM.integers(0, 60_000, 1000).astype(dtype)
    run = run_of(written(tmp_path / "a.h5", cells, chunks=(chunk,), compression="gzip", shuffle=shuffle))
    assert isinstance(run, GzipRun)
    for low, high in [(0, 1000), (3, 999), (99, 301), (500, 501), (7, 7)]:
        np.testing.assert_array_equal(run.read(np.array([low]), np.array([high])), cells[low:high])
        cut = (low + high) // 2
        np.testing.assert_array_equal(run.read(np.array([low, cut]), np.array([cut, high])), cells[low:high])
    np.testing.assert_array_equal(run.read(np.array([3, 500]), np.array([9, 900])), np.r_[cells[3:9], cells[500:900]])
    assert run.read(np.array([0]), np.array([1000])).dtype == dtype


@pytest.mark.parametrize(
    ("dtype", "options"),
    [
        ("i4", {"compression": "lzf"}),
        ("i4", {"compression": "gzip", "fletcher32": True}),
        ("i4", {}),
        ("i4", {"chunks": (10,)}),
        ("bool", {"compression": "gzip"}),
    ],
)
def test_others_are_left_to_hdf5(tmp_path: Path, dtype: str, options: dict[str, Any]) -> None:
    cells = RANDOM.integers(0, 2, 100).astype(dtype)
    run = run_of(written(tmp_path / "a.h5", cells, **options))
    assert not isinstance(run, GzipRun)
    np.testing.assert_array_equal(run.read(np.array([0]), np.array([100])), cells)


def test_chunks_that_are_missing_or_were_not_compressed(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset("cells", (30,), "i4", chunks=(10,), compression="gzip", fillvalue=7)
        dataset[10:20] = 1
        dataset.id.write_direct_chunk((20,), np.arange(10, dtype="i4").tobytes(), 1)
    expected = [7] * 10 + [1] * 10 + list(range(10))
    assert not isinstance(run_of(path), GzipRun)
    assert run_of(path).read(np.array([0]), np.array([30])).tolist() == expected
    with h5py.File(path, "a") as file:
        file["cells"][:10] = 7
    assert isinstance(run_of(path), GzipRun)
    assert run_of(path).read(np.array([0]), np.array([30])).tolist() == expected


@pytest.mark.parametrize(
    "stored",
    [
        b"no gzip",
        zlib.compress(bytes(39)),
        zlib.compress(bytes(41)),
        zlib.compress(bytes(50_000_000)),
        zlib.compress(RANDOM.bytes(40))[:-1],
    ],
)
def test_a_damaged_chunk_is_refused(tmp_path: Path, stored: bytes) -> None:
    path = written(tmp_path / "a.h5", np.zeros(30, "i4"), chunks=(10,), compression="gzip")
    with h5py.File(path, "a") as file:
        file["cells"].id.write_direct_chunk((10,), stored)
    run = run_of(path)
    assert isinstance(run, GzipRun)
    with pytest.raises(OSError):
        run.read(np.array([0]), np.array([30]))
