"""Write the native sparse store.

The stored cells of a layer stand twice: ``/rnaget/by_feature/N`` has those of each feature one after another with
ascending samples, ``/rnaget/by_sample/N`` the other way round. Each has ``indptr``, where every feature (sample)
starts, contiguous, and ``indices`` and ``values`` in chunks of `CHUNK` cells.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import h5py
import hdf5plugin
import numpy as np

from rnaget_server.stores import layout
from rnaget_server.stores.base import Compressed, Direction, Ranges
from rnaget_server.stores.native_writer import AxisTable, new_file, nothing, share, write_ranges

CHUNK = 8192


class SparseValues(Protocol):
    """The stored cells of one layer, wherever they are."""

    @property
    def shape(self) -> tuple[int, int]:
        """Number of features and of samples."""

    @property
    def count(self) -> int:
        """Number of stored cells."""

    def along(self, direction: Direction) -> Iterator[Compressed]:
        """Yield the cells in bounded pieces, compressed along features or samples."""


@dataclass(frozen=True)
class SparseLayerSource:
    """One layer to write: float32, or float64 for whole numbers beyond 2**24."""

    units: str
    values: SparseValues
    dtype: np.dtype[Any]
    whole: bool


def write_sparse(
    path: Path,
    features: AxisTable,
    samples: AxisTable,
    layers: Sequence[SparseLayerSource],
    progress: Callable[[float], None] = nothing,
) -> None:
    """Write the native sparse store to `path`: to a file beside it first, renamed once it is whole.

    Parameters
    ----------
    path
        Where the store shall be; a file there is replaced.
    features, samples
        Labels of the rows and columns.
    layers
        The main matrix, then further units.
    progress
        Called with the share done, from 0 to 1.
    """
    with new_file(path, layout.SPARSE, features, samples) as file:
        for number, layer in enumerate(layers):
            _write_layer(file, number, layer, partial(share, progress, number, len(layers)))


def _write_layer(file: h5py.File, number: int, layer: SparseLayerSource, progress: Callable[[float], None]) -> None:
    features, samples = layer.values.shape
    ranges = _RangesOf(features, samples, layer.dtype)
    group = file.create_group(layout.by_feature(number))
    group.attrs[layout.UNITS] = layer.units
    group.attrs[layout.WHOLE] = layer.whole
    _fill(group, features, layer, "features", ranges.take, lambda done: progress(done / 2))
    write_ranges(file, number, ranges.made)
    group = file.create_group(layout.by_sample(number))
    _fill(group, samples, layer, "samples", lambda _: None, lambda done: progress(0.5 + done / 2))


def _fill(
    group: h5py.Group,
    size: int,
    layer: SparseLayerSource,
    direction: Direction,
    take: Callable[[Compressed], None],
    progress: Callable[[float], None],
) -> None:
    count = layer.values.count
    # HDF5 has no chunks in a dataset of nothing.
    stored = {"chunks": (min(CHUNK, count),), "compression": _compression()} if count else {}
    indices = group.create_dataset(layout.INDICES, (count,), np.int32, **stored)
    values = group.create_dataset(layout.VALUES, (count,), layer.dtype, **stored)
    starts = np.zeros(size + 1, np.int64)
    line = at = 0
    for piece in layer.values.along(direction):
        lines, cells = len(piece.starts) - 1, len(piece.positions)
        starts[line + 1 : line + lines + 1] = at + piece.starts[1:]
        if cells:
            indices[at : at + cells] = piece.positions.astype(np.int32)
            values[at : at + cells] = piece.values.astype(layer.dtype, copy=False)
        take(piece)
        line, at = line + lines, at + cells
        progress(at / max(1, count))
    if (line, at) != (size, count):
        raise OSError(f"{at} cells of {line} {direction} came, and there should be {count} of {size}")
    group.create_dataset(layout.STARTS, data=starts)


def _compression() -> Any:
    return hdf5plugin.Blosc(cname="zstd", clevel=1, shuffle=hdf5plugin.Blosc.SHUFFLE)


class _RangesOf:
    """Minimum, maximum and number of NaN of each feature, from pieces along features."""

    def __init__(self, features: int, samples: int, dtype: np.dtype[Any]) -> None:
        self.made = Ranges(np.zeros(features, dtype), np.zeros(features, dtype), np.zeros(features, np.int32))
        self._samples = samples
        self._at = 0

    def take(self, piece: Compressed) -> None:
        """Take the next features."""
        stored = np.diff(piece.starts)
        some = np.flatnonzero(stored)
        here, starts = self._at + some, piece.starts[:-1][some]
        self._at += len(stored)
        if not len(some):
            return
        minimum, maximum = np.fmin.reduceat(piece.values, starts), np.fmax.reduceat(piece.values, starts)
        gaps = stored[some] < self._samples
        self.made.minimum[here] = np.where(gaps, np.fmin(minimum, 0), minimum)
        self.made.maximum[here] = np.where(gaps, np.fmax(maximum, 0), maximum)
        self.made.nans[here] = np.add.reduceat(np.isnan(piece.values), starts, dtype=np.int32)
