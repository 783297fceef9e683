"""Write the native sparse store.

The cells of a layer are stored twice: ``/rnaget/by_feature/N`` has those of each feature one after another with
ascending samples, ``/rnaget/by_sample/N`` the other way round. Each has ``indptr``, where every feature (sample)
starts, contiguous, and ``indices`` and ``values``, in smaller types if these hold all of a layer. Their chunks are made
of frames of `FRAME` cells, and the places of the frames are in ``/rnaget/chunks/N``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import h5py
import numpy as np

from rnaget_server.model.sparse import CompressedBlock, Direction
from rnaget_server.stores import layout
from rnaget_server.stores.base import Ranges
from rnaget_server.stores.dtypes import cell_dtype, least_type
from rnaget_server.stores.native.run_writer import RunWriter
from rnaget_server.stores.native.write_dense import AxisTable, new_file, nothing, share, write_ranges

FRAME = 4096


class SparseValues(Protocol):
    """The stored cells of one layer, from any source."""

    @property
    def shape(self) -> tuple[int, int]:
        """Number of features and of samples."""

    @property
    def count(self) -> int:
        """Number of stored cells."""

    def compressed_along(self, direction: Direction) -> Iterator[CompressedBlock]:
        """Yield the cells in bounded pieces, compressed along features or samples."""


@dataclass(frozen=True)
class SparseLayerSource:
    """One layer to write, in the type in which its values are stored.

    This is float32, float64 for whole numbers beyond 2**24, or uint8 or uint16 if one of these holds all values.
    """

    units: str
    values: SparseValues
    stored_dtype: np.dtype[Any]
    whole: bool


def write_sparse(
    path: Path,
    features: AxisTable,
    samples: AxisTable,
    layers: Sequence[SparseLayerSource],
    progress: Callable[[float], None] = nothing,
) -> None:
    """Write the native sparse store to `path`; see `write_native` for the parameters."""
    with new_file(path, layout.SPARSE, features, samples) as file:
        for number, layer in enumerate(layers):
            _write_layer(file, number, layer, partial(share, progress, number, len(layers)))


def _write_layer(file: h5py.File, number: int, layer: SparseLayerSource, progress: Callable[[float], None]) -> None:
    features, samples = layer.values.shape
    ranges = _RangesOf(features, samples, cell_dtype(layer.stored_dtype))
    group = file.create_group(layout.by_feature(number))
    group.attrs[layout.UNITS] = layer.units
    group.attrs[layout.WHOLE] = layer.whole
    _fill(group, number, features, layer, "features", ranges.take, lambda done: progress(done / 2))
    write_ranges(file, number, ranges.ranges)
    group = file.create_group(layout.by_sample(number))
    _fill(group, number, samples, layer, "samples", lambda _: None, lambda done: progress(0.5 + done / 2))


def _fill(
    group: h5py.Group,
    number: int,
    size: int,
    layer: SparseLayerSource,
    direction: Direction,
    take: Callable[[CompressedBlock], None],
    progress: Callable[[float], None],
) -> None:
    count = layer.values.count
    indptr = np.zeros(size + 1, np.int64)
    row = at = 0
    indices = RunWriter(group, layout.INDICES, count, _index_type(layer, direction), FRAME)
    values = RunWriter(group, layout.VALUES, count, layer.stored_dtype, FRAME)
    for piece in layer.values.compressed_along(direction):
        rows, cells = len(piece.indptr) - 1, len(piece.indices)
        indptr[row + 1 : row + rows + 1] = at + piece.indptr[1:]
        row, at = row + rows, at + cells
        if at > count:
            break
        indices.append(piece.indices)
        values.append(piece.data)
        take(piece)
        progress(at / max(1, count))
    if (row, at) != (size, count):
        raise OSError(f"{at} cells of {row} {direction} came, and there should be {count} of {size}")
    indices.finish(group.file, layout.run_chunks(number, direction, layout.INDICES))
    values.finish(group.file, layout.run_chunks(number, direction, layout.VALUES))
    group.create_dataset(layout.INDPTR, data=indptr)


def _index_type(layer: SparseLayerSource, direction: Direction) -> np.dtype[Any]:
    """Return the type that holds positions on the other axis."""
    return np.promote_types(np.uint16, least_type(layer.values.shape[direction == "features"]))


class _RangesOf:
    """Minimum, maximum and number of NaN of each feature, from pieces along features."""

    def __init__(self, features: int, samples: int, dtype: np.dtype[Any]) -> None:
        self.ranges = Ranges(np.zeros(features, dtype), np.zeros(features, dtype), np.zeros(features, np.int32))
        self._samples = samples
        self._at = 0

    def take(self, piece: CompressedBlock) -> None:
        """Take the next features."""
        stored = np.diff(piece.indptr)
        filled = np.flatnonzero(stored)
        features, starts = self._at + filled, piece.indptr[:-1][filled]
        self._at += len(stored)
        if not len(filled):
            return
        minimum, maximum = np.fmin.reduceat(piece.data, starts), np.fmax.reduceat(piece.data, starts)
        gaps = stored[filled] < self._samples
        self.ranges.minimum[features] = np.where(gaps, np.fmin(minimum, 0), minimum)
        self.ranges.maximum[features] = np.where(gaps, np.fmax(maximum, 0), maximum)
        if piece.data.dtype.kind == "f" and (nans := np.isnan(piece.data)).any():
            self.ranges.nans[features] = np.add.reduceat(nans, starts, dtype=np.int32)
