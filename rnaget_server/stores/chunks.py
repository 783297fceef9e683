"""Cells out of the chunks of a native store, past HDF5: `pread` of what a selection needs, and its decoding.

HDF5 lets one thread of a process read at a time, and looks up every chunk anew. Here the places of the chunks are
mapped from the file, and a chunk is decoded where its cells shall be. One thread does it all: a chunk takes some
microseconds, and handing work to another thread takes more.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numcodecs import blosc
from numpy.typing import NDArray

from rnaget_server.stores.base import Positions

# Only the thread that asks shall decode.
blosc.use_threads = False

_Which = slice | NDArray[np.int64]


class Descriptor:
    """An open file for `os.pread`, closed with its last user."""

    def __init__(self, path: Path) -> None:
        self.number = os.open(path, os.O_RDONLY)

    def __del__(self) -> None:
        os.close(self.number)


class ChunkedCells:
    """A dataset of two dimensions, chunked and compressed by Blosc.

    Parameters
    ----------
    file
        The file that holds it.
    dataset
        The dataset, for its shape, chunks and type.
    places
        Chunks × 2: offset in the file and size in bytes of each, by rows of chunks; not compressed if the size is
        negative.
    """

    def __init__(self, file: Descriptor, dataset: h5py.Dataset, places: NDArray[np.int64]) -> None:
        self.shape: tuple[int, int] = dataset.shape
        self.chunks: tuple[int, int] = dataset.chunks
        self.dtype: np.dtype[Any] = dataset.dtype
        self._file = file
        self._places = places

    def read(self, rows: Positions | slice, columns: Positions | slice) -> NDArray[Any]:
        """Return ``cells[rows][:, columns]``; positions ascending, slices half-open.

        Raises
        ------
        OSError
            If the file is damaged or truncated.
        """
        rows = positions_of(rows)
        width = columns.stop - columns.start if isinstance(columns, slice) else len(columns)
        out = np.empty((len(rows), width), self.dtype)
        chunk: NDArray[Any] | None = None
        for number, of_rows, of_columns, target in self._parts(rows, columns, out):
            if target.shape == self.chunks and target.flags.c_contiguous:
                self._decode(number, target)
            else:
                chunk = np.empty(self.chunks, self.dtype) if chunk is None else chunk
                self._decode(number, chunk)
                if len(chunk) == 1 and isinstance(of_columns, np.ndarray):
                    # Without a mode, numpy would put what it takes elsewhere first.
                    chunk[0].take(of_columns, out=target[0], mode="clip")
                else:
                    target[:] = chunk[of_rows][:, of_columns]
        return out

    def _parts(
        self, rows: Positions, columns: Positions | slice, out: NDArray[Any]
    ) -> Iterator[tuple[int, _Which, _Which, NDArray[Any]]]:
        """Yield each chunk that is needed: its number, which of its rows and columns, and where these go."""
        height, width = self.chunks
        across = -(-self.shape[1] // width)
        by_column = list(_slices(columns, width) if isinstance(columns, slice) else _runs(columns, width))
        by_row = _rows(rows) if height == 1 else _runs(rows, height)
        for row, of_row, to_row in by_row:
            for column, of_column, to_column in by_column:
                yield row * across + column, of_row, of_column, out[to_row, to_column]

    def _decode(self, number: int, to: NDArray[Any]) -> None:
        offset, size = self._places[number].tolist()
        data = os.pread(self._file.number, abs(size), offset)
        try:
            if len(data) == size:
                blosc.decompress(data, to)
                return
            to[:] = np.frombuffer(data, self.dtype).reshape(to.shape)
        except (RuntimeError, ValueError):
            raise OSError("a chunk of the file is damaged or cut off") from None


def chunk_places(dataset: h5py.Dataset) -> NDArray[np.int64]:
    """Return where the chunks of a dataset stand in its file, as `ChunkedCells` takes it."""
    across = -(-dataset.shape[1] // dataset.chunks[1])
    down = -(-dataset.shape[0] // dataset.chunks[0])
    places = np.zeros((down * across, 2), np.int64)

    def note(chunk: Any) -> None:
        row, column = (start // size for start, size in zip(chunk.chunk_offset, dataset.chunks, strict=True))
        places[row * across + column] = chunk.byte_offset, -chunk.size if chunk.filter_mask else chunk.size

    dataset.id.chunk_iter(note)
    return places


def positions_of(which: Positions | slice) -> Positions:
    """Return the positions that a half-open slice stands for, or those given."""
    return np.arange(which.start, which.stop) if isinstance(which, slice) else which


def _slices(which: slice, size: int) -> Iterator[tuple[int, slice, slice]]:
    """Yield, for each chunk along an axis that a slice touches, what `_runs` yields."""
    for number in range(which.start // size, -(-which.stop // size)):
        start, stop = max(which.start, number * size), min(which.stop, (number + 1) * size)
        inside = slice(start - number * size, stop - number * size)
        yield number, inside, slice(start - which.start, stop - which.start)


def _rows(positions: Positions) -> Iterator[tuple[int, slice, slice]]:
    """Yield what `_runs` yields for chunks of one row."""
    only = slice(0, 1)
    for place, number in enumerate(positions.tolist()):
        yield number, only, slice(place, place + 1)


def _runs(positions: Positions, size: int) -> Iterator[tuple[int, _Which, slice]]:
    """Yield, for each chunk along an axis that `positions` touch: its number, which of it, and which of `positions`."""
    if len(positions) <= 1:
        for number, place in (divmod(int(position), size) for position in positions):
            yield number, slice(place, place + 1), slice(0, 1)
        return
    numbers = positions // size
    starts = [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist(), len(positions)]
    firsts = positions[starts[:-1]].tolist()
    lasts = positions[np.array(starts[1:]) - 1].tolist()
    for start, stop, first, last in zip(starts[:-1], starts[1:], firsts, lasts, strict=True):
        number = first // size
        if last - first == stop - start - 1:
            yield number, slice(first - number * size, last + 1 - number * size), slice(start, stop)
        else:
            yield number, positions[start:stop] - number * size, slice(start, stop)
