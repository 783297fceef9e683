"""Tab-separated values: comment lines if wanted, one header row, label columns, a column for each sample."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rnaget_server.model.columns import as_texts
from rnaget_server.model.labels import LABELS_AT_ONCE, texts_of
from rnaget_server.model.slice import Labels, Slice
from rnaget_server.writers.base import Body, Writer
from rnaget_server.writers.cells import table_lines

_CHUNK_BYTES = 256 << 10
_ROWS_AT_ONCE = 1 << 12
BYTES_OF_TEXT = 80
"""About what Python takes for an id."""

Texts: TypeAlias = Sequence[str] | NDArray[np.bytes_]


class TsvWriter(Writer):
    """Writes the main layer. Text that holds tabs or line ends has spaces in their place."""

    media_types = ("text/tab-separated-values", "application/tab-separated-values")
    extension = "tsv"
    groups = ("expressions", "continuous")

    def write(self, slice: Slice) -> Body:
        """Return the slice as UTF-8 text; its length is not known beforehand."""
        return Body(chunked(_lines(slice)), held=held_by_texts(slice.features, len(slice.tsv_labels)))


def text_pieces(labels: Labels, name: str) -> Iterator[Texts]:
    """Return an attribute some at a time as texts, or as ASCII bytes where it is at hand so."""
    return map(_as_written, labels.pieces(name))


def comment_lines(slice: Slice) -> bytes:
    """Return the lines of where the slice comes from, if its provider wants them in TSV."""
    if not slice.tsv_comments:
        return b""
    return b"".join(f"# {key}: {clean(value)}\n".encode() for key, value in slice.origin.items())


def _lines(slice: Slice) -> Iterator[bytes]:
    for key, value in slice.tsv_head.items():
        yield f"#{key}\t{clean(value)}\n".encode()
    yield comment_lines(slice)
    yield "\t".join(cleaned(slice.tsv_labels)).encode()
    for columns in map(_as_written, slice.tsv_columns()):
        for start in range(0, len(columns), LABELS_AT_ONCE):
            yield b"\t"
            yield joined(columns[start : start + LABELS_AT_ONCE], b"\t")
    yield b"\n"
    layer, labels = slice.layers[0], _row_labels(slice)

    def lines(block: NDArray[Any]) -> bytes:
        return table_lines(block, layer.whole, list(islice(labels, len(block))))

    # Not by a loop, whose variable would hold on to the block while its text is sent.
    yield from map(lines, layer.blocks())


def _row_labels(slice: Slice) -> Iterator[bytes]:
    """Yield the labels in front of each row, joined by tabs.

    They are made for some rows at a time: those of all rows, of each reply, would be the most that a reply holds.
    """
    for columns in zip(*(text_pieces(slice.features, name) for name in slice.tsv_labels), strict=True):
        for start in range(0, len(columns[0]), _ROWS_AT_ONCE):
            part = np.s_[start : start + _ROWS_AT_ONCE]
            fields = [joined(texts[part], b"\n").split(b"\n") for texts in columns]
            yield from fields[0] if len(fields) == 1 else map(b"\t".join, zip(*fields, strict=True))


def label_rows(slice: Slice) -> Iterator[tuple[str, ...]]:
    """Yield the labels in front of each row as texts."""
    columns = (slice.features.pieces(name) for name in slice.tsv_labels)
    return zip(*(chain.from_iterable(map(texts_of, pieces)) for pieces in columns), strict=True)


def column_texts(slice: Slice) -> Iterator[str]:
    """Yield the labels of the columns of cells."""
    for columns in slice.tsv_columns():
        yield from texts_of(columns) if isinstance(columns, np.ndarray) else columns


def _as_written(values: Texts) -> Texts:
    """Return labels as texts, or as they are where they are ASCII bytes."""
    return as_texts(values) if isinstance(values, np.ndarray) and values.dtype.kind != "S" else values


def held_by_texts(labels: Labels, columns: int = 1) -> int:
    """Return about how many bytes the texts of some attributes take that are made at once."""
    return min(labels.size, LABELS_AT_ONCE) * columns * BYTES_OF_TEXT


def joined(texts: Texts, separator: bytes) -> bytes:
    """Return texts (or printable ASCII) without what would break a line of TSV, with a separator of a byte between."""
    if isinstance(texts, np.ndarray) and (texts.astype("S1") == b'"').any():
        texts = texts.astype(str).tolist()
    if isinstance(texts, np.ndarray):
        parted = np.empty(len(texts), [("separator", "S1"), ("text", texts.dtype)])
        parted["separator"], parted["text"] = separator, texts
        padded = parted.view(np.uint8)[1:].tobytes()
        return padded.translate(None, b"\0") if b"\0" in padded else padded
    return separator.decode().join(cleaned(texts)).encode()


def cleaned(texts: Sequence[str]) -> Sequence[str]:
    """Return texts without what would break a line of TSV. Mostly none has any, which one check shows."""
    together = "".join(texts)
    return texts if together.isprintable() and '"' not in together else [quoted(text) for text in texts]


def clean(text: str) -> str:
    """Return the text without what would break a line of TSV."""
    return text if text.isprintable() else " ".join(text.replace("\t", " ").splitlines())


def quoted(text: str) -> str:
    """Return a text as a field; one that begins with a quote is quoted, since readers take that quote for one."""
    text = clean(text)
    return '"' + text.replace('"', '""') + '"' if text.startswith('"') else text


def chunked(parts: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the parts joined to chunks worth sending."""
    pending: list[bytes] = []
    size = 0
    for part in parts:
        pending.append(part)
        size += len(part)
        # While waiting for the reader, only the chunk is held, and no parts of it.
        del part
        if size >= _CHUNK_BYTES:
            yield _join_and_clear(pending)
            size = 0
    if pending:
        yield _join_and_clear(pending)


def _join_and_clear(parts: list[bytes]) -> bytes:
    chunk = b"".join(parts)
    parts.clear()
    return chunk
