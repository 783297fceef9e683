"""Cells into the chunks of a native store, past HDF5's filters: encoded by several threads.

What is written is what HDF5's Blosc filter would have written, so that every HDF5 reader with that filter reads it.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, Final, Self

import h5py
import hdf5plugin
import numpy as np
from numcodecs import blosc
from numpy.typing import NDArray

from rnaget_server.stores.chunk_reader import chunk_places

# LZ4 decodes some five times faster than zstd, and its thorough form takes hardly more room on expression values.
_CODEC: Final = "lz4hc"
_LEVEL = 3
# The codec of sparse cells: it decodes two to five times as fast as zstd and takes a fifth more room for counts, half
# as much again for logarithms. Counts take half of the room if bits are shuffled, indices are decoded faster by bytes.
_RUN_CODEC: Final = "lz4"
_RUN_LEVEL = 5
# Chunks that a thread encodes before it takes the next ones.
_AT_ONCE = 32
# Such batches of a run that wait to be written, at most.
_MOST_PENDING = 8

_Corners = Sequence[tuple[int, int]]


def smallest_codec(cells: Sequence[NDArray[Any]]) -> blosc.Blosc:
    """Return the codec under which these cells take least.

    Values of few digits repeat whole, and are best left as they are; of others, the bytes are to be shuffled.
    """
    codecs = [blosc.Blosc(_CODEC, _LEVEL, shuffle) for shuffle in (blosc.NOSHUFFLE, blosc.SHUFFLE)]
    return min(codecs, key=lambda codec: sum(len(codec.encode(np.ascontiguousarray(part))) for part in cells))


class _Writer:
    """A writer of chunks that threads encode while the next ones are made; a context manager.

    It is done when its context ends.
    """

    def __init__(self, dataset: h5py.Dataset, codec: blosc.Blosc, threads: int | None) -> None:
        self.dataset = dataset
        self._id = dataset.id
        self._codec = codec
        self._threads = ThreadPoolExecutor(threads)
        self._pending: deque[tuple[Sequence[tuple[int, ...]], Future[list[bytes]]]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        try:
            if error is None:
                self.finish()
        finally:
            self._threads.shutdown(cancel_futures=True)

    def finish(self) -> None:
        """Write what has not been written yet."""
        self._write_encoded(most_pending=0)

    def write_places(self, file: h5py.File, name: str) -> None:
        """Write where the chunks are, once all are written."""
        self.finish()
        file.create_dataset(name, data=chunk_places(self.dataset))

    def _submit(self, corners: Sequence[tuple[int, ...]], encoded: Callable[[], list[bytes]]) -> None:
        self._pending.append((corners, self._threads.submit(encoded)))

    def _write_encoded(self, most_pending: int) -> None:
        while len(self._pending) > most_pending:
            corners, encoded = self._pending.popleft()
            for corner, data in zip(corners, encoded.result(), strict=True):
                self._id.write_direct_chunk(corner, data)


class ChunkWriter(_Writer):
    """A new dataset of two dimensions, written by rows.

    Parameters
    ----------
    file, name
        Where it is created.
    shape, dtype
        Its rows and columns, and the type of its cells.
    chunks
        Rows and columns of a chunk.
    codec
        What encodes a chunk.
    """

    def __init__(
        self,
        file: h5py.File,
        name: str,
        shape: tuple[int, int],
        dtype: np.dtype[Any],
        chunks: tuple[int, int],
        codec: blosc.Blosc,
    ) -> None:
        compression = hdf5plugin.Blosc(cname=_CODEC, clevel=_LEVEL, shuffle=codec.shuffle)
        super().__init__(
            file.create_dataset(name, shape, dtype, chunks=chunks, compression=compression), codec, os.cpu_count()
        )
        self.chunks = chunks
        self.shuffle: int = codec.shuffle

    def write(self, start: int, block: NDArray[Any]) -> None:
        """Write rows from `start`, which begins a chunk; `block` is rows × columns, and ends a chunk or the dataset."""
        self._write(start, block.shape, lambda batch: self._threads.submit(self._encoded_batch, block, batch))

    def write_encoded(self, start: int, shape: tuple[int, int], chunks: Iterator[bytes]) -> None:
        """Write what `encoded_chunks` has made of a block of this shape, at the places where `write` puts it."""
        self._write(start, shape, lambda batch: _finished([next(chunks) for _ in batch]))

    def _write(self, start: int, shape: tuple[int, ...], encoded: Callable[[_Corners], Future[list[bytes]]]) -> None:
        corners = list(_corners(shape, self.chunks))
        batches = [corners[at : at + _AT_ONCE] for at in range(0, len(corners), _AT_ONCE)]
        for batch in batches:
            self._pending.append(([(start + row, column) for row, column in batch], encoded(batch)))
        self._write_encoded(most_pending=len(batches))

    def _encoded_batch(self, block: NDArray[Any], corners: _Corners) -> list[bytes]:
        return [_encoded(block, corner, self.chunks, self._codec) for corner in corners]


def encoded_chunks(block: NDArray[Any], chunks: tuple[int, int], shuffle: int) -> Iterator[bytes]:
    """Yield the chunks of a block of rows, encoded as by `ChunkWriter` with a codec that shuffles in this way."""
    codec = blosc.Blosc(_CODEC, _LEVEL, shuffle)
    for corner in _corners(block.shape, chunks):
        yield _encoded(block, corner, chunks, codec)


def _corners(shape: tuple[int, ...], chunks: tuple[int, int]) -> Iterator[tuple[int, int]]:
    height, width = chunks
    for row in range(0, shape[0], height):
        for column in range(0, shape[1], width):
            yield row, column


def _encoded(block: NDArray[Any], corner: tuple[int, int], chunks: tuple[int, int], codec: blosc.Blosc) -> bytes:
    height, width = chunks
    cells = block[corner[0] : corner[0] + height, corner[1] : corner[1] + width]
    if cells.shape != chunks:
        whole = np.zeros(chunks, block.dtype)
        whole[: cells.shape[0], : cells.shape[1]] = cells
        cells = whole
    encoded: bytes = codec.encode(np.ascontiguousarray(cells))
    return encoded


def _finished(chunks: list[bytes]) -> Future[list[bytes]]:
    future: Future[list[bytes]] = Future()
    future.set_result(chunks)
    return future


class RunWriter(_Writer):
    """A new dataset of one dimension, written from its beginning to its end.

    Parameters
    ----------
    group, name
        Where it is created.
    size, dtype
        Number and type of the cells.
    chunk
        Cells of a chunk.
    """

    def __init__(self, group: h5py.Group, name: str, size: int, dtype: np.dtype[Any], chunk: int) -> None:
        shuffle = blosc.BITSHUFFLE if dtype.kind == "f" else blosc.SHUFFLE
        compression = hdf5plugin.Blosc(cname=_RUN_CODEC, clevel=_RUN_LEVEL, shuffle=shuffle)
        # HDF5 has no chunks in a dataset of nothing.
        stored = {"chunks": (min(chunk, size),), "compression": compression} if size else {}
        codec = blosc.Blosc(_RUN_CODEC, _RUN_LEVEL, shuffle)
        # One thread: two are written at once, and more would wait for one another at the interpreter's lock.
        super().__init__(group.create_dataset(name, (size,), dtype, **stored), codec, 1)
        self._chunk = max(1, min(chunk, size))
        self._held = np.empty(0, dtype)
        self._at = 0

    def append(self, cells: NDArray[Any]) -> None:
        """Write the next cells."""
        cells = cells.astype(self._held.dtype, copy=False)
        if len(self._held):
            lacking = self._chunk - len(self._held)
            self._held, cells = np.concatenate([self._held, cells[:lacking]]), cells[lacking:]
            if len(self._held) < self._chunk:
                return
            self._submit_cells(self._held)
        whole = len(cells) // self._chunk * self._chunk
        self._held = cells[whole:].copy()
        for start in range(0, whole, _AT_ONCE * self._chunk):
            self._submit_cells(cells[start : min(whole, start + _AT_ONCE * self._chunk)])
        self._write_encoded(_MOST_PENDING)

    def finish(self) -> None:
        """Write the last cells."""
        if len(self._held):
            last = np.zeros(self._chunk, self._held.dtype)
            last[: len(self._held)] = self._held
            self._held = self._held[:0]
            self._submit_cells(last)
        super().finish()

    def _submit_cells(self, cells: NDArray[Any]) -> None:
        corners = [(start,) for start in range(self._at, self._at + len(cells), self._chunk)]
        self._submit(corners, partial(self._encoded, cells))
        self._at += len(cells)

    def _encoded(self, cells: NDArray[Any]) -> list[bytes]:
        # Not by `encode`, which looks at the form of each part for as long as a fifth of the time that encoding takes.
        how = _RUN_CODEC.encode(), _RUN_LEVEL, self._codec.shuffle
        return [blosc.compress(part, *how) for part in cells.reshape(-1, self._chunk)]
