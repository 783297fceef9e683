"""The index of an archive is written: an SQLite database with a table for each result."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rnaget_server.archive.fields import RESULTS
from rnaget_server.archive.texts import write_texts
from rnaget_server.model.kinds import Kind, is_date, number_of

VERSION = "3"
IN_ONE_TABLE = 400
"""So many fields are in one table of a result; SQLite has a bound of columns."""

SEVERAL = ";"
"""Separates the values of a field that has several."""

_LISTS = ("sample_accession", "sample_alias", "run_accession", "experiment_accession", "analysis_accession")
_FEW = 5000
_LONG = 120
_SHARE = 64 << 10
_TABLES = """
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE fields (
    result TEXT, number INTEGER, name TEXT, description TEXT, kind TEXT, place INTEGER, place_column INTEGER,
    has_numbers INTEGER, has_several INTEGER, few_values TEXT, PRIMARY KEY (result, number)
) WITHOUT ROWID;
CREATE TABLE tags (result TEXT, tag TEXT, id INTEGER, PRIMARY KEY (result, tag, id)) WITHOUT ROWID;
CREATE TABLE taxa (id TEXT PRIMARY KEY, parent TEXT) WITHOUT ROWID;
CREATE TABLE taxon_names (name TEXT, id TEXT, PRIMARY KEY (name, id)) WITHOUT ROWID;
CREATE TEMP TABLE known (identity TEXT PRIMARY KEY, id INTEGER) WITHOUT ROWID;
"""
Column = str | Sequence[str]
"""The values of a field in some records, or the one that all have."""


@dataclass
class _Written:
    """A field while it is written: where it is, and what its values have been so far."""

    name: str
    description: str
    declared: Kind | None
    place: int
    column: int
    filled: int = 0
    numbers: int = 0
    dates: int = 0
    letters: int = 0
    may_have_several: bool = False
    has_several: bool = False
    values: set[str] | None = field(default_factory=set)

    @property
    def kind(self) -> Kind:
        """The kind of its values."""
        if self.declared is not None:
            return self.declared
        if self.filled and self.numbers == self.filled:
            return "number"
        return "date" if self.filled and self.dates == self.filled else "text"

    def look_at(self, values: Sequence[str]) -> list[float | None] | None:
        """Take account of values, and return the numbers that they are; None if none may be."""
        full = [value for value in values if value]
        if not full:
            return None
        self.filled += len(full)
        self.letters += sum(map(len, full))
        if self.values is not None:
            self.values.update(full)
            if len(self.values) > _FEW:
                self.values = None
        if self.may_have_several and not self.has_several:
            self.has_several = any(SEVERAL in value for value in full)
        if self.declared == "text":
            return None
        # No finite number begins with a letter, and most texts do.
        known = {value: None if value[0].isalpha() else number_of(value) for value in set(full)}
        numbers = list(map(known.get, values))
        self.numbers += len(numbers) - numbers.count(None)
        if self.declared is None and self.dates + len(full) >= self.filled:
            self.dates += sum(map(is_date, full))
        if self.has_several:
            self._look_at_several([value.split(SEVERAL) for value in full if SEVERAL in value])
        return numbers

    def _look_at_several(self, values: Sequence[Sequence[str]]) -> None:
        """Take account of records with several values, each of which may be a number or a date."""
        self.numbers += sum(all(number_of(value) is not None for value in each) for each in values)
        self.dates += sum(all(map(is_date, each)) for each in values)


class IndexWriter:
    """Writes an index; nothing of it is used before `finish`.

    Parameters
    ----------
    path
        The file, which is new.
    """

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-65536", "temp_store=FILE"):
            self._database.execute(f"PRAGMA {pragma}")
        self._database.executescript(_TABLES)
        self._fields: dict[str, dict[str, _Written]] = {result: {} for result in RESULTS}
        self._last = dict.fromkeys(RESULTS, 0)
        self._begun = False

    def declare(self, result: str, attributes: Iterable[tuple[str, str]]) -> None:
        """Add fields, each a name and a description, to a result; before the first record of any."""
        fields = self._fields[result]
        for spec in () if fields else RESULTS[result].fields:
            self._declare(fields, spec.name, spec.description, spec.kind)
            fields[spec.name].may_have_several = spec.name in _LISTS and spec.name != RESULTS[result].key
        for name, description in attributes:
            if name not in fields:
                self._declare(fields, name, description, None)

    def add(self, result: str, columns: Mapping[str, Column], count: int, identities: Sequence[str] = ()) -> None:
        """Add records, whose values come field by field.

        Parameters
        ----------
        result
            The kind of the records.
        columns
            The values.
        count
            Number of records.
        identities
            By which each is found again while the index is written.
        """
        self._begin()
        first = self._last[result] + 1
        self._last[result] += count
        ids = range(first, first + count)
        if identities:
            keys = (_key(result, identity) for identity in identities)
            self._database.executemany("INSERT INTO known VALUES (?, ?)", zip(keys, ids, strict=True))
        places: dict[int, list[tuple[str, Sequence[str | float | None]]]] = {0: []}
        for name, column in columns.items():
            self._place(self._fields[result][name], column, count, places)
        for place, pairs in places.items():
            self._insert(result, place, ids, pairs)
        self._tag(result, columns.get("tag", ""), ids)

    def has_several(self, result: str, names: Iterable[str]) -> None:
        """Say that records may have several values of some fields."""
        for name in names:
            self._fields[result][name].has_several = True

    def find(self, result: str, identity: str) -> dict[str, str] | None:
        """Return the values of the record of an identity that are there; None if there is none."""
        id = self._known(result, identity)
        return None if id is None else self._values(result, id)

    def merge(self, result: str, identity: str, values: Mapping[str, str]) -> None:
        """Add a record, or values to the one of the identity.

        A second value of a field comes after the first; of fields that are counts, they are added up.
        """
        self._begin()
        id = self._known(result, identity)
        if id is None:
            self.add(result, values, 1, (identity,))
            return
        existing = self._values(result, id)
        fields = self._fields[result]
        changed = {
            name: (_sum if fields[name].declared == "number" else joined)(existing.get(name, ""), value)
            for name, value in values.items()
            if value
        }
        changed = {name: value for name, value in changed.items() if value != existing.get(name, "")}
        places: dict[int, list[tuple[str, Sequence[str | float | None]]]] = {}
        for name, value in changed.items():
            written = fields[name]
            written.has_several |= SEVERAL in value
            if name in existing:
                self._forget(written, existing[name])
            self._place(written, value, 1, places)
        for place, pairs in places.items():
            self._database.execute(f"INSERT OR IGNORE INTO {result}_{place} (id) VALUES (?)", (id,))
            settings = ", ".join(f"{column} = ?" for column, _ in pairs)
            self._database.execute(
                f"UPDATE {result}_{place} SET {settings} WHERE id = ?", (*(each[0] for _, each in pairs), id)
            )
        self._tag(result, changed.get("tag", ""), range(id, id + 1))

    def add_taxa(self, taxa: Iterable[tuple[str, str, Iterable[str]]]) -> None:
        """Add taxa for look-ups: number, number of the one above, names."""
        for id, parent, names in taxa:
            self._database.execute("INSERT OR REPLACE INTO taxa VALUES (?, ?)", (id, parent))
            pairs = [(name.casefold(), id) for name in names if name]
            self._database.executemany("INSERT OR IGNORE INTO taxon_names VALUES (?, ?)", pairs)

    def finish(self) -> None:
        """Make the indexes, and write the file to its end."""
        self._begin()
        for result, fields in self._fields.items():
            for number, written in enumerate(fields.values()):
                self._describe(result, number, written)
            self._database.execute("INSERT INTO facts VALUES (?, ?)", (f"count {result}", str(self._last[result])))
        self._database.execute("INSERT INTO facts VALUES ('version', ?)", (VERSION,))
        self._database.execute("COMMIT")
        self._database.execute("PRAGMA analysis_limit=1000")
        self._database.execute("ANALYZE")
        self._database.close()

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def _declare(self, fields: dict[str, _Written], name: str, description: str, kind: Kind | None) -> None:
        place, column = divmod(len(fields), IN_ONE_TABLE)
        fields[name] = _Written(name, description, kind, place, column)

    def _begin(self) -> None:
        if self._begun:
            return
        self._begun = True
        for result, fields in self._fields.items():
            if not fields:
                self.declare(result, ())
            places = {written.place for written in fields.values()}
            for place in places:
                here = [written.column for written in fields.values() if written.place == place]
                columns = ", ".join(f"c{column} TEXT, n{column} REAL" for column in here)
                self._database.execute(f"CREATE TABLE {result}_{place} (id INTEGER PRIMARY KEY, {columns})")
        self._database.execute("BEGIN")

    def _place(
        self,
        written: _Written,
        column: Column,
        count: int,
        places: dict[int, list[tuple[str, Sequence[str | float | None]]]],
    ) -> None:
        """Put the values of a field among those of its table."""
        if isinstance(column, str):
            if not column:
                return
            numbers = written.look_at((column,))
            written.filled += count - 1
            written.numbers += (count - 1) * bool(numbers and numbers[0] is not None)
            written.dates += (count - 1) * (written.declared is None and is_date(column))
            texts: Sequence[str | None] = [column] * count
            numbers = None if numbers is None else numbers * count
        else:
            numbers = written.look_at(column)
            texts = [value or None for value in column]
        pairs = places.setdefault(written.place, [])
        pairs.append((f"c{written.column}", texts))
        if numbers is not None:
            pairs.append((f"n{written.column}", numbers))

    def _insert(
        self, result: str, place: int, ids: range, pairs: Sequence[tuple[str, Sequence[str | float | None]]]
    ) -> None:
        names = ", ".join(("id", *(name for name, _ in pairs)))
        marks = ", ".join("?" * (len(pairs) + 1))
        rows = zip(ids, *(values for _, values in pairs), strict=True)
        self._database.executemany(f"INSERT INTO {result}_{place} ({names}) VALUES ({marks})", rows)

    def _tag(self, result: str, column: Column, ids: range) -> None:
        if column:
            each = [column] * len(ids) if isinstance(column, str) else column
            rows = [(result, tag, id) for id, tags in zip(ids, each, strict=True) for tag in tags.split(";") if tag]
            self._database.executemany("INSERT OR IGNORE INTO tags VALUES (?, ?, ?)", rows)

    def _known(self, result: str, identity: str) -> int | None:
        query = "SELECT id FROM known WHERE identity = ?"
        row = self._database.execute(query, (_key(result, identity),)).fetchone()
        return None if row is None else int(row[0])

    def _values(self, result: str, id: int) -> dict[str, str]:
        found: dict[str, str] = {}
        for place in {written.place for written in self._fields[result].values()}:
            here = [written for written in self._fields[result].values() if written.place == place]
            columns = ", ".join(f"c{written.column}" for written in here)
            row = self._database.execute(f"SELECT {columns} FROM {result}_{place} WHERE id = ?", (id,)).fetchone()
            if row is not None:
                found |= {written.name: value for written, value in zip(here, row, strict=True) if value}
        return found

    def _forget(self, written: _Written, value: str) -> None:
        """Take a value back, which another takes the place of."""
        written.filled -= 1
        written.letters -= len(value)
        if written.declared != "text":
            written.numbers -= number_of(value) is not None
            written.dates -= written.declared is None and is_date(value)

    def _describe(self, result: str, number: int, written: _Written) -> None:
        """Write what is known of a field, and make its indexes."""
        few = written.values is not None and sum(map(len, written.values)) <= _SHARE
        if written.filled and (written.values is None or len(written.values) > 1):
            columns = ["n"] if written.kind == "number" else ["c", "n"] if written.numbers else ["c"]
            is_long = written.letters > _LONG * written.filled
            for letter in columns if not is_long else set(columns) - {"c"}:
                name = f"{letter}{written.column}"
                self._database.execute(
                    f"CREATE INDEX {result}_{written.place}_{name} ON {result}_{written.place} ({name})"
                )
        if written.filled and not few:
            write_texts(self._database, result, written.place, written.column)
        self._database.execute(
            "INSERT INTO fields VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                result,
                number,
                written.name,
                written.description,
                written.kind,
                written.place,
                written.column if written.filled else -1,
                int(written.numbers > 0),
                int(written.has_several),
                json.dumps(sorted(written.values)) if few and written.values is not None else None,
            ),
        )


def _key(result: str, identity: str) -> str:
    return f"{result}\0{identity}"


def _sum(first: str, second: str) -> str:
    whole = all(text.isascii() and text.isdigit() for text in (first, second))
    return str(int(first) + int(second)) if whole else first or second


def joined(first: str, second: str) -> str:
    """Return values of a field separated by semicolons, each once."""
    if not first or first == second:
        return second
    values = first.split(SEVERAL)
    return SEVERAL.join([*values, *(value for value in second.split(SEVERAL) if value not in values)])
