"""Text of cells → numbers: each the float64 nearest to its decimal text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from rnaget_server.importers.text.words import numbers_of

MISSING = frozenset((b"", b"NA", b"N/A", b"NaN", b"nan", b"null", b"NULL"))
_INFINITE = re.compile(rb"[+-]?inf(?:inity)?", re.IGNORECASE)
_NUMBER = re.compile(rb"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_PLAIN = b"0123456789.eE+-\n"
_WHOLE = re.compile(rb"[+-]?0*(\d{1,40})")
_EXACT = 2**53
_LARGEST = float(np.finfo(np.float32).max)
# No line holds it (`TextLines` refuses files with NUL bytes), so it can stand for a missing value meanwhile.
_HOLE = b"\0"


class RaggedRow(ValueError):
    """A row of the block (from 0) that holds another number of cells."""

    def __init__(self, row: int, found: int) -> None:
        super().__init__(f"{found} cells")
        self.row = row
        self.found = found


class BadCell(ValueError):
    """A cell that is no number: its row and column in the block (from 0), its text, what is wrong with it."""

    def __init__(self, row: int, column: int, text: bytes, wrong: str = "is not a number") -> None:
        super().__init__(wrong)
        self.row = row
        self.column = column
        self.text = text
        self.wrong = wrong


def parse_cells(lines: Sequence[bytes], separator: bytes, width: int, single: bool = False) -> NDArray[Any]:
    """Return the numbers in `lines` as a matrix, as float64, or as float32 if `single`.

    Each is the float64 nearest to its text (and the float32 nearest to that). Empty cells and `MISSING`
    are NaN; ``Inf`` and ``-Inf`` are taken. Where many numbers are more than digits and a point, the JSON parser reads
    them, which only sees text of digits, signs, points and exponents.

    Raises
    ------
    RaggedRow
        If a line does not hold `width` cells.
    BadCell
        If a cell is not a number, is beyond what float32 holds, or is a whole number that float64 would change.
    """
    text = b"\n".join(lines)
    found = _by_words(text, separator, width)
    with np.errstate(over="ignore"):  # looked for next
        if found is None:
            _refuse_ragged(lines, separator, width)
            cells = _cells(text, lines, separator, width)
            numbers: NDArray[Any] = np.fromiter(cells, np.float32 if single else np.float64, len(cells))
        else:
            numbers = found.astype(np.float32) if single else found
    numbers = numbers.reshape(len(lines), width)
    _refuse_too_large(numbers, lines, separator)
    _refuse_changed(numbers, lines, separator)
    return numbers


def _by_words(text: bytes, separator: bytes, width: int) -> NDArray[np.float64] | None:
    try:
        return numbers_of(text, separator[0], width, _float)
    except BadCell:  # named by its place, by what reads the block next
        return None


def _cells(text: bytes, lines: Sequence[bytes], separator: bytes, width: int) -> list[float | None]:
    """Return the numbers by the JSON parser, or one by one where that does not take them."""
    plain = _PLAIN + separator
    cells: list[float | None] | None = None
    if text.translate(None, plain):
        text = _with_holes(text, separator)
        if not text.translate(None, plain + _HOLE):
            cells = _by_json(text.replace(_HOLE, b"null"), separator)
    else:
        cells = _by_json(text, separator)
    if cells is None or len(cells) != len(lines) * width:
        cells = _by_token(lines, separator)
    return cells


def is_number(text: bytes) -> bool:
    """Return whether a cell is a number, infinite, or missing."""
    text = text.strip()
    return text in MISSING or bool(_NUMBER.fullmatch(text) or _INFINITE.fullmatch(text))


def is_changed(text: bytes) -> bool:
    """Return whether a cell is a whole number, written as such, that float64 does not hold."""
    match = _WHOLE.fullmatch(text.strip())
    return match is not None and int(match[1]) != int(float(match[1]))


def is_too_large(text: bytes) -> bool:
    """Return whether a number is written that float32 cannot hold; infinity is none."""
    return _INFINITE.fullmatch(text.strip()) is None and abs(float(text)) > _LARGEST


CHANGED = "is a whole number beyond 2**53 that would be changed: write it with an exponent if it is not exact"
"""What is wrong with a cell of which `is_changed` is true."""

TOO_LARGE = "is larger than a matrix can hold (3.4e38)"
"""What is wrong with a cell of which `is_too_large` is true."""


def _with_holes(text: bytes, separator: bytes) -> bytes:
    """Return `text` with every missing cell replaced by `_HOLE`."""
    text = separator + text.replace(b"\n", separator + b"\n" + separator) + separator
    for token in MISSING:
        cell = separator + token + separator
        while cell in text:  # neighbours share a separator: the second round takes the other half
            text = text.replace(cell, separator + _HOLE + separator)
    return text[1:-1].replace(separator + b"\n" + separator, b"\n")


def _by_json(text: bytes, separator: bytes) -> list[float | None] | None:
    """Return the numbers of all lines, or None where JSON writes one otherwise (``+1``, ``.5``, ``007``)."""
    if separator != b",":
        text = text.replace(separator, b",")
    try:
        # One list for the whole block takes two thirds of the time of a list for each line.
        cells: list[float | None] = orjson.loads(b"[" + text.replace(b"\n", b",") + b"]")
    except orjson.JSONDecodeError:
        return None
    return cells


def _by_token(lines: Sequence[bytes], separator: bytes) -> list[float | None]:
    return [
        _number(row, column, cell)
        for row, line in enumerate(lines)
        for column, cell in enumerate(line.split(separator))
    ]


def _number(row: int, column: int, cell: bytes) -> float:
    try:
        return _float(cell)
    except BadCell:
        raise BadCell(row, column, cell) from None


def _float(cell: bytes) -> float:
    text = cell.strip()
    if _WHOLE.fullmatch(text):
        return float(text) + 0.0  # `-0` is 0 in any block, as in JSON and in whole numbers of pandas
    if _NUMBER.fullmatch(text) or _INFINITE.fullmatch(text):
        return float(text)
    if text in MISSING:
        return np.nan
    raise BadCell(0, 0, cell)


def _refuse_ragged(lines: Sequence[bytes], separator: bytes, width: int) -> None:
    for row, line in enumerate(lines):
        found = line.count(separator) + 1
        if found != width:
            raise RaggedRow(row, found)


def _refuse_too_large(numbers: NDArray[Any], lines: Sequence[bytes], separator: bytes) -> None:
    if numbers.max() <= _LARGEST and numbers.min() >= -_LARGEST:  # False if there is a NaN
        return
    for row, column in np.argwhere(np.abs(numbers) > _LARGEST):
        text = lines[row].split(separator)[column]
        if is_too_large(text):
            raise BadCell(int(row), int(column), text, TOO_LARGE)


def _refuse_changed(numbers: NDArray[Any], lines: Sequence[bytes], separator: bytes) -> None:
    if numbers.max() < _EXACT and numbers.min() > -_EXACT:  # False if there is a NaN
        return
    for row, column in np.argwhere(np.abs(numbers) >= _EXACT):
        text = lines[row].split(separator)[column]
        if is_changed(text):
            raise BadCell(int(row), int(column), text, CHANGED)
