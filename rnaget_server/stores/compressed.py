"""Sparse cells in HDF5, compressed along one axis: read along it, or transposed to the other axis by panels.

The major axis, features or samples, is the one that the cells are compressed along; `indices` count along the other,
the minor one. A piece of cells has whole rows (of the major axis) and about `PIECE` cells, or one row.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from rnaget_server.model.axis import Positions
from rnaget_server.model.sparse import CompressedBlock, Direction, SparseCells
from rnaget_server.stores.base import selected
from rnaget_server.stores.blocks import BLOCK_BYTES
from rnaget_server.stores.hdf5_dataset import Dataset
from rnaget_server.stores.hdf5_file import Group

PIECE = 1 << 19
PANEL = 1 << 23
"""Cells that are transposed at once; each takes 8 bytes, or 12."""

# A piece of scattered rows reads no more of the file than this, and a gap shorter than a chunk is read over.
_SPAN = 4 * PIECE
_GAP = 4096
_RADIX = 1 << 16

_OTHER: Mapping[Direction, Direction] = {"features": "samples", "samples": "features"}
# Index and value, the former twice as wide in a piece as in a panel.
_BYTES_OF_CELL = 12

_Selection: TypeAlias = Mapping[Direction, Positions | None]
Data = TypeVar("Data", NDArray[Any], NDArray[Any] | None)


class CompressedMatrix:
    """The cells of a layer, compressed along one axis.

    Parameters
    ----------
    indptr
        Returns where each row of the major axis starts among the cells, and where the last one ends.
    major_size
        Length of the major axis.
    indices, data
        Minor position and value of each cell.
    minor_size
        Length of the minor axis.
    canonical
        Whether the indices of every row are known to ascend without repeats. Otherwise they are checked, put
        in order, and the values of repeated ones summed, as scipy does.
    """

    def __init__(
        self,
        indptr: Callable[[], NDArray[np.int64]],
        major_size: int,
        indices: Dataset,
        data: Dataset,
        minor_size: int,
        *,
        canonical: bool,
    ) -> None:
        self._load_indptr = indptr
        self.major_size = major_size
        self._indices = indices
        self.data = data
        self.minor_size = minor_size
        self.canonical = canonical
        self._gap = indices.chunks[0] if indices.chunks else _GAP

    @property
    def _indptr(self) -> NDArray[np.int64]:
        return self._load_indptr()

    def cells(self, major: Positions | None) -> int:
        """Return how many cells are stored in the rows (None: all)."""
        indptr = self._indptr
        return int(indptr[-1] if major is None else (indptr[major + 1] - indptr[major]).sum())

    def decoded_cells(self, major: Positions | None) -> int:
        """Return about how many cells must be decoded to read the rows."""
        total = self.cells(None)
        return total if major is None else min(total, self.cells(major) + len(major) * self._gap)

    def pieces(
        self, major: Positions | None, minor: Positions | None, dtype: np.dtype[Any]
    ) -> Iterator[CompressedBlock]:
        """Yield the selection (None: all) compressed along the major axis; indices count within `minor`."""
        ranks = _ranks(self.minor_size, minor)
        for part in self._split(major):
            yield self._piece(part, ranks, dtype)

    def counts(self, major: Positions | None, minor: Positions | None) -> NDArray[np.int64]:
        """Return how many cells of the selection are stored at each position of `minor`; no value is read."""
        width = self.minor_size if minor is None else len(minor)
        ranks = _ranks(self.minor_size, minor)
        counts = np.zeros(width, np.int64)
        for part in self._split(major):
            counts += np.bincount(self._piece(part, ranks, None).indices, minlength=width)
        return counts

    def _split(self, major: Positions | None) -> list[Positions]:
        """Return the rows cut where a piece is full."""
        rows = np.arange(self.major_size) if major is None else major
        if not len(rows):
            return []
        indptr = self._indptr
        ends = indptr[rows + 1]
        filled = np.cumsum(ends - indptr[rows])
        cuts = (np.diff(filled // PIECE) != 0) | (np.diff(ends // _SPAN) != 0)
        return np.split(rows, np.flatnonzero(cuts) + 1)

    def _piece(self, rows: Positions, ranks: NDArray[np.int32] | None, dtype: np.dtype[Any] | None) -> CompressedBlock:
        """Return some rows; without a type, without values."""
        whole_indptr = self._indptr
        begin, end = whole_indptr[rows], whole_indptr[rows + 1]
        indptr = _indptr_of(end - begin)
        indices = self._gathered(self._indices, begin, end)
        self._check(indices)
        kept = None
        if ranks is not None:
            indices = ranks[indices]
            kept = indices >= 0
            indices = indices[kept]
            indptr = _indptr_of(kept)[indptr]
        data = None
        if dtype is not None and len(indices):
            data = self._gathered(self.data, begin, end)
            data = data if kept is None else data[kept]
        if not self.canonical:
            indptr, indices, data = canonical(indptr, indices, data)
        with np.errstate(over="ignore"):
            cast = np.empty(0, dtype) if data is None else data.astype(dtype, copy=False)
        return CompressedBlock(indptr, indices.astype(np.int64, copy=False), cast)

    def _gathered(self, dataset: Dataset, begin: NDArray[np.int64], end: NDArray[np.int64]) -> NDArray[Any]:
        """Return the cells of ascending rows, those that are near one another by one read."""
        near = begin[1:] - end[:-1] <= self._gap
        if near.all():
            return _read_run(dataset, begin, end)
        cuts = [0, *(np.flatnonzero(~near) + 1).tolist(), len(begin)]
        return np.concatenate([_read_run(dataset, begin[a:b], end[a:b]) for a, b in itertools.pairwise(cuts)])

    def _check(self, indices: NDArray[Any]) -> None:
        if len(indices) and (indices.min() < 0 or indices.max() >= self.minor_size):
            raise OSError("a sparse matrix has a cell beyond its shape")


class Panel:
    """A collector of cells in any number of pieces, which gives them compressed along the other axis.

    Parameters
    ----------
    room
        For each row to come, the most cells that it may get.
    dtype
        Of the values.
    """

    def __init__(self, room: NDArray[np.int64], dtype: np.dtype[Any]) -> None:
        self._starts = np.cumsum(room) - room
        self._next = self._starts.copy()
        # What is never written to takes no memory, so room for too many costs nothing.
        self._indices = np.empty(int(room.sum()), np.int32)
        self._data = np.empty(len(self._indices), dtype)

    def add(self, rows: NDArray[Any], indices: NDArray[Any], data: NDArray[Any]) -> None:
        """Take cells; within each row, indices ascend from piece to piece."""
        counts = np.bincount(rows, minlength=len(self._next))
        # numpy sorts 16-bit numbers in linear time.
        order = np.argsort(rows.astype(np.uint16) if len(counts) <= _RADIX else rows, kind="stable")
        targets = np.arange(len(rows)) + np.repeat(self._next - (np.cumsum(counts) - counts), counts)
        self._indices[targets] = indices[order]
        self._data[targets] = data[order]
        self._next += counts

    def pieces(self) -> Iterator[CompressedBlock]:
        """Yield what was taken, compressed along the rows."""
        used = self._next - self._starts
        for first, last in panels(used, PIECE):
            indptr = _indptr_of(used[first:last])
            take = np.arange(indptr[-1]) + np.repeat(self._starts[first:last] - indptr[:-1], used[first:last])
            yield CompressedBlock(indptr, self._indices[take].astype(np.int64), self._data[take])


def transposed(
    source: CompressedMatrix, major: Positions | None, minor: Positions | None, dtype: np.dtype[Any]
) -> Iterator[CompressedBlock]:
    """Yield the selection compressed along the minor axis of `source`.

    The rows of the major axis are read once for each panel; where a panel may not hold all, once more to count.
    """
    height, width, fits = _extent(source, major, minor)
    room = np.full(width, height, np.int64) if fits else source.counts(major, minor)
    positions = np.arange(source.minor_size) if minor is None else minor
    for first, last in panels(room):
        panel = Panel(room[first:last], dtype)
        at = 0
        for piece in source.pieces(major, positions[first:last], dtype):
            count = len(piece.indptr) - 1
            panel.add(piece.indices, at + np.repeat(np.arange(count), np.diff(piece.indptr)), piece.data)
            at += count
        yield from panel.pieces()


def passes(source: CompressedMatrix, major: Positions | None, minor: Positions | None) -> int:
    """Return about how many times `transposed` reads the rows."""
    return 1 if _extent(source, major, minor)[2] else 2 + source.cells(major) // PANEL


def panels(room: NDArray[np.int64], max_cells: int = PANEL) -> list[tuple[int, int]]:
    """Return runs (first, last + 1) that have about `max_cells` cells each, or are a single row."""
    if not len(room):
        return []
    cuts = np.flatnonzero(np.diff(np.cumsum(room) // max_cells)) + 1
    return list(itertools.pairwise([0, *cuts.tolist(), len(room)]))


class SparseLayer:
    """A layer whose zeros are not stored, compressed along features, along samples, or both ways.

    Parameters
    ----------
    matrices
        The cells, by the axis along which they are compressed; at least one.
    """

    def __init__(self, matrices: Mapping[Direction, CompressedMatrix]) -> None:
        self._matrices = matrices

    @property
    def shape(self) -> tuple[int, int]:
        """Number of features and of samples."""
        if "features" in self._matrices:
            return self._matrices["features"].major_size, self._matrices["features"].minor_size
        return self._matrices["samples"].minor_size, self._matrices["samples"].major_size

    def blocks(
        self, dtype: np.dtype[Any], features: Positions | None, samples: Positions | None
    ) -> Iterator[NDArray[Any]]:
        """Yield the selection as dense blocks of rows."""
        width = self.shape[1] if samples is None else len(samples)
        return dense(self.compressed_along("features", dtype, features, samples), width, dtype)

    def sparse(self, dtype: np.dtype[Any], features: Positions | None, samples: Positions | None) -> SparseCells:
        """Return the selection without its zeros."""
        return SparseCells(
            count=lambda: self._count(features, samples),
            compressed_along=lambda direction: self.compressed_along(direction, dtype, features, samples),
        )

    def held(self, features: Positions | None, samples: Positions | None) -> int:
        """Return what `blocks` and `sparse` hold of the selection between two pieces, at most; in bytes."""
        selection: _Selection = {"features": features, "samples": samples}
        direct = all(self._is_direct(direction, selection) for direction in _OTHER)
        max_cells = PIECE if direct else PIECE + PANEL
        return min(max_cells, selected(self.shape, features, samples)) * _BYTES_OF_CELL

    def compressed_along(
        self, direction: Direction, dtype: np.dtype[Any], features: Positions | None, samples: Positions | None
    ) -> Iterator[CompressedBlock]:
        """Yield the selection compressed along `direction`, out of the cells that are read with less decoding."""
        selection: _Selection = {"features": features, "samples": samples}
        other = _OTHER[direction]
        if self._is_direct(direction, selection):
            return self._matrices[direction].pieces(selection[direction], selection[other], dtype)
        return transposed(self._matrices[other], selection[other], selection[direction], dtype)

    def _is_direct(self, direction: Direction, selection: _Selection) -> bool:
        """Return whether to read the cells that are compressed along `direction`, rather than transpose the others."""
        other = _OTHER[direction]
        if other not in self._matrices:
            return True
        if direction not in self._matrices:
            return False
        if selection[other] is None:
            return True
        source = self._matrices[other]
        cost = source.decoded_cells(selection[other]) * passes(source, selection[other], selection[direction])
        return self._matrices[direction].decoded_cells(selection[direction]) <= cost

    def _count(self, features: Positions | None, samples: Positions | None) -> int:
        selection: _Selection = {"features": features, "samples": samples}
        for direction, matrix in self._matrices.items():
            if matrix.canonical and selection[_OTHER[direction]] is None:
                return matrix.cells(selection[direction])
        cheapest = min(
            self._matrices, key=lambda direction: self._matrices[direction].decoded_cells(selection[direction])
        )
        return int(self._matrices[cheapest].counts(selection[cheapest], selection[_OTHER[cheapest]]).sum())


def dense(pieces: Iterable[CompressedBlock], width: int, dtype: np.dtype[Any]) -> Iterator[NDArray[Any]]:
    """Yield pieces compressed along rows as blocks of `width` cells a row, each of at most `BLOCK_BYTES` or one row."""
    height = max(1, BLOCK_BYTES // max(1, width * dtype.itemsize))
    for piece in pieces:
        rows = len(piece.indptr) - 1
        for first in range(0, rows, height):
            last = min(first + height, rows)
            block = np.zeros((last - first, width), dtype)
            cells = slice(int(piece.indptr[first]), int(piece.indptr[last]))
            row = np.repeat(np.arange(last - first), np.diff(piece.indptr[first : last + 1]))
            block[row, piece.indices[cells]] = piece.data[cells]
            yield block


def open_compressed(group: Group, minor_size: int) -> CompressedMatrix:
    """Return a matrix in the three parts that scipy has, whose `indptr` stays in memory.

    Raises
    ------
    OSError
        If the parts do not fit together.
    """
    indices, data = group.dataset("indices"), group.dataset("data")
    indptr = group.dataset("indptr").whole().astype(np.int64)
    check_parts(indptr, indices, data)
    return CompressedMatrix(lambda: indptr, len(indptr) - 1, indices, data, minor_size, canonical=False)


def check_parts(indptr: NDArray[np.int64], indices: Dataset, data: Dataset) -> None:
    """Refuse the parts of a sparse matrix that do not fit together, or have a row that is too long to be read.

    Raises
    ------
    OSError
        If they do not, or have one.
    """
    lengths = np.diff(indptr.ravel())
    if not (
        indptr.shape == (lengths.size + 1,)
        and indptr[0] == 0
        and (lengths >= 0).all()
        and indices.shape == data.shape
        and indices.ndim == 1
        and indices.dtype.kind in "iu"
        and indptr[-1] <= indices.shape[0]
    ):
        raise OSError("the parts of a sparse matrix do not fit together")
    for part in (indices, data):
        part.check_count(int(lengths.max(initial=0)))


def _extent(source: CompressedMatrix, major: Positions | None, minor: Positions | None) -> tuple[int, int, bool]:
    """Return the height and width of a selection, and whether a panel holds it however many cells are stored."""
    height = source.major_size if major is None else len(major)
    width = source.minor_size if minor is None else len(minor)
    return height, width, height * width <= PANEL


def _indptr_of(lengths: NDArray[Any]) -> NDArray[np.int64]:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])


def _ranks(size: int, selected: Positions | None) -> NDArray[np.int32] | None:
    """Return for each position its rank among the selected ones, or -1."""
    if selected is None:
        return None
    ranks = np.full(size, -1, np.int32)
    ranks[selected] = np.arange(len(selected), dtype=np.int32)
    return ranks


def _read_run(dataset: Dataset, begin: NDArray[np.int64], end: NDArray[np.int64]) -> NDArray[Any]:
    low, high = int(begin[0]), int(end[-1])
    cells: NDArray[Any] = dataset[low:high]
    lengths = end - begin
    count = int(lengths.sum())
    if count == high - low:
        return cells
    taken: NDArray[Any] = cells[np.arange(count) + np.repeat(begin - low - (np.cumsum(lengths) - lengths), lengths)]
    return taken


def _ascending(indptr: NDArray[np.int64], indices: NDArray[Any]) -> bool:
    rising = np.diff(indices.astype(np.int64, copy=False)) > 0
    inner = indptr[(indptr > 0) & (indptr < len(indices))]
    rising[inner - 1] = True
    return bool(rising.all())


def canonical(
    indptr: NDArray[np.int64], indices: NDArray[Any], data: Data
) -> tuple[NDArray[np.int64], NDArray[Any], Data]:
    """Return the cells of each row in order, repeated ones summed; as they are, if they are so already."""
    if _ascending(indptr, indices):
        return indptr, indices, data
    rows = np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))
    order = np.lexsort((indices, rows))
    rows, indices = rows[order], indices[order]
    first = np.ones(len(rows), bool)
    first[1:] = (np.diff(rows) != 0) | (np.diff(indices) != 0)
    if data is not None:
        data = np.add.reduceat(data[order].astype(np.float64), np.flatnonzero(first))
    return _indptr_of(np.bincount(rows[first], minlength=len(indptr) - 1)), indices[first], data
