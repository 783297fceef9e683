"""The chunks of a dense layer, encoded in parts by other processes and written by this one in the usual order.

A part is a block that one process would write at once, so that the file is the same, byte for byte.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from rnaget_server.compute.base import Compute
from rnaget_server.storage.files import whole_file
from rnaget_server.stores.base import Ranges
from rnaget_server.stores.blocks import steps
from rnaget_server.stores.native.chunk_writer import ChunkWriter, encoded_chunks
from rnaget_server.stores.native.ranges import block_ranges, transposed

_Span = tuple[int, int]


@runtime_checkable
class SharedValues(Protocol):
    """Cells of one layer that other processes can read: they can be pickled.

    `shared_directory` is one for temporary files, which these processes see.
    """

    shared_directory: Path

    @property
    def shape(self) -> tuple[int, int]:
        """Number of features and of samples."""

    def rows(self, start: int, stop: int) -> NDArray[Any]:
        """Return the cells of features `start` to `stop` (half-open), features × samples."""

    def columns(self, start: int, stop: int) -> NDArray[Any]:
        """Return the cells of samples `start` to `stop` (half-open), features × samples."""


@dataclass(frozen=True)
class _Job:
    """All that the parts of a dataset have in common."""

    values: SharedValues
    dtype: np.dtype[Any]
    chunks: tuple[int, int]
    shuffle: int


def fill_rows_by(
    compute: Compute, writer: ChunkWriter, values: SharedValues, step: int, progress: Callable[[float], None]
) -> Ranges:
    """Write the cells by features, `step` of them at once, and return their ranges."""
    features, samples = values.shape
    minimum: list[NDArray[Any]] = []
    maximum: list[NDArray[Any]] = []
    nans: list[NDArray[Any]] = []
    with closing(_parts(compute, _encode_rows, writer, values, step, features)) as encoded:
        for (start, stop), file in encoded:
            sizes, *found = (np.load(file, allow_pickle=False) for _ in range(4))
            for parts, part in zip((minimum, maximum, nans), found, strict=True):
                parts.append(part)
            writer.write_encoded(start, (stop - start, samples), _chunks(file, sizes))
            progress(stop / features)
    return Ranges(np.concatenate(minimum), np.concatenate(maximum), np.concatenate(nans))


def fill_columns_by(
    compute: Compute, writer: ChunkWriter, values: SharedValues, step: int, progress: Callable[[float], None]
) -> None:
    """Write the cells by samples, `step` of them at once."""
    features, samples = values.shape
    with closing(_parts(compute, _encode_columns, writer, values, step, samples)) as encoded:
        for (start, stop), file in encoded:
            writer.write_encoded(start, (stop - start, features), _chunks(file, np.load(file, allow_pickle=False)))
            progress(stop / samples)


def _parts(
    compute: Compute,
    function: Callable[[_Job, _Span], Path],
    writer: ChunkWriter,
    values: SharedValues,
    step: int,
    size: int,
) -> Generator[tuple[_Span, BinaryIO], None, None]:
    """Yield each part, and the file with its chunks, which is removed afterwards."""
    job = _Job(values, writer.dataset.dtype, writer.chunks, writer.shuffle)
    spans = list(steps(size, step))
    with closing(compute.map(partial(function, job), spans)) as paths:
        for span, path in zip(spans, paths, strict=True):
            with path.open("rb") as file:
                yield span, file
            path.unlink()


def _encode_rows(job: _Job, span: _Span) -> Path:
    """Return a file with the ranges and chunks of features; called in other processes."""
    block = job.values.rows(*span).astype(job.dtype, copy=False)
    ranges = block_ranges(block)
    return _written(job, block, f"{span[0]}.rows", ranges.minimum, ranges.maximum, ranges.nans)


def _encode_columns(job: _Job, span: _Span) -> Path:
    """Return a file with the chunks of samples; called in other processes."""
    block = job.values.columns(*span).astype(job.dtype, copy=False)
    return _written(job, transposed(block), f"{span[0]}.columns")


def _written(job: _Job, block: NDArray[Any], name: str, *arrays: NDArray[Any]) -> Path:
    chunks = list(encoded_chunks(block, job.chunks, job.shuffle))
    path = job.values.shared_directory / name
    with whole_file(path) as file:
        for array in (np.array([len(chunk) for chunk in chunks], np.int64), *arrays):
            np.save(file, array, allow_pickle=False)
        file.writelines(chunks)
    return path


def _chunks(file: BinaryIO, sizes: NDArray[np.int64]) -> Iterator[bytes]:
    for size in sizes.tolist():
        chunk = file.read(size)
        if len(chunk) < size:
            raise OSError("a part of the import is cut off")
        yield chunk
