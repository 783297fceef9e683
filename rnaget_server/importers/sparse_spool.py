"""Sparse cells on their way from the source to the store: an unnamed temporary file of only the stored cells.

They are spooled by blocks of lines as they come, each as it came and transposed in memory. The lines of the other axis
are put together of what each block has of them, so that nothing is sorted.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from rnaget_server.errors import ImportFailure
from rnaget_server.importers.odd_values import OddValues
from rnaget_server.importers.sparse_blocks import (
    COUNTS,
    LINES,
    MOVED,
    POSITIONS,
    VALUES,
    Block,
    BlockFile,
    block_at,
    joined,
)
from rnaget_server.importers.spool import Spool, TooLarge, refuse_too_large
from rnaget_server.importers.threads import PROCESSORS, in_order
from rnaget_server.model.sparse import CompressedBlock, Direction
from rnaget_server.stores.compressed import PIECE, indptr_of, panels

# Cells of a block, and of the lines of the other axis that are put together at once: the larger, the fewer stretches
# are read. Each thread has one in memory.
_BLOCK = (31 << 19) // PROCESSORS
# Lines of a block: two bytes number them.
_LINES = 1 << 16
_EXACT = 2.0**24
_BYTE, _TWO_BYTES = 1 << 8, 1 << 16
_SINGLE: np.dtype[Any] = np.dtype(np.float32)
_DOUBLE: np.dtype[Any] = np.dtype(np.float64)


@dataclass(frozen=True)
class _Part:
    """Lines of the other axis, by block: how many cells each line has, and where these cells begin."""

    lengths: NDArray[np.int64]
    starts: NDArray[np.int64]


@dataclass(frozen=True)
class SpooledSparse:
    """A sparse matrix in a temporary file, readable along both axes in bounded memory. Made by `SparseSpool`."""

    whole: bool
    dtype: np.dtype[Any]
    _direction: Direction
    _file: BlockFile
    _blocks: list[Block]
    kept: np.dtype[Any]
    _counts: NDArray[np.int64]
    odd: OddValues

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
        made = (
            in_order(self._straight, self._blocks)
            if direction == self._direction
            else in_order(self._joined, self._parts())
        )
        with contextlib.closing(made) as blocks:
            for block in blocks:
                yield from _pieces(block)

    def close(self) -> None:
        """Give the temporary file back."""
        self._file.close()

    def _straight(self, block: Block) -> CompressedBlock:
        indptr = indptr_of(block.lengths)
        positions, values = (self._file.read(block, array, 0, int(indptr[-1])) for array in (POSITIONS, VALUES))
        if values.itemsize > self.dtype.itemsize:  # large whole numbers, and there are fractions in other blocks
            values = values.astype(self.dtype)
        return CompressedBlock(indptr, positions, values)

    def _parts(self) -> Iterator[_Part]:
        starts = np.zeros(len(self._blocks), np.int64)
        # A line has a stretch of cells in each block, and a stretch takes about as much memory as a cell.
        for first, last in panels(self._counts + len(self._blocks), _BLOCK):
            lengths = np.empty((len(self._blocks), last - first), np.int64)
            for block, counts in zip(self._blocks, lengths, strict=True):
                counts[:] = self._file.read(block, COUNTS, first, last)
            yield _Part(lengths, starts.copy())
            starts += lengths.sum(axis=1)

    def _joined(self, part: _Part) -> CompressedBlock:
        """Return lines of the other axis."""
        stops = np.cumsum(part.lengths.sum(axis=1)).tolist()
        count = stops[-1] if stops else 0
        lines, values = np.empty(count, np.int32), np.empty(count, self.kept)
        for block, start, at, stop in zip(self._blocks, part.starts.tolist(), [0, *stops], stops, strict=False):
            end = start + stop - at
            np.add(self._file.read(block, LINES, start, end), block.first, out=lines[at:stop], dtype=np.int32)
            values[at:stop] = self._file.read(block, MOVED, start, end)
        lines, values = joined(part.lengths, lines, values)
        return CompressedBlock(indptr_of(part.lengths.sum(axis=0)), lines, values)


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
        self._direction = direction
        self._file = BlockFile(directory)
        self._threads = ThreadPoolExecutor(PROCESSORS)
        self._pending: deque[Future[NDArray[Any]]] = deque()
        self._blocks: list[Block] = []
        self._held: list[CompressedBlock] = []
        self._held_lines = self._held_cells = self._lines = 0
        self._kept = np.dtype(np.uint8)
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
        least, most = self._odd.look_at_sparse(piece, self._lines)
        refuse_too_large(piece.data, least, most)
        values = self._fitting(piece.data, least, most)
        self._kept = np.promote_types(self._kept, values.dtype) if self._whole else _SINGLE
        self._held.append(CompressedBlock(piece.indptr, piece.indices, values))
        lines = len(piece.indptr) - 1
        self._lines += lines
        self._held_lines += lines
        self._held_cells += len(piece.data)
        if self._held_cells >= _BLOCK or self._held_lines >= _LINES:
            self._write_held()

    def finish(self) -> SpooledSparse:
        """Return what was taken, to be read; the spool takes no more."""
        if self._held:
            self._write_held()
        self._wait(most_pending=0)
        self._threads.shutdown()
        dtype = _DOUBLE if self._kept == _DOUBLE else _SINGLE
        return SpooledSparse(
            self._whole, dtype, self._direction, self._file, self._blocks, self._kept, self._counts, self._odd
        )

    def close(self) -> None:
        """Give the temporary file back."""
        self._threads.shutdown(cancel_futures=True)
        self._file.close()

    def _write_held(self) -> None:
        pieces, self._held = self._held, []
        lengths = np.concatenate([np.diff(piece.indptr) for piece in pieces])
        start = self._blocks[-1].places[-1] if self._blocks else 0
        kept = np.result_type(*{piece.data.dtype for piece in pieces})
        block = block_at(start, self._lines - self._held_lines, lengths, len(self._counts), kept)
        self._blocks.append(block)
        self._held_lines = self._held_cells = 0
        self._pending.append(self._threads.submit(self._file.write, block, pieces))
        self._wait(PROCESSORS)

    def _wait(self, most_pending: int) -> None:
        while len(self._pending) > most_pending:
            self._counts += self._pending.popleft().result()

    def _fitting(self, values: NDArray[Any], least: float, most: float) -> NDArray[Any]:
        """Return values in the type that they need; the least and the most are those of all that are numbers."""
        if self._whole and not len(values):
            return values.astype(np.uint8)
        if self._whole and least >= 0 and most < _TWO_BYTES:
            with np.errstate(invalid="ignore"):  # NaN
                small: NDArray[Any] = values.astype(np.uint8 if most < _BYTE else np.uint16)
            if (small == values).all() and not np.signbit(values).any():  # -0 stays what it is
                return small
        if self._whole:
            finite = values[np.isfinite(values)]
            self._whole = bool((np.rint(finite) == finite).all())
            if self._whole and np.abs(finite).max(initial=0) > _EXACT:
                return values.astype(_DOUBLE, copy=False)
        return values.astype(_SINGLE, copy=False)


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
