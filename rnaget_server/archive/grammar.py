"""The language of queries: from text to conditions.

``field="value"``, ``= != < <= > >=``, ``*`` in values, ``AND``, ``OR``, ``NOT``, parentheses, and functions such as
``tax_tree(9606)``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from typing import Any

from lark import Lark, Token, Transformer, UnexpectedInput, UnexpectedToken, v_args
from lark.exceptions import VisitError

from rnaget_server.errors import InvalidQuery, shown

_LONGEST = 200_000
_MOST_CONDITIONS = 5_000
_DEEPEST = 100

_GRAMMAR = r"""
?start: any
?any: all (_OR all)*
?all: term (_AND term)*
?term: _NOT term -> negated
     | "(" any ")" -> nested
     | NAME OPERATOR value -> comparison
     | NAME "(" [value ("," value)*] ")" -> function
value: STRING -> text
     | WORD -> word

OPERATOR: "!=" | "<=" | ">=" | "=" | "<" | ">"
STRING: /"(?:[^"\\]|\\.)*"/s
NAME: /[^\s"()=<>!,]+/
WORD: /[^\s"()=<>!,][^\s"(),]*/
_NOT.2: /not(?=[\s(]|$)/i
_AND.2: /and(?=[\s(]|$)/i
_OR.2: /or(?=[\s(]|$)/i
%ignore /\s+/
"""


@dataclass(frozen=True, slots=True)
class Value:
    """A value of a condition: its text, with a backslash before what is meant as it is, and whether it was quoted."""

    text: str
    quoted: bool

    @property
    def plain(self) -> str:
        """The text without the backslashes."""
        return "".join(letter for letter, _ in self.letters)

    @property
    def letters(self) -> list[tuple[str, bool]]:
        """Each character, and whether it stands for itself."""
        found, escaped = [], False
        for letter in self.text:
            if letter == "\\" and not escaped and self.quoted:
                escaped = True
                continue
            found.append((letter, escaped))
            escaped = False
        return found

    @property
    def parts(self) -> list[str]:
        """The parts that asterisks separate, as far as these stand for any characters; several in a row are one."""
        parts = [""]
        for is_star, letters in groupby(self.letters, key=("*", False).__eq__):
            if is_star:
                parts.append("")
            else:
                parts[-1] += "".join(letter for letter, _ in letters)
        return parts

    @property
    def is_pattern(self) -> bool:
        """True if it has an asterisk that stands for any characters."""
        return "*" in self.text and ("*", False) in self.letters


@dataclass(frozen=True, slots=True)
class Comparison:
    """A field, an operator and a value."""

    field: str
    operator: str
    value: Value
    depth: int = 1


@dataclass(frozen=True, slots=True)
class Function:
    """A function of values, such as ``tax_eq(9606)``."""

    name: str
    values: tuple[Value, ...]
    depth: int = 1


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite of a condition."""

    condition: Condition
    depth: int


@dataclass(frozen=True, slots=True)
class Several:
    """Conditions of which all (``AND``) or any (``OR``) are to hold."""

    word: str
    conditions: tuple[Condition, ...]
    depth: int


Condition = Comparison | Function | Not | Several


def parse(query: str) -> Condition:
    """Return the condition that a query states.

    Raises
    ------
    InvalidQuery
        If it is not well formed; the message names the place.
    """
    if len(query) > _LONGEST:
        raise InvalidQuery(f"Invalid query: it has more than {_LONGEST:,} characters: use includeAccessions by POST")
    try:
        parsed: Condition = _parser().parse(query)  # type: ignore[assignment]
    except UnexpectedInput as error:
        raise _misplaced(query, error) from None
    except VisitError as error:
        raise error.orig_exc from None
    return parsed


def exactly(text: str) -> Value:
    """Return a text as a value that stands for nothing else."""
    return Value(text.replace("\\", "\\\\").replace("*", "\\*"), True)


@cache
def _parser() -> Lark:
    return Lark(_GRAMMAR, parser="lalr", transformer=_Builder())


class _Builder(Transformer[Token, Condition]):
    """Makes conditions of what is parsed, from the inside out."""

    @v_args(inline=True)
    def text(self, token: Token) -> Value:
        return Value(token[1:-1], True)

    @v_args(inline=True)
    def word(self, token: Token) -> Value:
        return Value(str(token), False)

    @v_args(inline=True)
    def comparison(self, field: Token, operator: Token, value: Value) -> Comparison:
        return Comparison(str(field), str(operator), value)

    def function(self, parts: Sequence[Any]) -> Function:
        return Function(str(parts[0]), tuple(part for part in parts[1:] if part is not None))

    @v_args(inline=True)
    def negated(self, condition: Condition) -> Condition:
        return Not(condition, _deeper(condition))

    @v_args(inline=True)
    def nested(self, condition: Condition) -> Condition:
        return condition

    def any(self, parts: Sequence[Condition]) -> Condition:
        return self._several("OR", parts)

    def all(self, parts: Sequence[Condition]) -> Condition:
        return self._several("AND", parts)

    def _several(self, word: str, parts: Sequence[Condition]) -> Condition:
        if len(parts) > _MOST_CONDITIONS:
            raise InvalidQuery(
                f"Invalid query: more than {_MOST_CONDITIONS:,} conditions: use includeAccessions for accessions"
            )
        return Several(word, tuple(parts), _deeper(*parts))


def _deeper(*conditions: Condition) -> int:
    depth = 1 + max(condition.depth for condition in conditions)
    if depth > _DEEPEST:
        raise InvalidQuery("Invalid query: conditions are nested too deep")
    return depth


def _misplaced(query: str, error: UnexpectedInput) -> InvalidQuery:
    at = error.pos_in_stream
    ended = isinstance(error, UnexpectedToken) and error.token.type == "$END"
    if ended or at is None or not 0 <= at < len(query):
        return InvalidQuery('Invalid query: it ends where more is expected, as in field="value" AND field2>=5')
    rest = shown(query[at : at + 40], 40)
    return InvalidQuery(f'Invalid query: at character {at + 1}, {rest} is not expected; write field="value" AND …')
