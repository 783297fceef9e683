"""Long tables of Arrow and Parquet: a row for each cell that is not 0; ids are stored once, as dictionaries."""

from __future__ import annotations

import builtins
import json
from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rnaget_server.model.columns import as_texts
from rnaget_server.model.labels import LABELS_AT_ONCE, are_different, texts_of
from rnaget_server.model.slice import Labels, Slice
from rnaget_server.writers.arrow import ArrowWriter
from rnaget_server.writers.base import Body, Writer
from rnaget_server.writers.entries import Entries, filled, nonzero_entries
from rnaget_server.writers.long_text import COLUMNS
from rnaget_server.writers.parquet import ParquetWriter
from rnaget_server.writers.sink import Sink
from rnaget_server.writers.tables import unique_names
from rnaget_server.writers.tsv import BYTES_OF_TEXT

if TYPE_CHECKING:
    import pyarrow as pa

_ENTRIES = 1 << 16
_BATCH, _GROUP = 1 << 18, 1 << 20
"""Rows that are written at once: of Arrow, and of Parquet, which has a dictionary for each of its groups of rows."""
_MANY_SAMPLES, _SMALL_GROUP = 1 << 17, 1 << 16
"""Rows of such a group if there are more samples than these: a dictionary has an id for nearly each row then."""
# As they come, as Arrow has them, and as they are written.
_COPIES = 3
_BYTES_OF_PLACES = 8
# The ids that are in use, as Parquet looks them up, and as a page of the file.
_DICTIONARIES = 3
# So large that ids are never written out for want of room; there are as many as the slice has.
_DICTIONARY_BYTES = 1 << 30


class ArrowLongWriter(Writer):
    """Writes the main layer, feature by feature, with the ids of all features and samples as dictionaries."""

    media_types = ArrowWriter.media_types
    extension = "long.arrows"
    groups = ("expressions",)
    requires: ClassVar[Mapping[str, str]] = ArrowWriter.requires

    def write(self, slice: Slice) -> Body:
        """Return the cells as a stream of record batches; its length is not known beforehand."""
        return Body(_stream(slice), held=_held(slice, _BATCH, 0))


class ParquetLongWriter(Writer):
    """Writes the main layer, feature by feature."""

    media_types = ParquetWriter.media_types
    extension = "long.parquet"
    groups = ("expressions",)
    requires: ClassVar[Mapping[str, str]] = ParquetWriter.requires

    def write(self, slice: Slice) -> Body:
        """Return the cells as a file; its length is not known beforehand."""
        return Body(_file(slice), held=_held(slice, _group(slice), _DICTIONARIES))


def _stream(slice: Slice) -> Iterator[bytes]:
    import pyarrow as pa

    sink, schema = Sink(), _schema(slice)
    features, samples = (_ids(labels)(np.s_[:]) for labels in (slice.features, slice.samples))

    def batch(entries: Entries) -> pa.RecordBatch:
        rows, columns, values = entries
        coded = [pa.DictionaryArray.from_arrays(*pair) for pair in ((rows, features), (columns, samples))]
        return pa.RecordBatch.from_arrays([*coded, pa.array(values)], schema=schema)

    with pa.ipc.new_stream(sink, schema) as stream:
        for entries in _entries(slice, _BATCH):
            stream.write_batch(batch(entries))
            yield from sink.taken()
    yield from sink.taken()


def _file(slice: Slice) -> Iterator[bytes]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink, schema = Sink(), _schema(slice)
    (height, width), features, samples = slice.shape, _ids(slice.features), _ids(slice.samples)
    coded = ["feature", "sample", *(["value"] if slice.layers[0].whole else [])]

    def table(entries: Entries) -> pa.Table:
        rows, columns, values = entries
        arrays = [_in_use(rows, height, features), _in_use(columns, width, samples), pa.array(values)]
        return pa.Table.from_arrays(arrays, schema=schema)

    with pq.ParquetWriter(
        sink,
        schema,
        compression="zstd",
        compression_level=1,
        use_dictionary=coded,
        dictionary_pagesize_limit=_DICTIONARY_BYTES,
        write_statistics=["feature"],
    ) as file:
        size = _group(slice)
        for entries in _entries(slice, size):
            file.write_table(table(entries), row_group_size=size)
            yield from sink.taken()
    yield from sink.taken()


def _group(slice: Slice) -> int:
    """Return how many rows Parquet writes at once, so that they and the ids that they use are of bounded size."""
    return min(_GROUP, _SMALL_GROUP) if slice.samples.size > _MANY_SAMPLES else _GROUP


def _schema(slice: Slice) -> pa.Schema:
    """Return the three columns, and what belongs to them all as JSON."""
    import pyarrow as pa

    ids = pa.dictionary(pa.int32(), pa.string())
    types = (ids, ids, pa.from_numpy_dtype(slice.layers[0].dtype))
    metadata = {
        "origin": dict(slice.origin),
        "units": slice.layers[0].units,
        "shape": slice.shape,
        "features": {"id": slice.features.id},
        "samples": {"id": slice.samples.id},
    }
    fields = [pa.field(name, kind, False) for name, kind in zip(COLUMNS, types, strict=True)]
    return pa.schema(fields, {key: json.dumps(value, allow_nan=False) for key, value in metadata.items()})


def _entries(slice: Slice, size: int) -> Iterator[Entries]:
    layer = slice.layers[0]
    features, samples = slice.shape
    return filled(nonzero_entries(layer, _ENTRIES), min(size, features * samples), layer.dtype)


def _ids(labels: Labels) -> Callable[[NDArray[np.bool_] | builtins.slice], pa.Array[Any]]:
    """Return a function that gives some ids as a dictionary, in which none may repeat: those of a join may do so."""
    import pyarrow as pa

    plain = labels.ascii(labels.id)
    if plain is not None:  # those of one matrix, which are different
        return lambda used: _strings(_cut(plain[used]))
    if are_different(labels, labels.id):
        texts = _strings(labels.pieces(labels.id))
    else:
        names = list(chain.from_iterable(map(texts_of, labels.pieces(labels.id))))
        texts = pa.array(unique_names((), names), pa.string())
    return lambda used: texts if isinstance(used, builtins.slice) else texts.filter(pa.array(used))


def _cut(plain: NDArray[np.bytes_]) -> Iterator[NDArray[np.bytes_]]:
    return (plain[start : start + LABELS_AT_ONCE] for start in range(0, len(plain), LABELS_AT_ONCE))


def _strings(pieces: Iterator[NDArray[Any]]) -> pa.Array[Any]:
    """Return texts as an array of Arrow, in a fraction of the memory in which pyarrow converts them."""
    import pyarrow as pa

    lengths, data = [np.zeros(1, np.int64)], bytearray()
    for values in pieces:
        if values.dtype.kind == "S":
            lengths.append(np.char.str_len(values))
            data += values.tobytes().translate(None, b"\0")
        else:
            texts = [text.encode() for text in as_texts(values)]
            lengths.append(np.fromiter(map(len, texts), np.int64, len(texts)))
            data += b"".join(texts)
    ends = np.concatenate(lengths)
    np.cumsum(ends, out=ends)
    strings = pa.LargeStringArray.from_buffers(len(ends) - 1, pa.py_buffer(ends), pa.py_buffer(data))
    return strings.cast(pa.string())


def _in_use(
    places: NDArray[Any], size: int, ids: Callable[[NDArray[np.bool_]], pa.Array[Any]]
) -> pa.DictionaryArray[Any]:
    """Return the ids at some places of an axis, with a dictionary of no others."""
    import pyarrow as pa

    used = np.zeros(size, bool)
    used[places] = True
    rank = np.cumsum(used, dtype=np.int32) - 1
    return pa.DictionaryArray.from_arrays(rank[places], ids(used))


def _held(slice: Slice, size: int, dictionaries: int) -> int:
    """Return about how many bytes a table takes of which so many rows are written at once, with the ids.

    Those of all rows are there once, and those of the rows written at once so many times besides.
    """
    features, samples = slice.shape
    entry = _BYTES_OF_PLACES + slice.layers[0].dtype.itemsize
    ids = features + samples + dictionaries * (min(features, size) + min(samples, size))
    return _COPIES * entry * min(size, features * samples) + ids * BYTES_OF_TEXT
