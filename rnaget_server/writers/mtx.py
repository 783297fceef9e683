"""MatrixMarket with its labels, as Cell Ranger writes them: three files, features as rows, the stored cells alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, islice, repeat
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from rnaget_server.model.labels import texts_of
from rnaget_server.model.slice import LayerInfo, Slice
from rnaget_server.stores.blocks import steps
from rnaget_server.stores.tenx import FEATURE_TYPE
from rnaget_server.writers.base import Body, FolderWriter
from rnaget_server.writers.cells import row_texts
from rnaget_server.writers.compressed_tsv import gzipped
from rnaget_server.writers.entries import Entries, lines_of, nonzero_entries
from rnaget_server.writers.sink import zipped
from rnaget_server.writers.tsv import chunked, held_by_texts, joined, quoted, text_pieces

_FILES = ("features.tsv.gz", "barcodes.tsv.gz", "matrix.mtx.gz")
ONLY_TYPE = "Gene Expression"
_ROWS = 1 << 12
_ENTRIES = 1 << 16
_LINES = 1 << 13
# Larger numbers are written with an exponent, of which readers of integers take the digits before the point.
_EXACT = 1 << 53


class MtxWriter(FolderWriter):
    """Writes the main layer as a folder of three files, which is a zip archive where one file is asked for."""

    media_types = ("application/zip",)
    extension = "mtx.zip"
    groups = ("expressions",)
    parts = _FILES

    def write(self, slice: Slice) -> Body:
        """Return the three files as a zip archive; its length is not known beforehand."""
        return Body(zipped(self.files(slice), compressed=False), held=3 * held_by_texts(slice.samples))

    def files(self, slice: Slice) -> Iterator[tuple[str, Iterator[bytes]]]:
        """Yield each file, its name and its bytes; the cells of a dense slice are read twice."""
        for name, chunks in zip(_FILES, (_features(slice), _barcodes(slice), _matrix(slice)), strict=True):
            yield name, gzipped(Body(chunked(chunks))).chunks


def _features(slice: Slice) -> Iterator[bytes]:
    """Yield ids, names and types, as readers expect all three: the id for a name, and genes, where there are none."""
    features = slice.features
    typed = FEATURE_TYPE in features.attributes and features.id != FEATURE_TYPE
    names = [features.id, features.name or features.id, *([FEATURE_TYPE] if typed else [])]
    columns = (chain.from_iterable(map(texts_of, features.pieces(name))) for name in names)
    rows = zip(*columns, *([] if typed else [repeat(ONLY_TYPE, features.size)]), strict=True)
    while some := list(islice(rows, _ROWS)):
        yield b"".join(("\t".join(map(quoted, row)) + "\n").encode() for row in some)


def _barcodes(slice: Slice) -> Iterator[bytes]:
    for ids in text_pieces(slice.samples, slice.samples.id):
        for start in range(0, len(ids), _ROWS):
            yield joined(ids[start : start + _ROWS], b"\n") + b"\n"


def _matrix(slice: Slice) -> Iterator[bytes]:
    """Yield the size, which must come first, then the entries: by samples if the source is sparse, or by features."""
    layer = slice.layers[0]
    count, field = _counted(layer)
    features, samples = slice.shape
    yield f"%%MatrixMarket matrix coordinate {field} general\n{features} {samples} {count}\n".encode()
    for rows, columns, values in _entries(layer):
        texts = row_texts(np.ascontiguousarray(values)[np.newaxis], layer.whole, b",", b"NaN")[0].split(b",")
        # What is compressed at once, joined out of less: numbers that are Python's bytes take ten times as much.
        parts = (np.s_[start : start + _LINES] for start in range(0, len(texts), _LINES))
        yield b"".join(_lines(rows[part], columns[part], texts[part]) for part in parts)


def _lines(rows: NDArray[Any], columns: NDArray[Any], texts: Sequence[bytes]) -> bytes:
    return b"".join([b"%b %b %b\n" % entry for entry in zip(_numbers(rows), _numbers(columns), texts, strict=True)])


def _numbers(places: NDArray[np.int64]) -> list[bytes]:
    """Return places, which MatrixMarket counts from 1, as text."""
    text: bytes = orjson.dumps(np.ascontiguousarray(places + 1), option=orjson.OPT_SERIALIZE_NUMPY)
    return text[1:-1].split(b",")


def _entries(layer: LayerInfo) -> Iterator[Entries]:
    """Yield features, samples and values of the stored cells, those that are not 0 of a dense layer, some at once."""
    if layer.sparse is None:
        yield from nonzero_entries(layer, _ENTRIES)
        return
    start = 0
    for piece in layer.sparse.compressed_along("samples"):
        for first, last in steps(len(piece.indices), _ENTRIES):
            yield piece.indices[first:last], start + lines_of(piece, first, last), piece.data[first:last]
        start += len(piece.indptr) - 1


def _counted(layer: LayerInfo) -> tuple[int, str]:
    """Return how many entries there are, and the field that says how their values are written."""
    if layer.sparse is not None and not layer.whole:
        return layer.sparse.count(), "real"
    count, exact = 0, layer.whole
    for _, _, values in _entries(layer):
        count += len(values)
        exact = exact and bool((np.abs(values) < _EXACT).all())
    return count, "integer" if exact else "real"
