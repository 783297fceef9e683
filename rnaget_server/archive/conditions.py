"""From the conditions of a query to what judges records by the arrays of an index."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Collection

import numpy as np

from rnaget_server.archive.columns import SEVERAL
from rnaget_server.archive.fields import ADDRESS, FILES
from rnaget_server.archive.grammar import Comparison, Condition, Function, Not, Value
from rnaget_server.archive.masks import Always, Coded, Compared, Filled, InText, Listed, Sign, Test, opposite, together
from rnaget_server.archive.reading import Reader
from rnaget_server.archive.table import Field, FieldTable
from rnaget_server.archive.texts import Finder, is_like, those_like, those_that, those_with
from rnaget_server.errors import InvalidQuery, shown
from rnaget_server.model.kinds import is_date, number_of
from rnaget_server.spelling import did_you_mean

_MOST_STARS = 4
_MOST_PATTERNS = 200
_LONGEST_VALUE = 5_000
# From here on, neighbouring whole numbers are one floating-point number.
_EXACT = 2**53
_ISO = re.compile(r"[0-9]{4}")
_LAST = "\U0010ffff"
_SIGNS: dict[str, Sign] = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
FUNCTIONS = ("tax_eq", "tax_tree", "tax_name")
TAG = "tag"


class Compiler:
    """Compiles conditions on one result.

    Parameters
    ----------
    fields
        Its fields.
    reader
        Reads what the index has of them.
    """

    def __init__(self, fields: FieldTable, reader: Reader) -> None:
        self._fields = fields
        self._reader = reader
        self._patterns = 0

    def compile(self, condition: Condition) -> Test:
        """Return what judges records by a condition.

        Raises
        ------
        InvalidQuery
            If a field is not known, or cannot be compared so.
        """
        self._reader.clock.check()
        if isinstance(condition, Comparison):
            return self._comparison(condition)
        if isinstance(condition, Function):
            return self._function(condition)
        if isinstance(condition, Not):
            return opposite(self.compile(condition.condition))
        # A condition that stands there a thousand times is judged once.
        return together(map(self.compile, dict.fromkeys(condition.conditions)), condition.word == "AND")

    def among(self, field: Field, texts: Collection[str]) -> Test:
        """Return what holds where a field has one of some texts, alone or among others."""
        if field.column < 0:
            return Always(False)
        wanted = set(texts)
        if not field.has_several:
            return self._whole(field, wanted)
        return self._where(field, lambda text: text in wanted or not wanted.isdisjoint(text.split(SEVERAL)))

    def _whole(self, field: Field, texts: Collection[str]) -> Test:
        """Return what holds where all that a field has is one of some texts."""
        if not field.is_many:
            return Coded(field, self._reader.values(field).among(texts))
        # The JSON by which SQLite is given texts ends them at this character.
        if field.is_indexed and not any("\0" in text for text in texts):
            return Listed(self._reader.having(field, texts))
        return self._where(field, set(texts).__contains__)

    def _where(self, field: Field, holds: Callable[[str], bool], part: str = "") -> Test:
        """Return what holds where a condition on a text does, of which all such texts have a part."""
        return self._found(field, those_with(part, holds) if part else those_that(holds))

    def _found(self, field: Field, find: Finder) -> Test:
        if not field.is_many:
            return Coded(field, self._reader.values(field).found(find))
        return InText(field, find)

    def _compared(self, field: Field, sign: Sign, number: float) -> Test:
        """Return what holds where the number of a field compares so to another."""
        if not field.is_many:
            return Coded(field, sign(self._reader.values(field).numbers, number))
        return Compared(field, sign, number)

    def _filled(self, field: Field) -> Test:
        if not field.is_many:
            return Coded(field, np.arange(len(self._reader.values(field).texts) + 1) > 0)
        return Filled(field)

    def _function(self, function: Function) -> Test:
        name = function.name.lower()
        if name not in FUNCTIONS:
            hint = did_you_mean(name, FUNCTIONS)
            hint = hint or f"there are {', '.join(FUNCTIONS)}"
            raise InvalidQuery(f"Invalid query: there is no function {shown(function.name)}: {hint}")
        if len(function.values) != 1:
            raise InvalidQuery(f"Invalid query: {name} takes one value, as in tax_eq(9606)")
        field, text = self._fields.get("tax_id"), function.values[0].plain
        if name == "tax_name":
            return self.among(field, self._reader.taxa_named(text))
        if not (text.isascii() and text.isdigit()):
            raise InvalidQuery(f"Invalid query: {name} takes the number of a taxon, as in {name}(9606)")
        # Not by way of a number: of thousands of digits, Python makes none.
        text = text.lstrip("0") or "0"
        if name == "tax_eq":
            return self._equal(field, Value(text, True))
        if field.column < 0 or field.is_many:
            return self.among(field, set(self._reader.taxa_below(text)))
        # There may be millions of taxa below one, but few values.
        known = {part for values in self._reader.values(field).texts for part in values.split(SEVERAL)}
        return self.among(field, known.intersection(self._reader.taxa_below(text)))

    def _comparison(self, comparison: Comparison) -> Test:
        field = self._fields.get(comparison.field)
        value, sign = comparison.value, comparison.operator
        if field.is_computed:
            raise InvalidQuery(f"Invalid query: {field.name} is in replies only, and nothing is searched by it")
        if any(value.parts) and self._has_addresses(field):
            raise InvalidQuery(
                f"Invalid query: {field.name} holds addresses that are made for each reply: "
                f'search for {field.name}="*", those that have files, or {field.name}=""'
            )
        if len(value.text) > _LONGEST_VALUE:
            raise InvalidQuery(f"Invalid query: a value has more than {_LONGEST_VALUE:,} characters")
        if sign in ("=", "!="):
            equal = self._equal(field, value)
            return equal if sign == "=" else opposite(equal)
        return self._ordered(field, sign, value)

    def _has_addresses(self, field: Field) -> bool:
        """Return whether a field names files of this server, not only what attributes say."""
        if field.column < 0 or not field.name.endswith(ADDRESS):
            return False
        return field.is_many or any(text.startswith(FILES) for text in self._reader.values(field).texts)

    def _equal(self, field: Field, value: Value) -> Test:
        if value.is_pattern:
            return self._like(field, value)
        text = value.plain
        if field.column < 0:
            return Always(not text)
        if not text:
            return opposite(self._filled(field))
        if field.name == TAG:
            return self._where(field, lambda tags: text in tags.split(SEVERAL), text)
        same = self._same(field, value, text)
        if field.has_several:
            return together((same, self._where(field, lambda values: text in values.split(SEVERAL), text)), False)
        return same

    def _same(self, field: Field, value: Value, text: str) -> Test:
        """Return what holds where the value of a field is a date, a number or a text."""
        if field.kind == "date" and is_date(text):
            return self._where(field, lambda date: date.startswith(text), text)
        number = number_of(text)
        if (
            number is not None
            and abs(number) < _EXACT
            and (field.kind == "number" or (field.has_numbers and not value.quoted))
        ):
            return self._compared(field, operator.eq, number)
        return self._whole(field, (text,))

    def _like(self, field: Field, value: Value) -> Test:
        self._patterns += 1
        if self._patterns > _MOST_PATTERNS:
            raise InvalidQuery(f"Invalid query: too many values have asterisks: at most {_MOST_PATTERNS} may")
        parts = value.parts
        if sum(bool(part) for part in parts) > _MOST_STARS:
            raise InvalidQuery(f"Invalid query: a value has more than {_MOST_STARS} parts between asterisks")
        if field.column < 0:
            return Always(False)
        if not any(parts):
            return self._filled(field)
        if field.name == TAG:
            longest = max(parts, key=len)
            return self._where(field, lambda tags: any(is_like(tag, parts) for tag in tags.split(SEVERAL)), longest)
        return self._found(field, those_like(parts))

    def _ordered(self, field: Field, sign: str, value: Value) -> Test:
        text = value.plain
        number = number_of(text)
        wrong = f"Invalid query: {field.name} {sign} {shown(text)}: "
        if field.kind == "date":
            if not is_date(text):
                raise InvalidQuery(f"{wrong}it holds dates: give one such as 2020-01-31")
            return self._dated(field, sign, text)
        if field.column < 0 and field.kind == "text" and (number is not None or is_date(text)):
            return Always(False)
        if number is not None and (field.kind == "number" or field.has_numbers):
            return Always(False) if field.column < 0 else self._compared(field, _SIGNS[sign], number)
        if field.kind == "number":
            raise InvalidQuery(f"{wrong}it holds numbers: give one such as 1.5")
        raise InvalidQuery(f"{wrong}it holds text, which only = and != compare")

    def _dated(self, field: Field, sign: str, text: str) -> Test:
        """Return what holds where a date compares so to another, as far as that one goes."""
        if field.column < 0:
            return Always(False)
        bound = text + _LAST if sign in (">", "<=") else text
        is_before = sign in ("<", "<=")
        return self._where(field, lambda date: (date < bound) == is_before and _ISO.match(date) is not None)
