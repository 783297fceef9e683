"""Cells out of the chunks of a native store, past HDF5: `pread` of what a selection needs, and its decoding.

HDF5 lets one thread of a process read at a time, and looks up every chunk again. Here the places of the chunks are
read from the file once, and a chunk is decoded where its cells are needed. One thread does it all: a chunk takes some
microseconds, and handing work to another thread takes more.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import tee
from math import prod
from typing import Any, Protocol

import numpy as np
from numcodecs import blosc
from numpy.typing import NDArray

from rnaget_server.model.axis import Positions
from rnaget_server.storage.source import ByteSource

# Only the calling thread decodes.
blosc.use_threads = False

# Of Blosc's header: flags and sizes of types, decoded bytes, bytes of a block, and bytes of all with the header.
_SIZES = struct.Struct("<4xI4xI")
_HEADER = 16
_TYPES = (np.dtype(np.float32), np.dtype(np.float64))
_BLOSC_FILTER = 32001
DAMAGED = "a chunk of the file is damaged or cut off"

_Selection = slice | NDArray[np.int64]
NextChunks = Iterator[bytes | memoryview]
_Rectangle = tuple[Positions | slice, Positions | slice]


class Chunked(Protocol):
    """The form of a dataset in chunks."""

    @property
    def name(self) -> str:
        """Its path in the file."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape."""

    @property
    def chunks(self) -> tuple[int, ...] | None:
        """That of its chunks."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of its cells."""


class OpenChunked(Chunked, Protocol):
    """A dataset in chunks, of h5py or of `hdf5_file`."""

    id: Any


class Chunks:
    """The chunks of a dataset, each read and decoded where it is needed.

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
        If it is not chunked, or has more chunks than the file can hold.
    """

    def __init__(self, file: ByteSource, dataset: Chunked, places: Callable[[], NDArray[np.int64]]) -> None:
        if dataset.chunks is None:
            raise OSError(f"{dataset.name} is not in chunks")
        self.dtype = dataset.dtype
        self._file = file  # stays open with this
        self._load_places = places
        self._chunk_bytes = prod(dataset.chunks) * self.dtype.itemsize
        self._count = prod(-(-size // chunk) for size, chunk in zip(dataset.shape, dataset.chunks, strict=True))
        if self._count * _HEADER > file.size:
            raise OSError(f"{dataset.name} has more chunks than the file can hold")

    def _places(self) -> NDArray[np.int64]:
        places = self._load_places().reshape(-1, 2)
        if len(places) != self._count or places.dtype != np.int64:
            raise OSError("the table of the chunks of the file is damaged")
        return places

    def _ahead(self, places: Iterable[Sequence[int]]) -> NextChunks | None:
        """Return the bytes of chunks in turn, where it pays to ask for them all before; else None."""
        return self._file.read_many(map(self._checked, places), keep=True) if self._file.far else None

    def _decode(self, place: Sequence[int], target: NDArray[Any], ahead: NextChunks | None = None) -> None:
        """Decode a chunk into an array of its shape."""
        self._decode_stored(self._stored(place, ahead), place[1], target)

    def _decode_stored(self, data: bytes | memoryview, size: int, target: NDArray[Any]) -> None:
        """Decode a chunk that was read, of which the table says that it has so many bytes."""
        self._check(data, size)
        try:
            if size > 0:
                blosc.decompress(data, target)
            else:
                target[:] = np.frombuffer(data, self.dtype).reshape(target.shape)
        except (RuntimeError, ValueError):
            raise OSError(DAMAGED) from None

    def _decoded(self, place: Sequence[int], ahead: NextChunks | None = None) -> NDArray[Any]:
        """Return the cells of a chunk, for small ones in half the time of `_decode`."""
        data = self._stored(place, ahead)
        self._check(data, place[1])
        try:
            cells = np.frombuffer(blosc.decompress(data) if place[1] > 0 else data, self.dtype)
        except (RuntimeError, ValueError):
            raise OSError(DAMAGED) from None
        if cells.nbytes != self._chunk_bytes:
            raise OSError(DAMAGED)
        return cells

    def _checked(self, place: Sequence[int]) -> tuple[int, int]:
        """Return where a chunk is in the file, and its bytes there."""
        offset, size = int(place[0]), abs(int(place[1]))
        if size > self._chunk_bytes + blosc.MAX_OVERHEAD:
            raise OSError(DAMAGED)
        return offset, size

    def _stored(self, place: Sequence[int], ahead: NextChunks | None) -> bytes | memoryview:
        """Return a chunk as it is stored; the next of those `ahead`."""
        return self._file.read(*self._checked(place)) if ahead is None else next(ahead)

    def _check(self, data: bytes | memoryview, size: int) -> None:
        """Refuse a chunk that Blosc cannot decode though the table says that it is compressed."""
        if size <= 0:
            return
        # Blosc believes these numbers: it would read beyond the data, or leave a part as memory happens to be.
        if size < _SIZES.size:
            raise OSError(DAMAGED)
        decoded, stored = _SIZES.unpack_from(data)
        if decoded != self._chunk_bytes or stored > size:
            raise OSError(DAMAGED)


class ChunkedCells(Chunks):
    """A dataset of two dimensions, chunked and compressed by Blosc; see `Chunks` for the parameters.

    Raises
    ------
    OSError
        If it is of another form.
    """

    def __init__(self, file: ByteSource, dataset: Chunked, places: Callable[[], NDArray[np.int64]]) -> None:
        if dataset.chunks is None or len(dataset.shape) != 2 or dataset.dtype not in _TYPES:
            raise OSError(f"{dataset.name} is not in chunks of float32 or float64 cells in two dimensions")
        super().__init__(file, dataset, places)
        self.far = file.far
        """True if `read_each` is faster than one `read` after another."""
        self.shape: tuple[int, int] = dataset.shape[0], dataset.shape[1]
        self.chunks: tuple[int, int] = dataset.chunks[0], dataset.chunks[1]

    def read(self, rows: Positions | slice, columns: Positions | slice) -> NDArray[Any]:
        """Return ``cells[rows][:, columns]``; positions ascending, slices half-open.

        Raises
        ------
        OSError
            If the file is damaged or truncated, or was written to since it was opened.
        """
        places = self._places()
        return self._read(rows, columns, places, self._ahead(self._needed(((rows, columns),), places)))

    def read_each(self, selections: Iterable[_Rectangle]) -> Iterator[NDArray[Any]]:
        """Yield what `read` returns for each of several (rows, columns); of a far file, the next are under way."""
        places = self._places()
        planned, made = tee(selections)
        ahead = self._ahead(self._needed(planned, places))
        for rows, columns in made:
            yield self._read(rows, columns, places, ahead)

    def _needed(self, selections: Iterable[_Rectangle], places: NDArray[np.int64]) -> Iterator[Sequence[int]]:
        """Yield the places of the chunks that selections need, in the order in which `_read` takes them."""
        nothing = np.empty((), self.dtype)
        for rows, columns in selections:
            out = np.broadcast_to(nothing, (len(positions_of(rows)), _width(columns)))
            for number, *_ in self._parts(positions_of(rows), columns, out):
                yield places[number].tolist()

    def _read(
        self,
        rows: Positions | slice,
        columns: Positions | slice,
        places: NDArray[np.int64],
        ahead: NextChunks | None,
    ) -> NDArray[Any]:
        rows = positions_of(rows)
        out = np.empty((len(rows), _width(columns)), self.dtype)
        chunk: NDArray[Any] | None = None
        for number, of_rows, of_columns, target in self._parts(rows, columns, out):
            if target.shape == self.chunks and target.flags.c_contiguous:
                self._decode(places[number].tolist(), target, ahead)
            else:
                chunk = np.empty(self.chunks, self.dtype) if chunk is None else chunk
                self._decode(places[number].tolist(), chunk, ahead)
                if len(chunk) == 1 and isinstance(of_columns, np.ndarray):
                    # Without a mode, numpy would put what it takes elsewhere first.
                    chunk[0].take(of_columns, out=target[0], mode="clip")
                else:
                    target[:] = chunk[of_rows][:, of_columns]
        self._file.check_unchanged()
        return out

    def _parts(
        self, rows: Positions, columns: Positions | slice, out: NDArray[Any]
    ) -> Iterator[tuple[int, _Selection, _Selection, NDArray[Any]]]:
        """Yield each chunk that is needed: its number, which of its rows and columns, and where these go."""
        height, width = self.chunks
        chunk_columns = -(-self.shape[1] // width)
        by_column = list(_slices(columns, width) if isinstance(columns, slice) else _runs(columns, width))
        by_row = _rows(rows) if height == 1 else _runs(rows, height)
        for row, of_row, to_row in by_row:
            for column, of_column, to_column in by_column:
                yield row * chunk_columns + column, of_row, of_column, out[to_row, to_column]


def is_only_blosc(dataset: OpenChunked) -> bool:
    """Return whether a dataset is chunked and compressed by Blosc, and by nothing else."""
    plist = dataset.id.get_create_plist()
    return dataset.chunks is not None and plist.get_nfilters() == 1 and plist.get_filter(0)[0] == _BLOSC_FILTER


def chunk_places(dataset: OpenChunked) -> NDArray[np.int64]:
    """Return where the chunks of a dataset are in its file, as `ChunkedCells` takes it."""
    chunks = dataset.chunks or (1,) * len(dataset.shape)
    counts = [-(-size // chunk) for size, chunk in zip(dataset.shape, chunks, strict=True)]
    places = np.zeros((prod(counts), 2), np.int64)

    def note(chunk: Any) -> None:
        number = 0
        for start, size, count in zip(chunk.chunk_offset, chunks, counts, strict=True):
            number = number * count + start // size
        places[number] = chunk.byte_offset, -chunk.size if chunk.filter_mask else chunk.size

    dataset.id.chunk_iter(note)
    return places


def _width(columns: Positions | slice) -> int:
    return columns.stop - columns.start if isinstance(columns, slice) else len(columns)


def positions_of(selection: Positions | slice) -> Positions:
    """Return the positions that a half-open slice stands for, or those given."""
    return np.arange(selection.start, selection.stop) if isinstance(selection, slice) else selection


def _slices(part: slice, size: int) -> Iterator[tuple[int, slice, slice]]:
    """Yield, for each chunk along an axis that a slice touches, what `_runs` yields."""
    for number in range(part.start // size, -(-part.stop // size)):
        start, stop = max(part.start, number * size), min(part.stop, (number + 1) * size)
        inside = slice(start - number * size, stop - number * size)
        yield number, inside, slice(start - part.start, stop - part.start)


def _rows(positions: Positions) -> Iterator[tuple[int, slice, slice]]:
    """Yield what `_runs` yields for chunks of one row."""
    only = slice(0, 1)
    for place, number in enumerate(positions.tolist()):
        yield number, only, slice(place, place + 1)


def _runs(positions: Positions, size: int) -> Iterator[tuple[int, _Selection, slice]]:
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
