"""Cells on their way from the source to the store: an unnamed temporary file of raw numbers.

The file has no name, so it is gone once it is closed, however the process ends. Cells are float32; they
become float64 while all are whole and some are beyond 2**24, and float32 again if a fraction follows.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from rnaget_server.compute.processes import SharedFile
from rnaget_server.errors import ImportFailure
from rnaget_server.importers.odd_values import OddValues
from rnaget_server.model.axis import Positions
from rnaget_server.storage.files import discard_directory, new_shared_directory

_EXACT = 2.0**24
_BUFFER = 16 << 20
# Reading a stretch of every row costs about as much as reading this many bytes more of each.
_SEEK_BYTES = 16 << 10
_TILE = 256
_SINGLE: np.dtype[Any] = np.dtype(np.float32)
_DOUBLE: np.dtype[Any] = np.dtype(np.float64)
_LARGEST = float(np.finfo(np.float32).max)


class TooLarge(ValueError):
    """A value, its only argument, is finite and beyond what float32 can hold."""

    def __str__(self) -> str:
        return (
            f"the value {self.args[0]:g} is larger than float32 can hold (3.4e38): write infinity or NaN in its place, "
            "or all values on another scale"
        )


class SpooledCells:
    """A matrix in a temporary file, readable by features and by samples without holding more than is asked for.

    Parameters
    ----------
    file
        Raw cells, row by row.
    shape
        Rows and columns as they are in the file.
    dtype, whole
        Type of the cells, and whether every finite one is a whole number.
    by_sample
        True if the rows of the file are samples.
    odd
        Values that are rarely meant.
    """

    def __init__(
        self,
        file: IO[bytes],
        shape: tuple[int, int],
        dtype: np.dtype[Any],
        whole: bool,
        by_sample: bool,
        odd: OddValues,
    ) -> None:
        self._file = file
        self._stored = shape
        self.dtype = dtype
        self.whole = whole
        self.by_sample = by_sample
        self.odd = odd

    @property
    def shape(self) -> tuple[int, int]:
        """Number of features and of samples."""
        rows, columns = self._stored
        return (columns, rows) if self.by_sample else (rows, columns)

    def rows(self, start: int, stop: int) -> NDArray[Any]:
        """Return the cells of features `start` to `stop`, features × samples."""
        return self._read_columns(start, stop).T if self.by_sample else self._read_rows(start, stop)

    def columns(self, start: int, stop: int) -> NDArray[Any]:
        """Return the cells of samples `start` to `stop`, features × samples."""
        return self._read_rows(start, stop).T if self.by_sample else self._read_columns(start, stop)

    def close(self) -> None:
        """Give the temporary file back."""
        self._file.close()

    def aligned(self, features: Positions, samples: Positions, directory: Path) -> SpooledCells:
        """Return a new spool of the features and samples at these positions; -1 stands for a row of NaN."""
        rows, columns = (samples, features) if self.by_sample else (features, samples)
        file = tempfile.TemporaryFile(dir=directory)  # noqa: SIM115  (closed by the spool)
        for row in rows:
            if row < 0:
                cells = np.full(len(columns), np.nan, self.dtype)
            else:
                cells = np.where(columns < 0, self.dtype.type(np.nan), self._read_rows(row, row + 1)[0, columns])
            file.write(cells.astype(self.dtype).data)
        file.flush()
        return SpooledCells(file, (len(rows), len(columns)), self.dtype, self.whole, self.by_sample, self.odd)

    def _read_rows(self, start: int, stop: int) -> NDArray[Any]:
        cells = np.empty((stop - start, self._stored[1]), self.dtype)
        read_at(self._file, cells, start * self._stored[1] * self.dtype.itemsize)
        return cells

    def _read_columns(self, start: int, stop: int) -> NDArray[Any]:
        """Return some columns, one after the other in memory."""
        rows, columns = self._stored
        size = self.dtype.itemsize
        by_column = np.empty((stop - start, rows), self.dtype)
        scattered = (columns - (stop - start)) * size > _SEEK_BYTES
        # Transposed tile by tile; at once, every cell copied would miss the processor's cache.
        height = max(1, min(_TILE, rows) if scattered else min(_TILE, rows, _BUFFER // (columns * size)))
        tile = np.empty((height, stop - start if scattered else columns), self.dtype)
        for first in range(0, rows, height):
            cells = tile[: rows - first]
            if scattered:
                for row in range(len(cells)):
                    read_at(self._file, cells[row], ((first + row) * columns + start) * size)
            else:
                read_at(self._file, cells, first * columns * size)
                cells = cells[:, start:stop]
            by_column[:, first : first + len(cells)] = cells.T
        return by_column.T


class Spool:
    """Takes rows as they are read from the source.

    Parameters
    ----------
    directory
        The directory of the temporary file.
    columns
        Number of cells of a row.
    transposed
        True if the rows are samples.
    """

    def __init__(self, directory: Path, columns: int, transposed: bool = False) -> None:
        self._directory = directory
        self._file = self._new_file()
        self._columns = columns
        self._rows = 0
        self._dtype = _SINGLE
        self._whole = True
        self._transposed = transposed
        self._odd = OddValues()

    @property
    def whole(self) -> bool:
        """True while every cell so far is a whole number; blocks must then be float64."""
        return self._whole

    def append(self, block: NDArray[Any]) -> None:
        """Take the next rows.

        Raises
        ------
        TooLarge
            If a finite value is beyond what float32 can hold.
        """
        refuse_too_large(block, *self._odd.look_at(block, self._rows))
        if self._whole:
            self._judge(block)
        self._file.write(np.ascontiguousarray(block, self._dtype).data)
        self._rows += len(block)

    def finish(self) -> SpooledCells:
        """Return what was taken, to be read; the spool takes no more."""
        self._file.flush()
        shape = self._rows, self._columns
        return SpooledCells(self._file, shape, self._dtype, self._whole, self._transposed, self._odd)

    def close(self) -> None:
        """Give the temporary file back."""
        self._file.close()

    def _judge(self, block: NDArray[Any]) -> None:
        fraction = np.rint(block) != block
        if np.count_nonzero(fraction) > np.count_nonzero(np.isnan(block)):
            self._whole = False
            self._convert(_SINGLE)
        elif self._dtype == _SINGLE and np.any(np.isfinite(block) & (np.abs(block) > _EXACT)):
            self._convert(_DOUBLE)

    def _convert(self, dtype: np.dtype[Any]) -> None:
        if dtype == self._dtype:
            return
        converted = self._new_file()
        for cells in self._cells():
            converted.write(cells.astype(dtype).data)
        self._file.close()
        self._file, self._dtype = converted, dtype

    def _cells(self) -> Iterator[NDArray[Any]]:
        self._file.seek(0)
        while raw := self._file.read(_BUFFER):
            yield np.frombuffer(raw, self._dtype)

    def _new_file(self) -> IO[bytes]:
        return tempfile.TemporaryFile(dir=self._directory)


class DoubleSpool(Spool):
    """A spool that keeps every cell as float64, for sums of them: those of rounded ones would be others."""

    def __init__(self, directory: Path, columns: int) -> None:
        super().__init__(directory, columns)
        self._dtype = _DOUBLE

    @property
    def whole(self) -> bool:
        """True: blocks must be float64."""
        return True

    def _convert(self, dtype: np.dtype[Any]) -> None:
        pass


@dataclass(frozen=True)
class CellFile:
    """A file of raw cells, row by row, that other processes see, and what is known of the cells."""

    path: Path
    shape: tuple[int, int]
    dtype: np.dtype[Any]
    whole: bool
    odd: OddValues

    def opened(self) -> SpooledCells:
        """Return the cells, to be closed."""
        return SpooledCells(self.path.open("rb"), self.shape, self.dtype, self.whole, False, self.odd)


class SharedSpool(Spool):
    """A spool whose file is given a name at the end, under which other processes read it."""

    def keep(self, path: Path) -> CellFile:
        """Return what was taken, in a file of that name; the spool takes no more."""
        self._file.flush()
        os.replace(self._file.name, path)
        SharedSpool.close(self)
        return CellFile(path, (self._rows, self._columns), self._dtype, self._whole, self._odd)

    def close(self) -> None:
        """Give the temporary file back, unless it was kept."""
        with contextlib.suppress(FileNotFoundError):
            self._file.close()

    def _new_file(self) -> IO[bytes]:
        return tempfile.NamedTemporaryFile(dir=self._directory)


class StagedSpool(SharedSpool):
    """A spool of a whole matrix in a directory of its own, where other processes read it afterwards."""

    def __init__(self, directory: Path, columns: int, transposed: bool = False) -> None:
        self._shared = new_shared_directory(directory.absolute())
        super().__init__(self._shared, columns, transposed)

    def finish(self) -> SpooledCells:
        """Return what was taken, to be read; the spool takes no more."""
        return JoinedCells([self.keep(self._shared / "cells")], self._transposed, self._shared)

    def close(self) -> None:
        """Remove the directory."""
        super().close()
        discard_directory(self._shared)


class JoinedCells(SpooledCells):
    """A matrix in several files, whose rows are those of one after those of another. It can be pickled.

    Parameters
    ----------
    files
        The files, of rows of the same length.
    by_sample
        True if their rows are samples.
    shared_directory
        The directory that the files are in, which is removed when the cells are closed.
    """

    def __init__(self, files: Sequence[CellFile], by_sample: bool, shared_directory: Path) -> None:
        self._files = tuple(files)
        self.shared_directory = shared_directory
        self._firsts = np.cumsum([0, *(file.shape[0] for file in files)]).tolist()
        self._stored = self._firsts[-1], files[0].shape[1]
        self.whole = all(file.whole for file in files)
        large = self.whole and any(file.dtype == _DOUBLE for file in files)
        self.dtype = _DOUBLE if large else _SINGLE
        self.by_sample = by_sample
        self.odd = OddValues()
        for first, file in zip(self._firsts, files, strict=False):
            self.odd.follow(file.odd, first)

    def close(self) -> None:
        """Remove the files."""
        discard_directory(self.shared_directory)

    def _read_rows(self, start: int, stop: int) -> NDArray[Any]:
        cells = np.empty((stop - start, self._stored[1]), self.dtype)
        for first, file in zip(self._firsts, self._files, strict=False):
            begin, end = max(start, first), min(stop, first + file.shape[0])
            if begin < end:
                with contextlib.closing(file.opened()) as opened:
                    cells[begin - start : end - start] = opened._read_rows(begin - first, end - first)
        return cells

    def _read_columns(self, start: int, stop: int) -> NDArray[Any]:
        by_column = np.empty((stop - start, self._stored[0]), self.dtype)
        for first, file in zip(self._firsts, self._files, strict=False):
            with contextlib.closing(file.opened()) as opened:
                by_column[:, first : first + file.shape[0]] = opened._read_columns(start, stop).T
        return by_column.T


class _Open(Protocol):
    def close(self) -> None: ...


Filled = TypeVar("Filled", bound=_Open)


@contextlib.contextmanager
def closed_on_failure(cells: _Open) -> Iterator[None]:
    """Close cells if what follows fails."""
    try:
        yield
    except BaseException:
        cells.close()
        raise


@contextlib.contextmanager
def filling(spool: Filled, path: Path) -> Iterator[Filled]:
    """Give a spool to fill from a source; if that fails, close it, and refuse a value that is too large."""
    try:
        with closed_on_failure(spool):
            yield spool
    except TooLarge as error:
        raise ImportFailure(str(error), path) from None


def kept_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the type in which values lose nothing on their way to the store."""
    return _SINGLE if np.can_cast(dtype, _SINGLE, "safe") else _DOUBLE


def read_at(file: IO[bytes] | SharedFile, cells: NDArray[Any], offset: int) -> None:
    """Fill a contiguous array with what is in a temporary file from `offset` on; several threads may do so at once."""
    target = cells.view(np.uint8).data.cast("B") if cells.size else memoryview(b"")
    while target:
        read = os.preadv(file.fileno(), [target], offset)
        if not read:
            raise OSError("the temporary file is shorter than what was written to it")
        target, offset = target[read:], offset + read


def refuse_too_large(values: NDArray[Any], least: float, most: float) -> None:
    """Refuse finite values beyond what float32 can hold, of values of which the least and the most are known.

    Raises
    ------
    TooLarge
        If there is one.
    """
    if least < -_LARGEST or most > _LARGEST:  # infinite values hide those that are not
        largest = float(np.abs(values[np.isfinite(values)]).max(initial=0))
        if largest > _LARGEST:
            raise TooLarge(largest)
