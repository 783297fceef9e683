"""Cells into the chunks of a native store, past HDF5's filters: encoded by several threads.

What is written is what HDF5's Blosc filter would have written, so that every HDF5 reader with that filter reads it.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
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
# Chunks that a thread encodes before it takes the next ones.
_AT_ONCE = 32

_Corners = Sequence[tuple[int, int]]


def smallest_codec(cells: Sequence[NDArray[Any]]) -> blosc.Blosc:
    """Return the codec under which these cells take least.

    Values of few digits repeat whole, and are best left as they are; of others, the bytes are to be shuffled.
    """
    codecs = [blosc.Blosc(_CODEC, _LEVEL, shuffle) for shuffle in (blosc.NOSHUFFLE, blosc.SHUFFLE)]
    return min(codecs, key=lambda codec: sum(len(codec.encode(np.ascontiguousarray(part))) for part in cells))


class ChunkWriter:
    """A new dataset of two dimensions, written by rows, whose chunks threads encode; a context manager.

    It is done when its context ends.

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
        self.dataset = file.create_dataset(name, shape, dtype, chunks=chunks, compression=compression)
        self.chunks = chunks
        self.shuffle: int = codec.shuffle
        self._codec = codec
        self._threads = ThreadPoolExecutor(os.cpu_count())
        self._pending: deque[tuple[_Corners, Future[list[bytes]]]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        try:
            if error is None:
                self._write_encoded(most_pending=0)
        finally:
            self._threads.shutdown(cancel_futures=True)

    def write_places(self, file: h5py.File, name: str) -> None:
        """Write where the chunks are, once all are written."""
        self._write_encoded(most_pending=0)
        file.create_dataset(name, data=chunk_places(self.dataset))

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

    def _write_encoded(self, most_pending: int) -> None:
        while len(self._pending) > most_pending:
            corners, encoded = self._pending.popleft()
            for corner, data in zip(corners, encoded.result(), strict=True):
                self.dataset.id.write_direct_chunk(corner, data)

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
