"""The cells of a sparse matrix in an HDF5 file, spooled line by line; if there are many, by other processes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from rnaget_server.errors import ImportFailure
from rnaget_server.importers.base import Progress
from rnaget_server.importers.matrices.annotated import as_import_failures, kept_dtype
from rnaget_server.importers.sparse_blocks import BlockFile, most_room
from rnaget_server.importers.sparse_lines import BLOCK, LINES, HeldLines, TakenLines
from rnaget_server.importers.sparse_spool import SparseSpool, SpooledSparse, filling
from rnaget_server.importers.spool import TooLarge
from rnaget_server.importers.threads import PROCESSORS, ahead
from rnaget_server.model.sparse import Direction
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
    with filling(SparseSpool(directory, direction, lines.minor_size), path) as spool:
        by_processes = PROCESSORS > 1 and total >= _MANY_CELLS and lines.place is not None
        for size in spool.take(_read_part, _parts(path, lines)) if by_processes else _appended(spool, path, lines):
            done += size
            progress(min(1.0, done / total))
        return spool.finish()


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


def _parts(path: Path, lines: CompressedMatrix) -> Iterator[_Part]:
    """Yield all lines of a matrix that `open_compressed` has opened, each part a block."""
    assert lines.place is not None
    lengths, start = lines.lengths, 0
    for first, last in panels(lengths, BLOCK):
        for begin in range(first, last, LINES):
            end = min(begin + LINES, last)
            yield _Part(path, lines.place, begin, end, start)
            start += most_room(int(lengths[begin:end].sum()), lines.minor_size)


def _read_part(file: BlockFile, part: _Part) -> TakenLines:
    """Read lines into their block; called in other processes."""
    held = HeldLines()
    with as_import_failures(part.path):
        lines = _opened(part.place)
        for piece in lines.pieces(np.arange(part.first, part.last), None, kept_dtype(lines.dtype), size=_CELLS):
            try:
                held.append(piece)
            except TooLarge as error:
                raise ImportFailure(str(error), part.path) from None
    return held.write(file, part.start, part.first, lines.minor_size)


@cache
def _opened(place: Place) -> CompressedMatrix:
    return place.open().by_threads()
