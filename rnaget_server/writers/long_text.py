"""Long tables of text: a line for each cell that is not 0, with its feature, its sample and its value."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rnaget_server.model.labels import joined_pieces, packed, texts_of
from rnaget_server.model.slice import Labels, Slice
from rnaget_server.writers.base import Body, Writer
from rnaget_server.writers.cells import row_texts
from rnaget_server.writers.compressed_tsv import GzWriter
from rnaget_server.writers.csv import CsvWriter, csv_field
from rnaget_server.writers.entries import Entries, nonzero_entries
from rnaget_server.writers.tsv import BYTES_OF_TEXT, TsvWriter, chunked, comment_lines, quoted

COLUMNS = ("feature", "sample", "value")
_ENTRIES = 1 << 15


class TsvLongWriter(Writer):
    """Writes the main layer, feature by feature; see `Slice` for the comment lines before it."""

    media_types: ClassVar[tuple[str, ...]] = TsvWriter.media_types
    extension = "long.tsv"
    groups: ClassVar[tuple[str, ...]] = ("expressions",)
    separator: ClassVar[bytes] = b"\t"

    def write(self, slice: Slice) -> Body:
        """Return the cells as UTF-8 text; its length is not known beforehand."""
        features, samples = (self._fields(axis) for axis in (slice.features, slice.samples))
        return Body(chunked(self._lines(slice, features, samples)), held=_held(features) + _held(samples))

    def _lines(self, slice: Slice, features: NDArray[Any], samples: NDArray[Any]) -> Iterator[bytes]:
        yield self._head(slice)
        yield self.separator.join(name.encode() for name in COLUMNS) + b"\n"
        layer = slice.layers[0]

        def lines(entries: Entries) -> bytes:
            rows, columns, values = entries
            texts = row_texts(np.ascontiguousarray(values)[np.newaxis], layer.whole, b",", b"NaN")[0].split(b",")
            fields = list(map(self.separator.join, zip(samples[columns].tolist(), texts, strict=True)))
            starts = [0, *(np.flatnonzero(np.diff(rows)) + 1).tolist()]
            parts: list[bytes] = []
            # Feature by feature, half as long as line by line.
            for start, stop, feature in zip(starts, [*starts[1:], len(fields)], features[rows[starts]], strict=True):
                front = b"\n" + feature + self.separator
                parts += (front, front.join(fields[start:stop]))
            return b"".join(parts)[1:] + b"\n"

        # Not by a loop, whose variable would hold on to the entries while their text is sent.
        yield from map(lines, nonzero_entries(layer, _ENTRIES))

    def _head(self, slice: Slice) -> bytes:
        return comment_lines(slice)

    def _fields(self, labels: Labels) -> NDArray[Any]:
        """Return the ids as bytes: those that are at hand so, if none of them has to be quoted."""
        texts = labels.ascii(labels.id)
        if texts is not None and not any(map(_has_marks, labels.pieces(labels.id))):
            return texts
        fields = ([self._field(text).encode() for text in texts_of(values)] for values in labels.pieces(labels.id))
        return joined_pieces(map(packed, fields))

    def _field(self, text: str) -> str:
        return quoted(text)


class TsvLongGzWriter(GzWriter):
    """Writes what `TsvLongWriter` writes, compressed by gzip."""

    plain = TsvLongWriter
    extension = "long.tsv.gz"
    groups = ("exports",)


class CsvLongWriter(TsvLongWriter):
    """Writes the same separated by commas, without comment lines. Fields are quoted where needed."""

    media_types = CsvWriter.media_types
    extension = "long.csv"
    groups: ClassVar[tuple[str, ...]] = ("exports",)
    separator = b","

    def _head(self, slice: Slice) -> bytes:
        return b""

    def _field(self, text: str) -> str:
        return csv_field(text)


def _has_marks(values: NDArray[Any]) -> bool:
    data = values.tobytes()
    return b'"' in data or b"," in data


def _held(fields: NDArray[Any]) -> int:
    return fields.nbytes if fields.dtype.kind == "S" else len(fields) * BYTES_OF_TEXT
