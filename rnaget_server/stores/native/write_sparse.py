"""Write the native sparse store.

The cells of a layer are stored twice: ``/rnaget/by_feature/N`` has those of each feature one after another with
ascending samples, ``/rnaget/by_sample/N`` the other way round. Each has ``indptr``, where every feature (sample)
starts, contiguous, and ``indices`` and ``values``, in smaller types if these hold all of a layer. Their chunks are made
of frames of `FRAME` cells, and the places of the frames are in ``/rnaget/chunks/N``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import h5py
import numpy as np

from rnaget_server.compute.base import Result
from rnaget_server.model.sparse import CompressedBlock, Direction
from rnaget_server.stores import layout
from rnaget_server.stores.base import Ranges
from rnaget_server.stores.dtypes import cell_dtype, least_type
from rnaget_server.stores.native.encoded_rows import RowsEncoder, joined_ranges
from rnaget_server.stores.native.run_form import RunForm
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

    def map_blocks(self, direction: Direction, work: Callable[[CompressedBlock, int], Result]) -> Iterator[Result]:
        """Yield what is made of the cells block by block, in their order.

        Parameters
        ----------
        direction
            Along which the cells are compressed: features or samples.
        work
            Called, in another process perhaps, with a block of bounded size and the number of cells before it. It can
            be pickled. The arrays of what it returns may be used until the next is asked for.
        """


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
    group = file.create_group(layout.by_feature(number))
    group.attrs[layout.UNITS] = layer.units
    group.attrs[layout.WHOLE] = layer.whole
    write_ranges(file, number, _fill(group, number, layer, "features", lambda done: progress(done / 2)))
    group = file.create_group(layout.by_sample(number))
    _fill(group, number, layer, "samples", lambda done: progress(0.5 + done / 2))


def _fill(
    group: h5py.Group, number: int, layer: SparseLayerSource, direction: Direction, progress: Callable[[float], None]
) -> Ranges:
    """Write the cells along features or samples, and return the ranges of features."""
    size, across = layer.values.shape if direction == "features" else layer.values.shape[::-1]
    count = layer.values.count
    indices = RunForm.of(count, np.promote_types(np.uint16, least_type(across)), FRAME)
    values = RunForm.of(count, layer.stored_dtype, FRAME)
    index_writer, value_writer = RunWriter(group, layout.INDICES, indices), RunWriter(group, layout.VALUES, values)
    indptr, ranges = np.zeros(size + 1, np.int64), []
    row = at = 0
    encoder = RowsEncoder(indices, values, across if direction == "features" else None)
    for part in layer.values.map_blocks(direction, encoder):
        rows, cells = len(part.indptr) - 1, int(part.indptr[-1])
        row, at = row + rows, at + cells
        if at > count:
            break
        indptr[row - rows + 1 : row + 1] = at - cells + part.indptr[1:]
        index_writer.append(part.indices)
        value_writer.append(part.values)
        if part.ranges is not None:
            ranges.append(deepcopy(part.ranges))  # its arrays are good until the next part
        progress(at / max(1, count))
    if (row, at) != (size, count):
        raise OSError(f"{at} cells of {row} {direction} came, and there should be {count} of {size}")
    index_writer.finish(group.file, layout.run_chunks(number, direction, layout.INDICES))
    value_writer.finish(group.file, layout.run_chunks(number, direction, layout.VALUES))
    group.create_dataset(layout.INDPTR, data=indptr)
    return joined_ranges(ranges, cell_dtype(layer.stored_dtype))
