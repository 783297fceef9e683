"""Runs of cells written past HDF5 are what HDF5's own filter reads, and are read by frames."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numcodecs import blosc
from numpy.typing import NDArray

from rnaget_server.storage.access import DEFAULT_LIMITS
from rnaget_server.storage.local import LocalFile
from rnaget_server.stores import chunked_run
from rnaget_server.stores.chunk_reader import is_only_blosc
from rnaget_server.stores.chunked_run import ChunkedRun
from rnaget_server.stores.hdf5_dataset import Part
from rnaget_server.stores.joined_chunks import decode_together
from rnaget_server.stores.native.run_form import RunForm
from rnaget_server.stores.native.run_writer import RunWriter

RANDOM = np.random.default_rng(20_261_121)


def write_run(path: Path, cells: NDArray[Any], frame: int) -> NDArray[np.int64]:
    """Write cells into a file of their own, and return the places of their frames."""
    with h5py.File(path, "w") as file:
        form = RunForm.of(len(cells), cells.dtype, frame)
        writer = RunWriter(file, "cells", form)
        writer.append(form.encoded(cells, 0))
        writer.finish(file, "places")
        places: NDArray[np.int64] = file["places"][()]
    return places


def run_of(file: h5py.File, name: str = "cells") -> ChunkedRun:
    """Return what reads a dataset that was written with the places of its frames."""
    dataset, places = file[name], file["places"][()]
    frame = int(file["places"].attrs["frame"])
    form = Part(name, dataset.shape, dataset.dtype, (frame,), True, None, {}, DEFAULT_LIMITS)
    return ChunkedRun(LocalFile.open(Path(file.filename)), form, lambda: places)


@pytest.mark.parametrize("pieces", [(), (0,), (1,), (8,), (5, 3), (3, 0, 20, 1), (700, 1, 9)])
@pytest.mark.parametrize("dtype", [np.int32, np.float64])
def test_hdf5_reads_runs_of_cells(tmp_path: Path, pieces: tuple[int, ...], dtype: type) -> None:
    cells = RANDOM.integers(0, 1000, sum(pieces)).astype(dtype)
    path = tmp_path / "cells.h5"
    with h5py.File(path, "w") as file:
        form, at = RunForm.of(len(cells), cells.dtype, 8), 0
        writer = RunWriter(file, "cells", form)
        for piece in np.split(cells, np.cumsum(pieces)[:-1]) if pieces else ():
            writer.append(form.encoded(piece.astype(np.int64), at))
            at += len(piece)
        writer.finish(file, "places")
    with h5py.File(path, "r") as file:
        assert file["cells"].dtype == dtype
        np.testing.assert_array_equal(file["cells"][()], cells)


@pytest.mark.parametrize(("chunk", "at_once"), [(8, 100), (128, 1), (128, 3_000), (128, 1 << 20)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.float32, np.float64])
@pytest.mark.parametrize("noise", [False, True])
# Of frames of 128 cells: one a chunk, one whole chunk of sixteen, and two and a part.
@pytest.mark.parametrize("count", [1_003, 2_048, 5_000])
def test_ranges_of_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int, at_once: int, dtype: type, noise: bool, count: int
) -> None:
    monkeypatch.setattr(chunked_run, "_BYTES_AT_ONCE", at_once)
    monkeypatch.setattr(chunked_run, "_MOST_ANNOUNCED", 5)
    cells = RANDOM.integers(0, 1000, count).astype(dtype)
    if noise:  # which does not become smaller, so that these chunks are not compressed
        cells[300:600] = RANDOM.integers(0, 256, 300 * cells.itemsize, np.uint8).view(dtype)
    path = tmp_path / "cells.h5"
    write_run(path, cells, chunk)
    with h5py.File(path, "r") as file:
        np.testing.assert_array_equal(file["cells"][()], cells)
        run = run_of(file)
        for _ in range(200):
            edges = np.sort(RANDOM.integers(0, len(cells) + 1, 2 * RANDOM.integers(1, 60)))
            begin, end = edges[::2], edges[1::2]
            expected = np.concatenate([cells[a:b] for a, b in zip(begin, end, strict=True)])
            run.announce(begin, end)
            np.testing.assert_array_equal(run.read(begin, end), expected)
        assert run.read(np.empty(0, np.int64), np.empty(0, np.int64)).shape == (0,)
        np.testing.assert_array_equal(run.read(np.array([0]), np.array([count])), cells)


@pytest.mark.parametrize("ranges", [([30], [40]), ([0, 30], [5, 100]), ([0, 10, 20], [1, 11, 40])])
@pytest.mark.parametrize("damage", ["table", "header", "beyond", "least", "none"])
def test_a_damaged_run_is_refused(tmp_path: Path, damage: str, ranges: tuple[list[int], list[int]]) -> None:
    cells = np.arange(100, dtype=np.int32)
    path = tmp_path / "cells.h5"
    places = write_run(path, cells, 8)
    if damage == "table":
        places = places[:-1]
    elif damage == "header":
        places[3] = places[3, 0] + 1, abs(places[3, 1])
    elif damage == "beyond":
        places[3, 0] = 1 << 40
    elif damage == "least":
        places[3, 1] = np.iinfo(np.int64).min
    else:
        places[3] = 0
    form = Part("cells", cells.shape, cells.dtype, (8,), True, None, {}, DEFAULT_LIMITS)
    run = ChunkedRun(LocalFile.open(path), form, lambda: places)
    with pytest.raises(OSError, match=r"damaged|cut off"):
        run.read(*map(np.array, ranges))


@pytest.mark.parametrize("word", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("value", [0, 1, 1 << 14, 0xFFFFFFFF])
def test_numbers_of_a_chunk_that_cannot_be_are_refused(tmp_path: Path, word: int, value: int) -> None:
    cells = np.arange(10_000, dtype=np.int32)
    path = tmp_path / "cells.h5"
    places = write_run(path, cells, 1000)
    with path.open("r+b") as raw:
        raw.seek(places[5, 0] + 4 * word)
        raw.write(np.array([value], "<u4").tobytes())
    with h5py.File(path, "r") as file:
        run = run_of(file)
        with pytest.raises(OSError, match="damaged"):
            run.read(np.array([0, 2_000]), np.array([1_500, 9_000]))
        whole = run.read(np.array([0, 6_000]), np.array([5_000, 9_000]))
        np.testing.assert_array_equal(whole, [*cells[:5_000], *cells[6_000:9_000]])


def test_a_chunk_that_was_cut_off_is_not_filled_up_from_the_next(tmp_path: Path) -> None:
    cells = np.random.default_rng(7).integers(0, 1000, (6, 512)).astype(np.int32)
    parts = [blosc.Blosc("lz4", 5, blosc.SHUFFLE).encode(part) for part in cells]
    size = len(parts[2]) - 3
    parts[2] = parts[2][:12] + size.to_bytes(4, "little") + parts[2][16:size]
    path = tmp_path / "chunks"
    path.write_bytes(b"".join(parts))
    sizes = np.array([*map(len, parts)])
    places = np.stack([np.cumsum(sizes) - sizes, sizes], axis=1)
    form = Part("cells", (cells.size,), cells.dtype, (512,), True, None, {}, DEFAULT_LIMITS)
    run = ChunkedRun(LocalFile.open(path), form, lambda: places)
    with pytest.raises(OSError, match="damaged"):
        run.read(np.array([0]), np.array([cells.size]))
    np.testing.assert_array_equal(run.read(np.array([1_536]), np.array([3_072])), cells[3:].ravel())


def test_chunks_that_are_alike_are_decoded_together() -> None:
    cells = np.sort(RANDOM.integers(0, 30_000, (20, 512)).astype(np.int32))
    codec = blosc.Blosc("lz4", 5, blosc.SHUFFLE)
    parts = [codec.encode(part) for part in cells]
    target = np.empty(cells.size, np.int32)
    assert decode_together(parts, np.array([*map(len, parts)]), 2048, target)
    np.testing.assert_array_equal(target, cells.ravel())
    for other in (blosc.Blosc("lz4", 5, blosc.NOSHUFFLE), blosc.Blosc("zstd", 5), blosc.Blosc("lz4", 0)):
        parts[7] = other.encode(cells[7])
        assert not decode_together(parts, np.array([*map(len, parts)]), 2048, target)


def test_a_run_that_somebody_has_written_again_is_left_to_hdf5(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "cells.h5", "w") as file:
        form = RunForm.of(100, np.dtype(np.int32), 8)
        writer = RunWriter(file, "own", form)
        writer.append(form.encoded(np.arange(100), 0))
        writer.finish(file, "places")
        file.create_dataset("gzip", data=np.arange(100), chunks=(8,), compression="gzip")
        file.create_dataset("contiguous", data=np.arange(100))
        assert [is_only_blosc(file[name]) for name in ("own", "gzip", "contiguous")] == [True, False, False]
