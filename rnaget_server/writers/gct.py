"""GCT, the text format of GenePattern, GTEx and CMap: 1.2 where that holds all attributes, or else 1.3."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnaget_server.model.labels import is_text, texts_of
from rnaget_server.model.slice import Labels, Slice
from rnaget_server.writers.base import Body, Writer
from rnaget_server.writers.cells import table_lines
from rnaget_server.writers.compressed_tsv import GzWriter
from rnaget_server.writers.tsv import chunked, held_by_texts, quoted

_DESCRIPTION = "Description"
_MISSING = "NaN"
# Readers of GCT 1.3 take -666 as a missing value, but not the same number written so.
_NULL, _NULL_NUMBER = -666, b"-6.66e2"


class GctWriter(Writer):
    """Writes the main layer, with all attributes of features and samples."""

    media_types = ("text/tab-separated-values",)
    extension = "gct"
    groups = ("exports",)

    def write(self, slice: Slice) -> Body:
        """Return the slice as UTF-8 text; its length is not known beforehand."""
        names = _attributes(slice.features)
        return Body(chunked(_lines(slice, names)), held=held_by_texts(slice.features, 1 + len(names)))


class GctGzWriter(GzWriter):
    """Writes what `GctWriter` writes, compressed by gzip."""

    plain = GctWriter
    extension = "gct.gz"
    groups = GctWriter.groups


def missing_words(slice: Slice) -> list[str]:
    """Return texts among the attributes that readers of GCT take as missing values."""
    words = {"NA", "N/A", "na", "nan", "NaN", "None", "NULL", "#N/A", "#VALUE!", "-666"}
    found: set[str] = set()
    for labels in (slice.features, slice.samples):
        for name in _attributes(labels):
            if is_text(labels, name):
                for values in labels.pieces(name):
                    found |= words.intersection(texts_of(values))
    return sorted(found)


def _attributes(labels: Labels) -> list[str]:
    return [name for name in labels.attributes if name != labels.id]


def _pieces(labels: Labels, name: str) -> Iterator[list[str]]:
    """Yield the values of an attribute as fields; numbers that are missing are named so, and texts stay empty."""
    for values in labels.pieces(name):
        texts = texts_of(values)
        yield [text or _MISSING for text in texts] if values.dtype.kind == "f" else [quoted(text) for text in texts]


def _line(fields: Sequence[str], pieces: Iterable[list[str]] = ()) -> Iterator[bytes]:
    yield "\t".join(fields).encode()
    for piece in pieces:
        yield ("\t" + "\t".join(piece)).encode()
    yield b"\n"


def _lines(slice: Slice, names: Sequence[str]) -> Iterator[bytes]:
    features, samples = slice.shape
    described = _attributes(slice.samples)
    old = list(names) == [_DESCRIPTION] and not described
    counts = (features, samples) if old else (features, samples, len(names), len(described))
    yield b"#1.2\n" if old else b"#1.3\n"
    yield from _line([str(count) for count in counts])
    header = [quoted(name) for name in (slice.features.id, *names)]
    yield from _line(header, _pieces(slice.samples, slice.samples.id))
    for name in described:
        yield from _line([quoted(name), *[_MISSING] * len(names)], _pieces(slice.samples, name))
    columns = (_pieces(slice.features, name) for name in (slice.features.id, *names))
    layer, rows = slice.layers[0], zip(*map(chain.from_iterable, columns), strict=True)

    def lines(block: NDArray[Any]) -> bytes:
        fronts = ["\t".join(next(rows)).encode() for _ in range(len(block))]
        if old or not (block == _NULL).any():
            return table_lines(block, layer.whole, fronts)
        return b"".join(map(_without_null, fronts, block))

    def _without_null(front: bytes, row: NDArray[Any]) -> bytes:
        cells = table_lines(row[np.newaxis], layer.whole, [b""]).rstrip(b"\n").split(b"\t")[1:]
        for at in np.flatnonzero(row == _NULL):
            cells[at] = _NULL_NUMBER
        return b"\t".join([front, *cells]) + b"\n"

    # Not by a loop, whose variable would hold on to the block while its text is sent.
    yield from map(lines, layer.blocks())
