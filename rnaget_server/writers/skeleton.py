"""HDF5 files sent while they are made, with their length known from the start.

HDF5 lays the file out with the cells allocated and never written; the file is then sent in the order of its
offsets, the cells straight from where they come from. Memory stays bounded, and nothing but the small skeleton is
ever written to disk.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import h5py
import numpy as np
from numpy.typing import NDArray

from rnaget_server.model.slice import LayerInfo
from rnaget_server.storage.local import LocalFile
from rnaget_server.storage.overlay import Overlay
from rnaget_server.writers.base import Body

_PIECE = 1 << 20
_SMALL = 256 << 10
_BYTES_OF_GAP = 256
_VERSIONS = ("earliest", "v110")


class Allocate(Protocol):
    """The interface of `allocate`, and of what else makes a dataset out of cells."""

    def __call__(
        self,
        group: h5py.Group,
        link: str,
        dtype: np.dtype[Any],
        shape: tuple[int, ...],
        pieces: Iterator[bytes],
        chunk: tuple[int, ...] | None = None,
    ) -> tuple[h5py.Dataset, list[Gap]]:
        """Return a new dataset of the cells, and the gaps that are yet to be filled."""


@dataclass(frozen=True)
class Gap:
    """A run of bytes in the file that is left out of the skeleton."""

    offset: int
    size: int
    pieces: Iterator[bytes]
    """The next pieces out of here fill it exactly. Gaps whose offsets ascend may share one iterator."""


def create(path: Path | Overlay, mode: str = "w") -> h5py.File:
    """Return a new HDF5 file in which equal content gives equal bytes, or (``r+``) one to be added to."""
    # Groups in their earliest form have no times in them.
    return h5py.File(path, mode, libver=_VERSIONS)


def streamed(
    lay_out: Callable[[h5py.File], list[Gap]], held: int = 0, begin: Callable[[], LocalFile] | None = None
) -> Body:
    """Return the file that `lay_out` writes, with what it leaves out put in, and its exact length.

    Parameters
    ----------
    lay_out
        Writes everything but the cells into the open file, and returns where the cells go.
    held
        About how many bytes are held while the cells are made, without those of the source.
    begin
        Returns the file to which `lay_out` adds, which stays as it is; by default, it adds to an empty one.
    """
    base = None if begin is None else begin()
    skeleton = Overlay(base)
    try:
        with create(skeleton, "w" if base is None else "r+") as file:
            gaps = sorted(lay_out(file), key=lambda gap: gap.offset)
    except BaseException:
        skeleton.close()
        raise
    length = skeleton.size()
    held += len(gaps) * _BYTES_OF_GAP
    return Body(_joined(_stream(skeleton, length, gaps)), length, skeleton.close, held, base.size if base else 0)


def allocate(
    group: h5py.Group,
    link: str,
    dtype: np.dtype[Any],
    shape: tuple[int, ...],
    pieces: Iterator[bytes],
    chunk: tuple[int, ...] | None = None,
) -> tuple[h5py.Dataset, list[Gap]]:
    """Return a new dataset that is never written, and the gaps that its cells fill.

    Parameters
    ----------
    dtype
        Type of the cells; they are laid out little-endian, as `cell_bytes` gives them.
    pieces
        The bytes of the cells in order; of a chunked dataset, chunk after chunk, each of full size.
    chunk
        Shape of a chunk; without it, the cells are contiguous.
    """
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    if chunk is None:
        plist.set_layout(h5py.h5d.CONTIGUOUS)
    else:
        plist.set_chunk(chunk)
    plist.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    plist.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    plist.set_obj_track_times(False)  # or equal slices would differ by the second in which they are made
    kind = h5py.h5t.py_create(dtype.newbyteorder("<"))
    space = h5py.h5s.create_simple(shape)
    dataset = h5py.Dataset(h5py.h5d.create(group.id, link.encode(), kind, space, dcpl=plist))
    if 0 in shape:
        return dataset, []
    if chunk is None:
        return dataset, [Gap(dataset.id.get_offset(), dataset.id.get_storage_size(), pieces)]
    return dataset, _chunk_gaps(dataset, pieces)


def row_pieces(layer: LayerInfo) -> Iterator[bytes]:
    """Yield the cells of a layer, row after row, as a contiguous dataset made by `allocate` holds them."""
    # Not by a loop, whose variable would hold on to the block while its bytes are sent.
    yield from map(partial(cell_bytes, dtype=layer.dtype), layer.blocks())


def cell_bytes(cells: NDArray[Any], dtype: np.dtype[Any]) -> bytes:
    """Return cells as a dataset made by `allocate` holds them."""
    return cells.astype(dtype.newbyteorder("<"), order="C", copy=False).tobytes()


def _chunk_gaps(dataset: h5py.Dataset, pieces: Iterator[bytes]) -> list[Gap]:
    chunks: list[Any] = []
    dataset.id.chunk_iter(chunks.append)
    chunks.sort(key=lambda chunk: chunk.chunk_offset)
    if any(first.byte_offset > second.byte_offset for first, second in itertools.pairwise(chunks)):
        raise RuntimeError("HDF5 has not laid out the chunks of a dataset in their order")
    return [Gap(chunk.byte_offset, chunk.size, pieces) for chunk in chunks]


def _joined(pieces: Generator[bytes, None, None]) -> Iterator[bytes]:
    """Yield pieces, small ones together: to send one takes as long as to send some hundred KiB."""
    small: list[bytes] = []
    size = 0
    try:
        for piece in pieces:
            size += len(piece)
            if len(piece) < _SMALL and size < _PIECE:
                small.append(piece)
                continue
            if small:
                yield b"".join(small)
                small.clear()
            size = 0
            yield piece
        if small:
            yield b"".join(small)
    finally:
        pieces.close()


def _stream(skeleton: Overlay, length: int, gaps: list[Gap]) -> Generator[bytes, None, None]:
    try:
        at = 0
        gaps.reverse()
        while gaps:
            # Let go of when the next is taken: what a filled gap was made from may be as large as a panel of cells.
            gap = gaps.pop()
            yield from skeleton.pieces(at, gap.offset, _PIECE)
            left = gap.size
            while left > 0:
                piece = next(gap.pieces)
                left -= len(piece)
                yield piece
            at = gap.offset + gap.size
        yield from skeleton.pieces(at, length, _PIECE)
    finally:
        skeleton.close()
