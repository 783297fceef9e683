"""Cells as text: the shortest that reads back to the same number, by orjson, for both TSV and JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

_COMMA, _TAB, _LINE_END = b",\t\n"
_LONG_ROW = 1000
_CELLS_AT_ONCE = 1 << 14
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
    rows = [row for part in _parts(block) for row in _finite_text(part, whole)[2:-2].split(b"],[")]
    return rows if separator == b"," else [row.replace(b",", separator) for row in rows]


def table_lines(block: NDArray[Any], whole: bool, labels: Sequence[bytes]) -> bytes:
    """Return each row of a block as a line: its label, then its cells, separated by tabs; see `row_texts`."""
    if not np.isfinite(block).all():
        rows = [_row_with_gaps(row, whole, b"\t", b"NaN") for row in block]
    elif block.shape[1] < _LONG_ROW:
        texts = (_tabbed(_finite_text(part, whole)) for part in _parts(block))
        rows = [row for text in texts for row in text[2:-2].tobytes().split(b"]\t[")]
    else:
        parts: list[bytes | memoryview] = []
        for label, row in zip(labels, block, strict=True):
            text = _tabbed(_finite_text(row, whole))
            text[0], text[-1] = _TAB, _LINE_END
            parts += (label, text.data)
        return b"".join(parts)
    return b"".join([b"%b\t%b\n" % pair for pair in zip(labels, rows, strict=True)])


def _parts(block: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Return the rows of a block in parts: no other thread runs while one of them becomes text."""
    step = max(1, _CELLS_AT_ONCE // max(1, block.shape[1]))
    return (block[start : start + step] for start in range(0, len(block), step))


def _tabbed(text: bytes) -> NDArray[np.uint8]:
    """Return the bytes of a text with tabs for commas. `bytes.replace` takes nine times as long."""
    values = np.frombuffer(text, np.uint8)
    distance = (values == _COMMA).view(np.uint8)
    distance *= _COMMA - _TAB
    tabbed: NDArray[np.uint8] = values - distance
    return tabbed


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
