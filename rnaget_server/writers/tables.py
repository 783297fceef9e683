"""A slice as a table of Arrow, one row for each feature, a column for each sample; pyarrow is imported when used."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import numpy as np

from rnaget_server.errors import ResultTooLarge
from rnaget_server.model.labels import is_text, texts_of
from rnaget_server.model.slice import Labels, Slice
from rnaget_server.writers.json import axis_as_json
from rnaget_server.writers.transposed import transposed_runs
from rnaget_server.writers.tsv import BYTES_OF_TEXT, held_by_texts

if TYPE_CHECKING:
    import pyarrow as pa

_MOST_ROWS = 1 << 16
_MOST_SAMPLES = 30_000
# The cells transposed, as an array of Arrow, and as they are written.
_COPIES = 3


def refuse_wide(slice: Slice, format: str) -> None:
    """Refuse a slice of more samples (or positions) than a table can have columns in bounded memory.

    Raises
    ------
    ResultTooLarge
        If there are too many.
    """
    if slice.samples.size > _MOST_SAMPLES:
        raise ResultTooLarge(
            f"{format} has a column for each sample or position, at most {_MOST_SAMPLES:,}, and there are "
            f"{slice.samples.size:,}: ask for fewer (of signal tracks, a smaller range or bins), or for loom or h5ad"
        )


def rows_at_once(slice: Slice, size: int) -> int:
    """Return how many features have about `size` bytes of cells."""
    row = slice.samples.size * slice.layers[0].dtype.itemsize
    return max(1, min(size // row, _MOST_ROWS, slice.features.size))


def held(slice: Slice, size: int, column: int) -> int:
    """Return about how many bytes a table takes, with labels.

    Parameters
    ----------
    slice
        What it is made of.
    size
        The bytes of cells that are written at once.
    column
        The bytes that pyarrow takes for each column.
    """
    cells = rows_at_once(slice, size) * slice.samples.size * slice.layers[0].dtype.itemsize
    features, samples = slice.features, slice.samples
    labels = held_by_texts(features, len(features.attributes)) + samples.size * len(samples.attributes) * BYTES_OF_TEXT
    return _COPIES * cells + samples.size * column + labels


def feature_columns(features: Labels) -> tuple[str, ...]:
    """Return the columns before the samples: ids, names, then the other attributes of features."""
    first = [features.id, *([features.name] if features.name else [])]
    return tuple(dict.fromkeys([*first, *features.attributes]))


def schema_of(slice: Slice, labels: Sequence[str]) -> pa.Schema:
    """Return the columns, `labels` and the samples, and what belongs to them all as JSON."""
    import pyarrow as pa

    features, cells = slice.features, pa.from_numpy_dtype(slice.layers[0].dtype)
    samples = unique_names(labels, [*_texts(slice.samples, slice.samples.id)])
    fields = [pa.field(name, _type_of(features, name), False) for name in labels]
    fields += [pa.field(name, cells, False) for name in samples]
    metadata = {
        "origin": dict(slice.origin),
        "units": slice.layers[0].units,
        "features": {"id": features.id, "name": features.name, "attributes": list(labels)},
    }
    texts = {key: json.dumps(value, allow_nan=False).encode() for key, value in metadata.items()}
    # Within the object of the samples; of very many, their attributes are never all there but as this text.
    columns = b', "columns": ' + json.dumps(samples).encode() + b"}"
    return pa.schema(fields, texts | {"samples": b"".join(axis_as_json(slice.samples))[:-1] + columns})


def batches(slice: Slice, labels: Sequence[str], schema: pa.Schema, rows: int) -> Iterator[pa.RecordBatch]:
    """Yield `rows` features at once; each batch holds until the next is asked for."""
    import pyarrow as pa

    label_arrays = [_arrays(slice.features, name) for name in labels]
    for run in transposed_runs(slice.layers[0], slice.samples.size, rows):
        height = run.shape[1]
        columns = [array(height) for array in label_arrays]
        cells = pa.array(np.ascontiguousarray(run).reshape(-1))
        columns += [cells.slice(at, height) for at in range(0, len(cells), height)]
        yield pa.RecordBatch.from_arrays(columns, schema=schema)


def unique_names(taken: Collection[str], names: Sequence[str]) -> list[str]:
    """Return names of which none is taken or repeats: one that would gets ``.1``, ``.2`` and so on, as in pandas."""
    # How often each was given: one that is taken once, others not yet. No two that are made are the same, since each is
    # made of a name and the number after its last point.
    counts = {**dict.fromkeys(names, -1), **dict.fromkeys(taken, 0)}
    unique = []
    for name in names:
        count, free = counts[name] + 1, name
        while count and (free := f"{name}.{count}") in counts:
            count += 1
        counts[name] = count
        unique.append(free)
    return unique


def _type_of(labels: Labels, name: str) -> pa.DataType:
    import pyarrow as pa

    dtype = next(labels.pieces(name, 1)).dtype
    return pa.string() if dtype.kind in "OSU" else pa.from_numpy_dtype(dtype)


def _arrays(labels: Labels, name: str) -> Callable[[int], pa.Array[Any]]:
    """Return a function that gives the next so many values of an attribute."""
    import pyarrow as pa

    if is_text(labels, name):
        texts = _texts(labels, name)
        return lambda count: pa.array(list(islice(texts, count)), pa.string())
    numbers = labels.column(name)
    done = 0

    def of_numbers(size: int) -> pa.Array[Any]:
        nonlocal done
        start, done = done, done + size
        return pa.array(numbers[start:done])

    return of_numbers


def _texts(labels: Labels, name: str) -> Iterator[str]:
    return chain.from_iterable(map(texts_of, labels.pieces(name)))
