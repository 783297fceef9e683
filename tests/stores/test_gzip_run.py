"""Chunks of gzip that threads unpack hold what HDF5 reads, and a damaged one is refused."""

from __future__ import annotations

import ctypes
import subprocess
import sys
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


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="the library of h5py is found as on Linux")
def test_a_last_chunk_that_was_left_as_it_is(tmp_path: Path) -> None:
    """A writer in C may have what is not full stored without filters, and the mask of the chunk does not say so."""
    library = next(line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines() if "/libhdf5-" in line)
    set_options = ctypes.CDLL(library).H5Pset_chunk_opts
    set_options.argtypes = [ctypes.c_int64, ctypes.c_uint]
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_chunk((10,))
    plist.set_deflate(4)
    assert set_options(plist.id, 2) == 0
    with h5py.File(tmp_path / "a.h5", "w", libver="latest") as file:
        h5py.h5d.create(file.id, b"cells", h5py.h5t.NATIVE_INT32, h5py.h5s.create_simple((35,)), plist)
        file["cells"][:] = np.arange(35)
        assert file["cells"].id.read_direct_chunk((30,)) == (0, np.r_[30:35, [0] * 5].astype("i4").tobytes())
    run = run_of(tmp_path / "a.h5")
    assert isinstance(run, GzipRun)
    assert run.read(np.array([0]), np.array([35])).tolist() == list(range(35))


def test_bytes_shuffled_as_of_another_type_are_left_to_hdf5(tmp_path: Path) -> None:
    cells = RANDOM.integers(0, 60_000, 100).astype("i4")
    path = written(tmp_path / "a.h5", cells, chunks=(50,), compression="gzip", shuffle=True)
    assert isinstance(run_of(path), GzipRun)
    data = path.read_bytes()
    name = b"shuffle\0"
    assert data.count(name + b"\4\0\0\0") == 1
    other = tmp_path / "b.h5"
    other.write_bytes(data.replace(name + b"\4", name + b"\2"))
    with h5py.File(other) as file:
        expected = file["cells"][:]
    assert (expected != cells).any()
    np.testing.assert_array_equal(run_of(other).read(np.array([0]), np.array([100])), expected)


def test_a_chunk_of_which_far_too_much_is_stored_is_not_read(tmp_path: Path) -> None:
    path = written(tmp_path / "a.h5", np.zeros(30, "i4"), chunks=(10,), compression="gzip")
    with h5py.File(path, "a") as file:
        file["cells"].id.write_direct_chunk((10,), zlib.compress(bytes(40)) + bytes(10_000))
    with pytest.raises(OSError, match="more than it has"):
        run_of(path).read(np.array([0]), np.array([30]))


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of memory is read as on Linux")
def test_chunks_of_one_cell_take_little_memory(tmp_path: Path) -> None:
    """As h5py makes them if a dataset is created with one cell and grows."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w", libver="latest") as file:
        dataset = file.create_dataset("cells", (20_000,), "i4", chunks=(1,), compression="gzip")
        stored = zlib.compress(np.int32(5).tobytes())
        for number in range(20_000):
            dataset.id.write_direct_chunk((number,), stored)
    script = """
import sys
from pathlib import Path
import numpy as np
from rnaget_server.stores.gzip_run import GzipRun, by_threads
from rnaget_server.stores.hdf5_file import File
from rnaget_server.stores.runs import Hdf5Run

def peak():
    return int(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))

run = by_threads(Hdf5Run(File(Path(sys.argv[1])).dataset("cells")))
assert isinstance(run, GzipRun)
before = peak()
assert (run.read(np.array([0]), np.array([20_000])) == 5).all()
print(peak() - before)
"""
    done = subprocess.run([sys.executable, "-c", script, path], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 20_000, done.stdout
