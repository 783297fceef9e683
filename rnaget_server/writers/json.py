"""JSON: the attributes of features and samples by column, the cells by row, NaN as null."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from numpy.typing import NDArray

from rnaget_server.writers.base import Body, Labels, Slice
from rnaget_server.writers.cells import row_texts
from rnaget_server.writers.tsv import gathered


class JsonWriter:
    """Writes every layer, the main one as ``values`` and further ones under ``layers``."""

    media_types = ("application/json",)
    extension = "json"
    aliases = ()
    groups = ("expressions", "continuous")
    requires: ClassVar[Mapping[str, str]] = {}

    def check(self, slice: Slice) -> None:
        """Accept every slice."""

    def write(self, slice: Slice) -> Body:
        """Return the slice as ASCII JSON; its length is not known beforehand."""
        return Body(gathered(_parts(slice)))


def _parts(slice: Slice) -> Iterator[bytes]:
    head = {
        "origin": dict(slice.origin),
        "units": slice.layers[0].units,
        "shape": slice.shape,
        "features": axis_as_json(slice.features),
        "samples": axis_as_json(slice.samples),
    }
    yield json.dumps(head, allow_nan=False)[:-1].encode()
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


def _column(values: NDArray[Any]) -> list[Any]:
    if values.dtype.kind == "S":
        values = values.astype(str)
    return [None if isinstance(value, float) and not math.isfinite(value) else value for value in values.tolist()]


def _rows(slice: Slice, number: int) -> Iterator[bytes]:
    layer = slice.layers[number]
    before = b"["
    for block in layer.blocks():
        rows = row_texts(block, layer.whole, b",", b"null")
        yield before + b"[" + b"],\n[".join(rows) + b"]"
        before = b",\n"
    yield b"]"
