"""The cells of a sparse matrix in an HDF5 file, spooled line by line; if there are many, by other processes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from rnaget_server.compute.processes import Processes
from rnaget_server.importers.base import Progress
from rnaget_server.importers.file_failures import as_import_failures
from rnaget_server.importers.sparse_lines import BLOCK, MOST_LINES
from rnaget_server.importers.sparse_source import CELLS, SourceLines
from rnaget_server.importers.sparse_spool import SparseSpool, SpooledSparse
from rnaget_server.importers.spool import kept_dtype
from rnaget_server.importers.threads import PROCESSORS, ahead
from rnaget_server.model.sparse import CompressedBlock, Direction
from rnaget_server.stores.compressed import CompressedMatrix, Place, panels

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
    total, spool = max(1, lines.cells(None)), SparseSpool(path, directory, direction, lines.minor_size)

    def report(cells: int) -> None:
        progress(min(1.0, cells / total))

    if PROCESSORS > 1 and total >= _MANY_CELLS and lines.place is not None and Processes.may_start():
        # In other processes, /dev/fd/3 is something else.
        place = replace(lines.place, file=lines.place.file.resolve())
        return spool.by_processes(_parts(path, lines, place), report)
    with closing(ahead(_pieces(path, lines))) as pieces:
        return spool.by_threads(pieces, report)


def _pieces(path: Path, lines: CompressedMatrix) -> Iterator[CompressedBlock]:
    with as_import_failures(path):
        yield from lines.by_threads().pieces(None, None, kept_dtype(lines.dtype), size=CELLS)


def _parts(path: Path, lines: CompressedMatrix, place: Place) -> Iterator[SourceLines]:
    """Yield all lines of a matrix, each part a block."""
    for first, last in panels(lines.lengths, BLOCK):
        for start in range(first, last, MOST_LINES):
            yield SourceLines(path, place, start, min(start + MOST_LINES, last))
