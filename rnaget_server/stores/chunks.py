"""Cells out of the chunks of a native store, past HDF5: `pread` of what a selection needs, and its decoding.

HDF5 lets one thread of a process read at a time, and looks up every chunk anew. Here the places of the chunks are
mapped from the file, and what is large is decoded by several threads.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import h5py
import numpy as np
from numcodecs import blosc
from numpy.typing import NDArray

from rnaget_server.stores.base import Positions

# Only the thread that asks shall decode: there is a pool for more, and the server has threads of its own.
blosc.use_threads = False

# Below this, handing work to another thread costs more than it saves.
_WORTH_A_THREAD = 512 << 10
_AHEAD = 2
_PROCESSORS = os.cpu_count() or 1
_Task = TypeVar("_Task")
_Result = TypeVar("_Result")
_Which = slice | NDArray[np.int64]


class Descriptor:
    """An open file for `os.pread`, closed with its last user."""

    def __init__(self, path: Path) -> None:
        self.number = os.open(path, os.O_RDONLY)

    def __del__(self) -> None:
        os.close(self.number)


@dataclass(frozen=True, slots=True)
class _Part:
    """One chunk of a selection: which one, what of it is wanted, and where that goes."""

    chunk: int
    rows: _Which
    columns: _Which
    to_rows: slice
    to_columns: slice


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

    def read(self, rows: Positions | slice, columns: Positions | None, alone: bool = False) -> NDArray[Any]:
        """Return ``cells[rows][:, columns]``; positions ascending, None for all columns.

        By several threads where it is much, unless `alone` says that the calling one shall do it.

        Raises
        ------
        OSError
            If the file is damaged or truncated.
        """
        if isinstance(rows, slice):
            rows = np.arange(rows.start, rows.stop)
        out = np.empty((len(rows), self.shape[1] if columns is None else len(columns)), self.dtype)
        parts = self._parts(rows, columns)
        decoded = len(parts) * self.chunks[0] * self.chunks[1] * self.dtype.itemsize
        threads = 1 if alone else min(_PROCESSORS, len(parts), decoded // _WORTH_A_THREAD)
        if threads < 2:
            self._decode(parts, out)
        else:
            shares = [parts[number::threads] for number in range(threads)]
            others = [threads_of_process().submit(self._decode, share, out) for share in shares[1:]]
            self._decode(shares[0], out)
            for other in others:
                other.result()
        return out

    def _parts(self, rows: Positions, columns: Positions | None) -> list[_Part]:
        height, width = self.chunks
        across = -(-self.shape[1] // width)
        if columns is None:
            stops = [min(width, self.shape[1] - number * width) for number in range(across)]
            by_column: list[tuple[int, _Which, slice]] = [
                (number, slice(0, stop), slice(number * width, number * width + stop))
                for number, stop in enumerate(stops)
            ]
        else:
            by_column = list(_runs(columns, width))
        return [
            _Part(row * across + column, of_row, of_column, to_row, to_column)
            for row, of_row, to_row in _runs(rows, height)
            for column, of_column, to_column in by_column
        ]

    def _decode(self, parts: Sequence[_Part], out: NDArray[Any]) -> None:
        chunk: NDArray[Any] | None = None
        for part in parts:
            target = out[part.to_rows, part.to_columns]
            if target.shape == self.chunks and target.flags.c_contiguous:
                self._decode_one(part.chunk, target)
            else:
                chunk = np.empty(self.chunks, self.dtype) if chunk is None else chunk
                self._decode_one(part.chunk, chunk)
                target[:] = chunk[part.rows][:, part.columns]

    def _decode_one(self, number: int, to: NDArray[Any]) -> None:
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


def ahead(read: Callable[[_Task], _Result], tasks: Iterable[_Task]) -> Iterator[_Result]:
    """Yield what `read` makes of each task, in order; the next ones are read while one is used."""
    waiting: deque[Future[_Result]] = deque()
    try:
        for task in tasks:
            waiting.append(threads_of_process().submit(read, task))
            if len(waiting) > _AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for one in waiting:
            one.cancel()


@cache
def _threads_of(process: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_PROCESSORS, thread_name_prefix=f"decode-{process}")


def threads_of_process() -> ThreadPoolExecutor:
    """Return the threads that decode in this process; a forked process gets its own."""
    return _threads_of(os.getpid())


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
