"""Sparse cells on their way from the source to the store: unnamed temporary files of only the stored cells.

They are spooled compressed along one axis, as they come, and transposed by buckets: each cell is appended
to the bucket of a run of lines of the other axis, and every bucket is small enough to be sorted in memory.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from rnaget_server.errors import ImportFailure
from rnaget_server.importers.odd_values import OddValues
from rnaget_server.importers.spool import Spool, TooLarge, refuse_too_large
from rnaget_server.model.sparse import CompressedBlock, Direction
from rnaget_server.stores.compressed import PIECE, panels

_BUCKET = 2 << 20
_EXACT = 2.0**24
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
        self._indices.seek(0)
        self._data.seek(0)
        for first, last in panels(self._lengths, PIECE):
            starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(self._lengths[first:last])])
            positions = _read(self._indices, np.dtype(np.int32), int(starts[-1]))
            yield CompressedBlock(starts, positions.astype(np.int64), _read(self._data, self._kept, int(starts[-1])))

    def _transposed(self) -> Iterator[CompressedBlock]:
        from scipy.sparse import csr_array  # only then: the library takes long to load

        buckets = panels(self._counts, _BUCKET)
        record = np.dtype([("across", np.int32), ("line", np.int32), ("value", self._kept)])
        with tempfile.TemporaryFile(dir=self._directory) as file:
            self._fill(file, buckets, record)
            file.seek(0)
            for first, last in buckets:
                counts = self._counts[first:last]
                cells = _read(file, record, int(counts.sum()))
                places = cells["across"] - np.int32(first), cells["line"]
                panel = csr_array((cells["value"], places), shape=(last - first, len(self._lengths)))
                for start, stop in panels(counts, PIECE):
                    taken = slice(panel.indptr[start], panel.indptr[stop])
                    indptr = (panel.indptr[start : stop + 1] - panel.indptr[start]).astype(np.int64)
                    yield CompressedBlock(indptr, panel.indices[taken].astype(np.int64), panel.data[taken])

    def _fill(self, file: IO[bytes], buckets: list[tuple[int, int]], record: np.dtype[Any]) -> None:
        """Write every cell into its bucket; those of one keep their order."""
        from scipy.sparse import csr_array

        sizes = np.array([self._counts[first:last].sum() for first, last in buckets], np.int64)
        places = np.cumsum(sizes) - sizes
        bucket_of = np.repeat(np.arange(len(buckets), dtype=np.int32), [last - first for first, last in buckets])
        line = 0
        for piece in self._straight():
            lines = len(piece.indptr) - 1
            # The cells of a piece by bucket, each time with another part of them.
            parts = (piece.indices.astype(np.int32), piece.data)
            bucket = bucket_of[piece.indices]
            shape = lines, len(buckets)
            across, values = (csr_array((part, bucket, piece.indptr), shape=shape).tocsc() for part in parts)
            cells = np.empty(len(piece.indices), record)
            cells["across"], cells["line"], cells["value"] = across.data, across.indices + line, values.data
            for number in np.flatnonzero(np.diff(across.indptr)).tolist():
                run = cells[across.indptr[number] : across.indptr[number + 1]]
                file.seek(int(places[number]) * record.itemsize)
                file.write(run.data)
                places[number] += len(run)
            line += lines
        file.flush()


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
    dtype
        Of the values as they come: float32 or float64.
    """

    def __init__(self, directory: Path, direction: Direction, across: int, dtype: np.dtype[Any]) -> None:
        self._directory = directory
        self._direction = direction
        self._dtype = dtype
        self._indices = tempfile.TemporaryFile(dir=directory)  # noqa: SIM115  (closed by the spool)
        self._data = tempfile.TemporaryFile(dir=directory)  # noqa: SIM115  (closed by the spool)
        self._lengths: list[NDArray[np.int64]] = [np.empty(0, np.int64)]
        self._lines = 0
        self._counts = np.zeros(across, np.int64)
        self._whole = True
        self._beyond = False
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
        self._judge(piece.data)
        self._lengths.append(np.diff(piece.indptr))
        self._lines += len(piece.indptr) - 1
        self._counts += np.bincount(piece.indices, minlength=len(self._counts))
        self._indices.write(piece.indices.astype(np.int32).data)
        self._data.write(np.ascontiguousarray(piece.data, self._dtype).data)

    def finish(self) -> SpooledSparse:
        """Return what was taken, to be read; the spool takes no more."""
        self._indices.flush()
        self._data.flush()
        return SpooledSparse(
            self._whole,
            _DOUBLE if self._whole and self._beyond else _SINGLE,
            self._direction,
            self._indices,
            self._data,
            self._dtype,
            np.concatenate(self._lengths),
            self._counts,
            self._directory,
            self._odd,
        )

    def close(self) -> None:
        """Give the temporary files back."""
        self._indices.close()
        self._data.close()

    def _judge(self, values: NDArray[Any]) -> None:
        finite = values[np.isfinite(values)]
        if self._whole and (np.rint(finite) != finite).any():
            self._whole = False
        if np.abs(finite).max(initial=0) > _EXACT:
            self._beyond = True


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


def _read(file: IO[bytes], dtype: np.dtype[Any], count: int) -> NDArray[Any]:
    raw = file.read(count * dtype.itemsize)
    if len(raw) != count * dtype.itemsize:
        raise OSError("the temporary file is shorter than what was written to it")
    return np.frombuffer(raw, dtype)
