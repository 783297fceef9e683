"""Blocks of sparse lines in an unnamed temporary file, each as it came and transposed.

The file has no name, so it is gone once it is closed, however the process ends. Positions and values are kept in the
least types that hold those of a block, since to write and read them takes as long as to transpose them.
"""

from __future__ import annotations

import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rnaget_server.importers.spool import read_at, write_at
from rnaget_server.model.sparse import CompressedBlock
from rnaget_server.stores.compressed import indptr_of

# So few cells numpy sorts before SciPy is loaded, which counts them into place in half the time.
_FEW = 1 << 19
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


class BlockFile:
    """The temporary file of blocks; several threads may write and read at once."""

    def __init__(self, directory: Path) -> None:
        self._file = tempfile.TemporaryFile(dir=directory, buffering=0)  # noqa: SIM115  (closed by the spool)
        self._end = 0
        self._lock = threading.Lock()

    def write(self, first: int, across: int, pieces: list[CompressedBlock]) -> tuple[Block, NDArray[Any]]:
        """Write consecutive lines, and return their block and how many cells are at each position.

        Parameters
        ----------
        first
            The number of the first line.
        across
            The number of positions.
        pieces
            The lines, at least one of them; positions in the least type, and values in types that hold them.
        """
        lengths = np.concatenate([np.diff(piece.indptr) for piece in pieces])
        positions = np.concatenate([piece.indices for piece in pieces])
        values = np.concatenate([piece.data for piece in pieces])
        pieces.clear()  # so that memory has the cells only once
        counts, lines, moved = _transposed(lengths, positions, values, across)
        few_counts = counts.astype(least_type(len(lengths) + 1), copy=False)
        arrays = positions, values, few_counts, lines.astype(least_type(len(lengths)), copy=False), moved
        del lines
        sizes = indptr_of(np.array([array.nbytes for array in arrays]))
        with self._lock:
            start, self._end = self._end, self._end + int(sizes[-1])
        write_at(self._file, arrays, start)
        return Block(first, lengths, tuple(array.dtype for array in arrays), tuple((start + sizes).tolist())), counts

    def read(self, block: Block, array: int, start: int, stop: int) -> NDArray[Any]:
        """Return a part of one of the arrays of a block."""
        kind = block.types[array]
        cells = np.empty(stop - start, kind)
        read_at(self._file, cells, block.places[array] + start * kind.itemsize)
        return cells

    def close(self) -> None:
        """Give the file back."""
        self._file.close()


def joined(
    lengths: NDArray[np.int64], lines: NDArray[np.int32], values: NDArray[Any]
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


def least_type(count: int) -> np.dtype[Any]:
    """Return the type that numbers up to a count, without it, need: uint8, uint16 or int32."""
    least = np.min_scalar_type(max(0, count - 1))
    return least if least.itemsize < 4 else np.dtype(np.int32)


def _transposed(
    lengths: NDArray[np.int64], positions: NDArray[Any], values: NDArray[Any], across: int
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return how many cells are at each position, and the lines and values of the cells in the order of positions."""
    if len(positions) <= _FEW:
        order = np.argsort(positions, kind="stable")
        lines = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
        return np.bincount(positions, minlength=across), lines[order], values[order]
    from scipy.sparse import csr_array

    narrow = positions.astype(np.int32), indptr_of(lengths).astype(np.int32)
    rows = csr_array((values, *narrow), (len(lengths), across))
    columns = rows.tocsc()
    return np.diff(columns.indptr), columns.indices, columns.data
