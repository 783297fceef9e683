"""Tab-separated values: comment lines if wanted, one header row, label columns, a column for each sample."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from rnaget_server.stores.columns import as_texts
from rnaget_server.writers.base import Body, Slice
from rnaget_server.writers.cells import table_lines

_CHUNK_BYTES = 256 << 10
_LABELS_AT_ONCE = 1 << 16


class TsvWriter:
    """Writes the main layer. Text that holds tabs or line ends has spaces in their place."""

    media_types = ("text/tab-separated-values", "application/tab-separated-values")
    extension = "tsv"
    aliases = ()
    groups = ("expressions", "continuous")
    requires: ClassVar[Mapping[str, str]] = {}

    def check(self, slice: Slice) -> None:
        """Accept every slice."""

    def write(self, slice: Slice) -> Body:
        """Return the slice as UTF-8 text; its length is not known beforehand."""
        return Body(gathered(_lines(slice)))


def _lines(slice: Slice) -> Iterator[bytes]:
    for key, value in slice.tsv_head.items():
        yield f"#{key}\t{clean(value)}\n".encode()
    if slice.tsv_comments:
        yield b"".join(f"# {key}: {clean(value)}\n".encode() for key, value in slice.origin.items())
    yield "\t".join(cleaned(slice.tsv_labels)).encode()
    for columns in slice.tsv_columns():
        for start in range(0, len(columns), _LABELS_AT_ONCE):
            yield b"\t"
            yield joined(columns[start : start + _LABELS_AT_ONCE], b"\t")
    yield b"\n"
    labels = row_labels(slice)
    layer = slice.layers[0]
    start = 0
    for block in layer.blocks():
        yield table_lines(block, layer.whole, labels[start : start + len(block)])
        start += len(block)


def row_labels(slice: Slice) -> list[bytes]:
    """Return the labels in front of each row, joined by tabs."""
    columns = []
    for name in slice.tsv_labels:
        texts = slice.features.ascii(name)
        column = as_texts(slice.features.column(name)) if texts is None else texts
        columns.append(joined(column, b"\n").split(b"\n"))
    return columns[0] if len(columns) == 1 else list(map(b"\t".join, zip(*columns, strict=True)))


def joined(texts: Sequence[str] | NDArray[np.bytes_], separator: bytes) -> bytes:
    """Return texts (or printable ASCII) without what would break a line of TSV, with a separator of a byte between."""
    if isinstance(texts, np.ndarray):
        parted = np.empty(len(texts), [("separator", "S1"), ("text", texts.dtype)])
        parted["separator"], parted["text"] = separator, texts
        padded = parted.view(np.uint8)[1:].tobytes()
        return padded.translate(None, b"\0") if b"\0" in padded else padded
    return separator.decode().join(cleaned(texts)).encode()


def cleaned(texts: Sequence[str]) -> Sequence[str]:
    """Return texts without what would break a line of TSV. Mostly all are sound, which one look at them tells."""
    return texts if "".join(texts).isprintable() else [clean(text) for text in texts]


def clean(text: str) -> str:
    """Return the text without what would break a line of TSV."""
    return text if text.isprintable() else " ".join(text.replace("\t", " ").splitlines())


def gathered(parts: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the parts gathered to chunks worth sending."""
    kept: list[bytes] = []
    size = 0
    for part in parts:
        kept.append(part)
        size += len(part)
        if size >= _CHUNK_BYTES:
            yield b"".join(kept)
            kept, size = [], 0
    if kept:
        yield b"".join(kept)
