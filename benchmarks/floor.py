"""The least that reading a selection can cost: `os.pread` of exactly the needed chunks, and their decoding.

Where the chunks are is looked up beforehand and not timed. They are decoded one after the other by the same
codec library as HDF5's filter uses (through `numcodecs`), on one thread, into one buffer that stays; nothing is
picked from them, put in order or transposed. Any work that a store does on top of this shows in its ratio.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path

import h5py
import numpy as np
from numcodecs import blosc  # type: ignore[import-untyped,import-not-found,unused-ignore]
from numpy.typing import NDArray

from rnaget_server.stores import layout

Places = list[tuple[int, int]]


class Floor:
    """Reads chunks of the main matrix of a native store, past HDF5."""

    def __init__(self, path: Path) -> None:
        blosc.set_nthreads(1)
        self._file = h5py.File(path, "r", locking=False)
        self._rows = self._file[layout.MATRIX]
        self._columns = self._file[layout.by_sample(0)]
        self._handle = os.open(path, os.O_RDONLY)
        most = max(int(np.prod(one.chunks)) * one.dtype.itemsize for one in (self._rows, self._columns))
        self._buffer = bytearray(most)

    def reader(self, features: NDArray[np.int64] | None, samples: NDArray[np.int64] | None) -> Callable[[], None]:
        """Return what reads a selection (None: all) out of the orientation that has fewer bytes to decode."""
        choices = [(self._rows, features, samples), (self._columns, samples, features)]
        dataset, rows, columns = min(choices, key=lambda choice: _decoded(*choice))
        places = _places(dataset, rows, columns)
        return lambda: self._read(places)

    def without_decoding(
        self, features: NDArray[np.int64] | None, samples: NDArray[np.int64] | None
    ) -> Callable[[], None]:
        """Return what reads the same bytes and leaves them as they are."""
        choices = [(self._rows, features, samples), (self._columns, samples, features)]
        places = _places(*min(choices, key=lambda choice: _decoded(*choice)))

        def read() -> None:
            for offset, size in places:
                os.pread(self._handle, size, offset)

        return read

    def _read(self, places: Places) -> None:
        handle, buffer = self._handle, self._buffer
        for offset, size in places:
            blosc.decompress(os.pread(handle, size, offset), buffer)


def _touched(dataset: h5py.Dataset, axis: int, positions: NDArray[np.int64] | None) -> Sequence[int]:
    """Return the first position of each chunk that a selection touches along one axis."""
    length, chunk = dataset.shape[axis], dataset.chunks[axis]
    if positions is None:
        return range(0, length, chunk)
    starts: list[int] = (np.unique(positions // chunk) * chunk).tolist()
    return starts


def _decoded(dataset: h5py.Dataset, rows: NDArray[np.int64] | None, columns: NDArray[np.int64] | None) -> int:
    chunks = len(_touched(dataset, 0, rows)) * len(_touched(dataset, 1, columns))
    return chunks * int(np.prod(dataset.chunks)) * int(dataset.dtype.itemsize)


def _places(dataset: h5py.Dataset, rows: NDArray[np.int64] | None, columns: NDArray[np.int64] | None) -> Places:
    """Return offset and size of each chunk that a selection needs."""
    starts = product(_touched(dataset, 0, rows), _touched(dataset, 1, columns))
    chunks = (dataset.id.get_chunk_info_by_coord(start) for start in starts)
    return [(chunk.byte_offset, chunk.size) for chunk in chunks]
