"""Chunks written past HDF5 are what HDF5's own filter reads, and small for values of every kind."""

from __future__ import annotations

from pathlib import Path

import h5py
import hdf5plugin
import numpy as np
import pytest
from numcodecs import blosc
from numpy.typing import NDArray

from rnaget_server.storage.local import LocalFile
from rnaget_server.stores.chunk_reader import ChunkedCells
from rnaget_server.stores.native.chunk_writer import ChunkWriter, smallest_codec

RANDOM = np.random.default_rng(20_261_121)
EXACT = RANDOM.lognormal(1, 2, (40, 900)).astype(np.float32)
SHORT = np.round(EXACT, 1)


@pytest.mark.parametrize(("shape", "chunks"), [((40, 900), (1, 900)), ((40, 900), (7, 250)), ((3, 5), (3, 5))])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_hdf5_reads_what_was_written_past_it(
    tmp_path: Path, shape: tuple[int, int], chunks: tuple[int, int], dtype: type
) -> None:
    cells = RANDOM.normal(0, 1, shape).astype(dtype)
    cells[RANDOM.random(shape) < 0.4] = 0
    path = tmp_path / "cells.h5"
    codec = smallest_codec([cells])
    with h5py.File(path, "w") as file, ChunkWriter(file, "cells", shape, cells.dtype, chunks, codec) as writer:
        step = chunks[0] * 2
        for start in range(0, shape[0], step):
            writer.write(start, cells[start : start + step])
        writer.write_places(file, "places")
    assert hdf5plugin is not None  # registers the filter
    with h5py.File(path, "r") as file:
        places = file["places"][()]
        np.testing.assert_array_equal(file["cells"][()], cells)
        past = ChunkedCells(LocalFile.open(path), file["cells"], lambda: places)
        np.testing.assert_array_equal(past.read(slice(0, shape[0]), slice(0, shape[1])), cells)
        odd = np.arange(1, shape[1], 2)
        np.testing.assert_array_equal(past.read(np.array([2]), odd), cells[[2]][:, odd])
        np.testing.assert_array_equal(past.read(np.array([0, 2]), slice(1, shape[1] - 1)), cells[[0, 2], 1:-1])


@pytest.mark.parametrize(("cells", "shuffle"), [(SHORT, blosc.NOSHUFFLE), (EXACT, blosc.SHUFFLE)])
def test_values_of_few_digits_are_left_as_they_are_and_exact_ones_shuffled(
    cells: NDArray[np.float32], shuffle: int
) -> None:
    codec = smallest_codec(list(cells))
    assert codec.shuffle == shuffle
    sizes = {way: sum(len(blosc.Blosc("lz4hc", 3, way).encode(row)) for row in cells) for way in (0, 1)}
    assert sum(len(codec.encode(row)) for row in cells) == min(sizes.values()) < cells.nbytes
