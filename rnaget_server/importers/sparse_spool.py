"""Sparse cells on their way from the source to the store: unnamed temporary files of only the stored cells.

They are spooled compressed along one axis, as they come, and transposed by buckets: each cell is appended
to the bucket of a run of lines of the other axis, and every bucket is small enough to be sorted in memory. Positions
and values are kept in the least types that hold all of them, since to write and read them takes as long as to sort.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from rnaget_server.errors import ImportFailure
from rnaget_server.importers.odd_values import OddValues
from rnaget_server.importers.spool import Spool, TooLarge, read_at, refuse_too_large, write_at
from rnaget_server.importers.threads import in_order
from rnaget_server.model.sparse import CompressedBlock, Direction
from rnaget_server.stores.compressed import PIECE, panels

_BUCKET = 1 << 20
# Cells of the spool that are read, and put into buckets, at once.
_READ = 1 << 20
# So few cells numpy sorts before SciPy is loaded, which sorts in half the time.
_FEW = 1 << 19
_BUFFER = 16 << 20
_EXACT = 2.0**24
_BYTE, _TWO_BYTES = 1 << 8, 1 << 16
_SINGLE: np.dtype[Any] = np.dtype(np.float32)
_DOUBLE: np.dtype[Any] = np.dtype(np.float64)


@dataclass(frozen=True)
class SpooledSparse:
    """A sparse matrix in temporary files, readable along both axes in bounded memory. Made by `SparseSpool`."""

    whole: bool
    dtype: np.dtype[Any]
    _direction: Direction
    _indices: IO[bytes]
    _data: IO[bytes]
    _place: np.dtype[Any]
    _kept: np.dtype[Any]
    _lengths: NDArray[np.int64]
    _counts: NDArray[np.int64]
    _directory: Path
    odd: OddValues

    @property
    def by_sample(self) -> bool:
        """True if the cells came sample by sample."""
        return self._direction == "samples"

    @property
    def shape(self) -> tuple[int, int]:
        """Number of features and of samples."""
        lines, across = len(self._lengths), len(self._counts)
        return (lines, across) if self._direction == "features" else (across, lines)

    @property
    def count(self) -> int:
        """Number of stored cells."""
        return int(self._counts.sum())

    def compressed_along(self, direction: Direction) -> Iterator[CompressedBlock]:
        """Yield the cells in bounded pieces, compressed along features or samples."""
        for piece in self._straight() if direction == self._direction else self._transposed():
            yield CompressedBlock(piece.indptr, piece.indices, piece.data.astype(self.dtype, copy=False))

    def close(self) -> None:
        """Give the temporary files back."""
        self._indices.close()
        self._data.close()

    def _straight(self) -> Iterator[CompressedBlock]:
        at = 0
        for first, last in panels(self._lengths, _READ):
            starts = _starts_of(self._lengths[first:last])
            positions, values = (np.empty(int(starts[-1]), kind) for kind in (self._place, self._kept))
            for file, part in ((self._indices, positions), (self._data, values)):
                read_at(file, part, at * part.itemsize)
            at += len(positions)
            yield CompressedBlock(starts, positions, values)

    def _transposed(self) -> Iterator[CompressedBlock]:
        buckets = _Buckets(self._counts, self._place, self._kept)
        with tempfile.TemporaryFile(dir=self._directory, buffering=0) as file:
            places = buckets.starts.copy()
            for cells, runs in in_order(buckets.grouped, self._numbered()):
                ends = np.cumsum(runs)
                for number in np.flatnonzero(runs).tolist():
                    run = cells[ends[number] - runs[number] : ends[number]]
                    write_at(file, run, int(places[number]) * cells.itemsize)
                places += runs
            sort = partial(buckets.sorted_pieces, file)
            with contextlib.closing(in_order(sort, range(len(buckets.starts)))) as in_pieces:
                for pieces in in_pieces:
                    yield from pieces

    def _numbered(self) -> Iterator[tuple[int, CompressedBlock]]:
        """Yield pieces with the number of their first line."""
        line = 0
        for piece in self._straight():
            yield line, piece
            line += len(piece.indptr) - 1


class _Buckets:
    """The cells of runs of lines of the other axis, sorted in two steps: into buckets, then each bucket by lines.

    Parameters
    ----------
    counts
        How many cells each line has.
    place
        The type of the numbers of lines.
    kept
        The type of the values.
    """

    def __init__(self, counts: NDArray[np.int64], place: np.dtype[Any], kept: np.dtype[Any]) -> None:
        self._counts = counts
        self._record = _record(place, kept)
        ends = np.cumsum(counts)
        self._firsts = np.concatenate([np.zeros(1, np.int64), np.flatnonzero(np.diff(ends // _BUCKET)) + 1])
        self._number = np.zeros(len(counts), np.int32)
        self._number[self._firsts[1:]] = 1
        self._number = np.cumsum(self._number, dtype=np.int32)
        self.starts = ends[self._firsts] - counts[self._firsts]
        """Where the cells of each bucket begin."""

    def grouped(self, numbered: tuple[int, CompressedBlock]) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """Return the cells of a piece bucket by bucket, and how many each bucket gets; those of one keep their order.

        The piece comes with the number of its first line.
        """
        first, piece = numbered
        lengths = np.diff(piece.indptr)
        lines = np.arange(first, first + len(lengths), dtype=np.int32)
        cells = np.empty(len(piece.indices), self._record)
        cells["line"], cells["across"], cells["value"] = np.repeat(lines, lengths), piece.indices, piece.data
        cells, starts = _sorted_by(self._number.take(piece.indices), len(self.starts), cells)
        return cells, np.diff(starts)

    def sorted_pieces(self, file: IO[bytes], number: int) -> list[CompressedBlock]:
        """Return the cells of a bucket line by line, in bounded pieces."""
        first, last = [*self._firsts.tolist(), len(self._counts)][number : number + 2]
        counts = self._counts[first:last]
        cells = np.empty(int(counts.sum()), self._record)
        read_at(file, cells, int(self.starts[number]) * cells.itemsize)
        cells, starts = _sorted_by(np.subtract(cells["across"], first, dtype=np.int32), last - first, cells)
        positions, values = cells["line"].copy(), cells["value"].copy()
        pieces = []
        for start, stop in panels(counts, PIECE):
            taken = slice(starts[start], starts[stop])
            pieces.append(CompressedBlock(starts[start : stop + 1] - starts[start], positions[taken], values[taken]))
        return pieces


def _record(place: np.dtype[Any], kept: np.dtype[Any]) -> np.dtype[Any]:
    """Return the type of a cell, of the size of a number that SciPy knows."""
    size, at = (8, 6) if place.itemsize <= 2 and kept.itemsize <= 2 else (16, 8)
    formats, offsets = [np.dtype(np.int32), place, kept], [0, 4, at]
    return np.dtype({"names": ["line", "across", "value"], "formats": formats, "offsets": offsets, "itemsize": size})


def _sorted_by(numbers: NDArray[np.int32], size: int, cells: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return cells in the order of their numbers, and where those of each number start; those of one keep their order.

    `size` is the number of numbers.
    """
    if len(cells) <= _FEW:
        starts = _starts_of(np.bincount(numbers, minlength=size))
        return cells[np.argsort(numbers.astype(_least_type(size)), kind="stable")], starts
    from scipy.sparse import csr_array

    # To SciPy they are a row of a matrix, which it counts into columns.
    moved = cells.view(np.int64 if cells.itemsize == 8 else np.complex128)
    columns = csr_array((moved, numbers, np.array([0, len(cells)], np.int32)), (1, size)).tocsc()
    # Not as SciPy has them: a caller adds the number of all cells before.
    return columns.data.view(cells.dtype), columns.indptr.astype(np.int64)


def _least_type(count: int) -> np.dtype[Any]:
    """Return the type that numbers up to a count, without it, need."""
    return np.min_scalar_type(max(0, count - 1))


def _starts_of(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])


class SparseSpool:
    """Takes lines as they are read from the source, canonical: positions ascend without repeats.

    Parameters
    ----------
    directory
        The directory of the temporary files.
    direction
        The kind of the lines.
    across
        Length of the other axis.
    """

    def __init__(self, directory: Path, direction: Direction, across: int) -> None:
        self._directory = directory
        self._direction = direction
        self._place = _least_type(across)
        self._kept = np.dtype(np.uint8)
        self._indices = tempfile.TemporaryFile(dir=directory)  # noqa: SIM115  (closed by the spool)
        self._data = tempfile.TemporaryFile(dir=directory)  # noqa: SIM115  (closed by the spool)
        self._lengths: list[NDArray[np.int64]] = [np.empty(0, np.int64)]
        self._lines = 0
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
        self._keep(self._fitting(piece.data, least, most))
        self._lengths.append(np.diff(piece.indptr))
        self._lines += len(piece.indptr) - 1
        self._counts += np.bincount(piece.indices, minlength=len(self._counts))
        self._indices.write(piece.indices.astype(self._place).data)
        self._data.write(piece.data.astype(self._kept).data)

    def finish(self) -> SpooledSparse:
        """Return what was taken, to be read; the spool takes no more."""
        self._indices.flush()
        self._data.flush()
        return SpooledSparse(
            self._whole,
            _DOUBLE if self._kept == _DOUBLE else _SINGLE,
            self._direction,
            self._indices,
            self._data,
            self._place,
            self._kept,
            np.concatenate(self._lengths),
            self._counts,
            self._directory,
            self._odd,
        )

    def close(self) -> None:
        """Give the temporary files back."""
        self._indices.close()
        self._data.close()

    def _fitting(self, values: NDArray[Any], least: float, most: float) -> np.dtype[Any]:
        """Return the type that these values need; the least and the most are those of all that are numbers."""
        if not self._whole:
            return _SINGLE
        if not len(values):
            return self._kept
        if least >= 0 and most < _TWO_BYTES:
            with np.errstate(invalid="ignore"):  # NaN
                small = values.astype(np.uint8 if most < _BYTE else np.uint16)
            if (small == values).all() and not np.signbit(values).any():  # -0 stays what it is
                return small.dtype
        finite = values[np.isfinite(values)]
        self._whole = bool((np.rint(finite) == finite).all())
        return _DOUBLE if self._whole and np.abs(finite).max(initial=0) > _EXACT else _SINGLE

    def _keep(self, needed: np.dtype[Any]) -> None:
        """Have what is kept, and what follows, of a type that holds all values so far."""
        kept = np.promote_types(self._kept, needed) if self._whole else _SINGLE
        if kept != self._kept:
            converted = tempfile.TemporaryFile(dir=self._directory)  # noqa: SIM115  (closed by the spool)
            self._data.seek(0)
            while raw := self._data.read(_BUFFER):
                converted.write(np.frombuffer(raw, self._kept).astype(kept).data)
            self._data.close()
            self._data, self._kept = converted, kept


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
