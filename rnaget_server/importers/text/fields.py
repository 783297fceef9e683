"""Split lines of delimited text into fields, and find the delimiter."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from rnaget_server.errors import ImportFailure

_FEW = 20
TAB, COMMA, SEMICOLON, BLANK = b"\t", b",", b";", b" "
NUMBER_CELL = re.compile(rb"\s*[+-]?[\d.,]*\d[\d.,]*(?:[eE][+-]?\d+)?\s*|NA|NaN|")
# A quoted field, with quotes in it doubled or behind a backslash, or text without blanks.
_QUOTED = rb'"(?:[^"\\]|\\.|"")*"'
_WORD = re.compile(_QUOTED + rb"(?=[ \t]|$)|[^ \t]+")


class QuoteError(ValueError):
    """A quoted field is not closed, or something follows its closing quote, or it holds a separator for a cell."""

    def __init__(
        self, message: str = 'a quoted field ("…") is not closed in its line, or text follows the closing quote'
    ) -> None:
        super().__init__(message)


def split_fields(line: bytes, separator: bytes) -> list[bytes]:
    """Return the fields of a line; a field may be quoted (``"a,b"``, with ``""`` for a quote).

    Raises
    ------
    QuoteError
        If the quotes are not well formed.
    """
    if b'"' not in line:
        return line.split(separator)
    fields, at = [], 0
    while at <= len(line):
        field, at = _field(line, at, separator)
        fields.append(field)
    return fields


def split_labels(line: bytes, separator: bytes, labels: int) -> tuple[list[bytes], bytes | None]:
    """Return the first `labels` fields of a line, and the rest without its quotes (None if there is none).

    Raises
    ------
    QuoteError
        If the quotes are not well formed, or a separator is inside a quoted field of the rest.
    """
    if b'"' not in line:
        first = line.split(separator, labels)
        return first[:labels], first[labels] if len(first) > labels else None
    first, at = [], 0
    while len(first) < labels and at <= len(line):
        field, at = _field(line, at, separator)
        first.append(field)
    if at > len(line):
        return first, None
    rest = line[at:]
    return first, _without_quotes(rest, separator) if b'"' in rest else rest


def _without_quotes(line: bytes, separator: bytes) -> bytes:
    cells = split_fields(line, separator)
    for cell in cells:
        if separator in cell:
            raise QuoteError(f"the cell {shortened(cell)} is not a number")
    return separator.join(cells)


def _field(line: bytes, at: int, separator: bytes) -> tuple[bytes, int]:
    """Return the field that starts at `at`, and where the next one starts (beyond the end if none does)."""
    if line[at : at + 1] != b'"':
        end = line.find(separator, at)
        end = len(line) if end < 0 else end
        return line[at:end], end + 1
    end = at + 1
    while True:
        end = line.find(b'"', end)
        if end < 0:
            raise QuoteError
        after = line[end + 1 : end + 2]
        # R's write.table puts a backslash in front of a quote; at the end of a field it is one like any other.
        if after == b'"':
            end += 2
        elif after not in (b"", separator) and line[end - 1 : end] == b"\\":
            line, end = line[: end - 1] + b'""' + line[end + 1 :], end + 1
        else:
            break
    if line[end + 1 : end + 2] not in (b"", separator):
        raise QuoteError
    return line[at + 1 : end].replace(b'""', b'"'), end + 2


def find_separator(
    path: Path, header: bytes, rows: Sequence[bytes], blanks: bool = False, decimal: str | None = None
) -> bytes:
    """Return tab, comma or semicolon: the one that splits the header into as many fields as the rows.

    Parameters
    ----------
    path
        For messages, and for the suffix ``.csv``, which decides where several fit.
    header, rows
        The first lines.
    blanks
        True to take blanks, as R's write.table puts them, where nothing else fits.
    decimal
        The mark in numbers, if it is known: then commas separate only where semicolons do not.

    Raises
    ------
    ImportFailure
        If nothing splits them.
    """
    marks = (TAB, COMMA, SEMICOLON)
    scores = {mark: _fit(header, rows, mark) for mark in marks if mark in header or (rows and mark in rows[0])}
    if blanks and TAB not in scores:
        scores = {mark: score for mark, score in scores.items() if not _is_quoted_text(header, rows, mark)}
    if decimal == "," and scores.get(SEMICOLON, (0, 0)) != (0, 0):
        scores.pop(COMMA, None)
    best = max(scores.values(), default=(0, 0))
    if best == (0, 0) and blanks and _fits_blanks(header, rows):
        return BLANK
    if not scores:
        raise ImportFailure(
            f"neither tabs nor commas nor semicolons separate the fields of {shortened(header)}: "
            "save the table with tabs between its columns",
            path,
        )
    fitting = [mark for mark in scores if scores[mark] == best]
    if best == (0, 0):
        fitting = [mark for mark in fitting if mark in header] or fitting
    if best != (0, 0) and {COMMA, SEMICOLON} <= set(fitting) and not (COMMA in header or SEMICOLON in header):
        cells = [field for row in rows for field in split_fields(row, SEMICOLON)[1:]]
        # Commas are those of numbers, unless these have points.
        return COMMA if any(b"." in cell for cell in cells) else SEMICOLON
    preferred = COMMA if ".csv" in path.suffixes else TAB
    return preferred if preferred in fitting else min(fitting, key=lambda mark: header.find(mark) % (len(header) + 1))


def tabs_for_blanks(line: bytes) -> bytes:
    """Return a line with a tab for each run of blanks between fields, and quotes in quoted fields doubled."""
    words = _WORD.findall(line)
    return TAB.join(
        word[:1] + word[1:-1].replace(b'\\"', b'""') + word[-1:] if word[:1] == b'"' and len(word) > 1 else word
        for word in words
    )


def shortened(text: bytes | str) -> str:
    """Return the text in quotes for an error message, cut to what can be read at a glance."""
    plain = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return repr(plain if len(plain) <= 60 else plain[:57] + "…")


def _fit(header: bytes, rows: Sequence[bytes], separator: bytes) -> tuple[int, int]:
    """Return how well a separator fits: the numbers in some rows, and the fields; zeros if it does not at all."""
    try:
        width = len(split_fields(header, separator))
        split = [split_fields(row, separator) for row in rows]
    except QuoteError:
        return 0, 0
    found = {len(fields) for fields in split}
    if not (width > 1 and found <= {width, width + 1}) and found != {width + 1}:
        return 0, 0
    numbers = sum(
        NUMBER_CELL.fullmatch(field) is not None
        for fields in split[:_FEW] or [split_fields(header, separator)]
        for field in fields[1:]
    )
    return numbers, width


def _is_quoted_text(header: bytes, rows: Sequence[bytes], mark: bytes) -> bool:
    """Return whether blanks separate the fields, and a mark stands nowhere but in quoted ones."""
    lines = [line for line in (header, *rows) if mark in line]
    return all(_stands_in_quotes(line, mark) for line in lines) and _fits_blanks(header, rows)


def _stands_in_quotes(line: bytes, mark: bytes) -> bool:
    return all(mark not in word or re.fullmatch(_QUOTED, word) for word in _WORD.findall(line))


def _fits_blanks(header: bytes, rows: Sequence[bytes]) -> bool:
    width = len(_WORD.findall(header))
    found = {len(_WORD.findall(row)) for row in rows}
    if not rows:
        return width > 1
    return len(found) == 1 and max(found) > 1 and found <= {width, width + 1}
