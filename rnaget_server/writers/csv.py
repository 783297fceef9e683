"""Comma-separated values: one header row, label columns, a column for each sample."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from numpy.typing import NDArray

from rnaget_server.model.labels import LABELS_AT_ONCE
from rnaget_server.model.slice import Slice
from rnaget_server.writers.base import Body, Writer
from rnaget_server.writers.cells import row_texts
from rnaget_server.writers.compressed_tsv import GzWriter
from rnaget_server.writers.tsv import chunked, clean, column_texts, held_by_texts, label_rows

_QUOTED = frozenset('",')


class CsvWriter(Writer):
    """Writes the main layer, with the columns of TSV. Fields are quoted where needed; line ends become spaces."""

    media_types = ("text/csv",)
    extension = "csv"
    groups = ("exports",)

    def write(self, slice: Slice) -> Body:
        """Return the slice as UTF-8 text; its length is not known beforehand."""
        return Body(chunked(_lines(slice)), held=held_by_texts(slice.features, len(slice.tsv_labels)))


class CsvGzWriter(GzWriter):
    """Writes what `CsvWriter` writes, compressed by gzip."""

    plain = CsvWriter
    extension = "csv.gz"
    groups = CsvWriter.groups


def _lines(slice: Slice) -> Iterator[bytes]:
    yield _fields(slice.tsv_labels)
    columns = column_texts(slice)
    while some := list(islice(columns, LABELS_AT_ONCE)):
        yield b"," + _fields(some)
    yield b"\n"
    layer, rows = slice.layers[0], label_rows(slice)

    def lines(block: NDArray[Any]) -> bytes:
        cells = row_texts(block, layer.whole, b",", b"NaN")
        return b"".join([b"%b,%b\n" % (_fields(next(rows)), row) for row in cells])

    # Not by a loop, whose variable would hold on to the block while its text is sent.
    yield from map(lines, layer.blocks())


def _fields(texts: Sequence[str]) -> bytes:
    return ",".join(map(csv_field, texts)).encode()


def csv_field(text: str) -> str:
    """Return a text as a field, without line ends."""
    text = clean(text)
    return '"' + text.replace('"', '""') + '"' if _QUOTED & set(text) else text
