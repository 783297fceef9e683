"""Blocks of sparse lines in unnamed temporary files, each as it came and transposed.

The files have no name, so they are gone once they are closed, however the process ends. Positions and values are kept
in the least types that hold those of a block, since to write and read them takes as long as to transpose them.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from rnaget_server.compute.processes import SharedFile
from rnaget_server.importers.spool import read_at
from rnaget_server.model.sparse import CompressedBlock
from rnaget_server.stores.compressed import indptr_of
from rnaget_server.stores.dtypes import least_type

# So few cells numpy sorts before SciPy is loaded, which counts them into place in half the time.
_FEW = 1 << 19
POSITIONS: Final = 0
VALUES: Final = 1
COUNTS: Final = 2
LINES: Final = 3
MOVED: Final = 4


class Source(Protocol):
    """The source of a block, for lines that are not in the file as they came."""

    def read(self, block: Block, dtype: np.dtype[Any]) -> CompressedBlock:
        """Return the lines of the block again, with values of a type."""


@dataclass(frozen=True)
class Block:
    """Consecutive lines, and where they are in one of the files.

    There are five arrays: `POSITIONS` and `VALUES` of the cells line by line, then by positions `COUNTS` of cells, and
    of each cell its line in the block, `LINES`, and its value, `MOVED`.

    Attributes
    ----------
    file
        The number of the file.
    first
        The number of the first line.
    lengths
        The number of cells of each line.
    types, places
        The types of the five arrays, and where they begin.
    source
        If it is given, the cells line by line are to be read there: the first two arrays are left out.
    """

    file: int
    first: int
    lengths: NDArray[np.int64]
    types: tuple[np.dtype[Any], ...]
    places: tuple[int, ...]
    source: Source | None


class BlockFiles:
    """Temporary files of blocks, in each of them one behind another.

    Several threads and processes may write and read at once, if each of them writes to another file.
    """

    def __init__(self, directory: Path, count: int) -> None:
        self._files = [SharedFile.new(directory) for _ in range(count)]

    def append(
        self, file: int, first: int, lines: CompressedBlock, across: int, source: Source | None
    ) -> tuple[Block, NDArray[Any]]:
        """Write lines, from the number `first` on and `across` long; return the block and the `COUNTS` of its cells.

        For `source` see `Block`.
        """
        lengths, kept = np.diff(lines.indptr), lines.data.dtype
        counts, numbers, moved = _transposed(lengths, lines.indices, lines.data, across)
        straight = lines.indices, lines.data
        if source is not None:
            straight = lines.indices[:0], lines.data[:0]
        types = (least_type(across), kept, least_type(len(lengths) + 1), least_type(len(lengths)), kept)
        places = [os.fstat(self._files[file].fileno()).st_size]
        for array, type in zip((*straight, counts, numbers, moved), types, strict=True):
            raw = array.astype(type, copy=False).view(np.uint8).data
            self._files[file].write(raw, places[-1])
            places.append(places[-1] + raw.nbytes)
        return Block(file, first, lengths, types, tuple(places), source), counts

    def read(self, block: Block, array: int, start: int, stop: int) -> NDArray[Any]:
        """Return a part of one of the arrays of a block."""
        kind = block.types[array]
        cells = np.empty(stop - start, kind)
        read_at(self._files[block.file], cells, block.places[array] + start * kind.itemsize)
        return cells

    def close(self) -> None:
        """Give the files back."""
        for file in self._files:
            file.close()


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
