"""Tab-separated values: comment lines if wanted, one header row, label columns, a column for each sample."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, ClassVar

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
    columns = iter(slice.tsv_columns())
    while some := list(islice(columns, _LABELS_AT_ONCE)):
        yield "\t".join(["", *cleaned(some)]).encode()
    yield b"\n"
    labels = label_texts([slice.features.column(name) for name in slice.tsv_labels])
    layer = slice.layers[0]
    start = 0
    for block in layer.blocks():
        yield table_lines(block, layer.whole, labels[start : start + len(block)])
        start += len(block)


def label_texts(columns: Sequence[NDArray[Any]]) -> list[bytes]:
    """Return the label columns of each row, joined by tabs."""
    texts = [cleaned(as_texts(column)) for column in columns]
    rows = texts[0] if len(texts) == 1 else ["\t".join(row) for row in zip(*texts, strict=True)]
    return "\n".join(rows).encode().split(b"\n")


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
