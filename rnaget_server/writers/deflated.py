"""Datasets of HDF5 whose cells are compressed as they come, chunk by chunk."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import prod
from typing import Any

import h5py
import numpy as np
from isal import isal_zlib

from rnaget_server.model.slice import LayerInfo
from rnaget_server.writers.skeleton import Allocate, Gap, allocate

GZIP = "gzip"
"""The name by which such datasets are asked for."""

# At level 1 of isal, what stands in memory behind the bytes can change how they are compressed.
_LEVEL = 2
_CHUNK_BYTES = 1 << 20
_ROWS_BYTES = 4 << 20
_MOST_ROWS = 64
# Of a chunk of all rows: as it comes, with its bytes put together, and compressed.
_COPIES = 3


def allocate_as(compression: str | None) -> Allocate:
    """Return what makes datasets of cells that are compressed so, or not."""
    return allocate if compression is None else allocate_deflated


def held_by(compression: str | None, layers: Iterable[LayerInfo], samples: int) -> int:
    """Return about how many bytes of dense layers wait to be compressed so, or are.

    The cells of one feature come at once, or are one chunk, however many they are.
    """
    if compression is None:
        return 0
    return _COPIES * max((_ROWS_BYTES, *(samples * layer.dtype.itemsize for layer in layers)))


def allocate_deflated(
    group: h5py.Group,
    link: str,
    dtype: np.dtype[Any],
    shape: tuple[int, ...],
    pieces: Iterator[bytes],
    chunk: tuple[int, ...] | None = None,
) -> tuple[h5py.Dataset, list[Gap]]:
    """Return a new dataset, compressed with gzip, and no gaps: it is filled at once. For the parameters see `allocate`.

    Bytes of equal place are put together first (shuffled), if that makes the first chunk smaller.
    """
    if chunk is None:
        chunk = _chunk_of(shape, dtype.itemsize)
        chunks = _of_rows(pieces, shape, chunk, dtype.itemsize)
    else:
        chunks = _of_columns(pieces, shape, chunk, dtype.itemsize)
    first = next(chunks, None)
    shuffled = first is not None and len(_packed(first[1], dtype.itemsize)) < len(_packed(first[1], 1))
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_chunk(tuple(max(1, width) for width in chunk))
    plist.set_obj_track_times(False)  # or equal slices would differ by the second in which they are made
    if shuffled:
        plist.set_shuffle()
    plist.set_deflate(_LEVEL)
    kind = h5py.h5t.py_create(dtype.newbyteorder("<"))
    space = h5py.h5s.create_simple(shape)
    dataset = h5py.Dataset(h5py.h5d.create(group.id, link.encode(), kind, space, dcpl=plist))
    while first is not None:
        offset, data = first
        dataset.id.write_direct_chunk(offset, _packed(data, dtype.itemsize if shuffled else 1))
        first = next(chunks, None)
    return dataset, []


def _chunk_of(shape: tuple[int, ...], size: int) -> tuple[int, ...]:
    """Return the shape of a chunk of cells that come row by row: some rows, or parts of them."""
    if len(shape) == 1:
        return (min(shape[0], max(1, _CHUNK_BYTES // 2 // size)),)
    rows = max(1, min(shape[0], _MOST_ROWS, _ROWS_BYTES // max(1, shape[1] * size)))
    return rows, min(shape[1], max(1, _CHUNK_BYTES // (rows * size)))


def _packed(data: bytes, size: int) -> bytes:
    """Return bytes compressed, those of equal place in elements of a size put together."""
    if size > 1:
        shuffled = np.ascontiguousarray(np.frombuffer(data, np.uint8).reshape(-1, size).T)
    packed: bytes = isal_zlib.compress(data if size == 1 else shuffled, _LEVEL)
    return packed


def _of_rows(
    pieces: Iterator[bytes], shape: tuple[int, ...], chunk: tuple[int, ...], size: int
) -> Iterator[tuple[tuple[int, ...], bytes]]:
    """Yield the place and the bytes of each chunk of cells that come row by row, or one after another."""
    height, width = (1, shape[0]) if len(shape) == 1 else shape
    rows, columns = (1, chunk[0]) if len(shape) == 1 else chunk
    cells = _Rechunked(pieces)
    for top in range(0, height if width else 0, rows):
        if rows == 1:
            parts: Iterator[tuple[int, np.ndarray[Any, Any]]] = (
                (left, np.frombuffer(cells.take(min(columns, width - left) * size), np.uint8).reshape(1, -1))
                for left in range(0, width, columns)
            )
        else:
            taken = min(rows, height - top)
            block = np.frombuffer(cells.take(taken * width * size), np.uint8).reshape(taken, -1)
            parts = ((left, block[:, left * size : (left + columns) * size]) for left in range(0, width, columns))
        for left, part in parts:
            missing = (0, rows - part.shape[0]), (0, columns * size - part.shape[1])
            full = np.pad(part, missing) if any(end for _, end in missing) else part
            yield ((left,) if len(shape) == 1 else (top, left)), full.tobytes()


def _of_columns(
    pieces: Iterator[bytes], shape: tuple[int, ...], chunk: tuple[int, ...], size: int
) -> Iterator[tuple[tuple[int, ...], bytes]]:
    """Yield the place and the bytes of each chunk of cells that come chunk by chunk, each of all rows."""
    cells = _Rechunked(pieces)
    for left in range(0, shape[1] if shape[0] else 0, chunk[1]):
        yield (0, left), cells.take(prod(chunk) * size)


class _Rechunked:
    """Bytes that come in pieces of any length, taken in others."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._left = memoryview(b"")

    def take(self, size: int) -> bytes:
        """Return the next bytes, so many."""
        parts, count = [self._left], len(self._left)
        while count < size:
            parts.append(memoryview(next(self._pieces)))
            count += len(parts[-1])
        last = parts.pop()
        used = size - (count - len(last))
        self._left = last[used:]
        return b"".join([*parts, last[:used]])
