"""Sparse cells on their way from the source to the store: an unnamed temporary file of only the stored cells.

They are spooled by blocks of lines as they come, each as it came and transposed in memory. The lines of the other axis
are put together of what each block has of them, so that nothing is sorted. Of many cells, processes do this.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from rnaget_server.compute.processes import Processes
from rnaget_server.errors import ImportFailure
from rnaget_server.importers.odd_values import OddValues
from rnaget_server.importers.sparse_blocks import COUNTS, VALUES, Block, BlockFile, most_room
from rnaget_server.importers.sparse_lines import BLOCK, HeldLines, TakenLines
from rnaget_server.importers.sparse_parts import AcrossPart, CellsPart, StraightMaker, StraightPart
from rnaget_server.importers.spool import Spool, TooLarge
from rnaget_server.importers.threads import PROCESSORS, in_order
from rnaget_server.model.sparse import CompressedBlock, Direction
from rnaget_server.stores.compressed import PIECE, panels
from rnaget_server.stores.dtypes import cell_dtype
from rnaget_server.stores.native.encoded_rows import made_of

Made = TypeVar("Made")
Work = Callable[[CompressedBlock, int], Made]
SourceLines = TypeVar("SourceLines")


@dataclass(frozen=True)
class SpooledSparse:
    """A sparse matrix in a temporary file, readable along both axes in bounded memory. Made by `SparseSpool`."""

    whole: bool
    stored_dtype: np.dtype[Any]
    _direction: Direction
    _file: BlockFile
    _processes: Processes | None
    _blocks: list[Block]
    _counts: NDArray[np.int64]
    odd: OddValues
    _straight: StraightMaker

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

    def compressed_along(self, direction: Direction) -> Iterator[CompressedBlock]:
        """Yield the cells in bounded pieces, compressed along features or samples.

        Each has indices and values in types that hold them, which may be narrower than those of another piece:
        uint8, uint16 or int32, and uint8, uint16, float32 or, if that is `dtype`, float64.
        """
        if self._processes is not None:
            for block in self.worked_on(direction, _itself):
                yield from _pieces(deepcopy(block))  # the arrays are good until the next block
            return
        with contextlib.closing(in_order(lambda part: part.cells(self._file), self._parts(direction))) as blocks:
            for block in blocks:
                yield from _pieces(block)

    def worked_on(self, direction: Direction, work: Work[Made], last: bool = False) -> Iterator[Made]:
        """Yield what is made of the cells block by block, in their order, by processes if there are many cells.

        Parameters
        ----------
        direction
            Along which the cells are compressed.
        work
            Called with a block, as by `compressed_along`, and the number of cells before it. It can be pickled. The
            arrays of what it makes may be used until the next is asked for.
        last
            True if they are not asked for along this direction again: then their file may go.
        """
        if self._processes is None:
            yield from made_of(self.compressed_along(direction), work)
            return
        parts = self._parts(direction)
        with contextlib.closing(self._processes.map_arrays(partial(_worked_on, work), parts)) as made:
            yield from made
        if last and direction != self._direction:
            self._file.drop_transposed()

    def close(self) -> None:
        """Give the temporary file back."""
        if self._processes is not None:
            self._processes.close()
        self._file.close()

    def _parts(self, direction: Direction) -> Iterator[CellsPart]:
        return self._along() if direction == self._direction else self._across()

    def _along(self) -> Iterator[CellsPart]:
        at = 0
        for block in self._blocks:
            yield self._straight(block, at, self.dtype)
            at += int(block.lengths.sum())

    def _across(self) -> Iterator[AcrossPart]:
        blocks = [replace(block, lengths=np.empty(0, np.int64)) for block in self._blocks]
        starts, at = np.zeros(len(blocks), np.int64), 0
        # A line has a stretch of cells in each block, and a stretch takes about as much memory as a cell.
        for first, last in panels(self._counts + len(blocks), BLOCK):
            lengths = np.empty((len(blocks), last - first), np.int32)
            for block, counts in zip(blocks, lengths, strict=True):
                counts[:] = self._file.read(block, COUNTS, first, last)
            yield AcrossPart(blocks, starts.copy(), lengths, at, self.stored_dtype)
            starts += lengths.sum(axis=1)
            at += int(lengths.sum())


def _itself(block: CompressedBlock, at: int) -> CompressedBlock:
    return block


def _worked_on(work: Work[Made], file: BlockFile, part: CellsPart) -> Made:
    return work(part.cells(file), part.at)


def _pieces(block: CompressedBlock) -> Iterator[CompressedBlock]:
    """Yield lines of a block, so few that what uses them goes on with some while it waits for others."""
    for first, last in panels(np.diff(block.indptr), PIECE):
        start, stop = block.indptr[first], block.indptr[last]
        yield CompressedBlock(block.indptr[first : last + 1] - start, block.indices[start:stop], block.data[start:stop])


class SparseSpool:
    """Takes lines as they are read from the source, canonical: positions ascend without repeats.

    Parameters
    ----------
    directory
        The directory of the temporary file.
    direction
        The kind of the lines.
    across
        Length of the other axis.
    """

    def __init__(self, directory: Path, direction: Direction, across: int) -> None:
        self._directory = directory
        self._direction = direction
        self._file = BlockFile(directory)
        self._threads = ThreadPoolExecutor(PROCESSORS)
        self._processes: Processes | None = None
        self._pending: deque[Future[TakenLines]] = deque()
        self._held = HeldLines()
        self._lines = self._start = 0
        self._blocks: list[Block] = []
        self._kept: np.dtype[Any] = np.dtype(np.uint8)
        self._counts = np.zeros(across, np.int64)
        self._whole = True
        self._odd = OddValues()

    def append(self, piece: CompressedBlock) -> None:
        """Take the next lines.

        Raises
        ------
        TooLarge
            If a finite value is beyond what float32 can hold.
        """
        self._held.append(piece)
        if self._held.full:
            self._write_held()

    def take(self, read: Callable[[BlockFile, SourceLines], TakenLines], parts: Iterable[SourceLines]) -> Iterator[int]:
        """Have processes read the next lines, and yield how many cells are taken.

        Parameters
        ----------
        read
            Writes a part into the file; at the top of a module.
        parts
            The parts.
        """
        with contextlib.closing(self._started().map(read, parts)) as taken:
            for lines in taken:
                self._add(lines)
                yield int(lines.block.lengths.sum())

    def finish(self, straight: StraightMaker = StraightPart) -> SpooledSparse:
        """Return what was taken, to be read; the spool takes no more.

        Of a spool that processes have filled, `straight` may read the lines as they came elsewhere than in the file.
        """
        if self._held.lines:
            self._write_held()
        self._wait(most_pending=0)
        self._threads.shutdown()
        return SpooledSparse(
            self._whole,
            self._kept,
            self._direction,
            self._file,
            self._processes,
            self._blocks,
            self._counts,
            self._odd,
            straight,
        )

    def close(self) -> None:
        """Give the temporary file back."""
        self._threads.shutdown(cancel_futures=True)
        if self._processes is not None:
            self._processes.close()
        self._file.close()

    def _started(self) -> Processes:
        if self._processes is None:
            self._processes = Processes(PROCESSORS, self._directory, self._file)
        return self._processes

    def _write_held(self) -> None:
        held, self._held = self._held, HeldLines()
        start, first, across = self._start, self._lines, len(self._counts)
        self._start += most_room(held.size, across)
        self._lines += held.lines
        self._pending.append(self._threads.submit(held.write, self._file, start, first, across))
        self._wait(PROCESSORS)

    def _wait(self, most_pending: int) -> None:
        while len(self._pending) > most_pending:
            self._add(self._pending.popleft().result())

    def _add(self, taken: TakenLines) -> None:
        """Take note of a block that is written, the next one."""
        self._odd.follow(taken.odd, taken.block.first)
        self._whole &= taken.whole
        kept = taken.block.types[VALUES]
        self._kept = np.promote_types(self._kept, kept) if self._whole else np.dtype(np.float32)
        self._counts += taken.counts
        self._blocks.append(taken.block)


AnySpool = TypeVar("AnySpool", Spool, SparseSpool)


@contextlib.contextmanager
def filling(spool: AnySpool, path: Path) -> Iterator[AnySpool]:
    """Give a spool to fill from a source; if that fails, close it, and refuse a value that is too large."""
    try:
        yield spool
    except BaseException as error:
        spool.close()
        if isinstance(error, TooLarge):
            raise ImportFailure(str(error), path) from None
        raise
