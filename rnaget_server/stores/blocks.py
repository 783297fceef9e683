"""Rectangles out of chunked HDF5 datasets, each needed chunk decoded once.

h5py's own list indexing is 3 to 77 times slower than reading the runs of rows and columns that share
chunks and picking from them, which is what is done here. `chunk_reader` reads the native store's without h5py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rnaget_server.model.axis import Positions
from rnaget_server.stores.chunk_reader import ChunkedCells, positions_of
from rnaget_server.stores.hdf5_dataset import Dataset

# Text of a block takes several times its bytes while it is made.
BLOCK_BYTES = 512 << 10
PANEL_BYTES = 16 << 20
"""Cells that are read of several files at once, before any is given."""

# Of fewer bytes of a file, to ask for them takes as long as to read them.
_BYTES_OF_PART = 4 << 20

# Smaller, for whoever waits for its reader holds the columns that a piece is of as well.
PIECE_BYTES = 256 << 10
# How numpy transposes fastest: narrow blocks by strips of columns, others by tiles of rows.
_NARROW, _STRIP, _TILE = 512, 14, 1024


Cells: TypeAlias = Dataset | ChunkedCells


def chunk_of(dataset: Cells) -> tuple[int, int]:
    """Return rows and columns of a chunk; of a contiguous dataset, one row."""
    chunks = dataset.chunks
    return (1, dataset.shape[1]) if chunks is None else (chunks[0], chunks[1])


def steps(size: int, step: int) -> Iterator[tuple[int, int]]:
    """Yield where each range of `step` begins and ends, of which the last may be shorter."""
    for start in range(0, size, step):
        yield start, min(start + step, size)


def panel_rows(row_bytes: int, parts: int) -> tuple[int, int]:
    """Return how many rows of so many bytes are a block, and how many are read at once out of several files.

    Where a row is a block, no more are read of a few files than it takes to read them as fast: else all the rows would
    be in memory for a reader who takes one. Other blocks stay as they are for any number of files.
    """
    step = max(1, BLOCK_BYTES // max(1, row_bytes))
    room = PANEL_BYTES if step > 1 else min(PANEL_BYTES, parts * _BYTES_OF_PART)
    return step, max(1, room // max(1, row_bytes))


def parts_of_panel(panel: NDArray[Any], step: int) -> Iterator[NDArray[Any]]:
    """Yield the rows of a panel, `step` at a time.

    Whoever has the last ones, while the next panel is made, holds these alone: they are a copy, unless they are all.
    """
    last = max(0, len(panel) - 1) // step * step
    for start in range(0, last, step):
        yield panel[start : start + step]
    if last:
        panel = panel[last:].copy()
    yield panel


def spans(positions: Positions, chunk: int) -> list[tuple[int, int, slice]]:
    """Return runs (first, last + 1, which of `positions`) so that no chunk belongs to two runs.

    Neighbouring positions share a run; so do positions in one chunk.
    """
    if not len(positions):
        return []
    new = (np.diff(positions) != 1) & (np.diff(positions // chunk) != 0)
    starts = [0, *(np.flatnonzero(new) + 1).tolist()]
    stops = [*starts[1:], len(positions)]
    return [(int(positions[a]), int(positions[b - 1]) + 1, slice(a, b)) for a, b in zip(starts, stops, strict=True)]


def read(
    dataset: Cells, rows: Positions | slice, columns: Positions | slice | None, dtype: np.dtype[Any]
) -> NDArray[Any]:
    """Return ``dataset[rows][:, columns]`` as `dtype`; positions ascending, slices half-open, None for all columns."""
    columns = slice(0, dataset.shape[1]) if columns is None else columns
    if isinstance(dataset, ChunkedCells):
        return dataset.read(rows, columns).astype(dtype, copy=False)
    if isinstance(rows, slice) and isinstance(columns, slice):
        return np.ascontiguousarray(dataset[rows, columns], dtype=dtype)
    row_positions, column_positions = positions_of(rows), positions_of(columns)
    row_chunk, column_chunk = chunk_of(dataset)
    row_spans = spans(row_positions, row_chunk)
    column_spans = spans(column_positions, column_chunk)
    out = np.empty((len(row_positions), len(column_positions)), dtype)
    for first, last, to_rows in row_spans:
        for low, high, to_columns in column_spans:
            part = dataset[first:last, low:high]
            if last - first != to_rows.stop - to_rows.start:
                part = part[row_positions[to_rows] - first]
            if high - low != to_columns.stop - to_columns.start:
                part = part[:, column_positions[to_columns] - low]
            out[to_rows, to_columns] = part
    return out


def decoded_bytes(dataset: Cells, rows: Positions | None, columns: Positions | None) -> int:
    """Return how many bytes of chunks a selection decodes."""
    shape, chunk = dataset.shape, chunk_of(dataset)
    touched = [
        -(-shape[axis] // chunk[axis]) if positions is None else len(np.unique(positions // chunk[axis]))
        for axis, positions in ((0, rows), (1, columns))
    ]
    return touched[0] * chunk[0] * touched[1] * chunk[1] * int(dataset.dtype.itemsize)


def row_blocks(
    dataset: Cells, rows: Positions | None, columns: Positions | None, dtype: np.dtype[Any]
) -> Iterator[NDArray[Any]]:
    """Yield the selected cells in blocks of rows, each of about `BLOCK_BYTES` as read, cut between chunks."""
    yield from _each(dataset, ((part, columns) for part in _parts(dataset, rows, columns)), dtype)


def _each(
    dataset: Cells,
    selections: Iterable[tuple[Positions | slice, Positions | slice | None]],
    dtype: np.dtype[Any],
) -> Iterator[NDArray[Any]]:
    """Yield what `read` returns for each of several (rows, columns)."""
    if isinstance(dataset, ChunkedCells) and dataset.far:
        whole = slice(0, dataset.shape[1])
        for block in dataset.read_each((rows, whole if columns is None else columns) for rows, columns in selections):
            yield block.astype(dtype, copy=False)
        return
    for rows, columns in selections:
        yield read(dataset, rows, columns, dtype)


def _parts(dataset: Cells, rows: Positions | None, columns: Positions | None) -> Iterator[Positions | slice]:
    """Yield the rows of each block."""
    row_chunk, column_chunk = chunk_of(dataset)
    if columns is None:
        width = dataset.shape[1]
    elif isinstance(dataset, ChunkedCells):
        width = len(columns)
    else:
        width = min(dataset.shape[1], len(np.unique(columns // column_chunk)) * column_chunk)
    step = max(1, BLOCK_BYTES // max(1, width * dataset.dtype.itemsize))
    if step > row_chunk:
        step -= step % row_chunk
    if rows is None:
        for start in range(0, dataset.shape[0], step):
            yield slice(start, min(start + step, dataset.shape[0]))
        return
    if len(rows) <= step:
        yield rows
        return
    # Where a block may end: no chunk is to be read for two, unless one alone is more than a block.
    ends = np.flatnonzero(np.diff(rows // min(row_chunk, step), append=-1)) + 1
    start = 0
    while start < len(rows):
        fitting = int(np.searchsorted(ends, start + step, side="right")) - 1
        stop = int(ends[fitting])
        yield rows[start:stop]
        start = stop


def column_blocks(
    by_column: Cells, rows: Positions | None, columns: Positions, dtype: np.dtype[Any]
) -> Iterator[NDArray[Any]]:
    """Yield blocks of rows out of the copy whose rows are the matrix's columns, as wide as its chunks."""
    height, step = by_column.shape[1], chunk_of(by_column)[1]

    def parts() -> Iterator[tuple[Positions, Positions | slice]]:
        for start in range(0, height, step):
            stop = min(start + step, height)
            if rows is None:
                yield columns, slice(start, stop)
            elif len(part := rows[np.searchsorted(rows, start) : np.searchsorted(rows, stop)]):
                yield columns, part

    for block in _each(by_column, parts(), dtype):
        yield from _transposed(block)


def _transposed(block: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Yield the transposed block in pieces; at once, every cell copied would miss the processor's cache."""
    columns, rows = block.shape
    if columns == 1:
        yield block.reshape(rows, 1)
        return
    height = max(1, PIECE_BYTES // (columns * block.dtype.itemsize))
    for start in range(0, rows, height):
        piece = block[:, start : start + height]
        transposed = np.empty(piece.shape[::-1], block.dtype)
        narrow = columns * block.dtype.itemsize <= _NARROW
        tall, wide = (height, _STRIP) if narrow else (_TILE, columns)
        for top in range(0, piece.shape[1], tall):
            for left in range(0, columns, wide):
                transposed[top : top + tall, left : left + wide] = piece[left : left + wide, top : top + tall].T
        yield transposed
