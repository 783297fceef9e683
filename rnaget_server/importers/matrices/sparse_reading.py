"""The cells of a sparse matrix in an HDF5 file, spooled line by line; if there are many, by other processes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from rnaget_server.compute.processes import Processes
from rnaget_server.errors import ImportFailure
from rnaget_server.importers.base import Progress
from rnaget_server.importers.file_failures import as_import_failures
from rnaget_server.importers.matrices.annotated import kept_dtype
from rnaget_server.importers.sparse_blocks import POSITIONS, Block, BlockFile, most_room
from rnaget_server.importers.sparse_lines import BLOCK, MOST_LINES, HeldLines, TakenLines, as_one
from rnaget_server.importers.sparse_parts import StraightMaker, StraightPart, value_dtype
from rnaget_server.importers.sparse_spool import SparseSpool, SpooledSparse, filling
from rnaget_server.importers.spool import TooLarge
from rnaget_server.importers.threads import PROCESSORS, ahead
from rnaget_server.model.sparse import CompressedBlock, Direction
from rnaget_server.stores.compressed import CompressedMatrix, Place, panels

# Stored cells read at once: arrays of so many take few and large pages of memory, which is a third of the time.
_CELLS = 1 << 20
# Of so many cells, the work of a second, processes are started, which takes each of them half a second.
_MANY_CELLS = 1 << 25


def spool_lines(
    path: Path, lines: CompressedMatrix, direction: Direction, directory: Path, progress: Progress
) -> SpooledSparse:
    """Return the cells of a sparse matrix whose lines are features or samples, spooled.

    Raises
    ------
    ImportFailure
        If the cells are damaged, or a value is too large.
    """
    total, done = max(1, lines.cells(None)), 0
    straight: StraightMaker = StraightPart
    with filling(SparseSpool(directory, direction, lines.minor_size), path) as spool:
        taken = _appended(spool, path, lines)
        if PROCESSORS > 1 and total >= _MANY_CELLS and lines.place is not None and Processes.may_start():
            # In other processes, /dev/fd/3 is something else.
            place = replace(lines.place, file=lines.place.file.resolve())
            taken = spool.take(_read_part, _parts(path, lines, place))
            if lines.is_flat:
                straight = partial(_LinesAgain, path, place)
        for size in taken:
            done += size
            progress(min(1.0, done / total))
        return spool.finish(straight)


def _appended(spool: SparseSpool, path: Path, lines: CompressedMatrix) -> Iterator[int]:
    """Yield how many cells are taken, as they are."""
    with as_import_failures(path):
        lines = lines.by_threads()
    with contextlib.closing(ahead(lines.pieces(None, None, kept_dtype(lines.dtype), size=_CELLS))) as pieces:
        while True:
            with as_import_failures(path):
                piece = next(pieces, None)
            if piece is None:
                return
            spool.append(piece)
            yield len(piece.data)


@dataclass(frozen=True)
class _Part:
    """Some lines, half-open, and where their block begins in the temporary file; `path` is named in messages."""

    path: Path
    place: Place
    first: int
    last: int
    start: int


def _parts(path: Path, lines: CompressedMatrix, place: Place) -> Iterator[_Part]:
    """Yield all lines of a matrix, each part a block."""
    lengths, start = lines.lengths, 0
    for first, last in panels(lengths, BLOCK):
        for begin in range(first, last, MOST_LINES):
            end = min(begin + MOST_LINES, last)
            yield _Part(path, place, begin, end, start)
            start += most_room(int(lengths[begin:end].sum()), lines.minor_size)


def _read_part(file: BlockFile, part: _Part) -> TakenLines:
    """Read lines into their block; called in other processes."""
    held, lines = HeldLines(), _opened(part.path, part.place)
    for piece in _pieces(part.path, lines, part.first, part.last):
        try:
            held.append(piece)
        except TooLarge as error:
            raise ImportFailure(str(error), part.path) from None
    taken = held.write(file, part.start, part.first, lines.minor_size, straight=not lines.is_mapped)
    with as_import_failures(part.path):
        lines.forget()
    return taken


@dataclass(frozen=True)
class _LinesAgain:
    """The lines of a block, read again from the source, where they lie as they are; `dtype` is the type of all cells.

    To read them takes no longer than to read a copy.
    """

    path: Path
    place: Place
    block: Block
    at: int
    dtype: np.dtype[Any]

    def cells(self, _: BlockFile) -> CompressedBlock:
        """Return these lines."""
        lines, first = _opened(self.path, self.place), self.block.first
        pieces = list(_pieces(self.path, lines, first, first + len(self.block.lengths)))
        made = as_one(pieces, self.block.types[POSITIONS], value_dtype(self.block, self.dtype))
        with as_import_failures(self.path):
            lines.forget()
        if not np.array_equal(np.diff(made.indptr), self.block.lengths):
            raise ImportFailure("the file was changed while it was imported", self.path)
        return made


def _pieces(path: Path, lines: CompressedMatrix, first: int, last: int) -> Iterator[CompressedBlock]:
    with as_import_failures(path):
        yield from lines.pieces(np.arange(first, last), None, kept_dtype(lines.dtype), size=_CELLS)


@cache
def _opened(path: Path, place: Place) -> CompressedMatrix:
    with as_import_failures(path):
        return place.open()
