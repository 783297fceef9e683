"""The rows of a sheet as lines of a text table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from rnaget_server.errors import ImportFailure
from rnaget_server.importers.file_failures import as_import_failures
from rnaget_server.importers.text.excel import text_of
from rnaget_server.importers.text.lines import TextLines

_TAB = b"\t"
_ROWS = 500
_MOST_ROWS = 1_048_576  # of a sheet
_LOOKED_AT = 100
_NOT_AVAILABLE = "#N/A"


class SheetLines(TextLines):
    """The rows of the sheet, numbered as there, as tab-separated lines; titles above the table are left out."""

    can_be_cut = False
    sheet: Any
    titles: int

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lines: list[bytes] = []
        self._numbers: Sequence[int] = []
        self._next = 1
        self._ended = False
        self._converted: Callable[[bytes], bytes] | None = None
        self._rows: Iterator[tuple[int, list[str]]] | None = None
        self._width = 0

    def __exit__(self, *_: object) -> None:
        """Do nothing: the workbook is closed by its reader."""

    @property
    def share(self) -> float:
        """The share of the rows read so far, from 0 to 1."""
        return min(1.0, self._next / max(self._last, 1))

    def _more(self) -> bool:
        if self._ended:
            return False
        with as_import_failures(self.path):
            if self._rows is None:
                rows, numbered = [], self._numbered()
                for row in numbered:
                    rows.append(row)
                    if len(rows) >= _LOOKED_AT:
                        break
                rows = self._begun(rows)
                self._rows = numbered
            else:
                rows = [row for row, _ in zip(self._rows, range(_ROWS), strict=False)]
        if not rows:
            self._ended = True
            return True
        self._numbers = [*self._numbers, *(number for number, _ in rows)]
        self._lines = self._lines + [self._line(fields) for _, fields in rows]
        self._next = rows[-1][0] + 1
        return True

    def _begun(self, rows: list[tuple[int, list[str]]]) -> list[tuple[int, list[str]]]:
        """Return the first rows without titles above the table, having found how wide it is."""
        self._width = max((len(fields) for _, fields in rows), default=0)
        first = 0
        while self._width > 1 and first < len(rows) and sum(map(bool, rows[first][1])) <= 1:
            first += 1
        self.titles = sum(1 for _, fields in rows[:first] if any(fields))
        return rows[first:]

    def _numbered(self) -> Iterator[tuple[int, list[str]]]:
        """Yield the rows that are not empty, with their numbers."""
        sheet = self.sheet
        self._last = sheet.max_row or _MOST_ROWS
        sheet.reset_dimensions()  # some programs write wrong ones, which would cut rows off
        for number, row in enumerate(sheet.iter_rows(values_only=True), 1):
            if number > _MOST_ROWS:
                raise ImportFailure(f"the sheet has more than {_MOST_ROWS:,} rows", self.path)
            fields = ["" if value == _NOT_AVAILABLE else text_of(value) for value in row]
            while fields and not fields[-1]:
                fields.pop()
            if fields:
                yield number, fields

    def _line(self, fields: list[str]) -> bytes:
        fields = fields + [""] * (self._width - len(fields))
        return _TAB.join([_quoted(field) for field in fields])


def is_filled(sheet: Any) -> bool:
    """Return whether a sheet has two cells with a value in one of its first rows."""
    sheet.reset_dimensions()
    for number, row in enumerate(sheet.iter_rows(values_only=True)):
        if sum(value is not None and value != "" for value in row) > 1:
            return True
        if number > _LOOKED_AT:
            break
    return False


def _quoted(field: str) -> bytes:
    """Return a field; lines and tabs in it become blanks, since they end a field of text."""
    if any(mark in field for mark in "\t\r\n\0"):
        field = field.replace("\r\n", " ").translate(str.maketrans("\t\r\n\0", "    "))
    encoded = field.encode("utf-8", "replace")
    return b'"' + encoded.replace(b'"', b'""') + b'"' if b'"' in encoded else encoded
