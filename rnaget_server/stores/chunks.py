"""Cells out of the chunks of a native store, past HDF5: `pread` of what a selection needs, and its decoding.

HDF5 lets one thread of a process read at a time, and looks up every chunk anew. Here the places of the chunks are
read from the file once, and a chunk is decoded where its cells shall be. One thread does it all: a chunk takes some
microseconds, and handing work to another thread takes more.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator
from math import prod
from typing import Any, Protocol

import numpy as np
from numcodecs import blosc
from numpy.typing import NDArray

from rnaget_server.stores.base import Positions
from rnaget_server.stores.descriptor import Descriptor

# Only the thread that asks shall decode.
blosc.use_threads = False

# Of Blosc's header: flags and sizes of types, decoded bytes, bytes of a block, and bytes of all with the header.
_SIZES = struct.Struct("<4xI4xI")
_TYPES = (np.dtype(np.float32), np.dtype(np.float64))
_DAMAGED = "a chunk of the file is damaged or cut off"

_Which = slice | NDArray[np.int64]


class Chunked(Protocol):
    """A dataset in chunks, of h5py or of `hdf5_file`."""

    id: Any
    name: str
    shape: tuple[int, ...]
    chunks: tuple[int, ...] | None
    dtype: np.dtype[Any]


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

    Raises
    ------
    OSError
        If it is of another form.
    """

    def __init__(self, file: Descriptor, dataset: Chunked, places: Callable[[], NDArray[np.int64]]) -> None:
        if dataset.chunks is None or len(dataset.shape) != 2 or dataset.dtype not in _TYPES:
            raise OSError(f"{dataset.name} is not in chunks of float32 or float64 cells in two dimensions")
        self.shape: tuple[int, int] = dataset.shape[0], dataset.shape[1]
        self.chunks: tuple[int, int] = dataset.chunks[0], dataset.chunks[1]
        self.dtype = dataset.dtype
        self._file = file  # stays open with this
        self._number = file.number
        self._load_places = places
        self._chunk_bytes = prod(self.chunks) * self.dtype.itemsize
        self._count = -(-self.shape[0] // self.chunks[0]) * -(-self.shape[1] // self.chunks[1])

    def read(self, rows: Positions | slice, columns: Positions | slice) -> NDArray[Any]:
        """Return ``cells[rows][:, columns]``; positions ascending, slices half-open.

        Raises
        ------
        OSError
            If the file is damaged or truncated, or was written to since it was opened.
        """
        rows, places = positions_of(rows), self._places()
        width = columns.stop - columns.start if isinstance(columns, slice) else len(columns)
        out = np.empty((len(rows), width), self.dtype)
        chunk: NDArray[Any] | None = None
        for number, of_rows, of_columns, target in self._parts(rows, columns, out):
            if target.shape == self.chunks and target.flags.c_contiguous:
                self._decode(places[number], target)
            else:
                chunk = np.empty(self.chunks, self.dtype) if chunk is None else chunk
                self._decode(places[number], chunk)
                if len(chunk) == 1 and isinstance(of_columns, np.ndarray):
                    # Without a mode, numpy would put what it takes elsewhere first.
                    chunk[0].take(of_columns, out=target[0], mode="clip")
                else:
                    target[:] = chunk[of_rows][:, of_columns]
        self._file.check_unchanged()
        return out

    def _places(self) -> NDArray[np.int64]:
        places = self._load_places().reshape(-1, 2)
        if len(places) != self._count or places.dtype != np.int64:
            raise OSError("the table of the chunks of the file is damaged")
        return places

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

    def _decode(self, place: NDArray[np.int64], to: NDArray[Any]) -> None:
        offset, size = place.tolist()
        if abs(size) > self._chunk_bytes + blosc.MAX_OVERHEAD or offset < 0:
            raise OSError(_DAMAGED)
        data = os.pread(self._number, abs(size), offset)
        try:
            if len(data) != abs(size):
                raise OSError("the file has become shorter since it was opened")
            if size > 0:
                # Blosc believes these numbers: it would read beyond the data, or leave a part as memory happens to be.
                decoded, stored = _SIZES.unpack_from(data)
                if decoded != self._chunk_bytes or stored > size:
                    raise OSError(_DAMAGED)
                blosc.decompress(data, to)
                return
            to[:] = np.frombuffer(data, self.dtype).reshape(to.shape)
        except (RuntimeError, ValueError, struct.error):
            raise OSError(_DAMAGED) from None


def chunk_places(dataset: Chunked) -> NDArray[np.int64]:
    """Return where the chunks of a dataset stand in its file, as `ChunkedCells` takes it."""
    chunks = dataset.chunks or (1, 1)
    across = -(-dataset.shape[1] // chunks[1])
    down = -(-dataset.shape[0] // chunks[0])
    places = np.zeros((down * across, 2), np.int64)

    def note(chunk: Any) -> None:
        row, column = (start // size for start, size in zip(chunk.chunk_offset, chunks, strict=True))
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
