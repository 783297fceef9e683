"""Write the native store.

The cells are stored twice: ``/matrix`` (and ``/layers/…``) chunked along rows, so that a feature is one cheap
read, and ``/rnaget/by_sample/N`` with samples as rows, so that a sample is one too. Chunks hold about
`CHUNK_BYTES` of a long row, or several whole short rows. Columns of attributes, sorted indexes and ranges are
contiguous, so that each is one read.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

import h5py
import numpy as np
from numpy.typing import NDArray

from rnaget_server.compute.base import Compute
from rnaget_server.compute.local import LocalCompute
from rnaget_server.model.axis import Index, Raw
from rnaget_server.model.text import encode_all, padding, write_padded
from rnaget_server.storage.files import commit, default_mode, new_temporary, written_early
from rnaget_server.stores import layout
from rnaget_server.stores.base import Points, Ranges
from rnaget_server.stores.blocks import steps
from rnaget_server.stores.native.chunk_writer import ChunkWriter, smallest_codec
from rnaget_server.stores.native.ranges import block_ranges, transposed
from rnaget_server.stores.native.write_parts import SharedValues, fill_columns_by, fill_rows_by

CHUNK_BYTES = 128 << 10
_SHORT_ROWS_BYTES = 8 << 10
_ROW_BUFFER = 16 << 20
_COLUMN_BUFFER = 160 << 20
_PROBES = 8


Filled = TypeVar("Filled", covariant=True)


class Values(Protocol):
    """The cells of one layer, from any source."""

    @property
    def shape(self) -> tuple[int, int]:
        """Number of features and of samples."""

    def rows(self, start: int, stop: int) -> NDArray[Any]:
        """Return the cells of features `start` to `stop` (half-open), features × samples."""

    def columns(self, start: int, stop: int) -> NDArray[Any]:
        """Return the cells of samples `start` to `stop` (half-open), features × samples."""


class _Filler(Protocol[Filled]):
    """Writes cells into the chunks of a dataset, `step` lines at once."""

    def __call__(self, writer: ChunkWriter, values: Any, step: int, progress: Callable[[float], None]) -> Filled:
        """Write all."""


@dataclass(frozen=True)
class AxisTable:
    """The labels of one axis: attribute name → column, and which attributes hold the ids and the names.

    Columns are object arrays of str, or int64 or float64; the id column is text. `embeddings` are those of samples, by
    name: float32 of samples × 2.
    """

    id: str
    columns: dict[str, NDArray[Any]]
    name: str | None = None
    embeddings: Mapping[str, Points] = field(default_factory=dict)


@dataclass(frozen=True)
class LayerSource:
    """One layer to write: float32, or float64 for whole numbers beyond 2**24."""

    units: str
    values: Values
    dtype: np.dtype[Any]
    whole: bool


def share(progress: Callable[[float], None], number: int, layers: int, done: float) -> None:
    """Report the share done of all layers, by that of one."""
    progress((number + done) / layers)


def nothing(_: float) -> None:
    """Take progress and show none."""


def write_native(
    path: Path,
    features: AxisTable,
    samples: AxisTable,
    layers: Sequence[LayerSource],
    progress: Callable[[float], None] = nothing,
    compute: Compute | None = None,
) -> None:
    """Write the native store to `path`: to a temporary file first, renamed once it is whole.

    Parameters
    ----------
    path
        The path of the store; a file there is replaced.
    features, samples
        Labels of the rows and columns.
    layers
        The main matrix, then further units.
    progress
        Called with the share done, from 0 to 1.
    compute
        What encodes the cells that other processes can read; None: this process.
    """
    compute = compute or LocalCompute()
    with new_file(path, layout.DENSE, features, samples) as file:
        file.attrs["LOOM_SPEC_VERSION"] = np.bytes_(layout.LOOM_VERSION)
        file.create_group(layout.LAYERS)
        for number, layer in enumerate(layers):
            _write_layer(file, number, layer, compute, partial(share, progress, number, len(layers)))


@contextlib.contextmanager
def new_file(path: Path, kind: layout.Kind, features: AxisTable, samples: AxisTable) -> Iterator[h5py.File]:
    """Yield a new file of a native store with its labels, temporary at first and renamed to `path` once it is whole."""
    temporary = new_temporary(path)
    try:
        with written_early(temporary), h5py.File(temporary, "w", libver="v110") as file:
            file.attrs[kind.attribute] = kind.version
            _write_axis(file, layout.FEATURES, features)
            _write_axis(file, layout.SAMPLES, samples)
            _write_embeddings(file, samples.embeddings)
            yield file
        temporary.chmod(default_mode())
        commit(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def chunk_shape(rows: int, columns: int, itemsize: int) -> tuple[int, int]:
    """Return the chunk of a dataset that is read by rows."""
    parts = -(-columns * itemsize // CHUNK_BYTES)
    width = -(-columns // parts)
    height = max(1, _SHORT_ROWS_BYTES // (width * itemsize)) if parts == 1 else 1
    return min(height, rows), width


def _write_axis(file: h5py.File, axis: layout.AxisLayout, table: AxisTable) -> None:
    group = file.create_group(axis.attributes)
    file.create_group(axis.graphs)
    for order, (name, values) in enumerate(table.columns.items()):
        link = layout.link_name(group, name)
        searched = name in (table.id, table.name)
        column = _write_column(file, axis, link, values, searched)
        column.attrs[layout.NAME] = name
        column.attrs[layout.ORDER] = order


def _write_embeddings(file: h5py.File, embeddings: Mapping[str, Points]) -> None:
    for order, (name, points) in enumerate(embeddings.items()):
        group = file.require_group(layout.EMBEDDINGS)
        dataset = group.create_dataset(layout.link_name(group, name), data=points.astype("<f4", copy=False))
        dataset.attrs[layout.NAME] = name
        dataset.attrs[layout.ORDER] = order


def _write_column(
    file: h5py.File, axis: layout.AxisLayout, link: str, values: NDArray[Any], searched: bool
) -> h5py.Dataset:
    group = file[axis.attributes]
    if values.dtype.kind in "if":
        return group.create_dataset(link, data=values)
    width, wasteful = padding(values)
    if wasteful and not searched:
        encoded = [text.encode() for text in values]
        text = file.create_group(f"{axis.long_text}/{link}")
        text.create_dataset("data", data=np.frombuffer(b"".join(encoded) or b"\0", np.uint8))
        text.create_dataset("offsets", data=np.cumsum([0, *map(len, encoded)], dtype=np.int64))
        return write_padded(group, link, values, width)
    raw = encode_all(values)
    if searched:
        _write_index(file.create_group(f"{axis.index}/{link}"), raw)
    return group.create_dataset(link, data=raw)


def _write_index(group: h5py.Group, raw: Raw) -> None:
    index = Index.of(raw)
    group.create_dataset("ordered", data=index.ordered)
    group.create_dataset("positions", data=index.positions.astype(np.int32))


def _write_layer(
    file: h5py.File, number: int, layer: LayerSource, compute: Compute, progress: Callable[[float], None]
) -> None:
    features, samples = layer.values.shape
    further = file[layout.LAYERS]
    name = f"{layout.LAYERS}/{layout.link_name(further, layer.units)}" if number else layout.MATRIX
    shapes = (features, samples), (samples, features)
    by_row, by_column = (chunk_shape(*shape, layer.dtype.itemsize) for shape in shapes)
    codec = smallest_codec(_probes(layer, by_row[0]))
    with ChunkWriter(file, name, shapes[0], layer.dtype, by_row, codec) as rows:
        rows.dataset.attrs[layout.UNITS] = layer.units
        rows.dataset.attrs[layout.WHOLE] = layer.whole
        rows.dataset.attrs[layout.ORDER] = number
        fill_rows, fill_columns = _fillers(layer.values, compute)
        step = _step(rows, samples, _ROW_BUFFER)
        write_ranges(file, number, fill_rows(rows, layer.values, step, lambda done: progress(done / 2)))
        rows.write_places(file, layout.chunks(number, "features"))
    with ChunkWriter(file, layout.by_sample(number), shapes[1], layer.dtype, by_column, codec) as columns:
        step = _step(columns, features, _COLUMN_BUFFER)
        fill_columns(columns, layer.values, step, lambda done: progress(0.5 + done / 2))
        columns.write_places(file, layout.chunks(number, "samples"))


def _fillers(values: Values, compute: Compute) -> tuple[_Filler[Ranges], _Filler[None]]:
    """Return what writes the rows, and what writes the columns."""
    if compute.is_local or not isinstance(values, SharedValues):
        return _fill_rows, _fill_columns
    return partial(fill_rows_by, compute), partial(fill_columns_by, compute)


def _probes(layer: LayerSource, height: int) -> list[NDArray[Any]]:
    """Return some chunks of rows, from all over the layer."""
    features = layer.values.shape[0]
    places = np.linspace(0, max(0, features - 1) // height, _PROBES).astype(int)
    starts = sorted({place * height for place in places.tolist()})
    parts = (layer.values.rows(start, min(start + height, features)) for start in starts)
    return [part.astype(layer.dtype, copy=False) for part in parts]


def write_ranges(file: h5py.File, number: int, ranges: Ranges) -> None:
    """Write the ranges of the features of a layer."""
    group = file.create_group(layout.ranges(number))
    group.create_dataset("minimum", data=ranges.minimum)
    group.create_dataset("maximum", data=ranges.maximum)
    group.create_dataset("nans", data=ranges.nans)


def _fill_rows(writer: ChunkWriter, values: Values, step: int, progress: Callable[[float], None]) -> Ranges:
    features, dtype = values.shape[0], writer.dataset.dtype
    ranges = Ranges(np.empty(features, dtype), np.empty(features, dtype), np.empty(features, np.int32))
    for start, stop in steps(features, step):
        block = values.rows(start, stop).astype(dtype, copy=False)
        writer.write(start, block)
        part = block_ranges(block)
        ranges.minimum[start:stop], ranges.maximum[start:stop] = part.minimum, part.maximum
        ranges.nans[start:stop] = part.nans
        progress(stop / features)
    return ranges


def _fill_columns(writer: ChunkWriter, values: Values, step: int, progress: Callable[[float], None]) -> None:
    samples = values.shape[1]
    for start, stop in steps(samples, step):
        block = values.columns(start, stop).astype(writer.dataset.dtype, copy=False)
        writer.write(start, transposed(block))
        progress(stop / samples)


def _step(writer: ChunkWriter, across: int, most_bytes: int) -> int:
    """Return how many lines of cells to take at once, which are whole chunks."""
    height, size = writer.chunks[0], int(writer.dataset.dtype.itemsize)
    return max(height, most_bytes // (across * size) // height * height)
