"""The cells of a sparse matrix into the chunks of a native store, past HDF5's filters.

A chunk is made of frames. Each is encoded by itself, so that a reader decodes no more than it needs; and for HDF5 they
are together a chunk of its Blosc filter, since to write a chunk takes as long as to encode a frame. Blosc begins with
the places of its blocks, which need not follow one another: so the frames stand as they are behind a header that says
where in each the only block is.
"""

from __future__ import annotations

from typing import Any, Final

import h5py
import hdf5plugin
import numpy as np
from numcodecs import blosc
from numpy.typing import NDArray

from rnaget_server.stores import layout
from rnaget_server.stores.chunk_reader import chunk_places
from rnaget_server.stores.joined_chunks import HEADER, NOT_COMPRESSED

# Frames of a chunk, of a dataset that has so many.
_FRAMES = 16
# The codec of sparse cells: it decodes two to five times as fast as zstd and takes a fifth more room for counts, half
# as much again for logarithms. Values take half of the room if bits are shuffled, indices are decoded faster by bytes.
_CODEC: Final = "lz4"
_LEVEL = 5
# The filters that a chunk is stored without: of one, the first.
_NO_FILTER = 1

_Encoded = tuple[bytes | memoryview, int, NDArray[np.int64]]
"""A chunk, the filters that it is stored without, and offset and size of each of its frames."""


class RunWriter:
    """A new dataset of one dimension, written from its beginning to its end.

    It encodes in the thread that writes: those that make the cells would wait for others at the interpreter's lock, and
    all take half as long again.

    Parameters
    ----------
    group, name
        Where it is created.
    size, dtype
        Number and type of the cells.
    frame
        Cells of a frame.
    """

    def __init__(self, group: h5py.Group, name: str, size: int, dtype: np.dtype[Any], frame: int) -> None:
        self._size, self._frame = size, max(1, min(frame, size))
        # HDF5 has no chunk that is larger than its dataset, and none in a dataset of nothing.
        self._chunk = self._frame * (_FRAMES if size >= self._frame * _FRAMES else 1)
        self._shuffle = blosc.SHUFFLE if dtype.kind in "iu" and dtype.itemsize > 1 else blosc.BITSHUFFLE
        compression = hdf5plugin.Blosc(cname=_CODEC, clevel=_LEVEL, shuffle=self._shuffle)
        stored = {"chunks": (self._chunk,), "compression": compression} if size else {}
        self._dataset = group.create_dataset(name, (size,), dtype, **stored)
        self._held = np.empty(0, dtype)
        self._frames: list[NDArray[np.int64]] = []

    def append(self, cells: NDArray[Any]) -> None:
        """Write the next cells."""
        cells = cells.astype(self._held.dtype, copy=False)
        if len(self._held):
            lacking = self._chunk - len(self._held)
            self._held, cells = np.concatenate([self._held, cells[:lacking]]), cells[lacking:]
            if len(self._held) < self._chunk:
                return
            self._write(self._held)
        whole = len(cells) // self._chunk * self._chunk
        self._held = cells[whole:].copy()
        self._write(cells[:whole])

    def finish(self, file: h5py.File, name: str) -> None:
        """Write the last cells, and in a dataset of that name where the frames are."""
        if not self._size:
            return
        if len(self._held):
            last = np.zeros(self._chunk, self._held.dtype)
            last[: len(self._held)] = self._held
            self._write(last)
        chunks = chunk_places(self._dataset)
        frames = np.stack(self._frames)
        frames[:, :, 0] += chunks[:, np.newaxis, 0]
        places = file.create_dataset(name, data=frames.reshape(-1, 2)[: -(-self._size // self._frame)])
        places.attrs[layout.FRAME] = self._frame

    def _write(self, cells: NDArray[Any]) -> None:
        for chunk in cells.reshape(-1, self._chunk):
            data, mask, frames = self._encoded(chunk)
            self._dataset.id.write_direct_chunk((len(self._frames) * self._chunk,), data, mask)
            self._frames.append(frames)

    def _encoded(self, cells: NDArray[Any]) -> _Encoded:
        # Not by a codec, which looks at the form of each part for as long as a fifth of the time that encoding takes.
        how = _CODEC.encode(), _LEVEL, self._shuffle
        frames = [blosc.compress(frame, *how) for frame in cells.reshape(-1, self._frame)]
        sizes = np.array([*map(len, frames)])
        if len(frames) == 1:
            return frames[0], 0, np.array([[0, sizes[0]]])
        if not all(map(_has_one_block, frames)):
            frame_bytes = self._frame * cells.itemsize
            starts = np.arange(len(frames)) * frame_bytes
            return cells.data, _NO_FILTER, np.stack([starts, np.full(len(frames), -frame_bytes)], axis=1)
        head = HEADER.size + 4 * len(frames)
        starts = head + np.cumsum(sizes) - sizes
        kind, _, block, _ = HEADER.unpack_from(frames[0])
        header = HEADER.pack(kind, cells.nbytes, block, head + int(sizes.sum()))
        blocks = (starts + HEADER.size + 4).astype("<u4").tobytes()
        return b"".join([header, blocks, *frames]), 0, np.stack([starts, sizes], axis=1)


def _has_one_block(frame: bytes) -> bool:
    """Return whether Blosc compressed a frame, as one block."""
    kind, decoded, block, _ = HEADER.unpack_from(frame)
    return block == decoded and not kind & NOT_COMPRESSED
