"""An index is read for searches: pieces of fields, values, and records, by one connection each."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, groupby
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnaget_server.archive import pieces
from rnaget_server.archive.clock import Clock
from rnaget_server.archive.pieces import Array, Part, key_of
from rnaget_server.archive.table import Field
from rnaget_server.archive.texts import Finder, join_texts
from rnaget_server.model.kinds import number_of

Row = tuple[str | None, ...]
Mask = NDArray[np.bool_]
"""Whether something holds for each of some records; of one element if it is the same for all of them."""

_PIECE = "SELECT type, data FROM pieces WHERE key = ?"
_BELOW = (
    "WITH RECURSIVE below(id) AS (SELECT ? UNION SELECT taxa.id FROM taxa JOIN below ON taxa.parent = below.id) "
    "SELECT id FROM below"
)


class Values:
    """The values of a field that has few, by their codes; 0 stands for none.

    Parameters
    ----------
    texts
        Those with the codes from 1 on.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = texts

    @cached_property
    def _codes(self) -> dict[str, int]:
        return {text: code for code, text in enumerate(self.texts, 1)}

    @cached_property
    def numbers(self) -> NDArray[np.float64]:
        """The numbers that they are; NaN for those that are none."""
        found = (number_of(text) for text in self.texts)
        return np.array([np.nan, *(np.nan if number is None else number for number in found)])

    @cached_property
    def _joined(self) -> bytes:
        return join_texts(self.texts)

    def found(self, find: Finder) -> Mask:
        """Return for which codes the value is found."""
        found = np.zeros(len(self.texts) + 1, bool)
        found[find(self._joined) + 1] = True
        return found

    def among(self, texts: Iterable[str]) -> Mask:
        """Return for which codes the value is one of some texts."""
        found = np.zeros(len(self.texts) + 1, bool)
        found[[code for code in map(self._codes.get, texts) if code is not None]] = True
        return found

    @cached_property
    def order(self) -> NDArray[np.uint16]:
        """For each code, the place of its value among all in the order of texts."""
        ranks = np.zeros(len(self.texts) + 1, np.uint16)
        ranks[sorted(range(1, len(ranks)), key=lambda code: self.texts[code - 1])] = np.arange(1, len(ranks))
        return ranks

    @cached_property
    def number_order(self) -> NDArray[np.uint16]:
        """For each code, the place of its number among all numbers; 0 where it is none."""
        _, places = np.unique(np.nan_to_num(self.numbers, nan=-np.inf), return_inverse=True)
        return places.astype(np.uint16)


class Reader:
    """Reads an index by a connection that nobody else uses meanwhile.

    Parameters
    ----------
    database
        The connection.
    result
        The result that is read.
    values
        Returns the values of a field that has few, by its number.
    clock
        Says if reading is to end.
    """

    def __init__(
        self,
        database: sqlite3.Connection,
        result: str,
        values: Callable[[int], Values],
        clock: Clock,
    ) -> None:
        self._database = database
        self._result = result
        self._values = values
        self.clock = clock
        """Says if reading is to end."""

    def values(self, field: Field) -> Values:
        """Return the values of a field that has few."""
        return self._values(field.number)

    def piece(self, field: int, part: Part, start: int) -> Array | None:
        """Return a piece of a field, of one element if all are equal; None if no record there has a value."""
        self.clock.check()
        row = self._database.execute(_PIECE, (key_of(field, part, start),)).fetchone()
        try:
            return None if row is None else np.frombuffer(row[1], row[0])
        except (TypeError, ValueError) as error:
            raise sqlite3.DataError(str(error)) from None

    def texts(self, field: int, start: int, end: int) -> Iterator[tuple[int, bytes]]:
        """Yield joined texts of a field, each with the number of its first record, counted from 0."""
        first, last = key_of(field, Part.TEXTS, start), key_of(field, Part.TEXTS, end)
        query = "SELECT key, data FROM pieces WHERE key >= ? AND key < ?"
        for key, data in self._database.execute(query, (first, last)):
            self.clock.check()
            yield start + key - first, data

    def having(self, field: Field, texts: Iterable[str]) -> NDArray[np.int64]:
        """Return the numbers of the records, counted from 0, whose value in an indexed field is one of some texts."""
        query = (
            f"SELECT id - 1 FROM {self._result}_{field.place} "
            f"WHERE c{field.column} IN (SELECT value FROM json_each(?)) ORDER BY id"
        )
        rows = self._database.execute(query, (json.dumps(list(texts)),))
        return np.fromiter(chain.from_iterable(rows), np.int64)

    def taxa_named(self, name: str) -> list[str]:
        """Return the numbers of the taxa of a name."""
        rows = self._database.execute("SELECT id FROM taxon_names WHERE name = ?", (name.casefold(),))
        return [row[0] for row in rows]

    def taxa_below(self, id: str) -> Iterator[str]:
        """Yield the number of a taxon, and those of all below it."""
        return (row[0] for row in self._database.execute(_BELOW, (id,)))

    def rows(self, records: NDArray[np.int64], fields: Sequence[Field]) -> list[Row]:
        """Return the values of records, counted from 0, in fields."""
        ids = json.dumps((records + 1).tolist())
        # Table by table: SQLite has bounds of tables and of columns.
        order = sorted(range(len(fields)), key=lambda at: fields[at].place)
        parts = []
        for place, here in groupby((fields[at] for at in order), key=lambda field: field.place):
            columns = ", ".join(f"c{field.column}" if field.column >= 0 else "NULL" for field in here)
            tables = f"json_each(?) AS wanted LEFT JOIN {self._result}_{place} AS record ON record.id = wanted.value"
            parts.append(self._database.execute(f"SELECT {columns} FROM {tables}", (ids,)).fetchall())
        if len(parts) == 1:
            return parts[0]
        pick = itemgetter(*np.argsort(order).tolist())
        return [pick(tuple(chain.from_iterable(each))) for each in zip(*parts, strict=True)]


@dataclass(frozen=True)
class Block:
    """Some records that follow one another, counted from 0: from `start`, `size` of them."""

    reader: Reader
    start: int
    size: int

    def codes(self, field: Field) -> Array:
        """Return the codes of the values of a field."""
        found = self.reader.piece(field.number, Part.CODES, self.start)
        return np.zeros(1, np.uint8) if found is None else found

    def numbers(self, field: Field) -> NDArray[Any]:
        """Return the numbers of a field of many values; NaN where there is none."""
        found = self.reader.piece(field.number, Part.NUMBERS, self.start)
        return np.full(1, np.nan) if found is None else found

    def order(self, field: Field) -> NDArray[Any]:
        """Return numbers that are in the order of the values of a field; the least where there is none."""
        if field.is_many:
            return np.nan_to_num(self.numbers(field), nan=-np.inf) if field.kind == "number" else self.codes(field)
        values = self.reader.values(field)
        order = values.number_order if field.kind == "number" else values.order
        return order.take(self.codes(field))

    def texts(self, field: Field) -> Iterator[tuple[int, bytes]]:
        """Yield joined texts, each with the number of the first in the block."""
        found = self.reader.texts(field.number, self.start, self.start + self.size)
        return ((first - self.start, texts) for first, texts in found)


def blocks(reader: Reader, count: int) -> Iterator[Block]:
    """Yield all records of a result block by block."""
    for start in range(0, count, pieces.BLOCK):
        yield Block(reader, start, min(pieces.BLOCK, count - start))
