"""Cells as text: the shortest that reads back to the same number, by orjson, for TSV and JSON alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

_COMMA, _TAB, _LINE_END, _BRACKET = b",\t\n]"
_LONG_ROW = 200
_EXACT = 2**53
_NON_FINITE = {"nan": b"NaN", "inf": b"Infinity", "-inf": b"-Infinity"}


def row_texts(block: NDArray[Any], whole: bool, separator: bytes, nan: bytes) -> list[bytes]:
    """Return each row of a block as its cells joined by `separator`.

    Parameters
    ----------
    block
        C-contiguous float32 or float64, rows × columns, at least one of each.
    whole
        Whether every cell is a whole number or NaN; written without ``.0`` then.
    separator
        Between cells.
    nan
        What stands for NaN. Infinities are ``Infinity`` and ``-Infinity``, or `nan` where that is ``null``.
    """
    if not np.isfinite(block).all():
        return [_row_with_gaps(row, whole, separator, nan) for row in block]
    rows = _finite_text(block, whole)[2:-2].split(b"],[")
    return rows if separator == b"," else [row.replace(b",", separator) for row in rows]


def table_lines(block: NDArray[Any], whole: bool, labels: Sequence[bytes]) -> bytes:
    """Return each row of a block as a line: its label, then its cells, parted by tabs; see `row_texts`."""
    if block.shape[1] < _LONG_ROW or not np.isfinite(block).all():
        rows = row_texts(block, whole, b"\t", b"NaN")
        return b"".join(b"%b\t%b\n" % pair for pair in zip(labels, rows, strict=True))
    text = np.frombuffer(_finite_text(block, whole), np.uint8)
    # A byte's distance to what takes its place, subtracted row by row on the way to the lines: each byte is moved once.
    distance = (text == _COMMA).view(np.uint8)
    distance *= _COMMA - _TAB
    stops = np.flatnonzero(text == _BRACKET)[: len(block)].tolist()
    lines = np.empty(len(text) + sum(map(len, labels)), np.uint8)
    start, at = 2, 0
    for label, stop in zip(labels, stops, strict=True):
        cells = at + len(label) + 1
        lines[at : cells - 1] = np.frombuffer(label, np.uint8)
        lines[cells - 1] = _TAB
        at = cells + stop - start
        np.subtract(text[start:stop], distance[start:stop], out=lines[cells:at])
        lines[at] = _LINE_END
        at += 1
        start = stop + 3
    return lines[:at].tobytes()


def _finite_text(block: NDArray[Any], whole: bool) -> bytes:
    exact = whole and np.abs(block).max() < _EXACT
    text: bytes = orjson.dumps(block.astype(np.int64) if exact else block, option=orjson.OPT_SERIALIZE_NUMPY)
    return _without_fraction(text) if whole and not exact else text


def _row_with_gaps(row: NDArray[Any], whole: bool, separator: bytes, nan: bytes) -> bytes:
    text = orjson.dumps(np.ascontiguousarray(row), option=orjson.OPT_SERIALIZE_NUMPY)[1:-1]
    if whole:
        text = _without_fraction(text)
    if np.isinf(row).any() and nan != b"null":
        cells = text.split(b",")
        for position in np.flatnonzero(~np.isfinite(row)):
            cells[position] = _NON_FINITE[str(row[position])]
        return separator.join(cells).replace(_NON_FINITE["nan"], nan)
    return text.replace(b"null", nan).replace(b",", separator)


def _without_fraction(text: bytes) -> bytes:
    """Return whole numbers without their ``.0``; orjson writes large ones as ``1.2e16``, which stays."""
    text = text.replace(b".0,", b",").replace(b".0]", b"]")
    return text.removesuffix(b".0")
