"""Sparse cells in HDF5, compressed along one axis and read along it.

The major axis, features or samples, is the one that the cells are compressed along; `indices` count along the other,
the minor one. A piece of cells has whole rows (of the major axis) and about `PIECE` cells, or one row.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from rnaget_server.model.axis import Positions
from rnaget_server.model.sparse import Array, CompressedBlock
from rnaget_server.storage.access import FileAccess, FileLimits
from rnaget_server.storage.local import FileVersion
from rnaget_server.stores.failures import UnfitFile
from rnaget_server.stores.hdf5_dataset import Dataset, Part
from rnaget_server.stores.hdf5_file import File, Group
from rnaget_server.stores.mapped_run import MappedRun
from rnaget_server.stores.runs import Hdf5Run, Run, gap_of

PIECE = 1 << 19
# A piece of scattered rows reads no more of the file than this where HDF5 reads what is between them, too.
_SPAN = 4 * PIECE

Data = TypeVar("Data", NDArray[Any], NDArray[Any] | None)


@dataclass(frozen=True)
class Place:
    """The place of a sparse matrix, by which other processes open it: a group of a file, and the length of its rows.

    `inside` and `limits` are those that the file is opened with, and `version` is its state. The cells are flat if they
    lie in a local file as they are in memory.
    """

    file: Path
    inside: tuple[str, ...]
    limits: FileLimits
    version: FileVersion
    group: str
    minor_size: int
    is_flat: bool

    def open(self) -> CompressedMatrix:
        """Return the matrix, to be read all by this process alone, without a copy of cells that are flat.

        The system ends the process if somebody cuts the file of these short: this is for processes that may end.

        Raises
        ------
        UnfitFile
            If the file is no longer what it was.
        """
        file = File(self.file, self.inside, FileAccess(self.limits))
        if file.version != self.version:
            raise UnfitFile("was changed while it was read")
        matrix = open_compressed(file.group(self.group), self.minor_size)
        return matrix.read_by(MappedRun) if self.is_flat else matrix.by_threads()


class CompressedMatrix:
    """The cells of a layer, compressed along one axis.

    Parameters
    ----------
    indptr
        Returns where each row of the major axis starts among the cells, and where the last one ends.
    major_size
        Length of the major axis.
    runs
        What reads the minor position and the value of each cell.
    gap
        How many cells between two ranges are read anyhow; see `gap_of`.
    minor_size
        Length of the minor axis.
    canonical
        Whether the indices of every row are to ascend without repeats: others are refused. Otherwise they are put
        in order, and the values of repeated ones summed, as scipy does.
    reads_between
        Whether what is between the cells of a piece is read, too, as HDF5 does.
    place
        Where the matrix is, if `open_compressed` has opened it.
    """

    def __init__(
        self,
        indptr: Callable[[], NDArray[np.int64]],
        major_size: int,
        runs: tuple[Run, Run],
        gap: int,
        minor_size: int,
        *,
        canonical: bool,
        reads_between: bool = False,
        place: Place | None = None,
    ) -> None:
        self._load_indptr = indptr
        self.major_size = major_size
        self._runs = runs
        self._gap = gap
        self.minor_size = minor_size
        self.canonical = canonical
        self._reads_between = reads_between
        self.place = place

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the stored values."""
        return self._runs[1].dtype

    @property
    def _indptr(self) -> NDArray[np.int64]:
        return self._load_indptr()

    def by_threads(self) -> CompressedMatrix:
        """Return the same cells, to be read all: by several threads, where that is of use."""
        # Not at the top: whoever serves a matrix has other work for the threads.
        from rnaget_server.stores.gzip_run import by_threads

        return self.read_by(by_threads)

    def forget(self) -> None:
        """Let go of what is in memory of cells that have been read and used, if these are mapped.

        Raises
        ------
        OSError
            If the file was changed meanwhile, so that they may not have been what was read.
        """
        for run in self._runs:
            if isinstance(run, MappedRun):
                run.forget()

    def read_by(self, way: Callable[[Any], Run]) -> CompressedMatrix:
        """Return the same cells, whose runs are read in another way."""
        indices, data = map(way, self._runs)
        return CompressedMatrix(
            self._load_indptr,
            self.major_size,
            (indices, data),
            self._gap,
            self.minor_size,
            canonical=self.canonical,
            reads_between=self._reads_between,
            place=self.place,
        )

    @property
    def lengths(self) -> NDArray[np.int64]:
        """The number of stored cells of each row."""
        return np.diff(self._indptr)

    def cells(self, major: Positions | None) -> int:
        """Return how many cells are stored in the rows (None: all)."""
        indptr = self._indptr
        return int(indptr[-1] if major is None else (indptr[major + 1] - indptr[major]).sum())

    def decoded_cells(self, major: Positions | None) -> int:
        """Return about how many cells must be decoded to read the rows."""
        total = self.cells(None)
        return total if major is None else min(total, self.cells(major) + len(major) * self._gap)

    def pieces(
        self,
        major: Positions | None,
        minor: Positions | None,
        dtype: np.dtype[Any],
        without: Array | None = None,
        size: int | None = None,
    ) -> Iterator[CompressedBlock]:
        """Yield the selection (None: all) compressed along the major axis; indices count within `minor`.

        The array `without` is not read and left empty, if the other can be had by itself. A piece has about `size`
        cells, `PIECE` if it is not given.
        """
        ranks = _ranks(self.minor_size, minor)
        alone = without if ranks is None and self.canonical else None
        for part in self._announced(self._split(major, size or PIECE), alone):
            yield self._piece(part, ranks, dtype, alone)

    def counts(self, major: Positions | None, minor: Positions | None) -> NDArray[np.int64]:
        """Return how many cells of the selection are stored at each position of `minor`; no value is read."""
        width = self.minor_size if minor is None else len(minor)
        ranks = _ranks(self.minor_size, minor)
        counts = np.zeros(width, np.int64)
        for part in self._announced(self._split(major, PIECE), "data"):
            counts += np.bincount(self._piece(part, ranks, None, "data").indices, minlength=width)
        return counts

    def _announced(self, parts: list[Positions], without: Array | None) -> Iterator[Positions]:
        """Yield the rows of each piece, while the system fetches what the next one needs."""
        indptr = self._indptr
        runs = [run for run, array in zip(self._runs, ("indices", "data"), strict=True) if array != without]
        for number, part in enumerate(parts):
            for rows in parts[number + (number > 0) : number + 2]:
                begin, end = indptr[rows], indptr[rows + 1]
                for run in runs:
                    run.announce(begin, end)
            yield part

    def _split(self, major: Positions | None, size: int) -> list[Positions]:
        """Return the rows cut where a piece is full."""
        rows = np.arange(self.major_size) if major is None else major
        if len(rows) < 2:
            return [rows] if len(rows) else []
        indptr = self._indptr
        # Of all rows, how many cells there are up to the end of each stands there already.
        ends = indptr[1:] if major is None else indptr[rows + 1]
        number = (ends if major is None else np.cumsum(ends - indptr[rows])) // size
        cuts = number[1:] != number[:-1]
        if self._reads_between:
            cuts |= np.diff(ends // _SPAN) != 0
        return np.split(rows, np.flatnonzero(cuts) + 1)

    def _piece(
        self, rows: Positions, ranks: NDArray[np.int32] | None, dtype: np.dtype[Any] | None, without: Array | None
    ) -> CompressedBlock:
        """Return some rows, without one of the arrays: `indices` only of what is canonical and not selected from."""
        whole_indptr = self._indptr
        begin, end = whole_indptr[rows], whole_indptr[rows + 1]
        indptr = indptr_of(end - begin)
        read_indices, read_data = (run.read for run in self._runs)
        indices = np.empty(0, np.int32)
        if without != "indices":
            indices = read_indices(begin, end)
            self._check(indptr, indices)
        kept = None
        if ranks is not None:
            indices = ranks[indices]
            kept = indices >= 0
            indices = indices[kept]
            indptr = indptr_of(kept)[indptr]
        elif indices.dtype.itemsize < 4:  # to these nothing can be added
            indices = indices.astype(np.int32)
        data = None
        if without != "data" and indptr[-1]:
            data = read_data(begin, end)
            data = data if kept is None else data[kept]
        if not self.canonical:
            indptr, indices, data = canonical(indptr, indices, data)
        with np.errstate(over="ignore"):
            cast = np.empty(0, dtype) if data is None else data.astype(dtype, copy=False)
        return CompressedBlock(indptr, indices, cast)

    def _check(self, indptr: NDArray[np.int64], indices: NDArray[Any]) -> None:
        if len(indices) and (indices.min() < 0 or indices.max() >= self.minor_size):
            raise OSError("a sparse matrix has a cell beyond its shape")
        if self.canonical and not _ascending(indptr, indices):
            raise OSError("the indices of a row of a sparse matrix do not ascend")


def panels(room: NDArray[Any], max_cells: int) -> list[tuple[int, int]]:
    """Return runs (first, last + 1) that have about `max_cells` cells each, or are a single row."""
    if not len(room):
        return []
    number = np.cumsum(room)
    number //= max_cells
    cuts = np.flatnonzero(number[1:] != number[:-1]) + 1
    return list(itertools.pairwise([0, *cuts.tolist(), len(room)]))


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
    return CompressedMatrix(
        lambda: indptr,
        len(indptr) - 1,
        (Hdf5Run(indices), Hdf5Run(data)),
        gap_of(indices),
        minor_size,
        canonical=False,
        reads_between=True,
        place=Place(
            group.path,
            group.inside,
            group.limits,
            group.version,
            group.name,
            minor_size,
            indices.is_flat and data.is_flat,
        ),
    )


def check_parts(indptr: NDArray[np.int64], indices: Dataset | Part, data: Dataset | Part) -> None:
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


def indptr_of(lengths: NDArray[Any]) -> NDArray[np.int64]:
    """Return where rows of these lengths start, and where the last one ends."""
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])


def _ranks(size: int, selected: Positions | None) -> NDArray[np.int32] | None:
    """Return for each position its rank among the selected ones, or -1."""
    if selected is None:
        return None
    ranks = np.full(size, -1, np.int32)
    ranks[selected] = np.arange(len(selected), dtype=np.int32)
    return ranks


def _ascending(indptr: NDArray[np.int64], indices: NDArray[Any]) -> bool:
    rising = indices[1:] > indices[:-1]
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
    return indptr_of(np.bincount(rows[first], minlength=len(indptr) - 1)), indices[first], data
