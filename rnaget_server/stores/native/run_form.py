"""The form of a run of cells in a native store, and cells encoded in it.

A chunk is made of frames. Each is encoded by itself, so that a reader decodes no more than it needs; and for HDF5 they
are together a chunk of its Blosc filter, since to write a chunk takes as long as to encode a frame. Blosc begins with
the places of its blocks, which need not follow one another: so the frames stand as they are behind a header that says
where in each the only block is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numcodecs import blosc
from numpy.typing import NDArray

from rnaget_server.stores.joined_chunks import HEADER, NOT_COMPRESSED

CODEC: Final = "lz4"
"""The codec of sparse cells: it decodes two to five times as fast as zstd and takes a fifth more room for counts, half
as much again for logarithms. Values take half of the room if bits are shuffled, indices are decoded faster by bytes."""

LEVEL: Final = 5

# Frames of a chunk, of a dataset that has so many.
_FRAMES = 16
# The filters that a chunk is stored without: of one, the first.
_NO_FILTER = 1
_WORD = np.dtype("<u4")


@dataclass(frozen=True)
class EncodedCells:
    """Consecutive cells of a run: its chunks among them, and the cells before the first and after the last of these.

    Attributes
    ----------
    before, after
        These cells; if no whole chunk is among them, all are `before`.
    chunks
        The chunks, one behind another.
    sizes
        How many bytes each chunk has.
    masks
        The filters that each chunk is stored without.
    frames
        Offset and size of each frame in its chunk, chunks × frames × 2.
    """

    before: NDArray[Any]
    chunks: NDArray[np.uint8]
    sizes: NDArray[np.int64]
    masks: NDArray[np.int64]
    frames: NDArray[np.int64]
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
        """The way in which Blosc shuffles the cells."""
        small = self.dtype.kind in "iu" and self.dtype.itemsize > 1
        return int(blosc.SHUFFLE if small else blosc.BITSHUFFLE)

    def encoded(self, cells: NDArray[Any], at: int) -> EncodedCells:
        """Return cells of the run, encoded; `at` is the number of cells before them."""
        cells = cells.astype(self.dtype, copy=False)
        start = min(-at % self.chunk, len(cells))
        stop = start + (len(cells) - start) // self.chunk * self.chunk
        whole = cells[start:stop].reshape(-1, self.chunk // self.frame, self.frame)
        # Not by a codec, which looks at the form of each part for as long as a fifth of the time that encoding takes.
        how = CODEC.encode(), LEVEL, self.shuffle
        frames = [blosc.compress(frame, *how) for frame in whole.reshape(-1, self.frame)]
        sizes = np.array([*map(len, frames)], np.int64).reshape(whole.shape[:2])
        return EncodedCells(cells[:start], *_chunks(whole, frames, sizes), cells[stop:])


def _chunks(
    whole: NDArray[Any], frames: list[bytes], sizes: NDArray[np.int64]
) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return what `EncodedCells` says of chunks, by their cells (chunks × frames × cells) and their frames."""
    count, number, _ = whole.shape
    heads, can_be_joined = _heads(whole, frames, sizes)
    starts = heads.nbytes // max(1, count) + np.cumsum(sizes, axis=1) - sizes
    places = np.stack([starts, sizes], axis=2)
    raw = whole[:1, :1].nbytes
    places[~can_be_joined] = np.stack([np.arange(number) * raw, np.full(number, -raw)], axis=1)
    parts: list[bytes | memoryview] = []
    for chunk, joins in enumerate(can_be_joined.tolist()):
        first = chunk * number
        parts += [heads[chunk].data, *frames[first : first + number]] if joins else [whole[chunk].data]
    lengths = np.where(can_be_joined, starts[:, -1] + sizes[:, -1], number * raw)
    masks = np.where(can_be_joined, 0, _NO_FILTER)
    return np.frombuffer(b"".join(parts), np.uint8), lengths, masks, places


def _heads(
    whole: NDArray[Any], frames: list[bytes], sizes: NDArray[np.int64]
) -> tuple[NDArray[np.uint32], NDArray[np.bool_]]:
    """Return the header of each chunk, and whether its frames can be joined behind it; one frame needs none."""
    count, number, _ = whole.shape
    if number == 1:
        return np.empty((count, 0), _WORD), np.ones(count, bool)
    own = np.frombuffer(b"".join([frame[: HEADER.size] for frame in frames]), _WORD).reshape(count, number, 4)
    kind, decoded, block = own[:, :, 0], own[:, :, 1], own[:, :, 2]
    # Blosc has compressed each of them, as one block.
    can_be_joined = ((block == decoded) & (kind & NOT_COMPRESSED == 0)).all(axis=1)
    heads = np.empty((count, HEADER.size // _WORD.itemsize + number), _WORD)
    ends = heads.shape[1] * _WORD.itemsize + np.cumsum(sizes, axis=1)
    heads[:, 0], heads[:, 1], heads[:, 2] = kind[:, 0], decoded.sum(axis=1), block[:, 0]
    heads[:, 3] = ends[:, -1]
    heads[:, 4:] = ends - sizes + HEADER.size + _WORD.itemsize
    return heads, can_be_joined
