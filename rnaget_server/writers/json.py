"""JSON: the attributes of features and samples by column, the cells by row, NaN as null."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from itertools import chain, repeat
from typing import Any

from numpy.typing import NDArray

from rnaget_server.model.slice import Labels, Slice
from rnaget_server.writers.base import Body, Writer
from rnaget_server.writers.cells import row_texts
from rnaget_server.writers.tsv import BYTES_OF_TEXT, chunked

_LABELS_AT_ONCE = 1 << 12


class JsonWriter(Writer):
    """Writes every layer, the main one as ``values`` and further ones under ``layers``."""

    media_types = ("application/json",)
    extension = "json"
    groups = ("expressions", "continuous")

    def write(self, slice: Slice) -> Body:
        """Return the slice as ASCII JSON; its length is not known beforehand."""
        return Body(chunked(_parts(slice)), held=max(map(_held, (slice.features, slice.samples))))


def _parts(slice: Slice) -> Iterator[bytes]:
    head = {"origin": dict(slice.origin), "units": slice.layers[0].units, "shape": slice.shape}
    yield json.dumps(head, allow_nan=False)[:-1].encode()
    yield b', "features": '
    yield from _axis(slice.features)
    yield b', "samples": '
    yield from _axis(slice.samples)
    yield b', "values": '
    yield from _rows(slice, 0)
    yield b', "layers": {'
    for number, layer in enumerate(slice.layers[1:], 1):
        yield (", " if number > 1 else "").encode() + json.dumps(layer.units).encode() + b": "
        yield from _rows(slice, number)
    yield b"}}\n"


def axis_as_json(labels: Labels) -> dict[str, Any]:
    """Return the attributes by column, and which of them hold the ids and the names.

    What is no finite number is None.
    """
    return {
        "id": labels.id,
        "name": labels.name,
        "attributes": {name: _column(labels.column(name)) for name in labels.attributes},
    }


def _axis(labels: Labels) -> Iterator[bytes]:
    """Yield what `axis_as_json` returns, some labels at a time."""
    head: dict[str, Any] = {"id": labels.id, "name": labels.name, "attributes": {}}
    yield json.dumps(head)[:-2].encode()
    for number, name in enumerate(labels.attributes):
        texts = labels.ascii(name)
        values = labels.column(name) if texts is None else texts
        yield (", " if number else "").encode() + json.dumps(name).encode() + b": ["
        for start in range(0, len(values), _LABELS_AT_ONCE):
            items = json.dumps(_column(values[start : start + _LABELS_AT_ONCE]), allow_nan=False)[1:-1]
            yield (", " if start else "").encode() + items.encode()
        yield b"]"
    yield b"}}"


def _held(labels: Labels) -> int:
    """Return about how many bytes the attribute takes that is being written."""
    return labels.size * BYTES_OF_TEXT if any(labels.ascii(name) is None for name in labels.attributes) else 0


def _column(values: NDArray[Any]) -> list[Any]:
    if values.dtype.kind == "S":
        values = values.astype(str)
    return [None if isinstance(value, float) and not math.isfinite(value) else value for value in values.tolist()]


def _rows(slice: Slice, number: int) -> Iterator[bytes]:
    layer = slice.layers[number]

    def rows(block: NDArray[Any], before: bytes) -> bytes:
        return before + b"[" + b"],\n[".join(row_texts(block, layer.whole, b",", b"null")) + b"]"

    # Not by a loop, whose variable would hold on to the block while its text is sent.
    yield from map(rows, layer.blocks(), chain((b"[",), repeat(b",\n")))
    yield b"]"
