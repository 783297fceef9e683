"""Texts of a field of many values, kept a second time: a thousand joined to one are searched faster than rows."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import AnyStr

# No byte of UTF-8 is this one.
_BETWEEN = b"\xff"
_TOGETHER = 1_000
_MOST_FOUND = 10_000


def table_of(result: str, place: int, column: int) -> str:
    """Return the name of the table with the texts of a column."""
    return f"{result}_{place}_t{column}"


def write_texts(database: sqlite3.Connection, result: str, place: int, column: int) -> None:
    """Write the texts of a column, whose records are all there."""
    name = table_of(result, place, column)
    database.execute(f"CREATE TABLE {name} (id INTEGER PRIMARY KEY, texts BLOB)")
    cursor = database.execute(f"SELECT id, c{column} FROM {result}_{place} ORDER BY id")
    while rows := cursor.fetchmany(_TOGETHER):
        number, texts = rows[0][0], dict(rows)
        each = (texts.get(id) or "" for id in range(number, rows[-1][0] + 1))
        joined = _BETWEEN.join(text.encode() for text in each)
        database.execute(f"INSERT INTO {name} VALUES (?, ?)", (number, joined))


def find_texts(rows: Iterable[tuple[int, bytes]], parts: Sequence[str]) -> list[int] | None:
    """Return the ids of the texts that have parts in their order; None if they are so many that rows are as fast.

    Parameters
    ----------
    rows
        Ids of the first text, and texts, as they were written.
    parts
        What asterisks separate: the first is how a text begins, the last how it ends.
    """
    wanted = [part.encode() for part in parts]
    found: list[int] = []
    for id, texts in rows:
        found += (id + number for number in _numbers(texts, wanted))
        if len(found) > _MOST_FOUND:
            return None
    return found


def _numbers(texts: bytes, parts: Sequence[bytes]) -> Iterator[int]:
    """Yield the numbers of the texts that have the parts."""
    longest = max(parts, key=len)
    number = start = 0
    while (at := texts.find(longest, start)) >= 0:
        number += texts.count(_BETWEEN, start, at)
        start = texts.rfind(_BETWEEN, 0, at) + 1
        end = texts.find(_BETWEEN, at)
        end = len(texts) if end < 0 else end
        if is_like(texts[start:end], parts):
            yield number
        number, start = number + 1, end + 1


def is_like(text: AnyStr, parts: Sequence[AnyStr]) -> bool:
    """Return whether a text begins with the first part, ends with the last, and has the others in between in order.

    It takes a time that grows with the text alone, unlike a regular expression.
    """
    if len(parts) == 1:
        return text == parts[0]
    first, last = parts[0], parts[-1]
    at, end = len(first), len(text) - len(last)
    if at > end or not (text.startswith(first) and text.endswith(last)):
        return False
    for part in parts[1:-1]:
        at = text.find(part, at, end)
        if at < 0:
            return False
        at += len(part)
    return True
