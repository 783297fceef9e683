"""Tables of samples and of features: text, Excel workbooks and series matrices of GEO."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rnaget_server.errors import ImportFailure
from rnaget_server.importers.compression import ERRORS, damaged, unpacked
from rnaget_server.importers.detect import read_head, refuse_no_file
from rnaget_server.importers.text.excel import is_workbook, sheet_rows
from rnaget_server.importers.text.fields import BLANK, TAB, find_separator, shortened, tabs_for_blanks
from rnaget_server.importers.text.series_samples import is_series, series_rows
from rnaget_server.importers.text.table_body import LABEL_BYTES, not_utf8
from rnaget_server.importers.text.table_kinds import column_names, headerless_names, joins_rows, repeating_columns
from rnaget_server.storage.access import DEFAULT_LIMITS, FileLimits
from rnaget_server.stores.hdf5_dataset import shown_bytes

_LISTED = 5
# Memory of a row in addition to its fields, and the multiple of the text limit that all rows may take.
_ROW_BYTES, _HELD = 64, 4


@dataclass(frozen=True)
class Table:
    """A table: its headers, its rows with the lines where they end, whether several may be of one id, and remarks."""

    path: Path
    headers: tuple[str, ...]
    rows: list[list[str]]
    lines: list[int]
    joins_rows: bool = False
    remarks: tuple[str, ...] = ()


def read_table(path: Path, limits: FileLimits = DEFAULT_LIMITS) -> Table:
    """Return a TSV or CSV table (plain or compressed, with any line ends), a sheet of Excel, or the samples of GEO.

    Raises
    ------
    ImportFailure
        If it is no table or too large, or a row has more or fewer fields than the header.
    """
    refuse_no_file(path)
    if is_workbook(path):
        rows, numbers, remarks = sheet_rows(path, limits)
        return _checked(path, rows, numbers, remarks)
    rows, numbers = series_rows(path, limits) if is_series(read_head(path)) else _text_rows(path, limits)
    return _checked(path, rows, numbers)


def _text_rows(path: Path, limits: FileLimits) -> tuple[list[list[str]], list[int]]:
    content = _text(path, limits.column_bytes).replace("\r\n", "\n").replace("\r", "\n")
    start = content[: 64 << 10].split("\n")
    shown = [line.encode() for line in start if line and not line.startswith("#")][:20] or [start[0].encode()]
    separator = find_separator(path, shown[0], shown[1:-1] or shown[1:], blanks=True)
    try:
        return _rows(path, content, separator, limits)
    except ImportFailure:
        if '\\"' not in content:
            raise
        # R's write.table puts a backslash in front of a quote.
        return _rows(path, content.replace('\\"', '""'), separator, limits)


def _rows(path: Path, content: str, separator: bytes, limits: FileLimits) -> tuple[list[list[str]], list[int]]:
    """Return the rows that are not blank, with the lines where they end."""
    lines = _lines_of(content)
    if separator == BLANK:
        lines, separator = (tabs_for_blanks(line.rstrip("\n").encode()).decode() + "\n" for line in lines), TAB
    reader = csv.reader(lines, delimiter=separator.decode(), strict=True)
    rows: list[list[str]] = []
    numbers: list[int] = []
    held = 0
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                rows.append(row)
                numbers.append(reader.line_num)
                held += _ROW_BYTES + LABEL_BYTES * len(row)
                if held > _HELD * limits.column_bytes:
                    raise _too_large(path, "rows and fields", _HELD * limits.column_bytes)
    except csv.Error as error:
        wrong = error if "limit" in str(error) else 'a quoted field ("…") is not closed, or text follows its last quote'
        raise ImportFailure(f"the table is not well formed: {wrong}", path, reader.line_num) from None
    return rows, numbers


def listed(values: Sequence[str]) -> str:
    """Return the first few values for a message."""
    more = f" and {len(values) - _LISTED} more" if len(values) > _LISTED else ""
    return ", ".join(shortened(value) for value in values[:_LISTED]) + more


def _too_large(path: Path, what: str, most: int) -> ImportFailure:
    return ImportFailure(
        f"the table has more {what} than {shown_bytes(most)} of memory hold: leave out columns and rows that are not "
        "needed, or set RNAGET_MAX_COLUMN_BYTES",
        path,
    )


def _lines_of(text: str) -> Iterator[str]:
    """Yield the lines with their ends; `io.StringIO` would take four times the text."""
    at = 0
    while at < len(text):
        end = text.find("\n", at) + 1 or len(text)
        yield text[at:end]
        at = end


def _text(path: Path, most: int) -> str:
    try:
        data = unpacked(path, most + 1)
        if len(data) > most:
            raise _too_large(path, "text", most)
        if b"\0" in data:
            raise ImportFailure("the file holds binary data (a NUL byte) and is no text table", path)
        return data.decode("utf-8-sig")
    except ERRORS as error:
        raise damaged(path, error) from None
    except UnicodeDecodeError as error:
        raise not_utf8(path, data[: error.start].count(b"\n") + 1) from None


def _checked(path: Path, rows: list[list[str]], lines: list[int], remarks: tuple[str, ...] = ()) -> Table:
    start = 0
    while start + 1 < len(rows) and rows[start][0].startswith("#") and len(rows[start]) != len(rows[start + 1]):
        start += 1
    if start + 1 >= len(rows):
        raise ImportFailure("the table has a header at most, and no rows", path)
    made = headerless_names(path.name, rows[start])
    if made is not None:
        start -= 1
    headers = made or [rows[start][0].lstrip("#").strip(), *(header.strip() for header in rows[start][1:])]
    rows, lines = rows[start + 1 :], lines[start + 1 :]
    if len(rows[0]) == len(headers) + 1:  # R's write.table names no column of row names
        if not any(row[-1].strip() for row in rows):
            raise ImportFailure(
                "every line ends with a separator and the header does not: remove it at the line ends", path, lines[0]
            )
        headers.insert(0, "")
    # Spreadsheet programs leave empty columns behind the last.
    extents = [_extent(row) for row in rows]
    width = min(len(headers), max(_extent(headers), *extents))
    for row, extent, line in zip(rows, extents, lines, strict=True):
        if extent > len(headers) or len(row) < width:
            raise ImportFailure(f"this line has {len(row)} fields, and the header {len(headers)}", path, line)
        del row[width:]
    del headers[width:]
    joins = joins_rows(headers)
    for at in reversed(repeating_columns(headers, rows)):
        for row in (headers, *rows):
            del row[at]
    headers = column_names(headers)
    for place, header in enumerate(headers[1:], 1):
        headers[place] = header or f"column_{place + 1}"
        if headers[place] in headers[:place]:
            raise ImportFailure(f"two columns have the header {shortened(header)}: rename one", path)
    return Table(path, tuple(headers), rows, lines, joins, remarks)


def _extent(row: Sequence[str]) -> int:
    """Return the number of fields up to the last that is not blank."""
    return next((at for at in range(len(row), 0, -1) if row[at - 1].strip()), 0)


def id_column(table: Table, id: str | None, option: str) -> int:
    """Return the column that an option names by its header, else the first; refuse a header that is missing."""
    if id is None:
        return 0
    if id not in table.headers:
        raise ImportFailure(
            f"{option}: this table has no column {shortened(id)}; it has {', '.join(table.headers)}", table.path
        )
    return table.headers.index(id)
