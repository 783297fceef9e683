"""Excel workbooks (``.xlsx``) with one sheet: a header row, label columns, a column for each sample."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain
from typing import Any
from xml.sax.saxutils import escape

from numpy.typing import NDArray

from rnaget_server.errors import ResultTooLarge
from rnaget_server.model.labels import is_text, texts_of
from rnaget_server.model.slice import Slice
from rnaget_server.writers.base import Body, Writer
from rnaget_server.writers.cells import row_texts
from rnaget_server.writers.sink import zipped
from rnaget_server.writers.tsv import chunked, clean, column_texts, held_by_texts, label_rows

_MOST_ROWS, _MOST_COLUMNS, _LONGEST = 1_048_576, 16_384, 32_767
_MOST_CELLS = 20_000_000  # more than that makes a file that Excel does not open
_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_INFINITE = {"Infinity": "Inf", "-Infinity": "-Inf", "inf": "Inf", "-inf": "-Inf"}  # of cells and of labels
_HEAD = b'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_MAIN = b"http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELATIONS = b"http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = b"http://schemas.openxmlformats.org/package/2006"
_TYPE = b"application/vnd.openxmlformats-officedocument.spreadsheetml"
_PARTS = {
    "[Content_Types].xml": (
        b'<Types xmlns="%b/content-types"><Default Extension="rels" '
        b'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        b'<Override PartName="/xl/workbook.xml" ContentType="%b.sheet.main+xml"/>'
        b'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="%b.worksheet+xml"/></Types>'
    )
    % (_PACKAGE, _TYPE, _TYPE),
    "_rels/.rels": (
        b'<Relationships xmlns="%b/relationships"><Relationship Id="rId1" Type="%b/officeDocument" '
        b'Target="xl/workbook.xml"/></Relationships>'
    )
    % (_PACKAGE, _RELATIONS),
    "xl/workbook.xml": (
        b'<workbook xmlns="%b" xmlns:r="%b"><sheets><sheet name="values" sheetId="1" r:id="rId1"/></sheets></workbook>'
    )
    % (_MAIN, _RELATIONS),
    "xl/_rels/workbook.xml.rels": (
        b'<Relationships xmlns="%b/relationships"><Relationship Id="rId1" Type="%b/worksheet" '
        b'Target="worksheets/sheet1.xml"/></Relationships>'
    )
    % (_PACKAGE, _RELATIONS),
}


class ExcelWriter(Writer):
    """Writes the main layer, with the columns of TSV; missing values are empty cells, ids are text.

    Longer attributes than a cell can hold are cut; ids are not.
    """

    media_types = ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",)
    extension = "xlsx"
    groups = ("exports",)

    def check(self, slice: Slice) -> None:
        """Refuse more rows and columns than a sheet can have, and ids that a cell cannot hold.

        Raises
        ------
        ResultTooLarge
            If there are too many, or an id is too long.
        """
        rows, columns = slice.features.size + 1, slice.samples.size + len(slice.tsv_labels)
        if rows > _MOST_ROWS or columns > _MOST_COLUMNS or rows * columns > _MOST_CELLS:
            raise ResultTooLarge(
                f"a sheet of Excel has at most {_MOST_ROWS:,} rows and {_MOST_COLUMNS:,} columns, of {_MOST_CELLS:,} "
                f"cells at most, and there are {rows:,} and {columns:,}: choose fewer features or samples, or another "
                "format, such as csv"
            )
        ids = [name for name in slice.tsv_labels if name == slice.features.id]
        pieces = chain.from_iterable(slice.features.pieces(id) for id in ids)
        texts = chain(column_texts(slice), chain.from_iterable(map(texts_of, pieces)))
        if (longest := max(map(len, texts), default=0)) > _LONGEST:
            raise ResultTooLarge(
                f"a cell of Excel holds at most {_LONGEST:,} characters, and an id has {longest:,}: choose another "
                "format, such as csv"
            )

    def write(self, slice: Slice) -> Body:
        """Return the slice as a workbook; its length is not known beforehand. See `check` for what is refused."""
        self.check(slice)
        parts = [(name, iter([_HEAD + part])) for name, part in _PARTS.items()]
        sheet = ("xl/worksheets/sheet1.xml", chunked(_sheet(slice)))
        held = held_by_texts(slice.features, len(slice.tsv_labels))
        return Body(zipped([*parts, sheet], compressed=True), held=held)


def _sheet(slice: Slice) -> Iterator[bytes]:
    yield _HEAD + b'<worksheet xmlns="%b"><sheetData>' % _MAIN
    yield _row(b"".join(map(_text, [*slice.tsv_labels, *column_texts(slice)])))
    layer, fronts = slice.layers[0], _label_rows(slice)

    def lines(block: NDArray[Any]) -> bytes:
        cells = row_texts(block, layer.whole, b",", b"")
        return b"".join([_row(b"".join(next(fronts)) + _numbers(row)) for row in cells])

    # Not by a loop, whose variable would hold on to the block while its text is sent.
    yield from map(lines, layer.blocks())
    yield b"</sheetData></worksheet>"


def _label_rows(slice: Slice) -> Iterator[tuple[bytes, ...]]:
    """Yield the cells in front of each row: numbers as such, but for ids."""
    features = slice.features
    kinds = [_text if name == features.id or is_text(features, name) else _number for name in slice.tsv_labels]
    for row in label_rows(slice):
        yield tuple([kind(text) for kind, text in zip(kinds, row, strict=True)])


def _numbers(row: bytes) -> bytes:
    """Return the cells of a row of numbers, which commas separate."""
    if b",," not in b",%b," % row and b"I" not in row:
        return b"<c><v>" + row.replace(b",", b"</v></c><c><v>") + b"</v></c>"
    return b"".join(map(_number, row.decode().split(",")))


def _number(text: str) -> bytes:
    if text in _INFINITE:  # which Excel does not have
        return _text(_INFINITE[text])
    return f"<c><v>{text}</v></c>".encode() if text else b"<c/>"


def _text(text: str) -> bytes:
    fitting = escape(_NOT_IN_XML.sub("\ufffd", clean(text)[:_LONGEST]))
    return f'<c t="inlineStr"><is><t xml:space="preserve">{fitting}</t></is></c>'.encode()


def _row(cells: bytes) -> bytes:
    return b"<row>" + cells + b"</row>"
