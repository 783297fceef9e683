"""Cells as text: the shortest that reads back to the same number, by orjson, for TSV and JSON alike."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

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
    text = orjson.dumps(block, option=orjson.OPT_SERIALIZE_NUMPY)[2:-2]
    if whole:
        text = _without_fraction(text)
    rows = text.split(b"],[")
    return rows if separator == b"," else [row.replace(b",", separator) for row in rows]


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
