"""Blocks of sparse lines in unnamed temporary files, each as it came and transposed.

The files have no name, so they are gone once they are closed, however the process ends. Positions and values are kept
in the least types that hold those of a block, since to write and read them takes as long as to transpose them.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rnaget_server.compute.processes import SharedFile
from rnaget_server.importers.spool import read_at
from rnaget_server.stores.compressed import indptr_of
from rnaget_server.stores.dtypes import least_type

# So few cells numpy sorts before SciPy is loaded, which counts them into place in half the time.
_FEW = 1 << 19
_WIDEST, _INDEX = 8, 4
POSITIONS: Final = 0
VALUES: Final = 1
COUNTS: Final = 2
LINES: Final = 3
MOVED: Final = 4


@dataclass(frozen=True)
class Block:
    """Consecutive lines, and where they are in the file.

    There are five arrays: `POSITIONS` and `VALUES` of the cells line by line, then by positions `COUNTS` of cells, and
    of each cell its line in the block, `LINES`, and its value, `MOVED`.

    Attributes
    ----------
    first
        The number of the first line.
    lengths
        The number of cells of each line.
    types, places
        The types of the five arrays, and where they begin; at last where the block ends.
    """

    first: int
    lengths: NDArray[np.int64]
    types: tuple[np.dtype[Any], ...]
    places: tuple[int, ...]


def block_at(start: int, first: int, lengths: NDArray[np.int64], across: int, kept: np.dtype[Any]) -> Block:
    """Return a block that begins at a place in the file.

    `across` is the number of positions, and `kept` the type of the values.
    """
    cells, lines = int(lengths.sum()), len(lengths)
    types = (least_type(across), kept, least_type(lines + 1), least_type(lines), kept)
    sizes = [cells * types[0].itemsize, cells * kept.itemsize, across * types[2].itemsize]
    places = start + indptr_of(np.array([*sizes, cells * types[3].itemsize, sizes[1]]))
    return Block(first, lengths, types, tuple(places.tolist()))


def most_room(cells: int, across: int) -> int:
    """Return how many bytes a block of so many cells takes at most, of any types; `across` is as for `block_at`."""
    return cells * (2 * _WIDEST + 2 * _INDEX) + across * _INDEX


class BlockFile:
    """The temporary files of blocks, one for what is transposed.

    Several threads and processes may write and read at once.
    """

    def __init__(self, directory: Path) -> None:
        self._straight, self._transposed = SharedFile.new(directory), SharedFile.new(directory)
        self._dropping: Thread | None = None

    def __getstate__(self) -> tuple[SharedFile, SharedFile]:
        """Return what another process needs."""
        return self._straight, self._transposed

    def __setstate__(self, state: tuple[SharedFile, SharedFile]) -> None:
        """Take over the files in another process."""
        self._straight, self._transposed = state
        self._dropping = None

    def write(
        self, block: Block, positions: NDArray[np.int32], values: NDArray[Any], straight: bool = True
    ) -> NDArray[Any]:
        """Write the cells of a block as they came, if `straight`, and transposed; return how many each position has."""
        if straight:
            self._write(block, POSITIONS, positions)
            self._write(block, VALUES, values)
        across = (block.places[LINES] - block.places[COUNTS]) // block.types[COUNTS].itemsize
        counts, lines, moved = _transposed(block.lengths, positions, values, across)
        self._write(block, COUNTS, counts)
        self._write(block, LINES, lines)
        self._write(block, MOVED, moved)
        return counts

    def _write(self, block: Block, array: int, cells: NDArray[Any]) -> None:
        raw = cells.astype(block.types[array], copy=False).view(np.uint8).data
        self._file_of(array).write(raw, block.places[array])

    def read(self, block: Block, array: int, start: int, stop: int) -> NDArray[Any]:
        """Return a part of one of the arrays of a block."""
        kind = block.types[array]
        cells = np.empty(stop - start, kind)
        read_at(self._file_of(array), cells, block.places[array] + start * kind.itemsize)
        return cells

    def drop_transposed(self) -> None:
        """Give back what is transposed, in a thread: the system goes through all of it, which takes a second."""
        self._dropping = Thread(target=os.truncate, args=(self._transposed.fileno(), 0))
        self._dropping.start()

    def close(self) -> None:
        """Give the files back."""
        if self._dropping is not None:
            self._dropping.join()
        self._straight.close()
        self._transposed.close()

    def _file_of(self, array: int) -> SharedFile:
        return self._straight if array in (POSITIONS, VALUES) else self._transposed


def joined(
    lengths: NDArray[np.int32], lines: NDArray[np.int32], values: NDArray[Any]
) -> tuple[NDArray[np.int32], NDArray[Any]]:
    """Return lines and values in the order of positions, of cells that come block by block, and in each by positions.

    `lengths` is the number of cells of each block (rows) at each position (columns).
    """
    blocks, positions = lengths.shape
    if blocks < 2:
        return lines, values
    from scipy.sparse import csr_array

    # To SciPy, the cells of a block at a position are a row of a matrix, of which it copies rows in another order.
    order = np.arange(lengths.size, dtype=np.int32).reshape(blocks, positions).T.ravel()
    starts = indptr_of(lengths.ravel()).astype(np.int32)
    rows = csr_array((values, lines, starts), (lengths.size, int(lines.max(initial=0)) + 1))[order]
    return rows.indices, rows.data


def _transposed(
    lengths: NDArray[np.int64], positions: NDArray[np.int32], values: NDArray[Any], across: int
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return how many cells are at each position, and the lines and values of the cells in the order of positions."""
    if len(positions) <= _FEW:
        order = np.argsort(positions.astype(least_type(across)), kind="stable")
        lines = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
        return np.bincount(positions, minlength=across), lines[order], values[order]
    from scipy.sparse import csr_array

    rows = csr_array((values, positions, indptr_of(lengths).astype(np.int32)), (len(lengths), across))
    columns = rows.tocsc()
    return np.diff(columns.indptr), columns.indices, columns.data
