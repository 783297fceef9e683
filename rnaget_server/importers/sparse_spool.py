"""Sparse cells on their way from the source to the store: unnamed temporary files of only the stored cells.

They are spooled by blocks of lines as they come, each as it came and transposed in memory. The lines of the other axis
are put together of what each block has of them, so that nothing is sorted. Of many cells, processes do this.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rnaget_server.compute.base import Result
from rnaget_server.compute.processes import Processes
from rnaget_server.importers.odd_values import OddValues
from rnaget_server.importers.sparse_blocks import COUNTS, VALUES, Block, BlockFiles
from rnaget_server.importers.sparse_lines import BLOCK, SpooledLines, held_lines
from rnaget_server.importers.sparse_parts import AcrossPart, AlongPart
from rnaget_server.importers.spool import filling
from rnaget_server.importers.threads import PROCESSORS, Threads
from rnaget_server.model.sparse import CompressedBlock, Direction
from rnaget_server.stores.compressed import panels
from rnaget_server.stores.dtypes import cell_dtype

Report = Callable[[int], None]


class _Lines(Protocol):
    """Lines of a block, to be spooled."""

    def spool(self, files: BlockFiles, number: int) -> SpooledLines:
        """Write them to the file of a number."""


class SpooledSparse:
    """A sparse matrix in temporary files, readable along both axes in bounded memory. Made by `SparseSpool`.

    `stored_dtype` is the type that all values need, `whole` is true if all are whole numbers or NaN, and `odd` has
    those that are rarely meant.
    """

    def __init__(
        self,
        direction: Direction,
        counts: NDArray[np.int64],
        files: BlockFiles,
        workers: Threads | Processes,
        opened: ExitStack,
    ) -> None:
        self._direction: Direction = direction
        self._counts = counts
        self._files = files
        self._workers = workers
        self._opened = opened
        self._blocks: list[Block] = []
        self.stored_dtype: np.dtype[Any] = np.dtype(np.uint8)
        self.whole = True
        self.odd = OddValues()

    def add(self, lines: SpooledLines) -> None:
        """Take note of the next lines, which are in the files."""
        self.odd.follow(lines.odd, lines.block.first)
        self.whole &= lines.whole
        kept = lines.block.types[VALUES]
        self.stored_dtype = np.promote_types(self.stored_dtype, kept) if self.whole else np.dtype(np.float32)
        self._counts += lines.counts
        self._blocks.append(lines.block)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the cells: float32, or float64 for whole numbers beyond 2**24."""
        return cell_dtype(self.stored_dtype)

    @property
    def by_sample(self) -> bool:
        """True if the cells came sample by sample."""
        return self._direction == "samples"

    @property
    def shape(self) -> tuple[int, int]:
        """Number of features and of samples."""
        lines, across = sum(len(block.lengths) for block in self._blocks), len(self._counts)
        return (lines, across) if self._direction == "features" else (across, lines)

    @property
    def count(self) -> int:
        """Number of stored cells."""
        return int(self._counts.sum())

    def map_blocks(self, direction: Direction, work: Callable[[CompressedBlock, int], Result]) -> Iterator[Result]:
        """Yield what is made of the cells block by block, in their order; see `SparseValues`.

        A block has indices and values in types that hold them, which may be narrower than those of another block:
        uint8, uint16 or int32, and uint8, uint16, float32 or, if that is `dtype`, float64.
        """
        parts = self._along() if direction == self._direction else self._across()
        with closing(self._workers.map_arrays(partial(_work_on, work), parts)) as results:
            yield from results

    def close(self) -> None:
        """Give the temporary files back."""
        self._opened.close()

    def _along(self) -> Iterator[AlongPart]:
        at = 0
        for block in self._blocks:
            yield AlongPart(block, at, self.dtype)
            at += int(block.lengths.sum())

    def _across(self) -> Iterator[AcrossPart]:
        blocks = [replace(block, lengths=np.empty(0, np.int64), source=None) for block in self._blocks]
        starts, at = np.zeros(len(blocks), np.int64), 0
        # A line has a stretch of cells in each block, and a stretch takes about as much memory as a cell.
        for first, last in panels(self._counts + len(blocks), BLOCK):
            lengths = np.empty((len(blocks), last - first), np.int32)
            for block, counts in zip(blocks, lengths, strict=True):
                counts[:] = self._files.read(block, COUNTS, first, last)
            yield AcrossPart(blocks, starts.copy(), lengths, at, self.stored_dtype)
            starts += lengths.sum(axis=1)
            at += int(lengths.sum())


@dataclass(frozen=True)
class SparseSpool:
    """Spools the lines of a matrix.

    Parameters
    ----------
    path
        The source, named in messages.
    directory
        The directory of the temporary files.
    direction
        The kind of the lines.
    across
        Length of the other axis.
    """

    path: Path
    directory: Path
    direction: Direction
    across: int

    def by_threads(self, pieces: Iterable[CompressedBlock], report: Report = lambda cells: None) -> SpooledSparse:
        """Return all lines, which come canonical: positions ascend without repeats.

        `report` is called with the number of cells that are spooled.

        Raises
        ------
        ImportFailure
            If a finite value is beyond what float32 can hold.
        """
        return self._spooled(Threads, held_lines(pieces, self.across), report)

    def by_processes(self, parts: Iterable[_Lines], report: Report = lambda cells: None) -> SpooledSparse:
        """Return all lines, as `by_threads` does; processes read the parts, small values that can be pickled."""
        return self._spooled(partial(Processes, PROCESSORS, self.directory), parts, report)

    def _spooled(
        self, start: Callable[[BlockFiles], Threads | Processes], parts: Iterable[_Lines], report: Report
    ) -> SpooledSparse:
        # The files that no part writes to. One more part is taken than there are at work at once.
        unused = list(range(PROCESSORS + 1))
        with filling(ExitStack(), self.path) as opened:
            files = opened.enter_context(closing(BlockFiles(self.directory, len(unused))))
            workers = opened.enter_context(closing(start(files)))
            spooled = SpooledSparse(self.direction, np.zeros(self.across, np.int64), files, workers, opened)
            with closing(workers.map(_spool, ((unused.pop(), part) for part in parts))) as done:
                for lines in done:
                    unused.append(lines.block.file)
                    spooled.add(lines)
                    report(spooled.count)
        return spooled


def _spool(files: BlockFiles, numbered: tuple[int, _Lines]) -> SpooledLines:
    number, lines = numbered
    return lines.spool(files, number)


def _work_on(work: Callable[[CompressedBlock, int], Result], files: BlockFiles, part: AlongPart | AcrossPart) -> Result:
    return work(part.cells(files), part.at)
