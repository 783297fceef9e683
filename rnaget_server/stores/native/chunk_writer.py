"""Cells into the chunks of a native store, past HDF5's filters: encoded by several threads.

What is written is what HDF5's Blosc filter would have written, so that every HDF5 reader with that filter reads it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import Any, Final

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


def smallest_codec(cells: Sequence[NDArray[Any]]) -> blosc.Blosc:
    """Return the codec under which these cells take least.

    Values of few digits repeat whole, and are best left as they are; of others, the bytes are to be shuffled.
    """
    codecs = [blosc.Blosc(_CODEC, _LEVEL, shuffle) for shuffle in (blosc.NOSHUFFLE, blosc.SHUFFLE)]
    return min(codecs, key=lambda codec: sum(len(codec.encode(np.ascontiguousarray(part))) for part in cells))


class ChunkWriter:
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
        self.dataset = file.create_dataset(name, shape, dtype, chunks=chunks, compression=compression)
        self.height = chunks[0]
        self._codec = codec

    def write(self, start: int, block: NDArray[Any]) -> None:
        """Write rows from `start`, which begins a chunk; `block` is rows × columns, and ends a chunk or the dataset."""
        corners = list(self._corners(block))
        batches = [corners[at : at + _AT_ONCE] for at in range(0, len(corners), _AT_ONCE)]
        with ThreadPoolExecutor(os.cpu_count()) as threads:
            encoded = threads.map(lambda batch: [self._encoded(block, corner) for corner in batch], batches)
            for (row, column), data in zip(corners, chain.from_iterable(encoded), strict=True):
                self.dataset.id.write_direct_chunk((start + row, column), data)

    def write_places(self, file: h5py.File, name: str) -> None:
        """Write where the chunks are, once all are written."""
        file.create_dataset(name, data=chunk_places(self.dataset))

    def _corners(self, block: NDArray[Any]) -> Iterator[tuple[int, int]]:
        height, width = self.dataset.chunks
        for row in range(0, block.shape[0], height):
            for column in range(0, block.shape[1], width):
                yield row, column

    def _encoded(self, block: NDArray[Any], corner: tuple[int, int]) -> bytes:
        height, width = self.dataset.chunks
        cells = block[corner[0] : corner[0] + height, corner[1] : corner[1] + width]
        if cells.shape != (height, width):
            whole = np.zeros((height, width), block.dtype)
            whole[: cells.shape[0], : cells.shape[1]] = cells
            cells = whole
        encoded: bytes = self._codec.encode(np.ascontiguousarray(cells))
        return encoded
