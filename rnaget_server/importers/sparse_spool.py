"""Sparse cells on their way from the source to the store: an unnamed temporary file of only the stored cells.

They are spooled by blocks of lines as they come, each as it came and transposed in memory. The lines of the other axis
are put together of what each block has of them, so that nothing is sorted.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

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
    joined,
    least_type,
)
from rnaget_server.importers.spool import Spool, TooLarge, refuse_too_large
from rnaget_server.importers.threads import PROCESSORS, in_order
from rnaget_server.model.sparse import CompressedBlock, Direction
from rnaget_server.stores.compressed import PIECE, indptr_of, panels

BLOCK: Final = 1 << 22
"""About how many cells a block has."""

LINES_OF_BLOCK: Final = 1 << 16
"""The most lines of a block: two bytes number them."""

# Cells of the lines of the other axis that are put together at once, which are read from each block.
_PART = 1 << 22
_EXACT = 2.0**24
# So many values of a piece are looked at before all are.
_FIRST = 1 << 10
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
        for first, last in panels(self._counts + len(self._blocks), _PART):
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


@dataclass(frozen=True)
class _Written:
    """A block that is in the file, and what is known of its cells, whose lines count from its first."""

    block: Block
    counts: NDArray[Any]
    whole: bool
    odd: OddValues


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
        self._pending: deque[Future[_Written]] = deque()
        self._blocks: list[Block] = []
        self._held: list[CompressedBlock] = []
        self._held_lines = self._held_cells = self._lines = 0
        self._counts = np.zeros(across, np.int64)
        self._whole = True
        self._odd = OddValues()

    def append(self, piece: CompressedBlock) -> None:
        """Take the next lines.

        Raises
        ------
        TooLarge
            If a finite value, of these or of lines before, is beyond what float32 can hold.
        """
        self._held.append(piece)
        self._held_lines += len(piece.indptr) - 1
        self._held_cells += len(piece.data)
        if self._held_cells >= BLOCK or self._held_lines >= LINES_OF_BLOCK:
            self._take_held()

    def take(self, lines: int, pieces: Iterable[CompressedBlock]) -> None:
        """Take the next lines as a block: at most `LINES_OF_BLOCK`, in pieces that a thread asks for.

        Raises
        ------
        TooLarge
            If a finite value of lines before is beyond what float32 can hold.
        """
        self._pending.append(self._threads.submit(self._written, self._lines, pieces))
        self._lines += lines
        self._wait(PROCESSORS)

    def finish(self) -> SpooledSparse:
        """Return what was taken, to be read; the spool takes no more.

        Raises
        ------
        TooLarge
            If a finite value is beyond what float32 can hold.
        """
        if self._held:
            self._take_held()
        self._wait(most_pending=0)
        self._threads.shutdown()
        kept = (
            _SINGLE if not self._whole else np.result_type(np.uint8, *{block.types[VALUES] for block in self._blocks})
        )
        dtype = _DOUBLE if kept == _DOUBLE else _SINGLE
        return SpooledSparse(
            self._whole, dtype, self._direction, self._file, self._blocks, kept, self._counts, self._odd
        )

    def close(self) -> None:
        """Give the temporary file back."""
        self._threads.shutdown(cancel_futures=True)
        self._file.close()

    def _take_held(self) -> None:
        pieces, lines = self._held, self._held_lines
        self._held, self._held_lines, self._held_cells = [], 0, 0
        self.take(lines, pieces)

    def _wait(self, most_pending: int) -> None:
        while len(self._pending) > most_pending:
            written = self._pending.popleft().result()
            self._blocks.append(written.block)
            self._counts += written.counts
            self._whole &= written.whole
            self._odd.follow(written.odd, written.block.first)

    def _written(self, first: int, pieces: Iterable[CompressedBlock]) -> _Written:
        """Return a block that is in the file. It is called by several threads."""
        odd, whole, lines, narrow = OddValues(), True, 0, []
        across = len(self._counts)
        for piece in pieces:
            values = _as_counts(piece.data)
            if values is None:
                refuse_too_large(piece.data, *odd.look_at_sparse(piece, lines))
                values, are_whole = _as_floats(piece.data)
                whole &= are_whole
            narrow.append(CompressedBlock(piece.indptr, piece.indices.astype(least_type(across), copy=False), values))
            lines += len(piece.indptr) - 1
        del pieces
        return _Written(*self._file.write(first, across, narrow), whole, odd)


def _as_counts(values: NDArray[Any]) -> NDArray[Any] | None:
    """Return values in the least type if they are whole numbers below 2**16; None if one is not, or is -0."""
    bits = f"u{values.itemsize}"
    for kind in (np.uint8, np.uint16):
        # Most values that are no counts are known by the first ones.
        for part in (values[:_FIRST], values):
            with np.errstate(invalid="ignore"):  # NaN
                small = part.astype(kind)
            if not (small.astype(values.dtype).view(bits) == part.view(bits)).all():
                break
        else:
            return small
    return None


def _as_floats(values: NDArray[Any]) -> tuple[NDArray[Any], bool]:
    """Return values in the type that they need, and whether the finite ones are whole numbers."""
    for part in (values[:_FIRST], values):
        finite = part[np.isfinite(part)]
        if not (np.rint(finite) == finite).all():
            return values.astype(_SINGLE, copy=False), False
    is_large = np.abs(finite).max(initial=0) > _EXACT
    return values.astype(_DOUBLE if is_large else _SINGLE, copy=False), True


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
