"""Runs seen in memory hold what HDF5 reads, and only what lies in a file as it is in memory is seen so."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from h5py import h5d, h5p, h5s, h5t

from rnaget_server.storage.access import DEFAULT_LIMITS
from rnaget_server.stores.hdf5_dataset import Dataset
from rnaget_server.stores.hdf5_file import File
from rnaget_server.stores.mapped_run import MappedRun
from rnaget_server.stores.runs import Hdf5Run

RANDOM = np.random.default_rng(20_261_129)


def written(path: Path, cells: Any, userblock: int = 0, **options: Any) -> Path:
    with h5py.File(path, "w", userblock_size=userblock) as file:
        file["first"] = np.arange(7)
        file.create_dataset("cells", data=cells, **options)
    return path


def dataset_of(path: Path) -> Dataset:
    return File(path).dataset("cells")


@pytest.mark.parametrize("dtype", ["i1", "u1", "i2", "u2", "i4", "i8", "u8", "f2", "f4", "f8"])
@pytest.mark.parametrize("userblock", [0, 512])
def test_ranges_are_those_that_hdf5_reads(tmp_path: Path, dtype: str, userblock: int) -> None:
    cells = RANDOM.integers(0, 100, 5_000).astype(dtype)
    run = Hdf5Run(dataset_of(written(tmp_path / "a.h5", cells, userblock)))
    assert run.dataset.is_flat
    mapped = MappedRun(run)
    assert mapped.dtype == cells.dtype
    for _ in range(50):
        edges = np.sort(RANDOM.integers(0, len(cells) + 1, 2 * RANDOM.integers(1, 30)))
        begin, end = edges[::2], edges[1::2]
        mapped.announce(begin, end)
        read = mapped.read(begin, end)
        assert read.dtype == cells.dtype
        np.testing.assert_array_equal(read, run.read(begin, end))
        np.testing.assert_array_equal(read, np.concatenate([cells[a:b] for a, b in zip(begin, end, strict=True)]))
        mapped.forget()
    whole = mapped.read(np.array([0, 70]), np.array([70, 5_000]))
    np.testing.assert_array_equal(whole, cells)
    assert not whole.flags.owndata and not whole.flags.writeable


def test_a_file_that_was_changed_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "a.h5", np.arange(100))
    mapped = MappedRun(Hdf5Run(dataset_of(path)))
    begin, end = np.array([3]), np.array([50])
    assert mapped.read(begin, end)[0] == 3
    os.utime(path, (1, 1))
    with pytest.raises(OSError, match="was written to while it was open"):
        mapped.read(begin, end)
    with pytest.raises(OSError, match="was written to while it was open"):
        mapped.forget()


def test_a_file_that_was_cut_short_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "a.h5", np.arange(100_000))
    run = Hdf5Run(dataset_of(path))
    mapped = MappedRun(run)
    os.truncate(path, 4096)
    with pytest.raises(OSError, match="was written to while it was open"):
        mapped.read(np.array([0]), np.array([100_000]))
    with pytest.raises(OSError, match="the file has become shorter since it was opened"):
        MappedRun(run)


def put_floats(path: Path, kind: h5t.TypeID) -> Path:
    """Write floats in a type of HDF5's own."""
    with h5py.File(path, "w") as file:
        dataset = h5d.create(file.id, b"cells", kind, h5s.create_simple((10,)), h5p.create(h5p.DATASET_CREATE))
        dataset.write(h5s.ALL, h5s.ALL, np.arange(10, dtype=np.float32))
    return path


def brain_float() -> h5t.TypeID:
    """Return a type of two bytes with the exponent of float32, which NumPy does not have."""
    kind = h5t.IEEE_F32LE.copy()
    kind.set_fields(15, 7, 8, 0, 7)
    kind.set_precision(16)
    kind.set_size(2)
    kind.set_ebias(127)
    return kind


def ten_bits() -> h5t.TypeID:
    """Return a type of fewer bits than its bytes have, which HDF5 shifts as it reads."""
    kind = h5t.STD_U16LE.copy()
    kind.set_precision(10)
    kind.set_offset(3)
    return kind


def test_what_is_not_there_as_in_memory_is_not_flat(tmp_path: Path) -> None:
    cells = np.arange(10, dtype=np.int32)
    assert dataset_of(written(tmp_path / "flat.h5", cells)).is_flat
    other: dict[str, dict[str, Any]] = {
        "chunked": {"data": cells, "chunks": (5,)},
        "packed": {"data": cells, "chunks": (5,), "compression": "gzip"},
        "of the other byte order": {"data": cells.astype(cells.dtype.newbyteorder())},
        "of booleans": {"data": cells > 3},
        "of text": {"data": np.array([b"abc"])},
        "empty": {"data": cells[:0]},
    }
    for name, options in other.items():
        assert not dataset_of(written(tmp_path / "a.h5", options.pop("data"), **options)).is_flat, name
    compact = h5p.create(h5p.DATASET_CREATE)
    compact.set_layout(h5d.COMPACT)
    with h5py.File(tmp_path / "compact.h5", "w") as file:
        h5d.create(file.id, b"cells", h5t.NATIVE_INT32, h5s.create_simple((10,)), compact)
    assert not dataset_of(tmp_path / "compact.h5").is_flat
    assert not dataset_of(put_floats(tmp_path / "brain.h5", brain_float())).is_flat
    assert not dataset_of(put_floats(tmp_path / "bits.h5", ten_bits())).is_flat
    assert dataset_of(put_floats(tmp_path / "single.h5", h5t.IEEE_F32LE)).is_flat


@dataclass
class Elsewhere:
    """Bytes in another place than a local file."""

    size: int


def test_cells_in_another_place_are_not_flat(tmp_path: Path) -> None:
    path = written(tmp_path / "a.h5", np.arange(10))
    with h5py.File(path) as file:
        source: Any = Elsewhere(path.stat().st_size)
        assert not Dataset(file.id, file["cells"].id, "/cells", source, DEFAULT_LIMITS).is_flat


def test_cells_at_an_odd_place_are_not_flat(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w", libver="v110") as file:
        for number in range(12):  # HDF5 puts small ones one behind another
            file.create_dataset(f"{number}", data=np.zeros(number, np.uint8))
            file.create_dataset(f"cells{number}", data=np.arange(5, dtype=np.int32))
    file = File(path)
    flat = 0
    for number in range(12):
        dataset = file.dataset(f"cells{number}")
        assert dataset.is_flat == (dataset.offset % 4 == 0)
        np.testing.assert_array_equal(dataset[0:5], np.arange(5))
        flat += dataset.is_flat
    assert 0 < flat < 12
