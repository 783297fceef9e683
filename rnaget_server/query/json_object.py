"""JSON objects that hold parameters, read piece by piece.

`json.loads` builds all that is in a text before anybody can refuse it, and holds the interpreter meanwhile: half a
second for 8 MiB of empty lists. Here no call takes longer than a millisecond or so, except for one long text, and what
parameters cannot be is refused where it begins.
"""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

_SPACE = r"[ \t\n\r]*+"
_TEXT = r'"[^"\\\x00-\x1f]{0,1000}+"'
_NUMBER = r"-?(?:0|[1-9][0-9]{0,20}+)(?>(?:\.[0-9]{1,20}+)?)(?>(?:[eE][+-]?[0-9]{1,3}+)?)"
_PLAIN = f"(?:{_TEXT}|{_NUMBER}|true|false|null)"
# Runs of values, or of names and values, of the plainest form: they are read at once. Python below 3.11.5 fails on
# possessive quantifiers of groups, and not on atomic groups.
_ITEMS = re.compile(f"(?>(?:{_SPACE}{_PLAIN}{_SPACE},){{1,1000}})")
_MEMBERS = re.compile(f"(?>(?:{_SPACE}{_TEXT}{_SPACE}:{_SPACE}{_PLAIN}{_SPACE},){{1,1000}})")
_SPACES = re.compile(_SPACE)


class RepeatedName(ValueError):
    """The name that is its argument occurs twice in one object."""


class NestedValue(ValueError):
    """A list or an object is where only a text, a number, true, false or null can.

    Its arguments are the name of the parameter, and of what is within it, if that has a name.
    """


class TooManyValues(ValueError):
    """There are more values than wanted."""


def read_object(text: str, most: int, parse_int: type[int] | type[float] = int, deep: bool = True) -> dict[str, Any]:
    """Return the JSON object that a text is, read as `json.loads` reads it.

    Parameters
    ----------
    text
        The object. Its values are single ones or, if `deep`, lists and objects of single ones.
    most
        The most values that it may have in all.
    parse_int
        What whole numbers become.

    Raises
    ------
    json.JSONDecodeError, RepeatedName, NestedValue, TooManyValues
        If it is none, or not of that form.
    ValueError
        If a whole number has thousands of digits.
    """
    reader = _Reader(text, most, parse_int)
    found = reader.read_object((), deep)
    reader.end()
    return found


class _Reader:
    def __init__(self, text: str, most: int, parse_int: type[int] | type[float]) -> None:
        self._text = text
        self._at = 0
        self._left = most
        self._decoder = json.JSONDecoder(parse_int=parse_int, object_pairs_hook=list)
        self._scan_once = self._decoder.scan_once  # type: ignore[attr-defined]

    def end(self) -> None:
        if self._next():
            self._refuse("Extra data")

    def read_object(self, names: tuple[str, ...], deep: bool) -> dict[str, Any]:
        self._expect("{")
        found: dict[str, Any] = {}
        if self._next() == "}":
            self._at += 1
            return found
        while True:
            run = _MEMBERS.match(self._text, self._at)
            if run is not None:
                self._add(found, self._decoder.decode(f"{{{run[0][:-1]}}}"))
                self._at = run.end()
            if self._next() != '"':
                self._refuse("Expecting property name enclosed in double quotes")
            name = self._scan()
            self._expect(":")
            self._add(found, [(name, self._value((*names, name), deep))])
            if self._ended("}"):
                return found

    def _value(self, names: tuple[str, ...], deep: bool) -> Any:
        opening = self._next()
        if opening not in ("[", "{"):
            return self._scan()
        if not deep:
            raise NestedValue(*names)
        return self._list(names) if opening == "[" else self.read_object(names, False)

    def _list(self, names: tuple[str, ...]) -> list[Any]:
        self._expect("[")
        found: list[Any] = []
        if self._next() == "]":
            self._at += 1
            return found
        while True:
            run = _ITEMS.match(self._text, self._at)
            if run is not None:
                values = self._decoder.decode(f"[{run[0][:-1]}]")
                self._count(len(values))
                found += values
                self._at = run.end()
            if self._next() in ("[", "{"):
                raise NestedValue(*names)
            found.append(self._scan())
            self._count(1)
            if self._ended("]"):
                return found

    def _add(self, found: dict[str, Any], members: list[tuple[str, Any]]) -> None:
        self._count(len(members))
        for name, value in members:
            if name in found:
                raise RepeatedName(name)
            found[name] = value

    def _count(self, values: int) -> None:
        self._left -= values
        if self._left < 0:
            raise TooManyValues

    def _next(self) -> str:
        """Go to the first character that is no white space, and return it; nothing at the end."""
        self._at = _SPACES.match(self._text, self._at).end()  # type: ignore[union-attr]
        return self._text[self._at : self._at + 1]

    def _expect(self, sign: str) -> None:
        if self._next() != sign:
            self._refuse(f"Expecting {sign!r}")
        self._at += 1

    def _ended(self, closing: str) -> bool:
        """Return whether the list or object ends here; else a comma does."""
        sign = self._next()
        if sign not in (",", closing) or not sign:
            self._refuse("Expecting ',' delimiter")
        self._at += 1
        return sign == closing

    def _scan(self) -> Any:
        try:
            value, self._at = self._scan_once(self._text, self._at)
        except StopIteration:
            self._refuse("Expecting value")
        return value

    def _refuse(self, message: str) -> NoReturn:
        raise json.JSONDecodeError(message, self._text, self._at)
