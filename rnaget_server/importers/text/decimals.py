"""Decimal marks: points, or the commas of a table that is separated by something else."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rnaget_server.importers.text.numbers import BadCell

POINT, COMMA = b".", b","
# A comma that cannot be between thousands: after a leading 0, after four digits, or not in front of three digits.
_DECIMAL = re.compile(rb"(?:(?<![\d,.])0|\d{4}),|,(?!\d{3}(?!\d))")


class DecimalMark:
    """The decimal mark of a table; found out from its cells where the separator is a semicolon.

    Parameters
    ----------
    separator
        Of the fields.
    given
        The mark that the provider names, if any.
    """

    def __init__(self, separator: bytes, given: str | None = None) -> None:
        self._separator = separator
        self.mark: bytes | None = given.encode() if given else (None if separator == b";" else POINT)
        if separator == COMMA:
            self.mark = POINT  # quoted cells were given points as they were split
        self._sure = self.mark is not None
        self.first_comma: int | None = None

    @property
    def is_settled(self) -> bool:
        """True if no cell can change what the mark is taken for."""
        return self._sure

    @property
    def ambiguous(self) -> bool:
        """True if every comma so far could separate thousands."""
        return self.mark == COMMA and not self._sure

    def with_points(self, rows: Sequence[bytes], numbers: Sequence[int]) -> Sequence[bytes]:
        """Return rows of cells, from these lines, with decimal points.

        Raises
        ------
        BadCell
            If a cell has the other mark.
        """
        if self.mark == POINT and (self._separator == COMMA or self._separator != b";"):
            return rows
        text = b"\n".join(rows)
        comma, point = COMMA in text, POINT in text
        if self.mark is None and (comma or point):
            self._choose(rows, numbers, comma, point)
        if self.mark == POINT:
            if comma:
                raise self._other(rows, COMMA)
            return rows
        if self.mark is None:
            return rows
        if point:
            raise self._other(rows, POINT)
        if not comma:
            return rows
        self._sure = self._sure or _DECIMAL.search(text) is not None
        return [row.replace(COMMA, POINT) for row in rows]

    def _choose(self, rows: Sequence[bytes], numbers: Sequence[int], comma: bool, point: bool) -> None:
        if comma and point:
            firsts = [next(at for at, row in enumerate(rows) if mark in row) for mark in (COMMA, POINT)]
            comma = firsts[0] < firsts[1] or (
                firsts[0] == firsts[1] and rows[firsts[0]].index(COMMA) < rows[firsts[0]].index(POINT)
            )
        self.mark = COMMA if comma else POINT
        self._sure = not comma
        if comma:
            self.first_comma = next(number for number, row in zip(numbers, rows, strict=True) if COMMA in row)

    def _other(self, rows: Sequence[bytes], mark: bytes) -> BadCell:
        row = next(at for at, text in enumerate(rows) if mark in text)
        cells = rows[row].split(self._separator)
        column = next(at for at, cell in enumerate(cells) if mark in cell)
        words = ("a comma", "decimal points") if mark == COMMA else ("a point", "decimal commas")
        return BadCell(row, column, cells[column], f"has {words[0]} in a table with {words[1]}")
