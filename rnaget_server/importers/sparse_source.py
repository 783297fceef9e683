"""Lines of a sparse matrix in an HDF5 file, as small values by which another process reads them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np

from rnaget_server.errors import ImportFailure
from rnaget_server.importers.file_failures import as_import_failures
from rnaget_server.importers.sparse_blocks import POSITIONS, Block, BlockFiles
from rnaget_server.importers.sparse_lines import HeldLines, SpooledLines, as_one
from rnaget_server.importers.spool import kept_dtype
from rnaget_server.model.sparse import CompressedBlock
from rnaget_server.stores.compressed import CompressedMatrix, Place

CELLS: Final = 1 << 20
"""Stored cells read at once: arrays of so many take few and large pages of memory, which is a third of the time."""


@dataclass(frozen=True)
class SourceLines:
    """Some lines, half-open, of the matrix at a place; `path` is named in messages."""

    path: Path
    place: Place
    start: int
    stop: int

    def spool(self, files: BlockFiles, number: int) -> SpooledLines:
        """Write them to the file of a number; cells that are flat are read again instead, which takes no longer."""
        held = HeldLines(self.start, self.place.minor_size)
        for piece in self._pieces():
            held.append(piece)
        spooled = held.spool(files, number, self if self.place.is_flat else None)
        self._forget()
        return spooled

    def read(self, block: Block, dtype: np.dtype[Any]) -> CompressedBlock:
        """Return them again, with values of a type, as the block that they were written as."""
        lines = as_one(list(self._pieces()), block.types[POSITIONS], dtype)
        self._forget()
        if not np.array_equal(np.diff(lines.indptr), block.lengths):
            raise ImportFailure("the file was changed while it was imported", self.path)
        return lines

    def _pieces(self) -> Iterator[CompressedBlock]:
        with as_import_failures(self.path):
            matrix, rows = _opened(self.place), np.arange(self.start, self.stop)
            yield from matrix.pieces(rows, None, kept_dtype(matrix.dtype), size=CELLS)

    def _forget(self) -> None:
        with as_import_failures(self.path):
            _opened(self.place).forget()


@cache
def _opened(place: Place) -> CompressedMatrix:
    return place.open()
