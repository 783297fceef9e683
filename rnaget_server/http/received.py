"""The parameters of a request: those in its URL, and those that are sent as a JSON object by POST."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from itertools import repeat
from operator import itemgetter
from typing import Any

from rnaget_server.errors import InvalidQuery, shown
from rnaget_server.http.workload import LARGE_BYTES
from rnaget_server.model.limits import MAX_VALUES, check_values, too_many_values
from rnaget_server.model.lists import SEPARATOR, exact
from rnaget_server.model.memory import MemoryReservation
from rnaget_server.query.json_object import NestedValue, RepeatedName, TooManyValues, read_object
from rnaget_server.query.plus import refuse_blanks
from rnaget_server.query.strings import Pair, query_pairs

# So many pairs are made before others have their turn.
_AT_ONCE = 1 << 14


@dataclass
class ReceivedParameters:
    """The parameters of a request as they came; they are read when a handler asks for it.

    Attributes
    ----------
    query
        What follows the question mark of the URL.
    body
        What was posted.
    memory
        What they take.
    example
        A body, for the messages of errors.
    """

    query: bytes
    body: bytes = b""
    memory: MemoryReservation | None = None
    example: str = "{}"

    @property
    def size(self) -> int:
        """Number of bytes."""
        return len(self.query) + len(self.body)

    @property
    def is_large(self) -> bool:
        """True if to read it takes so long that others shall not wait."""
        return self.size > LARGE_BYTES

    def names_any_of(self, names: Collection[str]) -> bool:
        """Return whether one of these parameters is given."""
        return bool(names) and any(name in names for name, _ in self.pairs)

    @cached_property
    def pairs(self) -> list[Pair]:
        """Names and values: those of the URL, then those that were posted.

        Raises
        ------
        InvalidQuery
            If the body is no JSON object of texts, numbers and lists of them.
        ResultTooLarge
            If there are too many values.
        """
        if self.is_large:
            check_values(self.query.count(b"&"))
        found = query_pairs(self.query.decode("latin-1"))
        if b"+" in self.query:
            refuse_blanks(self.query, found)
        if self.body.strip():
            found += _pairs(_parsed(self.body, self.example))
        if self.is_large:
            text = "".join(map(itemgetter(1), found))
            check_values(len(found) + text.count(",") + text.count(SEPARATOR))
        return found

    def forget(self) -> None:
        """Give back the memory, once all was looked up."""
        self.query = self.body = b""
        self.__dict__.pop("pairs", None)
        if self.memory is not None:
            self.memory.release()


def _parsed(body: bytes, example: str) -> dict[str, Any]:
    try:
        text = body.decode(json.detect_encoding(body), "surrogatepass")
        if text.lstrip(" \t\n\r")[:1] != "{":
            _check_other(text, example)
        return read_object(text, MAX_VALUES)
    except NestedValue as error:
        name, *inner = error.args
        if not inner:
            raise InvalidQuery(_wrong_kind(name)) from None
        text = f"{shown(name)} must give {shown(inner[0])} a number: what is nested deeper is not JSON of parameters"
        raise InvalidQuery(text) from None
    except RepeatedName:
        raise InvalidQuery("a name occurs twice in the body: give a list instead") from None
    except TooManyValues:
        raise too_many_values() from None
    except ValueError as error:
        place = f" (line {error.lineno}, column {error.colno})" if isinstance(error, json.JSONDecodeError) else ""
        raise InvalidQuery(f"the body is not JSON{place}: send an object such as {example}") from None


def _check_other(text: str, example: str) -> None:
    """Refuse what is no object: as something else, or as no JSON at all if it is short enough to check."""
    if len(text) <= LARGE_BYTES:
        try:
            json.loads(text)
        except RecursionError:
            raise ValueError from None
    raise InvalidQuery(f"the body must be a JSON object, such as {example}")


def _pairs(parsed: dict[str, Any]) -> list[Pair]:
    pairs: list[Pair] = []
    for name, value in parsed.items():
        if isinstance(value, dict):
            pairs.append((name, json.dumps(value, separators=(",", ":"))))
        elif isinstance(value, list):
            if not value:
                raise InvalidQuery(f"the list {name} is empty: name at least one value, or leave it out")
            texts = _list(name, value)
            for start in range(0, len(texts), _AT_ONCE):
                pairs += zip(repeat(name), texts[start : start + _AT_ONCE])
        else:
            pairs.append((name, _text(name, value)))
    return pairs


def _list(name: str, values: list[Any]) -> list[str]:
    """Return the values of a list; those of most are short texts, which one check of all of them shows."""
    if set(map(type, values)) == {str}:
        text = "".join(values)
        if text.isascii() and "," not in text:
            return values
    return [exact(_text(name, value)) for value in values]


def _text(name: str, value: Any) -> str:
    if isinstance(value, str):
        if not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value):
            raise InvalidQuery(f"{name} holds half a character (\\ud800 to \\udfff alone): send whole ones")
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(int(value)) if isinstance(value, float) and value.is_integer() else repr(value)
    raise InvalidQuery(_wrong_kind(name))


def _wrong_kind(name: str) -> str:
    return f"{name} must be a text, a number or a list of them: leave it out where nothing is wanted"
