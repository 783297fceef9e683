"""The fields of a result are written a second time for searches, once all records are there: see `pieces`."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rnaget_server.archive import pieces
from rnaget_server.archive.pieces import Array, Part, key_of, packed
from rnaget_server.archive.texts import join_texts
from rnaget_server.model.kinds import Kind, is_date, number_of

SEVERAL = ";"
"""Separates the values of a field that has several."""

# Up to so many values, with so many letters, are few.
_FEW = 20_000
_SHARE = 256 << 10
_LONG = 120
_ROWS = 1_000
_AT_ONCE = 50


@dataclass
class Written:
    """A field while it is written: where it is, and what its values are.

    Attributes
    ----------
    number
        Its number among all fields of all results.
    name, description
        For people.
    declared
        What its values are; None if that is to be found out.
    place, column
        Its table of the result, and its column there.
    may_have_several, has_several
        Whether a semicolon separates values, if there is one; whether it does.
    is_filled, is_many, is_indexed
        Whether it has values, very many of them, and an index of SQLite.
    """

    number: int
    name: str
    description: str
    declared: Kind | None
    place: int
    column: int
    may_have_several: bool = False
    has_several: bool = False
    is_filled: bool = False
    is_many: bool = False
    is_indexed: bool = False
    has_numbers: bool = False
    _is_other: bool = False
    _is_undated: bool = False

    @property
    def kind(self) -> Kind:
        """The kind of its values."""
        if self.declared is not None:
            return self.declared
        if not self.is_filled or (self._is_other and self._is_undated):
            return "text"
        return "date" if self._is_other else "number"

    def look_at(self, text: str) -> float:
        """Take account of a value, and return the number that it is; NaN if it is none."""
        self.is_filled = True
        has_several = SEVERAL in text and (self.has_several or self.may_have_several)
        self.has_several |= has_several
        if self.declared == "text":
            return math.nan
        parts = text.split(SEVERAL) if has_several else (text,)
        # No finite number begins with a letter, and most texts do.
        numbers = [None if part[:1].isalpha() else number_of(part) for part in parts]
        is_number = None not in numbers
        self.has_numbers |= is_number
        self._is_other |= not is_number
        self._is_undated = self._is_undated or not all(map(is_date, parts))
        return math.nan if has_several or numbers[0] is None else numbers[0]


def write_columns(database: sqlite3.Connection, result: str, count: int, fields: Sequence[Written]) -> None:
    """Write the values of fields of a result, and find out what they are."""
    for place in sorted({field.place for field in fields}):
        here = [field for field in fields if field.place == place]
        for at in range(0, len(here), _AT_ONCE):
            _write_few(database, f"{result}_{place}", count, here[at : at + _AT_ONCE])
    for field in fields:
        if field.is_many:
            _write_many(database, f"{result}_{field.place}", count, field)


class _Coder:
    """Gives each value of a field a number, as long as they are few."""

    def __init__(self) -> None:
        self.codes: dict[str | None, int] = {None: 0}
        self.is_many = False
        self._letters = 0

    def encode(self, column: Sequence[str | None]) -> list[int]:
        """Return the codes of values."""
        found = list(map(self.codes.get, column))
        if None in found:
            for value in column:
                if value not in self.codes:
                    self.codes[value] = len(self.codes)
                    self._letters += len(value or "")
            self.is_many = len(self.codes) > _FEW + 1 or self._letters > _SHARE
            found = list(map(self.codes.get, column))
        return found  # type: ignore[return-value]


def _write_few(database: sqlite3.Connection, table: str, count: int, fields: Sequence[Written]) -> None:
    """Write the codes of fields; those that have too many values are known then."""
    coders = [_Coder() for _ in fields]
    query = f"SELECT id, {', '.join(f'c{field.column}' for field in fields)} FROM {table} WHERE id > ? AND id <= ?"
    for start in range(0, count, pieces.BLOCK):
        size = min(pieces.BLOCK, count - start)
        codes = np.zeros((len(fields), size), np.uint16)
        cursor = database.execute(query, (start, start + size))
        while rows := cursor.fetchmany(_ROWS):
            ids, *columns = zip(*rows, strict=True)
            at = np.array(ids) - (start + 1)
            for coder, row, column in zip(coders, codes, columns, strict=True):
                if not coder.is_many and any(column):
                    encoded = coder.encode(column)
                    if not coder.is_many:
                        row[at] = encoded
        for field, coder, row in zip(fields, coders, codes, strict=True):
            if not coder.is_many and row.any():
                _insert(database, key_of(field.number, Part.CODES, start), row)
    for field, coder in zip(fields, coders, strict=True):
        field.is_many = coder.is_many
        if coder.is_many:
            keys = (key_of(field.number, Part.CODES), key_of(field.number, Part.NUMBERS))
            database.execute("DELETE FROM pieces WHERE key >= ? AND key < ?", keys)
            continue
        values = [value for value in coder.codes if value is not None]
        for value in values:
            field.look_at(value)
        if values:
            piece = (key_of(field.number, Part.VALUES), "json", json.dumps(values).encode())
            database.execute("INSERT INTO pieces VALUES (?, ?, ?)", piece)


def _write_many(database: sqlite3.Connection, table: str, count: int, field: Written) -> None:
    """Write the places of the values in their order, the numbers that they are, and the values joined."""
    column = f"c{field.column}"
    ((letters,),) = database.execute(f"SELECT avg(length({column})) FROM {table}")
    field.is_indexed = letters <= _LONG
    if field.is_indexed:
        database.execute(f"CREATE INDEX {table}_{column} ON {table} ({column})")
    ranks, numbers = np.zeros(count, np.uint32), np.full(count, math.nan)
    rank, number, last = 0, math.nan, None
    cursor = database.execute(f"SELECT id, {column} FROM {table} WHERE {column} IS NOT NULL ORDER BY {column}")
    while rows := cursor.fetchmany(_ROWS):
        found = []
        for id, text in rows:
            if text != last:
                rank, last, number = rank + 1, text, field.look_at(text)
            found.append((id - 1, rank, number))
        ids, some_ranks, some_numbers = zip(*found, strict=True)
        at = np.array(ids)
        ranks[at], numbers[at] = some_ranks, some_numbers
    _insert_all(database, field.number, Part.CODES, ranks)
    if field.has_numbers:
        _insert_all(database, field.number, Part.NUMBERS, numbers)
    cursor = database.execute(f"SELECT id, {column} FROM {table} WHERE {column} IS NOT NULL ORDER BY id")
    texts: dict[int, str] = {}
    start = 0
    for id, text in cursor:
        if id > start + pieces.TOGETHER:
            _insert_texts(database, field.number, start, texts)
            start, texts = (id - 1) // pieces.TOGETHER * pieces.TOGETHER, {}
        texts[id - 1 - start] = text
    _insert_texts(database, field.number, start, texts)


def _insert_all(database: sqlite3.Connection, field: int, part: Part, values: Array) -> None:
    for start in range(0, len(values), pieces.BLOCK):
        _insert(database, key_of(field, part, start), values[start : start + pieces.BLOCK])


def _insert(database: sqlite3.Connection, key: int, values: Array) -> None:
    database.execute("INSERT INTO pieces VALUES (?, ?, ?)", (key, *packed(values)))


def _insert_texts(database: sqlite3.Connection, field: int, start: int, texts: dict[int, str]) -> None:
    if texts:
        joined = join_texts(texts.get(number) for number in range(max(texts) + 1))
        database.execute("INSERT INTO pieces VALUES (?, ?, ?)", (key_of(field, Part.TEXTS, start), "texts", joined))
