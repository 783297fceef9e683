"""From the conditions of a query to SQL with parameters: no text of a client is ever part of a statement."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from rnaget_server.archive.fields import COMPUTED, KNOWN
from rnaget_server.archive.grammar import Comparison, Condition, Function, Not, Several, Value
from rnaget_server.archive.texts import is_like
from rnaget_server.errors import InvalidQuery, shown
from rnaget_server.model.kinds import Kind, is_date, number_of
from rnaget_server.spelling import did_you_mean

_MOST_STARS = 4
_MOST_PATTERNS = 200
_LONGEST_VALUE = 5_000
# From here on, neighbouring whole numbers are one floating-point number.
_EXACT = 2**53
_GLOB = re.compile(r"[\[*?]")
_ISO = "[0-9][0-9][0-9][0-9]*"
_LAST = "\U0010ffff"
_NONE, _ALL = "0", "1"
FUNCTIONS = ("tax_eq", "tax_tree", "tax_name")
TAG = "tag"


@dataclass(frozen=True)
class Field:
    """A field of a result, as an index holds it.

    Attributes
    ----------
    name, description
        For people.
    kind
        What its values are.
    place
        The table of the result that has its column.
    column
        The number of its column there; -1 where no record has a value.
    has_numbers
        Whether some of its values are numbers.
    has_several
        Whether some records have several values, separated by semicolons.
    values
        All its values, where they are few.
    """

    name: str
    description: str
    kind: Kind
    place: int = 0
    column: int = -1
    has_numbers: bool = False
    has_several: bool = False
    values: frozenset[str] | None = None

    @property
    def text(self) -> str:
        """The SQL of its values as text."""
        return f"p{self.place}.c{self.column}"

    @property
    def number(self) -> str:
        """The SQL of its values as numbers."""
        return f"p{self.place}.n{self.column}"


class FieldTable:
    """The fields of a result, which are found by their names, in any case where only one is meant.

    Parameters
    ----------
    result
        The result.
    fields
        Its fields.
    """

    def __init__(self, result: str, fields: Iterable[Field]) -> None:
        self.result = result
        self.all: Mapping[str, Field] = {field.name: field for field in fields}
        self._folded: dict[str, list[Field]] = {}
        for one in self.all.values():
            self._folded.setdefault(one.name.casefold(), []).append(one)

    def find(self, name: str) -> Field | None:
        """Return the field of a name; None if there is none."""
        if name in self.all:
            return self.all[name]
        alike = self._folded.get(name.casefold(), [])
        if len(alike) == 1:
            return alike[0]
        folded = name.casefold()
        return Field(folded, "", "text") if folded in KNOWN and not alike else None

    def get(self, name: str) -> Field:
        """Return the field of a name.

        Raises
        ------
        InvalidQuery
            If there is none.
        """
        found = self.find(name)
        if found is None:
            raise unknown_fields([name])
        return found


def unknown_fields(names: Iterable[str]) -> InvalidQuery:
    """Return the error for names of fields that are not there."""
    some = ", ".join(name if len(name) <= 80 else f"{name[:79]}…" for name in list(names)[:20])
    return InvalidQuery(f"Invalid fieldName(s) supplied: {some}")


@dataclass
class Compiled:
    """A condition as SQL, its parameters, and the tables of the result that it needs."""

    sql: str = _ALL
    parameters: list[str | float] = field(default_factory=list)
    places: set[int] = field(default_factory=set)


class Compiler:
    """Compiles conditions on one result.

    Parameters
    ----------
    fields
        Its fields.
    taxa
        Returns the numbers of the species of a scientific or common name.
    find_texts
        Returns the records whose value in a field of many values has parts in their order; None if they are too many.
    """

    def __init__(
        self,
        fields: FieldTable,
        taxa: Callable[[str], list[str]],
        find_texts: Callable[[Field, Sequence[str]], list[int] | None],
    ) -> None:
        self._fields = fields
        self._taxa = taxa
        self._find_texts = find_texts
        self._compiled = Compiled()
        self._patterns = 0

    def compile(self, condition: Condition | None) -> Compiled:
        """Return the SQL of a condition; None holds for every record.

        Raises
        ------
        InvalidQuery
            If a field is not known, or cannot be compared so.
        """
        if condition is not None:
            self._compiled.sql = self._sql(condition)
        return self._compiled

    def among(self, field: Field, values: Iterable[str]) -> str:
        """Return the SQL of: a field has one of the values, alone or among others."""
        if field.column < 0:
            return _NONE
        wanted = f"(SELECT value FROM json_each({self._value(json.dumps(list(values)))}))"
        column = self._column(field)
        if not field.has_several:
            return f"{column} IN {wanted}"
        each = f"""json_each('[' || replace(json_quote({column}), ';', '","') || ']')"""
        return (
            f"({column} IN {wanted} OR instr({column}, ';') AND EXISTS (SELECT 1 FROM {each} WHERE value IN {wanted}))"
        )

    def _whole(self, field: Field, texts: Iterable[str]) -> str:
        """Return the SQL of: all that a field has is one of the texts."""
        return f"{self._column(field)} IN (SELECT value FROM json_each({self._value(json.dumps(sorted(texts)))}))"

    def _sql(self, condition: Condition) -> str:
        if isinstance(condition, Comparison):
            return self._comparison(condition)
        if isinstance(condition, Function):
            return self._function(condition)
        if isinstance(condition, Not):
            # Where a value is absent, a comparison is neither true nor false in SQL.
            return f"(({self._sql(condition.condition)}) IS NOT TRUE)"
        return self._several(condition)

    def _several(self, several: Several) -> str:
        parts = [self._sql(condition) for condition in several.conditions]
        # In halves, or the tree of a long list would be too deep for SQLite.
        while len(parts) > 1:
            pairs = [parts[at : at + 2] for at in range(0, len(parts), 2)]
            parts = [f"({pair[0]} {several.word} {pair[1]})" if len(pair) > 1 else pair[0] for pair in pairs]
        return parts[0]

    def _function(self, function: Function) -> str:
        name = function.name.lower()
        if name not in FUNCTIONS:
            hint = did_you_mean(name, FUNCTIONS)
            hint = hint or f"there are {', '.join(FUNCTIONS)}"
            raise InvalidQuery(f"Invalid query: there is no function {shown(function.name)}: {hint}")
        if len(function.values) != 1:
            raise InvalidQuery(f"Invalid query: {name} takes one value, as in tax_eq(9606)")
        field, text = self._fields.get("tax_id"), function.values[0].plain
        if name == "tax_name":
            return self.among(field, self._taxa(text))
        if not (text.isascii() and text.isdigit()):
            raise InvalidQuery(f"Invalid query: {name} takes the number of a taxon, as in {name}(9606)")
        if field.column < 0:
            return _NONE
        if name == "tax_eq":
            return self._equal(field, Value(str(int(text)), True))
        below = (
            f"WITH RECURSIVE below(id) AS (SELECT {self._value(str(int(text)))} "
            "UNION SELECT taxa.id FROM taxa JOIN below ON taxa.parent = below.id) SELECT id FROM below"
        )
        if field.has_several:
            return f"EXISTS ({below} WHERE instr(';' || {self._column(field)} || ';', ';' || id || ';') > 0)"
        return f"{self._column(field)} IN ({below})"

    def _comparison(self, comparison: Comparison) -> str:
        field = self._fields.get(comparison.field)
        value, operator = comparison.value, comparison.operator
        if field.column < 0 and field.name in COMPUTED:
            raise InvalidQuery(f"Invalid query: {field.name} is in replies only, and nothing is searched by it")
        if len(value.text) > _LONGEST_VALUE:
            raise InvalidQuery(f"Invalid query: a value has more than {_LONGEST_VALUE:,} characters")
        if operator in ("=", "!="):
            equal = self._equal(field, value)
            return equal if operator == "=" else f"(({equal}) IS NOT TRUE)"
        return self._ordered(field, operator, value)

    def _equal(self, field: Field, value: Value) -> str:
        if value.is_pattern:
            return self._like(field, value)
        text = value.plain
        if field.column < 0:
            return _ALL if not text else _NONE
        if not text:
            return f"{self._column(field)} IS NULL"
        if field.name == TAG:
            return self._tagged(field, "=", text, (text,))
        if field.has_several:
            return f"({self._one_of_several(field, text)} OR {self._same(field, value, text)})"
        return self._same(field, value, text)

    def _same(self, field: Field, value: Value, text: str) -> str:
        """Return the SQL of: the value of a field is a number, a date or a text."""
        number = number_of(text)
        if (
            number is not None
            and abs(number) < _EXACT
            and (field.kind == "number" or (field.has_numbers and not value.quoted))
        ):
            return f"{self._column(field, number=True)} = {self._value(number)}"
        if field.kind == "date" and is_date(text):
            column = self._column(field)
            return f"({column} >= {self._value(text)} AND {column} < {self._value(text + _LAST)})"
        if field.values is not None and text not in field.values:
            return _NONE
        return f"{self._column(field)} = {self._value(text)}"

    def _one_of_several(self, field: Field, text: str) -> str:
        """Return the SQL of: a value is a text, alone or among others."""
        if field.values is not None:
            return self._whole(field, (values for values in field.values if text in values.split(";")))
        column, value = self._column(field), self._value(text)
        return f"({column} = {value} OR instr(';' || {column} || ';', ';' || {value} || ';') > 0)"

    def _like(self, field: Field, value: Value) -> str:
        self._patterns += 1
        if self._patterns > _MOST_PATTERNS:
            raise InvalidQuery(f"Invalid query: too many values have asterisks: at most {_MOST_PATTERNS} may")
        marked = "".join("\0" if letter == "*" and not escaped else letter for letter, escaped in value.letters)
        parts = re.sub("\0+", "\0", marked).split("\0")
        if sum(bool(part) for part in parts) > _MOST_STARS:
            raise InvalidQuery(f"Invalid query: a value has more than {_MOST_STARS} parts between asterisks")
        if field.column < 0:
            return _NONE
        if not any(parts):
            return f"{self._column(field)} IS NOT NULL"
        pattern = "*".join(_GLOB.sub(lambda found: f"[{found[0]}]", part) for part in parts)
        if field.name == TAG:
            return self._tagged(field, "GLOB", pattern, parts)
        if field.values is not None:
            return self._whole(field, (text for text in field.values if is_like(text, parts)))
        ids = self._find_texts(field, parts)
        if ids is not None:
            return f"p0.id IN (SELECT value FROM json_each({self._value(json.dumps(ids))}))"
        if len(parts) == 3 and not parts[0] + parts[2]:
            return f"instr({self._column(field)}, {self._value(parts[1])}) > 0"
        return f"{self._column(field)} GLOB {self._value(pattern)}"

    def _tagged(self, field: Field, operator: str, text: str, parts: Sequence[str]) -> str:
        """Return the SQL of: one of the values, which are separated by semicolons, is as wanted."""
        if field.values is not None:
            return self._whole(
                field, (tags for tags in field.values if any(is_like(tag, parts) for tag in tags.split(";")))
            )
        among = f"SELECT id FROM tags WHERE result = {self._value(self._fields.result)}"
        return f"p0.id IN ({among} AND tag {operator} {self._value(text)})"

    def _ordered(self, field: Field, operator: str, value: Value) -> str:
        text = value.plain
        number = number_of(text)
        wrong = f"Invalid query: {field.name} {operator} {shown(text)}: "
        if field.kind == "date":
            if not is_date(text):
                raise InvalidQuery(f"{wrong}it holds dates: give one such as 2020-01-31")
            return self._dated(field, operator, text)
        if field.column < 0 and field.kind == "text" and (number is not None or is_date(text)):
            return _NONE
        if number is not None and (field.kind == "number" or field.has_numbers):
            return _NONE if field.column < 0 else f"{self._column(field, number=True)} {operator} {self._value(number)}"
        if field.kind == "number":
            raise InvalidQuery(f"{wrong}it holds numbers: give one such as 1.5")
        raise InvalidQuery(f"{wrong}it holds text, which only = and != compare")

    def _dated(self, field: Field, operator: str, text: str) -> str:
        """Return the SQL of a comparison of dates, as far as the one that is given goes."""
        if field.column < 0:
            return _NONE
        column = self._column(field)
        bound = {">=": text, "<": text, ">": text + _LAST, "<=": text + _LAST}[operator]
        sign = {">=": ">=", "<": "<", ">": ">=", "<=": "<"}[operator]
        return f"({column} {sign} {self._value(bound)} AND {column} GLOB {self._value(_ISO)})"

    def _column(self, field: Field, number: bool = False) -> str:
        self._compiled.places.add(field.place)
        return field.number if number else field.text

    def _value(self, value: str | float) -> str:
        """Return the mark of a parameter."""
        self._compiled.parameters.append(value)
        return f"?{len(self._compiled.parameters)}"
