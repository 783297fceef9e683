"""The index of an archive is written: an SQLite database with a table for each result."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from itertools import count as numbers_from
from pathlib import Path

from rnaget_server.archive import pieces
from rnaget_server.archive.columns import SEVERAL, Written, write_columns
from rnaget_server.archive.fields import RESULTS
from rnaget_server.model.kinds import Kind

VERSION = "4"
IN_ONE_TABLE = 400
"""So many fields are in one table of a result; SQLite has a bound of columns."""

_LISTS = ("sample_accession", "sample_alias", "run_accession", "experiment_accession", "analysis_accession")
# Large pages, for pieces of fields go through many; no journal, for a file that is not whole is not used.
_PRAGMAS = ("page_size=16384", "journal_mode=OFF", "synchronous=OFF", "cache_size=-65536", "temp_store=FILE")
_TABLES = """
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE fields (
    number INTEGER PRIMARY KEY, result TEXT, name TEXT, description TEXT, kind TEXT, place INTEGER,
    place_column INTEGER, has_numbers INTEGER, has_several INTEGER, is_many INTEGER, is_indexed INTEGER
);
CREATE TABLE taxa (id TEXT PRIMARY KEY, parent TEXT) WITHOUT ROWID;
CREATE TABLE taxon_names (name TEXT, id TEXT, PRIMARY KEY (name, id)) WITHOUT ROWID;
CREATE TEMP TABLE known (identity TEXT PRIMARY KEY, id INTEGER) WITHOUT ROWID;
"""
# Python makes no numbers of thousands of digits.
_MOST_DIGITS = 1_000
Column = str | Sequence[str]
"""The values of a field in some records, or the one that all have."""


class IndexWriter:
    """Writes an index; nothing of it is used before `finish`.

    Parameters
    ----------
    path
        The file, which is new.
    """

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        for pragma in _PRAGMAS:
            self._database.execute(f"PRAGMA {pragma}")
        self._database.executescript(_TABLES + pieces.TABLE)
        self._numbers = numbers_from()
        self._fields: dict[str, dict[str, Written]] = {result: {} for result in RESULTS}
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
        places: dict[int, list[tuple[str, Sequence[str | None]]]] = {0: []}
        for name, column in columns.items():
            if column:
                written = self._fields[result][name]
                texts = [column] * count if isinstance(column, str) else [value or None for value in column]
                places.setdefault(written.place, []).append((f"c{written.column}", texts))
        for place, pairs in places.items():
            self._insert(result, place, ids, pairs)

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
        places: dict[int, list[tuple[str, str]]] = {}
        for name, value in changed.items():
            written = fields[name]
            written.has_several |= SEVERAL in value
            places.setdefault(written.place, []).append((f"c{written.column}", value))
        for place, pairs in places.items():
            self._database.execute(f"INSERT OR IGNORE INTO {result}_{place} (id) VALUES (?)", (id,))
            settings = ", ".join(f"{column} = ?" for column, _ in pairs)
            self._database.execute(
                f"UPDATE {result}_{place} SET {settings} WHERE id = ?", (*(value for _, value in pairs), id)
            )

    def add_taxa(self, taxa: Iterable[tuple[str, str, Iterable[str]]]) -> None:
        """Add taxa for look-ups: number, number of the one above, names."""
        for id, parent, names in taxa:
            self._database.execute("INSERT OR REPLACE INTO taxa VALUES (?, ?)", (id, parent))
            pairs = [(name.casefold(), id) for name in names if name]
            self._database.executemany("INSERT OR IGNORE INTO taxon_names VALUES (?, ?)", pairs)

    def finish(self) -> None:
        """Write what searches read, and the file to its end."""
        self._begin()
        for result, fields in self._fields.items():
            write_columns(self._database, result, self._last[result], list(fields.values()))
            rows = (_row(result, written) for written in fields.values())
            self._database.executemany(f"INSERT INTO fields VALUES ({', '.join('?' * 11)})", rows)
            self._database.execute("INSERT INTO facts VALUES (?, ?)", (f"count {result}", str(self._last[result])))
        self._database.execute("INSERT INTO facts VALUES ('version', ?)", (VERSION,))
        self._database.execute("COMMIT")
        self._database.close()

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def _declare(self, fields: dict[str, Written], name: str, description: str, kind: Kind | None) -> None:
        place, column = divmod(len(fields), IN_ONE_TABLE)
        fields[name] = Written(next(self._numbers), name, description, kind, place, column)

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
                columns = ", ".join(f"c{column} TEXT" for column in here)
                self._database.execute(f"CREATE TABLE {result}_{place} (id INTEGER PRIMARY KEY, {columns})")
        self._database.execute("BEGIN")

    def _insert(self, result: str, place: int, ids: range, pairs: Sequence[tuple[str, Sequence[str | None]]]) -> None:
        names = ", ".join(("id", *(name for name, _ in pairs)))
        marks = ", ".join("?" * (len(pairs) + 1))
        rows = zip(ids, *(values for _, values in pairs), strict=True)
        self._database.executemany(f"INSERT INTO {result}_{place} ({names}) VALUES ({marks})", rows)

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


def _row(result: str, written: Written) -> tuple[str | int, ...]:
    """Return what is known of a field, as a row."""
    return (
        *(written.number, result, written.name, written.description, written.kind, written.place),
        written.column if written.is_filled else -1,
        *map(int, (written.has_numbers, written.has_several, written.is_many, written.is_indexed)),
    )


def _key(result: str, identity: str) -> str:
    return f"{result}\0{identity}"


def _sum(first: str, second: str) -> str:
    whole = all(text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS for text in (first, second))
    return str(int(first) + int(second)) if whole else first or second


def joined(first: str, second: str) -> str:
    """Return values of a field separated by semicolons, each once."""
    if not first or first == second:
        return second
    values = first.split(SEVERAL)
    return SEVERAL.join([*values, *(value for value in second.split(SEVERAL) if value not in values)])
