"""Tables of samples and of features, joined to the axes of a matrix by id."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from rnaget_server.errors import ImportFailure
from rnaget_server.importers.text.columns import (
    ColumnValues,
    find_name,
    free_name,
    same,
    take_or_fill,
    text_column,
    typed_column,
)
from rnaget_server.importers.text.fields import shortened
from rnaget_server.importers.text.rows_of_ids import ids_held, one_row_each, rows_by_id, rows_without_version
from rnaget_server.importers.text.tables import Table, id_column, listed
from rnaget_server.model.axis import Positions
from rnaget_server.spelling import most_alike
from rnaget_server.stores.native.write_dense import AxisTable

_COMPARED = 10_000
_LISTED = 5
_SUBJECT = "SUBJID"  # of GTEx's table of subjects


@dataclass(frozen=True)
class JoinedAxis:
    """An axis with the attributes of a table, and remarks for the provider."""

    axis: AxisTable
    remarks: tuple[str, ...]


@dataclass(frozen=True)
class _Join:
    """A table with one row for each id, the column of the ids (None if it becomes an attribute), and their rows."""

    table: Table
    place: int | None
    positions: Positions
    remarks: tuple[str, ...] = ()


def join_samples(axis: AxisTable, tables: Sequence[Table], id: str | None) -> JoinedAxis:
    """Return the samples with the attributes of their rows; every sample needs exactly one in one of the tables.

    A further table may be of what samples have in common, such as donors: it is joined by a column that it shares with
    another, or by the part of GTEx's ids of samples that names the subject.

    Raises
    ------
    ImportFailure
        If a sample has no row or several, or there is no column `id`.
    """
    if id is not None and not any(id in table.headers for table in tables):
        id_column(tables[0], id, "--sample-id")
    ids = [str(value) for value in axis.columns[axis.id]]
    own = [_id_place(ids, table, id) for table in tables]
    remarks: tuple[str, ...] = ()
    for _, (table, place) in sorted(enumerate(zip(tables, own, strict=True)), key=lambda entry: entry[1][1] is None):
        join = _join_of_samples(axis, ids, table, place, id)
        joined = _joined(axis, join, None, ("sample", "Sample"))
        axis, remarks = joined.axis, (*remarks, *table.remarks, *join.remarks, *joined.remarks)
    return JoinedAxis(axis, remarks)


def name_samples(axis: AxisTable, table: Table, id: str | None) -> tuple[AxisTable, tuple[str, ...]]:
    """Return samples that the source does not name, with the ids of a table that has a row for each, in its order.

    Samples that the table knows by the names made for them keep these.
    """
    ids = [row[id_column(table, id, "--sample-id")] for row in table.rows]
    made = [str(name) for name in axis.columns[axis.id]]
    if len(ids) != len(made) or set(made) & set(ids) or len(set(ids)) < len(ids):
        return axis, ()
    named = replace(axis, columns={**axis.columns, axis.id: text_column(ids)})
    pairs = ", ".join(f"{old} is {new}" for old, new in zip(made[:_LISTED], ids, strict=False))
    more = " …" if len(made) > _LISTED else ""
    return named, (f"the samples are named by the rows of {table.path.name}, in their order: {pairs}{more}",)


def join_features(axis: AxisTable, tables: Sequence[Table], id: str | None, name: str | None) -> JoinedAxis:
    """Return the features with the attributes of their rows; one without a row gets empty values.

    Ids are compared as they are, and then without versions where that leaves no doubt. Of several tables (genes,
    transcripts) the one that has rows for most is taken. `name` is the column of names; None: a known one, unless the
    matrix has names itself.

    Raises
    ------
    ImportFailure
        If no feature has a row, one has several, or there is no column `id`.
    """
    ids = [str(value) for value in axis.columns[axis.id]]
    places = [(table, _feature_place(ids, table, id)) for table in tables]
    held = [ids_held(ids, {row[place] for row in table.rows}) for table, place in places]
    best = max(range(len(places)), key=lambda at: len(held[at]))
    table, place = places[best]
    if not held[best]:
        raise ImportFailure(
            f"no feature of the matrix has a row in this table: {listed(ids)} have none"
            + (_other_column(table, place, set(ids), "--feature-id") or _held_ids(table, place, ids[0])),
            table.path,
        )
    single, merged = one_row_each(table, place, held[best], "feature")
    positions, versions = rows_without_version(ids, rows_by_id(ids, single, place), single, place)
    join = _Join(single, place, positions, (*_of_place(table, place, id, "features"), *merged, *versions))
    if name is None and axis.name is None:
        others = [header for at, header in enumerate(table.headers) if at != place]
        name = find_name(others, description=False)
    joined = _joined(axis, join, name, ("feature", "feature_id"))
    return JoinedAxis(joined.axis, (*table.remarks, *join.remarks, *joined.remarks))


def _id_place(ids: Sequence[str], table: Table, id: str | None) -> int | None:
    """Return the column with the ids of samples: the one given, or the first that has every one; None if none has."""
    if id in table.headers:
        return table.headers.index(str(id))
    return next((at for at in range(len(table.headers)) if set(ids) <= {row[at] for row in table.rows}), None)


def _join_of_samples(axis: AxisTable, ids: list[str], table: Table, place: int | None, id: str | None) -> _Join:
    link = _link(axis, ids, table) if place is None else None
    if link is not None:
        keys, at = link
        single, merged = one_row_each(table, at, set(keys), "sample")
        shared = table.headers[at] in axis.columns
        remark = f"{table.path.name} is joined by {shortened(table.headers[at])}"
        remark += "" if shared else ", the beginning of the sample ids"
        return _Join(single, at if shared else None, rows_by_id(keys, single, at), (remark, *merged))
    at = place or 0
    single, merged = one_row_each(table, at, set(ids), "sample")
    positions = rows_by_id(ids, single, at)
    missing = [id for id, position in zip(ids, positions, strict=True) if position < 0]
    if missing:
        raise ImportFailure(
            f"{len(missing)} of {len(ids)} samples have no row in this table: {listed(missing)}"
            + (_other_column(table, at, set(ids), "--sample-id") or _held_ids(table, at, missing[0])),
            table.path,
        )
    return _Join(single, at, positions, (*_of_place(table, at, id, "samples"), *merged))


def _link(axis: AxisTable, ids: Sequence[str], table: Table) -> tuple[list[str], int] | None:
    """Return what joins a table that has no rows of samples: a text for each sample, and the column that holds it."""
    if set(ids) & {row[0] for row in table.rows}:
        return None
    for header in (*axis.columns, _SUBJECT):
        if not header or header not in table.headers:
            continue
        at = table.headers.index(header)
        if header in axis.columns:
            keys = [_plain(value) for value in axis.columns[header]]
        else:
            keys = ["-".join(id.split("-")[:2]) for id in ids]
        counts = Counter(row[at] for row in table.rows)
        held = set(keys) & set(counts)
        if held - {""} and (table.joins_rows or all(counts[key] == 1 for key in held)):
            return keys, at
    return None


def _plain(value: object) -> str:
    """Return the value of an attribute as a table has it."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _feature_place(ids: Sequence[str], table: Table, id: str | None) -> int:
    """Return the column with the ids of features: the one given, else the first if it fits, else the one that does."""
    if id is not None:
        return id_column(table, id, "--feature-id")
    wanted = set(ids)
    exact = [len(wanted & {row[at] for row in table.rows}) for at in range(len(table.headers))]
    best = int(np.argmax(exact))
    if exact[0] or exact[best] <= len(wanted) / 2:
        return 0
    return best


def _of_place(table: Table, place: int, given: str | None, kind: str) -> tuple[str, ...]:
    if place == 0 or given in table.headers:
        return ()
    return (f"the ids of {kind} are in the column {shortened(table.headers[place])} of {table.path.name}",)


def _other_column(table: Table, place: int, wanted: set[str], option: str) -> str:
    """Return a hint at the column that holds the ids, if there is one."""
    for other, header in enumerate(table.headers):
        if other != place and len(wanted & {row[other] for row in table.rows}) > len(wanted) / 2:
            return f"; the column {shortened(header)} holds such ids: name it by {option}"
    return ""


def _held_ids(table: Table, place: int, missing: str) -> str:
    """Return what the column of the ids holds: ids that are like one that is missing, or the first."""
    ids = [row[place] for row in table.rows[:_COMPARED]]
    return f"; its column {shortened(table.headers[place])} holds {listed(most_alike(missing, ids, _LISTED) or ids)}"


def _joined(axis: AxisTable, join: _Join, name: str | None, words: tuple[str, str]) -> JoinedAxis:
    (kind, default), table, positions = words, join.table, join.positions
    own = default if join.place is None else table.headers[join.place] or default
    id = axis.id or free_name(own, [key for key in axis.columns if key])
    columns = {key or id: column for key, column in axis.columns.items()}
    remarks = [_counted(table, positions, kind, columns[id])]
    joined_name = axis.name
    # The used rows are in the order of the axis, with gaps where there is no row.
    order = np.where(positions < 0, -1, np.cumsum(positions >= 0) - 1)
    for at, header in enumerate(table.headers):
        if at == join.place:
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
    return JoinedAxis(AxisTable(id, columns, joined_name, axis.embeddings), tuple(remarks))


def _counted(table: Table, positions: Positions, kind: str, ids: ColumnValues) -> str:
    used = len(np.unique(positions[positions >= 0]))
    parts = [f"{kind} table {table.path.name}: {used} rows used"]
    if len(table.rows) > used:
        parts.append(f"{len(table.rows) - used} rows left out, of no {kind} of the matrix")
    missing = [str(id) for id, position in zip(ids, positions, strict=True) if position < 0]
    if missing:
        parts.append(f"{len(missing)} {kind}s without a row, left empty: {listed(missing)}")
    return "; ".join(parts)
