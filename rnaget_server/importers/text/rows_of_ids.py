"""The row of each id in a table: by the id as it is, and by the id without its version."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np

from rnaget_server.errors import ImportFailure
from rnaget_server.importers.text.fields import shortened
from rnaget_server.importers.text.tables import Table, listed
from rnaget_server.model.axis import Positions
from rnaget_server.sequences.genes import split_version

_BETWEEN = "; "
_LISTED = 3


def ids_held(ids: Collection[str], held: Collection[str]) -> set[str]:
    """Return which of the ids that a table holds are among `ids`, as they are or without versions."""
    wanted, bare = set(ids), {split_version(id)[0] for id in ids}
    return {id for id in held if id in wanted or split_version(id)[0] in bare}


def one_row_each(table: Table, place: int, wanted: Collection[str], kind: str) -> tuple[Table, tuple[str, ...]]:
    """Return a table with one row for each id of a column, and a remark if rows were joined.

    Rows that are the same count once. In a table of a kind that has several rows for one id, the different values of a
    column are joined by ``; ``.

    Raises
    ------
    ImportFailure
        If a table of another kind has different rows for an id that is wanted.
    """
    by_id: dict[str, list[int]] = {}
    for number, row in enumerate(table.rows):
        by_id.setdefault(row[place], []).append(number)
    if len(by_id) == len(table.rows):
        return table, ()
    rows: list[list[str]] = []
    lines: list[int] = []
    several: Counter[int] = Counter()
    for id, numbers in by_id.items():
        if id not in wanted:
            continue
        first, *others = numbers
        row = table.rows[first]
        changed = next((number for number in others if table.rows[number] != row), None)
        if changed is not None:
            if not table.joins_rows:
                raise _two_rows(table, kind, id, first, changed)
            row = [_BETWEEN.join(dict.fromkeys(filter(None, values))) for values in _columns(table, numbers)]
            several.update(at for at, values in enumerate(_columns(table, numbers)) if len(set(values)) > 1)
        rows.append(row)
        lines.append(table.lines[first])
    left_out = sum(len(numbers) for id, numbers in by_id.items() if id not in wanted)
    joined = len(table.rows) - left_out
    remarks = []
    if joined > len(rows):
        named = [table.headers[at] for at in sorted(several)]
        remarks.append(
            f"{table.path.name}: {joined} rows are of {len(rows)} {kind}s"
            + (f"; different values are joined by '; ' in {listed(named)}" if named else "")
        )
    if left_out:
        remarks.append(f"{table.path.name}: {left_out} rows left out, of no {kind} of the matrix")
    return replace(table, rows=rows, lines=lines), tuple(remarks)


def rows_by_id(ids: Sequence[str], table: Table, place: int) -> Positions:
    """Return the row of each id, -1 where it has none, in a table with one row for each."""
    found = {row[place]: number for number, row in enumerate(table.rows)}
    return np.array([found.get(id, -1) for id in ids], np.int64)


def rows_without_version(
    ids: Sequence[str], positions: Positions, table: Table, place: int
) -> tuple[Positions, tuple[str, ...]]:
    """Return rows also for ids that have none but for their version, where that leaves no doubt, and remarks."""
    missing = [at for at, position in enumerate(positions) if position < 0]
    if not missing:
        return positions, ()
    rows: dict[str, list[int]] = {}
    for number, row in enumerate(table.rows):
        rows.setdefault(split_version(row[place])[0], []).append(number)
    asked = Counter(split_version(id)[0] for id in ids)
    positions = positions.copy()
    matched, doubtful = [], []
    for at in missing:
        bare = split_version(ids[at])[0]
        candidates = rows.get(bare, [])
        if len(candidates) == 1 and asked[bare] == 1:
            positions[at] = candidates[0]
            matched.append(f"{ids[at]} by {table.rows[candidates[0]][place]}")
        elif candidates:
            doubtful.append(ids[at])
    remarks = []
    if matched:
        examples = ", ".join(matched[:_LISTED])
        remarks.append(f"{table.path.name}: {len(matched)} ids matched without their version, such as {examples}")
    if doubtful:
        remarks.append(
            f"{table.path.name}: {len(doubtful)} ids left empty, since without their version they fit several rows or "
            f"are repeated: {listed(doubtful)}"
        )
    return positions, tuple(remarks)


def _two_rows(table: Table, kind: str, id: str, first: int, other: int) -> ImportFailure:
    pairs = zip(table.headers, table.rows[first], table.rows[other], strict=True)
    differing = next(header for header, one, two in pairs if one != two)
    return ImportFailure(
        f"the {kind} {shortened(id)} has two rows, here and in line {table.lines[first]}: leave one out (they differ "
        f"in the column {shortened(differing)})",
        table.path,
        table.lines[other],
    )


def _columns(table: Table, numbers: Sequence[int]) -> list[list[str]]:
    return [[table.rows[number][at] for number in numbers] for at in range(len(table.headers))]
