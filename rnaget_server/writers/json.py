"""JSON: the attributes of features and samples by column, the cells by row or without their zeros, NaN as null."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from itertools import chain, repeat
from typing import Any, ClassVar

import numpy as np
import orjson
from numpy.typing import NDArray

from rnaget_server.model.slice import Labels, LayerInfo, Slice
from rnaget_server.writers.base import Body, Writer
from rnaget_server.writers.cells import row_texts
from rnaget_server.writers.entries import nonzero_rows
from rnaget_server.writers.tsv import chunked, held_by_texts

_LABELS_AT_ONCE = 1 << 12
_CELLS_AT_ONCE = 1 << 16


class JsonWriter(Writer):
    """Writes every layer, the main one as ``values`` and further ones under ``layers``."""

    media_types = ("application/json",)
    extension = "json"
    groups: ClassVar[tuple[str, ...]] = ("expressions", "continuous")

    def write(self, slice: Slice) -> Body:
        """Return the slice as ASCII JSON; its length is not known beforehand."""
        return Body(chunked(_parts(slice, _rows)), held=max(map(held_by_texts, (slice.features, slice.samples))))


class SparseJsonWriter(JsonWriter):
    """Writes the same with the cells that are not 0 alone, as the three arrays of a compressed sparse row matrix."""

    extension = "sparse.json"
    groups = ("expressions",)

    def write(self, slice: Slice) -> Body:
        """Return the slice as ASCII JSON; its length is not known beforehand. The cells are read twice."""
        return Body(chunked(_parts(slice, _csr)), held=max(map(held_by_texts, (slice.features, slice.samples))))


def _parts(slice: Slice, cells: Callable[[LayerInfo], Iterator[bytes]]) -> Iterator[bytes]:
    head = {"origin": dict(slice.origin), "units": slice.layers[0].units, "shape": slice.shape}
    yield json.dumps(head, allow_nan=False)[:-1].encode()
    yield b', "features": '
    yield from axis_as_json(slice.features)
    yield b', "samples": '
    yield from axis_as_json(slice.samples)
    yield b', "values": '
    yield from cells(slice.layers[0])
    yield b', "layers": {'
    for number, layer in enumerate(slice.layers[1:], 1):
        yield (", " if number > 1 else "").encode() + json.dumps(layer.units).encode() + b": "
        yield from cells(layer)
    yield b"}}\n"


def axis_as_json(labels: Labels) -> Iterator[bytes]:
    """Yield an object of the attributes by column, and which of them hold the ids and the names, some at a time.

    What is no finite number is null.
    """
    head: dict[str, Any] = {"id": labels.id, "name": labels.name, "attributes": {}}
    yield json.dumps(head)[:-2].encode()
    for number, name in enumerate(labels.attributes):
        yield (", " if number else "").encode() + json.dumps(name).encode() + b": ["
        before = b""
        for values in labels.pieces(name):
            for start in range(0, len(values), _LABELS_AT_ONCE):
                items = json.dumps(_column(values[start : start + _LABELS_AT_ONCE]), allow_nan=False)[1:-1]
                yield before + items.encode()
                before = b", "
        yield b"]"
    yield b"}}"


def _column(values: NDArray[Any]) -> list[Any]:
    if values.dtype.kind == "S":
        values = values.astype(str)
    return [None if isinstance(value, float) and not math.isfinite(value) else value for value in values.tolist()]


def _rows(layer: LayerInfo) -> Iterator[bytes]:
    def rows(block: NDArray[Any], before: bytes) -> bytes:
        return before + b"[" + b"],\n[".join(row_texts(block, layer.whole, b",", b"null")) + b"]"

    # Not by a loop, whose variable would hold on to the block while its text is sent.
    yield from map(rows, layer.blocks(), chain((b"[",), repeat(b",\n")))
    yield b"]"


def _csr(layer: LayerInfo) -> Iterator[bytes]:
    """Yield the arrays that scipy's `csr_matrix` takes; the one that is known at last comes last."""
    lengths = [np.zeros(1, np.int64)]

    def of_data() -> Iterator[bytes]:
        for piece in nonzero_rows(layer):
            lengths.append(np.diff(piece.indptr))
            for part in _parts_of(piece.data):
                yield row_texts(part[np.newaxis], layer.whole, b",", b"null")[0]

    def of_indices() -> Iterator[bytes]:
        return (_numbers(part) for piece in nonzero_rows(layer) for part in _parts_of(piece.indices))

    def of_indptr() -> Iterator[bytes]:
        return map(_numbers, _parts_of(np.cumsum(np.concatenate(lengths))))

    for start, parts in ((b'{"data": [', of_data), (b', "indices": [', of_indices), (b', "indptr": [', of_indptr)):
        yield start
        for number, part in enumerate(parts()):
            yield b",\n" if number else b""
            yield part
        yield b"]"
    yield b"}"


def _parts_of(values: NDArray[Any]) -> Iterator[NDArray[Any]]:
    for start in range(0, len(values), _CELLS_AT_ONCE):
        yield np.ascontiguousarray(values[start : start + _CELLS_AT_ONCE])


def _numbers(values: NDArray[Any]) -> bytes:
    return orjson.dumps(values, option=orjson.OPT_SERIALIZE_NUMPY)[1:-1]
