"""A slice as a table of Arrow, one row for each feature, a column for each sample; pyarrow is imported when used."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rnaget_server.errors import ResultTooLarge
from rnaget_server.model.slice import Labels, Slice
from rnaget_server.writers.json import axis_as_json
from rnaget_server.writers.transposed import transposed_runs
from rnaget_server.writers.tsv import BYTES_OF_TEXT

if TYPE_CHECKING:
    import pyarrow as pa

MOST_SAMPLES = 100_000
_MOST_ROWS = 1 << 16
# The cells transposed, as an array of Arrow, and as they are written.
_COPIES = 3


def refuse_wide(slice: Slice, format: str) -> None:
    """Refuse a slice of more samples (or positions) than a table can have columns.

    Raises
    ------
    ResultTooLarge
        If there are too many.
    """
    if slice.samples.size > MOST_SAMPLES:
        raise ResultTooLarge(
            f"{format} has a column for each sample or position, at most {MOST_SAMPLES:,}, and there are "
            f"{slice.samples.size:,}: ask for fewer (of signal tracks, a smaller range or bins), or for loom or h5ad"
        )


def rows_at_once(slice: Slice, size: int) -> int:
    """Return how many features have about `size` bytes of cells."""
    row = slice.samples.size * slice.layers[0].dtype.itemsize
    return max(1, min(size // row, _MOST_ROWS, slice.features.size))


def held(slice: Slice, size: int) -> int:
    """Return about how many bytes a table takes of which so many bytes of cells are written at once, with labels."""
    cells = rows_at_once(slice, size) * slice.samples.size * slice.layers[0].dtype.itemsize
    return _COPIES * cells + slice.features.size * len(slice.features.attributes) * BYTES_OF_TEXT


def feature_columns(features: Labels) -> dict[str, NDArray[Any]]:
    """Return the columns before the samples: ids, names, then the other attributes of features."""
    first = [features.id, *([features.name] if features.name else [])]
    return {name: features.column(name) for name in dict.fromkeys([*first, *features.attributes])}


def schema_of(slice: Slice, labels: Mapping[str, NDArray[Any]]) -> pa.Schema:
    """Return the columns, `labels` and the samples, and what belongs to them all as JSON."""
    import pyarrow as pa

    cells = pa.from_numpy_dtype(slice.layers[0].dtype)
    samples = unique_names(labels, _texts(slice.samples.column(slice.samples.id)))
    fields = [pa.field(name, _type_of(values), False) for name, values in labels.items()]
    fields += [pa.field(name, cells, False) for name in samples]
    metadata = {
        "origin": dict(slice.origin),
        "units": slice.layers[0].units,
        "features": {"id": slice.features.id, "name": slice.features.name, "attributes": list(labels)},
        "samples": axis_as_json(slice.samples) | {"columns": samples},
    }
    return pa.schema(fields, {key: json.dumps(value, allow_nan=False) for key, value in metadata.items()})


def batches(slice: Slice, labels: Mapping[str, NDArray[Any]], schema: pa.Schema, rows: int) -> Iterator[pa.RecordBatch]:
    """Yield `rows` features at once; each batch holds until the next is asked for."""
    import pyarrow as pa

    start = 0
    for run in transposed_runs(slice.layers[0], slice.samples.size, rows):
        height = run.shape[1]
        stop = start + height
        columns = [_array(column[start:stop]) for column in labels.values()]
        cells = pa.array(np.ascontiguousarray(run).reshape(-1))
        columns += [cells.slice(at, height) for at in range(0, len(cells), height)]
        yield pa.RecordBatch.from_arrays(columns, schema=schema)
        start = stop


def unique_names(taken: Collection[str], names: Sequence[str]) -> list[str]:
    """Return names of which none is taken or repeats: one that would gets ``.1``, ``.2`` and so on, as in pandas."""
    used = set(taken)
    own = {*taken, *names}
    counts: dict[str, int] = {}
    unique = []
    for name in names:
        free = name
        while free in used or (free in own and free != name):
            counts[name] = counts.get(name, 0) + 1
            free = f"{name}.{counts[name]}"
        used.add(free)
        unique.append(free)
    return unique


def _type_of(values: NDArray[Any]) -> pa.DataType:
    import pyarrow as pa

    return pa.string() if values.dtype.kind in "OSU" else pa.from_numpy_dtype(values.dtype)


def _array(values: NDArray[Any]) -> pa.Array[Any]:
    import pyarrow as pa

    return pa.array(_texts(values), pa.string()) if values.dtype.kind in "OSU" else pa.array(values)


def _texts(values: NDArray[Any]) -> list[str]:
    return [str(value) for value in (values.astype("U") if values.dtype.kind == "S" else values).tolist()]
