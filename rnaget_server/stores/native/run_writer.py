"""The cells of a sparse matrix into the chunks of a native store, past HDF5's filters.

A chunk is made of frames. Each is encoded by itself, so that a reader decodes no more than it needs; and for HDF5 they
are together a chunk of its Blosc filter, since to write a chunk takes as long as to encode a frame. Blosc begins with
the places of its blocks, which need not follow one another: so the frames stand as they are behind a header that says
where in each the only block is.
"""

from __future__ import annotations

from dataclasses import dataclass
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


@dataclass(frozen=True)
class EncodedCells:
    """Consecutive cells of a run: its chunks among them, and the cells before the first and after the last of these.

    Attributes
    ----------
    before, after
        These cells; if no whole chunk is among them, all are `before`.
    chunks
        The chunks.
    masks
        Of each chunk the filters that it is stored without.
    frames
        Offset and size of each frame in its chunk, chunks × frames × 2.
    """

    before: NDArray[Any]
    chunks: list[NDArray[np.uint8]]
    masks: list[int]
    frames: list[NDArray[np.int64]]
    after: NDArray[Any]


@dataclass(frozen=True)
class RunForm:
    """The form of a run: its size in cells, their type, and the cells of a frame and of a chunk."""

    size: int
    dtype: np.dtype[Any]
    frame: int
    chunk: int

    @classmethod
    def of(cls, size: int, dtype: np.dtype[Any], frame: int) -> RunForm:
        """Return the form of a run with frames of so many cells, or of one frame that is smaller."""
        frame = max(1, min(frame, size))
        # HDF5 has no chunk that is larger than its dataset, and none in a dataset of nothing.
        return cls(size, dtype, frame, frame * (_FRAMES if size >= frame * _FRAMES else 1))

    @property
    def shuffle(self) -> int:
        """How Blosc shuffles the cells."""
        small = self.dtype.kind in "iu" and self.dtype.itemsize > 1
        return int(blosc.SHUFFLE if small else blosc.BITSHUFFLE)

    def encoded(self, cells: NDArray[Any], at: int) -> EncodedCells:
        """Return cells of the run, encoded; `at` is the number of cells before them."""
        cells = cells.astype(self.dtype, copy=False)
        start = min(-at % self.chunk, len(cells))
        stop = start + (len(cells) - start) // self.chunk * self.chunk
        whole = [self._chunk_of(part) for part in cells[start:stop].reshape(-1, self.chunk)]
        chunks, masks, frames = map(list, zip(*whole, strict=True)) if whole else ([], [], [])
        return EncodedCells(cells[:start], chunks, masks, frames, cells[stop:])

    def _chunk_of(self, cells: NDArray[Any]) -> tuple[NDArray[np.uint8], int, NDArray[np.int64]]:
        # Not by a codec, which looks at the form of each part for as long as a fifth of the time that encoding takes.
        how = _CODEC.encode(), _LEVEL, self.shuffle
        frames = [blosc.compress(frame, *how) for frame in cells.reshape(-1, self.frame)]
        sizes = np.array([*map(len, frames)])
        if len(frames) == 1:
            return _bytes(frames[0]), 0, np.array([[0, sizes[0]]])
        if not all(map(_has_one_block, frames)):
            frame_bytes = self.frame * cells.itemsize
            starts = np.arange(len(frames)) * frame_bytes
            return _bytes(cells), _NO_FILTER, np.stack([starts, np.full(len(frames), -frame_bytes)], axis=1)
        head = HEADER.size + 4 * len(frames)
        starts = head + np.cumsum(sizes) - sizes
        kind, _, block, _ = HEADER.unpack_from(frames[0])
        header = HEADER.pack(kind, cells.nbytes, block, head + int(sizes.sum()))
        blocks = (starts + HEADER.size + 4).astype("<u4").tobytes()
        return _bytes(b"".join([header, blocks, *frames])), 0, np.stack([starts, sizes], axis=1)


class RunWriter:
    """A new dataset of one dimension, written from its beginning to its end.

    Parameters
    ----------
    group, name
        Where it is created.
    form
        Its form.
    """

    def __init__(self, group: h5py.Group, name: str, form: RunForm) -> None:
        self._form = form
        compression = hdf5plugin.Blosc(cname=_CODEC, clevel=_LEVEL, shuffle=form.shuffle)
        stored = {"chunks": (form.chunk,), "compression": compression} if form.size else {}
        self._dataset = group.create_dataset(name, (form.size,), form.dtype, **stored)
        self._held = np.empty(0, form.dtype)
        self._frames: list[NDArray[np.int64]] = []

    def append(self, part: EncodedCells) -> None:
        """Write the next cells, encoded with the number of those before them."""
        self._held = np.concatenate([self._held, part.before])
        if len(self._held) == self._form.chunk:
            self._write(self._form.encoded(self._held, 0))
            self._held = self._held[:0]
        self._write(part)
        if len(part.after):
            self._held = part.after.copy()

    def finish(self, file: h5py.File, name: str) -> None:
        """Write the last cells, and in a dataset of that name where the frames are."""
        form = self._form
        if not form.size:
            return
        if len(self._held):
            last = np.zeros(form.chunk, form.dtype)
            last[: len(self._held)] = self._held
            self._write(form.encoded(last, 0))
        chunks = chunk_places(self._dataset)
        frames = np.stack(self._frames)
        frames[:, :, 0] += chunks[:, np.newaxis, 0]
        places = file.create_dataset(name, data=frames.reshape(-1, 2)[: -(-form.size // form.frame)])
        places.attrs[layout.FRAME] = form.frame

    def _write(self, part: EncodedCells) -> None:
        for chunk, mask, frames in zip(part.chunks, part.masks, part.frames, strict=True):
            self._dataset.id.write_direct_chunk((len(self._frames) * self._form.chunk,), chunk.data, mask)
            self._frames.append(np.array(frames))


def _bytes(data: bytes | NDArray[Any]) -> NDArray[np.uint8]:
    return np.frombuffer(data, np.uint8) if isinstance(data, bytes) else data.view(np.uint8)


def _has_one_block(frame: bytes) -> bool:
    """Return whether Blosc compressed a frame, as one block."""
    kind, decoded, block, _ = HEADER.unpack_from(frame)
    return block == decoded and not kind & NOT_COMPRESSED
