"""Sparse cells in HDF5, compressed along one axis: read by its lines, or turned to the other axis by panels.

A line is a feature or a sample, whichever the cells are compressed along; positions count along the other
axis. A piece of cells has whole lines and about `PIECE` cells, or one line.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from rnaget_server.stores.base import Compressed, Positions
from rnaget_server.stores.hdf5_dataset import Dataset
from rnaget_server.stores.hdf5_file import Group

PIECE = 1 << 19
PANEL = 1 << 23
"""Cells that are turned at once; each takes 8 bytes, or 12."""

# A piece of scattered lines reads no more of the file than this, and a gap shorter than a chunk is read over.
_SPAN = 4 * PIECE
_GAP = 4096
_RADIX = 1 << 16

Values = TypeVar("Values", NDArray[Any], NDArray[Any] | None)


class Lines:
    """The cells of a layer, compressed along one axis.

    Parameters
    ----------
    starts
        Returns where each line starts among the cells, and where the last one ends.
    size
        Number of lines.
    indices, values
        Position and value of each cell.
    across
        Length of the other axis.
    canonical
        Whether the positions of every line are known to ascend without repeats. Otherwise they are checked, put
        in order, and the values of repeated ones summed, as scipy does.
    """

    def __init__(
        self,
        starts: Callable[[], NDArray[np.int64]],
        size: int,
        indices: Dataset,
        values: Dataset,
        across: int,
        *,
        canonical: bool,
    ) -> None:
        self._load_starts = starts
        self.size = size
        self._indices = indices
        self.values = values
        self.across = across
        self.canonical = canonical
        self._gap = indices.chunks[0] if indices.chunks else _GAP

    @property
    def _starts(self) -> NDArray[np.int64]:
        return self._load_starts()

    def cells(self, lines: Positions | None) -> int:
        """Return how many cells are stored in the lines (None: all)."""
        if lines is None:
            return int(self._starts[-1])
        starts = self._starts
        return int((starts[lines + 1] - starts[lines]).sum())

    def decoded(self, lines: Positions | None) -> int:
        """Return about how many cells must be decoded to read the lines."""
        whole = self.cells(None)
        return whole if lines is None else min(whole, self.cells(lines) + len(lines) * self._gap)

    def pieces(self, lines: Positions | None, across: Positions | None, dtype: np.dtype[Any]) -> Iterator[Compressed]:
        """Yield the selection (None: all) compressed along the lines; positions count within `across`."""
        to = _places(self.across, across)
        for part in self._parts(lines):
            yield self._piece(part, to, dtype)

    def counts(self, lines: Positions | None, across: Positions | None) -> NDArray[np.int64]:
        """Return how many cells of the selection stand at each position of `across`; no value is read."""
        width = self.across if across is None else len(across)
        to = _places(self.across, across)
        counts = np.zeros(width, np.int64)
        for part in self._parts(lines):
            counts += np.bincount(self._piece(part, to, None).positions, minlength=width)
        return counts

    def _parts(self, lines: Positions | None) -> list[Positions]:
        """Return the lines cut where a piece is full."""
        chosen = np.arange(self.size) if lines is None else lines
        if not len(chosen):
            return []
        starts = self._starts
        ends = starts[chosen + 1]
        filled = np.cumsum(ends - starts[chosen])
        cuts = (np.diff(filled // PIECE) != 0) | (np.diff(ends // _SPAN) != 0)
        return np.split(chosen, np.flatnonzero(cuts) + 1)

    def _piece(self, lines: Positions, to: NDArray[np.int32] | None, dtype: np.dtype[Any] | None) -> Compressed:
        """Return some lines; without a type, without values."""
        all_starts = self._starts
        begin, end = all_starts[lines], all_starts[lines + 1]
        starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(end - begin)])
        positions = self._gathered(self._indices, begin, end)
        self._check(positions)
        kept = None
        if to is not None:
            positions = to[positions]
            kept = positions >= 0
            positions = positions[kept]
            starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(kept)])[starts]
        values = None
        if dtype is not None and len(positions):
            values = self._gathered(self.values, begin, end)
            values = values if kept is None else values[kept]
        if not self.canonical:
            starts, positions, values = canonical(starts, positions, values)
        with np.errstate(over="ignore"):
            cast = np.empty(0, dtype) if values is None else values.astype(dtype, copy=False)
        return Compressed(starts, positions.astype(np.int64, copy=False), cast)

    def _gathered(self, dataset: Dataset, begin: NDArray[np.int64], end: NDArray[np.int64]) -> NDArray[Any]:
        """Return the cells of ascending lines, those that are near one another by one read."""
        near = begin[1:] - end[:-1] <= self._gap
        if near.all():
            return _read_run(dataset, begin, end)
        cuts = [0, *(np.flatnonzero(~near) + 1).tolist(), len(begin)]
        return np.concatenate([_read_run(dataset, begin[a:b], end[a:b]) for a, b in itertools.pairwise(cuts)])

    def _check(self, positions: NDArray[Any]) -> None:
        if len(positions) and (positions.min() < 0 or positions.max() >= self.across):
            raise OSError("a sparse matrix has a cell beyond its shape")


class Panel:
    """Takes cells in any number of pieces, and gives them compressed along other lines.

    Parameters
    ----------
    room
        For each line, the most cells that will come.
    dtype
        Of the values.
    """

    def __init__(self, room: NDArray[np.int64], dtype: np.dtype[Any]) -> None:
        self._starts = np.cumsum(room) - room
        self._next = self._starts.copy()
        # What is never written to takes no memory, so room for too many costs nothing.
        self._positions = np.empty(int(room.sum()), np.int32)
        self._values = np.empty(len(self._positions), dtype)

    def add(self, lines: NDArray[Any], positions: NDArray[Any], values: NDArray[Any]) -> None:
        """Take cells; within each line, positions ascend from piece to piece."""
        counts = np.bincount(lines, minlength=len(self._next))
        # numpy sorts 16-bit numbers in linear time.
        order = np.argsort(lines.astype(np.uint16) if len(counts) <= _RADIX else lines, kind="stable")
        to = np.arange(len(lines)) + np.repeat(self._next - (np.cumsum(counts) - counts), counts)
        self._positions[to] = positions[order]
        self._values[to] = values[order]
        self._next += counts

    def pieces(self) -> Iterator[Compressed]:
        """Yield what was taken, compressed along the lines."""
        used = self._next - self._starts
        cuts = np.flatnonzero(np.diff(np.cumsum(used) // PIECE)) + 1
        for first, last in itertools.pairwise([0, *cuts.tolist(), len(used)]):
            starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(used[first:last])])
            take = np.arange(starts[-1]) + np.repeat(self._starts[first:last] - starts[:-1], used[first:last])
            yield Compressed(starts, self._positions[take].astype(np.int64), self._values[take])


def turned(
    source: Lines, lines: Positions | None, across: Positions | None, dtype: np.dtype[Any]
) -> Iterator[Compressed]:
    """Yield the selection compressed along the other axis than `source` is.

    The lines are read once for each panel; where a panel may not hold all, once more to count.
    """
    height = source.size if lines is None else len(lines)
    width = source.across if across is None else len(across)
    few = height * width <= PANEL
    room = np.full(width, height, np.int64) if few else source.counts(lines, across)
    places = np.arange(source.across) if across is None else across
    for first, last in panels(room):
        panel = Panel(room[first:last], dtype)
        at = 0
        for piece in source.pieces(lines, places[first:last], dtype):
            count = len(piece.starts) - 1
            panel.add(piece.positions, at + np.repeat(np.arange(count), np.diff(piece.starts)), piece.values)
            at += count
        yield from panel.pieces()


def passes(source: Lines, lines: Positions | None, across: Positions | None) -> int:
    """Return about how many times `turned` reads the lines."""
    height = source.size if lines is None else len(lines)
    width = source.across if across is None else len(across)
    return 1 if height * width <= PANEL else 2 + source.cells(lines) // PANEL


def panels(room: NDArray[np.int64], most: int = PANEL) -> list[tuple[int, int]]:
    """Return runs (first, last + 1) that have about `most` cells each, or are one alone."""
    if not len(room):
        return []
    cuts = np.flatnonzero(np.diff(np.cumsum(room) // most)) + 1
    return list(itertools.pairwise([0, *cuts.tolist(), len(room)]))


def lines_of(group: Group, across: int) -> Lines:
    """Return the lines of a matrix in the three parts that scipy has, whose starts stay in memory.

    Raises
    ------
    OSError
        If the parts do not fit together.
    """
    indices, values = group.dataset("indices"), group.dataset("data")
    starts = group.dataset("indptr").whole().astype(np.int64)
    check_parts(starts, indices, values)
    return Lines(lambda: starts, len(starts) - 1, indices, values, across, canonical=False)


def check_parts(starts: NDArray[np.int64], indices: Dataset, values: Dataset) -> None:
    """Refuse the parts of a sparse matrix that do not fit together, or have a line that is too long to be read.

    Raises
    ------
    OSError
        If they do not, or have one.
    """
    lengths = np.diff(starts)
    if not (
        len(starts)
        and starts[0] == 0
        and (lengths >= 0).all()
        and indices.shape == values.shape
        and indices.ndim == 1
        and indices.dtype.kind in "iu"
        and starts[-1] <= indices.shape[0]
    ):
        raise OSError("the parts of a sparse matrix do not fit together")
    for part in (indices, values):
        part.check_count(int(lengths.max(initial=0)))


def _places(size: int, chosen: Positions | None) -> NDArray[np.int32] | None:
    """Return for each position where it stands among the chosen ones, or -1."""
    if chosen is None:
        return None
    places = np.full(size, -1, np.int32)
    places[chosen] = np.arange(len(chosen), dtype=np.int32)
    return places


def _read_run(dataset: Dataset, begin: NDArray[np.int64], end: NDArray[np.int64]) -> NDArray[Any]:
    low, high = int(begin[0]), int(end[-1])
    cells: NDArray[Any] = dataset[low:high]
    lengths = end - begin
    wanted = int(lengths.sum())
    if wanted == high - low:
        return cells
    picked: NDArray[Any] = cells[np.arange(wanted) + np.repeat(begin - low - (np.cumsum(lengths) - lengths), lengths)]
    return picked


def _ascending(starts: NDArray[np.int64], positions: NDArray[Any]) -> bool:
    rising = np.diff(positions.astype(np.int64, copy=False)) > 0
    inner = starts[(starts > 0) & (starts < len(positions))]
    rising[inner - 1] = True
    return bool(rising.all())


def canonical(
    starts: NDArray[np.int64], positions: NDArray[Any], values: Values
) -> tuple[NDArray[np.int64], NDArray[Any], Values]:
    """Return the cells of each line in order, repeated ones summed; as they are, if they are so already."""
    if _ascending(starts, positions):
        return starts, positions, values
    lines = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    order = np.lexsort((positions, lines))
    lines, positions = lines[order], positions[order]
    first = np.ones(len(lines), bool)
    first[1:] = (np.diff(lines) != 0) | (np.diff(positions) != 0)
    if values is not None:
        values = np.add.reduceat(values[order].astype(np.float64), np.flatnonzero(first))
    lengths = np.bincount(lines[first], minlength=len(starts) - 1)
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)]), positions[first], values
