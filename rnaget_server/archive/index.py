"""The index of an archive is read: records of a result that a query is for, and how many there are."""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from time import monotonic
from typing import Any

from rnaget_server.archive.conditions import Compiled, Compiler, Field, FieldTable
from rnaget_server.archive.fields import RESULTS
from rnaget_server.archive.grammar import Condition
from rnaget_server.archive.texts import find_texts, table_of
from rnaget_server.archive.writing import VERSION
from rnaget_server.errors import InvalidQuery, Unavailable
from rnaget_server.model.cancellation import Cancelled

_log = logging.getLogger(__name__)
Row = tuple[str | None, ...]
_ROWS = 500
_MOST_SORTED = 8
# SQLite takes 2,000 columns, and 64 tables.
_MOST_COLUMNS = 1_200
_MOST_IDLE = 8
_CACHE_KIB = 8 << 10
_STEPS = 20_000
_SECONDS = 30
_OF_QUERIES = (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_TOOBIG)


@dataclass(frozen=True)
class Search:
    """The records that are wanted.

    Attributes
    ----------
    result
        Their kind.
    condition
        Holds for them; None for all.
    include, exclude
        The field and the values of which they have one, or none.
    sort
        The fields that they are sorted by.
    descending
        Whether from the greatest on.
    limit
        How many at most; 0: all.
    offset
        How many come before the first.
    """

    result: str
    condition: Condition | None = None
    include: tuple[str, Sequence[str]] | None = None
    exclude: tuple[str, Sequence[str]] | None = None
    sort: Sequence[str] = field(default=())
    descending: bool = False
    limit: int = 0
    offset: int = 0


class ArchiveIndex:
    """An index that is whole. Safe to share among threads.

    Parameters
    ----------
    path
        The file.
    keeper
        Is kept as long as this, so that the file stays.

    Raises
    ------
    OSError
        If the file is no index of this version.
    """

    def __init__(self, path: Path, keeper: object = None) -> None:
        self._keeper = keeper
        self._address = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
        self._idle: list[sqlite3.Connection] = []
        self._lock = threading.Lock()
        self.fields = cache(self._fields)
        """Returns the fields of a result."""
        self.path = path
        self.is_damaged = False
        """True once something could not be read."""

        try:
            self._facts = dict(self._rows("SELECT name, value FROM facts"))
            if self._facts.get("version") != VERSION:
                raise OSError("the index of the archive is of another version")
            for result in RESULTS:
                self.fields(result)
        except (Unavailable, InvalidQuery) as error:
            raise OSError(str(error)) from None

    def number_of_records(self, result: str) -> int:
        """Return how many records a result has."""
        return int(self._facts[f"count {result}"])

    def taxa_named(self, name: str) -> list[str]:
        """Return the numbers of the taxa of a name."""
        return [row[0] for row in self._rows("SELECT id FROM taxon_names WHERE name = ?", (name.casefold(),))]

    def count(self, search: Search, is_cancelled: Callable[[], bool] = lambda: False) -> int:
        """Return how many records there are, without regard to the limit.

        Raises
        ------
        InvalidQuery
            If a field is not known, or cannot be compared so.
        """
        compiled = self._compiled(search, is_cancelled)
        query = f"SELECT count(*) FROM {_tables(search.result, compiled.places)} WHERE {compiled.sql}"
        return int(self._rows(query, compiled.parameters, is_cancelled)[0][0])

    def records(
        self, search: Search, fields: Sequence[Field], is_cancelled: Callable[[], bool] = lambda: False
    ) -> Iterator[list[Row]]:
        """Yield the values that records have in fields, some records at a time.

        Raises
        ------
        InvalidQuery
            If a field is not known, or cannot be compared or sorted by so; before the first record.
        """
        compiled = self._compiled(search, is_cancelled)
        order = self._order(search, compiled)
        # SQLite would sort whole rows, not only what they are sorted by.
        is_apart = bool(order) or len(fields) > _MOST_COLUMNS
        columns = ["p0.id", "p0.id"] if is_apart else ["p0.id"]
        for wanted in fields if not is_apart else ():
            if wanted.column >= 0:
                compiled.places.add(wanted.place)
                columns.append(wanted.text)
        query = (
            f"SELECT {', '.join(columns)} FROM {_tables(search.result, compiled.places)} WHERE {compiled.sql}"
            f"{order} LIMIT {search.limit or -1} OFFSET {search.offset}"
        )
        if is_apart:
            ids = self._batches(query, compiled.parameters, (), is_cancelled)
            return (self._apart(search.result, [row[0] for row in rows], fields) for rows in ids)
        return self._batches(query, compiled.parameters, fields, is_cancelled)

    def _apart(self, result: str, ids: Sequence[str | None], fields: Sequence[Field]) -> list[Row]:
        """Return the values of records in their order, table by table."""
        found: dict[str | None, list[str | None]] = {id: [None] * len(fields) for id in ids}
        for place in {wanted.place for wanted in fields}:
            here = [(at, wanted) for at, wanted in enumerate(fields) if wanted.place == place and wanted.column >= 0]
            columns = ", ".join(("id", *(f"c{wanted.column}" for _, wanted in here)))
            query = f"SELECT {columns} FROM {result}_{place} WHERE id IN (SELECT value FROM json_each(?))"
            for id, *values in self._rows(query, (json.dumps(ids),)):
                for (at, _), value in zip(here, values, strict=True):
                    found[id][at] = value
        return [tuple(values) for values in found.values()]

    def close(self) -> None:
        """Close what is not in use."""
        with self._lock:
            while self._idle:
                self._idle.pop().close()

    def _batches(
        self, query: str, parameters: Sequence[str | float], fields: Sequence[Field], is_cancelled: Callable[[], bool]
    ) -> Iterator[list[Row]]:
        empty = [number for number, wanted in enumerate(fields) if wanted.column < 0]
        with self._connection(is_cancelled) as (connection, clock):
            cursor = connection.execute(query, parameters)
            while rows := cursor.fetchmany(_ROWS):
                yield [_with_empty(row[1:], empty) for row in rows] if empty else [row[1:] for row in rows]
                clock.start()

    def _compiled(self, search: Search, is_cancelled: Callable[[], bool]) -> Compiled:
        fields = self.fields(search.result)
        compiler = Compiler(fields, self.taxa_named, partial(self._find_texts, search.result, is_cancelled))
        compiled = compiler.compile(search.condition)
        for which, sign in ((search.include, ""), (search.exclude, "IS NOT TRUE")):
            if which is not None:
                among = compiler.among(fields.get(which[0]), which[1])
                compiled.sql = f"({compiled.sql}) AND ({among}) {sign}"
        return compiled

    def _find_texts(
        self, result: str, is_cancelled: Callable[[], bool], field: Field, parts: Sequence[str]
    ) -> list[int] | None:
        query = f"SELECT id, texts FROM {table_of(result, field.place, field.column)} ORDER BY id"
        with self._connection(is_cancelled) as (connection, _):
            return find_texts(connection.execute(query), parts)

    def _order(self, search: Search, compiled: Compiled) -> str:
        table = self.fields(search.result)
        if len(search.sort) > _MOST_SORTED:
            raise InvalidQuery(f"sortFields names more than {_MOST_SORTED} fields")
        way = "DESC" if search.descending else "ASC"
        columns = []
        for found in map(table.get, search.sort):
            if found.column >= 0:
                compiled.places.add(found.place)
                columns.append(f"{found.number if found.kind == 'number' else found.text} {way}")
        return f" ORDER BY {', '.join((*columns, f'p0.id {way}'))}" if columns else ""

    def _fields(self, result: str) -> FieldTable:
        query = (
            "SELECT name, description, kind, place, place_column, has_numbers, has_several, few_values FROM fields "
            "WHERE result = ? ORDER BY number"
        )
        return FieldTable(
            RESULTS[result].id,
            (
                Field(name, description, kind, place, column, bool(numbers), bool(several), _values_in(few))
                for name, description, kind, place, column, numbers, several, few in self._rows(query, (result,))
            ),
        )

    def _rows(
        self,
        query: str,
        parameters: Sequence[str | float] = (),
        is_cancelled: Callable[[], bool] = lambda: False,
    ) -> list[tuple[Any, ...]]:
        with self._connection(is_cancelled) as (connection, _):
            return connection.execute(query, parameters).fetchall()

    @contextmanager
    def _connection(
        self, is_cancelled: Callable[[], bool] = lambda: False
    ) -> Iterator[tuple[sqlite3.Connection, _Clock]]:
        """Yield a connection that nobody else uses meanwhile, which stops when that is cancelled or takes too long."""
        clock = _Clock()
        with self._lock:
            connection = self._idle.pop() if self._idle else None
        try:
            if connection is None:
                connection = sqlite3.connect(self._address, uri=True, check_same_thread=False, isolation_level=None)
                connection.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
            connection.set_progress_handler(lambda: is_cancelled() or clock.has_run_out(), _STEPS)
            yield connection, clock
            connection.set_progress_handler(None, 0)
        except sqlite3.Error as error:
            if is_cancelled():
                raise Cancelled from None
            if clock.has_run_out():
                raise InvalidQuery(f"Invalid query: it takes more than {_SECONDS} seconds: ask for less") from None
            if getattr(error, "sqlite_errorcode", None) in _OF_QUERIES:
                raise InvalidQuery("Invalid query: it has too many conditions, or is nested too deep") from None
            self.is_damaged = True
            _log.error("the index of the archive cannot be read: %s", error)
            raise Unavailable("the index of the archive cannot be read at the moment: ask again") from None
        except GeneratorExit:
            raise
        else:
            with self._lock:
                if len(self._idle) < _MOST_IDLE:
                    self._idle.append(connection)
                    connection = None
        finally:
            if connection is not None:
                connection.close()


class _Clock:
    """The time that a part of a reply takes, which is bounded: a query of thousands of patterns takes hours."""

    def __init__(self) -> None:
        self.start()

    def start(self) -> None:
        """Begin with the next part."""
        self._end = monotonic() + _SECONDS

    def has_run_out(self) -> bool:
        """Return whether it has taken too long."""
        return monotonic() > self._end


def _values_in(few: str | None) -> frozenset[str] | None:
    return None if few is None else frozenset(json.loads(few))


def _tables(result: str, places: set[int]) -> str:
    others = sorted(places - {0})
    return " ".join(
        (f"{result}_0 AS p0", *(f"LEFT JOIN {result}_{place} AS p{place} ON p{place}.id = p0.id" for place in others))
    )


def _with_empty(row: Row, empty: Sequence[int]) -> Row:
    values = list(row)
    for number in empty:
        values.insert(number, None)
    return tuple(values)
