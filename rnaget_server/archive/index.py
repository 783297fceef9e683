"""The index of an archive is read: records of a result that a query is for, and how many there are."""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from rnaget_server.archive.clock import Clock
from rnaget_server.archive.conditions import Compiler
from rnaget_server.archive.fields import RESULTS
from rnaget_server.archive.grammar import Condition
from rnaget_server.archive.masks import Always, Test, opposite, together
from rnaget_server.archive.pieces import Part, key_of
from rnaget_server.archive.reading import Reader, Row, Values, blocks
from rnaget_server.archive.selecting import Records, count, in_order, select
from rnaget_server.archive.table import Field, FieldTable
from rnaget_server.archive.writing import VERSION
from rnaget_server.errors import InvalidQuery, Unavailable

_log = logging.getLogger(__name__)
_ROWS = 500
_MOST_SORTED = 8
_MOST_IDLE = 8
_MOST_VALUES = 64
_CACHE_KIB = 8 << 10
_STEPS = 20_000
_NONE = np.empty(0, np.int64)


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
    remove
        Removes the file; this keeps it, and with it what it is a method of.

    Raises
    ------
    OSError
        If the file is no index of this version.
    """

    def __init__(self, path: Path, remove: Callable[[], None] | None = None) -> None:
        self._remove = remove
        self._address = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
        self._idle: list[sqlite3.Connection] = []
        self._lock = threading.Lock()
        # Without a reference to itself, so that the file is free as soon as no request uses this.
        self._values = lru_cache(_MOST_VALUES)(partial(ArchiveIndex._read_values, weakref.proxy(self)))
        self._sorting = threading.Lock()
        self.path = path
        self.is_damaged = False
        """True once something could not be read."""

        try:
            self._facts = dict(self._rows("SELECT name, value FROM facts"))
            if self._facts.get("version") != VERSION:
                raise OSError("the index of the archive is of another version")
            self._tables = {result: self._read_fields(result) for result in RESULTS}
        except Unavailable as error:
            raise OSError(str(error)) from None

    def fields(self, result: str) -> FieldTable:
        """Return the fields of a result."""
        return self._tables[result]

    def number_of_records(self, result: str) -> int:
        """Return how many records a result has."""
        return int(self._facts[f"count {result}"])

    def taxa_named(self, name: str) -> list[str]:
        """Return the numbers of the taxa of a name."""
        with self._reader("taxon") as reader:
            return reader.taxa_named(name)

    def count(self, search: Search, is_cancelled: Callable[[], bool] = lambda: False) -> int:
        """Return how many records there are, without regard to the limit.

        Raises
        ------
        InvalidQuery
            If a field is not known, or cannot be compared so.
        """
        with self._reader(search.result, is_cancelled) as reader:
            test = self._test(search, reader)
            return count(test, blocks(reader, self.number_of_records(search.result)))

    def records(
        self, search: Search, fields: Sequence[Field], is_cancelled: Callable[[], bool] = lambda: False
    ) -> Iterator[list[Row]]:
        """Yield the values that records have in fields, some records at a time.

        Raises
        ------
        InvalidQuery
            If a field is not known, or cannot be compared or sorted by so; before the first record.
        """
        keys = self._keys(search)
        with self._reader(search.result, is_cancelled) as reader:
            test = self._test(search, reader)
        return self._records(search, test, keys, fields, is_cancelled)

    def _records(
        self,
        search: Search,
        test: Test,
        keys: Sequence[Field],
        fields: Sequence[Field],
        is_cancelled: Callable[[], bool],
    ) -> Iterator[list[Row]]:
        with self._reader(search.result, is_cancelled) as reader:
            size, end = self.number_of_records(search.result), search.offset + search.limit if search.limit else None
            if keys:
                found = np.concatenate([_NONE, *select(test, blocks(reader, size))])
                # One after the other, so that they do not take the memory of all together.
                with self._sorting:
                    found = in_order(found, blocks(reader, size), keys, search.descending)[search.offset : end].copy()
                batches: Iterable[Records] = (found,)
            else:
                batches = select(test, blocks(reader, size), search.offset, end)
            for records in batches:
                for start in range(0, len(records), _ROWS):
                    yield reader.rows(records[start : start + _ROWS], fields)
                    reader.clock.start()

    def remove(self) -> None:
        """Remove the file, if that is known how."""
        if self._remove is not None:
            self._remove()

    def close(self) -> None:
        """Close what is not in use."""
        with self._lock:
            while self._idle:
                self._idle.pop().close()

    def _test(self, search: Search, reader: Reader) -> Test:
        """Return what judges records by a condition, and by values that are wanted and not wanted."""
        fields = self.fields(search.result)
        compiler = Compiler(fields, reader)
        tests = [] if search.condition is None else [compiler.compile(search.condition)]
        if search.include is not None:
            tests.append(compiler.among(fields.get(search.include[0]), search.include[1]))
        if search.exclude is not None:
            tests.append(opposite(compiler.among(fields.get(search.exclude[0]), search.exclude[1])))
        return together(tests, True) if tests else Always(True)

    def _keys(self, search: Search) -> list[Field]:
        """Return the fields that records are sorted by."""
        if len(search.sort) > _MOST_SORTED:
            raise InvalidQuery(f"sortFields names more than {_MOST_SORTED} fields")
        table = self.fields(search.result)
        keys = list(map(table.get, search.sort))
        computed = next((key.name for key in keys if key.is_computed), None)
        if computed is not None:
            raise InvalidQuery(f"{computed} is in replies only, and nothing is sorted by it")
        return [key for key in keys if key.column >= 0]

    def _read_fields(self, result: str) -> FieldTable:
        query = (
            "SELECT name, description, kind, place, place_column, number, "
            "has_numbers, has_several, is_many, is_indexed FROM fields WHERE result = ? ORDER BY number"
        )
        return FieldTable(Field(*row[:6], *map(bool, row[6:])) for row in self._rows(query, (result,)))

    def _read_values(self, field: int) -> Values:
        try:
            ((data,),) = self._rows("SELECT data FROM pieces WHERE key = ?", (key_of(field, Part.VALUES),))
            return Values(json.loads(data))
        except ValueError as error:
            raise sqlite3.DataError(str(error)) from None

    def _rows(self, query: str, parameters: Sequence[str | int] = ()) -> list[tuple[Any, ...]]:
        with self._connection(Clock()) as connection:
            return connection.execute(query, parameters).fetchall()

    @contextmanager
    def _reader(self, result: str, is_cancelled: Callable[[], bool] = lambda: False) -> Iterator[Reader]:
        clock = Clock(is_cancelled)
        with self._connection(clock) as connection:
            yield Reader(connection, result, self._values, clock)

    @contextmanager
    def _connection(self, clock: Clock) -> Iterator[sqlite3.Connection]:
        """Yield a connection that nobody else uses meanwhile, which stops when a clock says so."""
        with self._lock:
            connection = self._idle.pop() if self._idle else None
        try:
            if connection is None:
                connection = sqlite3.connect(self._address, uri=True, check_same_thread=False, isolation_level=None)
                connection.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
            connection.set_progress_handler(clock.has_ended, _STEPS)
            yield connection
            connection.set_progress_handler(None, 0)
        except sqlite3.Error as error:
            clock.check()
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
