"""Tables of samples and of features, joined to the axes of a matrix by id."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rnaget_server.errors import ImportFailure
from rnaget_server.importers.compression import ERRORS, damaged, unpacked
from rnaget_server.importers.detect import read_head
from rnaget_server.importers.text.columns import find_name, free_name, same, take_or_fill, text_column, typed_column
from rnaget_server.importers.text.fields import find_separator, shortened
from rnaget_server.importers.text.table_body import LABEL_BYTES, not_utf8
from rnaget_server.model.axis import Positions
from rnaget_server.storage.access import DEFAULT_LIMITS, FileLimits
from rnaget_server.stores.hdf5_dataset import shown_bytes
from rnaget_server.stores.native.write_dense import AxisTable

_LISTED = 5
# Memory of a row in addition to its fields, and the multiple of the text limit that all rows may take.
_ROW_BYTES, _HELD = 64, 4


@dataclass(frozen=True)
class Table:
    """A table: its headers, and its rows with the lines where they end."""

    path: Path
    headers: tuple[str, ...]
    rows: list[list[str]]
    lines: list[int]


@dataclass(frozen=True)
class JoinedAxis:
    """An axis with the attributes of a table, and remarks for the provider."""

    axis: AxisTable
    remarks: tuple[str, ...]


def read_table(path: Path, limits: FileLimits = DEFAULT_LIMITS) -> Table:
    """Return a TSV or CSV table, plain or compressed, with any line ends.

    Raises
    ------
    ImportFailure
        If it is no table or too large, or a row has more or fewer fields than the header.
    """
    read_head(path)
    content = _text(path, limits.column_bytes).replace("\r\n", "\n").replace("\r", "\n")
    start = content[: 64 << 10].split("\n")
    shown = [line.encode() for line in start if line and not line.startswith("#")][:20] or [start[0].encode()]
    separator = find_separator(path, shown[0], shown[1:-1] or shown[1:]).decode()
    reader = csv.reader(_lines_of(content), delimiter=separator, strict=True)
    rows: list[list[str]] = []
    numbers: list[int] = []
    held = 0
    try:
        for row in reader:
            if row:
                rows.append(row)
                numbers.append(reader.line_num)
                held += _ROW_BYTES + LABEL_BYTES * len(row)
                if held > _HELD * limits.column_bytes:
                    raise _too_large(path, "rows and fields", _HELD * limits.column_bytes)
    except csv.Error as error:
        raise ImportFailure(f"the table is not well formed: {error}", path, reader.line_num) from None
    return _checked(path, rows, numbers)


def join_samples(axis: AxisTable, table: Table, id: str | None) -> JoinedAxis:
    """Return the samples with the attributes of their rows; every sample needs exactly one.

    Raises
    ------
    ImportFailure
        If a sample has no row or several, or there is no column `id`.
    """
    place = id_column(table, id, "--sample-id")
    positions = _positions(axis, table, place, "sample")
    ids = axis.columns[axis.id]
    missing = [str(id) for id, position in zip(ids, positions, strict=True) if position < 0]
    if missing:
        raise ImportFailure(
            f"{len(missing)} of {len(ids)} samples have no row in this table: {listed(missing)}"
            + _other_column(table, place, set(ids), "--sample-id"),
            table.path,
        )
    return _joined(axis, table, place, positions, None, ("sample", "Sample"))


def name_samples(axis: AxisTable, table: Table, id: str | None) -> tuple[AxisTable, tuple[str, ...]]:
    """Return samples that the source does not name, with the ids of a table that has a row for each, in its order.

    Samples that the table knows by the names made for them keep these.
    """
    ids = [row[id_column(table, id, "--sample-id")] for row in table.rows]
    made = [str(name) for name in axis.columns[axis.id]]
    if len(ids) != len(made) or set(made) & set(ids) or len(set(ids)) < len(ids):
        return axis, ()
    named = AxisTable(axis.id, {**axis.columns, axis.id: text_column(ids)}, axis.name)
    pairs = ", ".join(f"{old} is {new}" for old, new in zip(made[:_LISTED], ids, strict=False))
    more = " …" if len(made) > _LISTED else ""
    return named, (f"the samples are named by the rows of {table.path.name}, in their order: {pairs}{more}",)


def join_features(axis: AxisTable, table: Table, id: str | None, name: str | None) -> JoinedAxis:
    """Return the features with the attributes of their rows; one without a row gets empty values.

    `name` is the column of names; None: a known one, unless the matrix has names itself.

    Raises
    ------
    ImportFailure
        If no feature has a row, one has several, or there is no column `id`.
    """
    place = id_column(table, id, "--feature-id")
    positions = _positions(axis, table, place, "feature")
    if (positions < 0).all():
        raise ImportFailure(
            f"no feature of the matrix has a row in this table: {listed(list(axis.columns[axis.id]))} are not in "
            f"its column {shortened(table.headers[place])}"
            + _other_column(table, place, set(axis.columns[axis.id]), "--feature-id"),
            table.path,
        )
    if name is None and axis.name is None:
        others = [header for at, header in enumerate(table.headers) if at != place]
        name = find_name(others, description=False)
    return _joined(axis, table, place, positions, name, ("feature", "feature_id"))


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
        return data.decode("utf-8-sig")
    except ERRORS as error:
        raise damaged(path, error) from None
    except UnicodeDecodeError as error:
        raise not_utf8(path, data[: error.start].count(b"\n") + 1) from None


def _checked(path: Path, rows: list[list[str]], lines: list[int]) -> Table:
    start = 0
    while start + 1 < len(rows) and rows[start][0].startswith("#") and len(rows[start]) != len(rows[start + 1]):
        start += 1
    if start + 1 >= len(rows):
        raise ImportFailure("the table has a header at most, and no rows", path)
    headers = [rows[start][0].lstrip("#").strip(), *(header.strip() for header in rows[start][1:])]
    rows, lines = rows[start + 1 :], lines[start + 1 :]
    if len(rows[0]) == len(headers) + 1:  # R's write.table names no column of row names
        headers.insert(0, "")
    for row, line in zip(rows, lines, strict=True):
        if len(row) != len(headers):
            raise ImportFailure(f"this line has {len(row)} fields, and the header {len(headers)}", path, line)
    for place, header in enumerate(headers[1:], 1):
        headers[place] = header or f"column_{place + 1}"
        if headers[place] in headers[:place]:
            raise ImportFailure(f"two columns have the header {shortened(header)}: rename one", path)
    return Table(path, tuple(headers), rows, lines)


def id_column(table: Table, id: str | None, option: str) -> int:
    """Return the column that an option names by its header, else the first; refuse a header that is missing."""
    if id is None:
        return 0
    if id not in table.headers:
        raise ImportFailure(
            f"{option}: this table has no column {shortened(id)}; it has {', '.join(table.headers)}", table.path
        )
    return table.headers.index(id)


def _positions(axis: AxisTable, table: Table, place: int, kind: str) -> Positions:
    """Return the row of each member of the axis, -1 where it has none."""
    wanted = set(axis.columns[axis.id])
    found: dict[str, int] = {}
    for number, row in enumerate(table.rows):
        id = row[place]
        if id not in wanted:
            continue
        first = found.setdefault(id, number)
        if first != number:
            raise ImportFailure(
                f"the {kind} {shortened(id)} has two rows, here and in line {table.lines[first]}: leave one out",
                table.path,
                table.lines[number],
            )
    return np.array([found.get(id, -1) for id in axis.columns[axis.id]], np.int64)


def _other_column(table: Table, place: int, wanted: set[str], option: str) -> str:
    """Return a hint at the column that holds the ids, if there is one."""
    for other, header in enumerate(table.headers):
        if other != place and len(wanted & {row[other] for row in table.rows}) > len(wanted) / 2:
            return f"; the column {shortened(header)} holds such ids: name it by {option}"
    return ""


def _joined(
    axis: AxisTable,
    table: Table,
    place: int,
    positions: Positions,
    name: str | None,
    words: tuple[str, str],
) -> JoinedAxis:
    kind, default = words
    id = axis.id or free_name(table.headers[place] or default, [key for key in axis.columns if key])
    columns = {key or id: column for key, column in axis.columns.items()}
    remarks = [_counted(table, positions, kind)]
    joined_name = axis.name
    # The used rows are in the order of the axis, with gaps where there is no row.
    order = np.where(positions < 0, -1, np.cumsum(positions >= 0) - 1)
    for at, header in enumerate(table.headers):
        if at == place:
            continue
        texts = [row[at] for row in table.rows]
        used = [texts[position] for position in positions if position >= 0]
        column = take_or_fill(text_column(used) if header == name else typed_column(used), order)
        key = header
        if header not in columns or not same(columns[header], column).all():
            key = free_name(header, columns)
            columns[key] = column
        if key != header:
            remarks.append(f"the column {header} of {table.path.name} became {key}: {header} was taken")
        if header == name:
            joined_name = key
    return JoinedAxis(AxisTable(id, columns, joined_name), tuple(remarks))


def _counted(table: Table, positions: Positions, kind: str) -> str:
    used = int((positions >= 0).sum())
    parts = [f"{kind} table {table.path.name}: {used} rows used"]
    if len(table.rows) > used:
        parts.append(f"{len(table.rows) - used} rows left out, of no {kind} of the matrix")
    if used < len(positions):
        parts.append(f"{len(positions) - used} {kind}s without a row, left empty")
    return "; ".join(parts)
