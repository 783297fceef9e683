"""Split lines of delimited text into fields, and find the delimiter."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rnaget_server.errors import ImportFailure

TAB, COMMA = b"\t", b","


class QuoteError(ValueError):
    """A quoted field is not closed, or something follows its closing quote, or it holds a separator for a cell."""

    def __init__(self, message: str = 'a quoted field ("…") is not closed, or text follows the closing quote') -> None:
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
        If the quotes are not well formed, or a separator stands inside a quoted field of the rest.
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
        if line[end + 1 : end + 2] != b'"':
            break
        end += 2
    if line[end + 1 : end + 2] not in (b"", separator):
        raise QuoteError
    return line[at + 1 : end].replace(b'""', b'"'), end + 2


def find_separator(path: Path, header: bytes, rows: Sequence[bytes]) -> bytes:
    """Return tab or comma: the one that splits the header into as many fields as the rows.

    Raises
    ------
    ImportFailure
        If neither splits anything.
    """
    present = [mark for mark in (TAB, COMMA) if mark in header]
    if not present:
        present = [mark for mark in (TAB, COMMA) if rows and mark in rows[0]]
    if not present:
        raise ImportFailure(
            f"neither tabs nor commas separate the fields of {shortened(header)}: "
            "save the table with tabs between its columns",
            path,
        )
    if len(present) == 1:
        return present[0]
    fitting = [mark for mark in present if _fits(header, rows, mark)]
    if len(fitting) == 1:
        return fitting[0]
    return COMMA if ".csv" in path.suffixes else TAB


def shortened(text: bytes | str) -> str:
    """Return the text in quotes for an error message, cut to what can be read at a glance."""
    plain = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return repr(plain if len(plain) <= 60 else plain[:57] + "…")


def _fits(header: bytes, rows: Sequence[bytes], separator: bytes) -> bool:
    try:
        width = len(split_fields(header, separator))
        found = {len(split_fields(row, separator)) for row in rows}
    except QuoteError:
        return False
    return width > 1 and found <= {width, width + 1}
