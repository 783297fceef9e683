"""The fields of a result as an index holds them, found by their names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from rnaget_server.archive.fields import COMPUTED, KNOWN
from rnaget_server.errors import InvalidQuery
from rnaget_server.model.kinds import Kind


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
    number
        Its number among all fields of all results.
    has_numbers
        Whether some of its values are numbers.
    has_several
        Whether some records have several values, separated by semicolons.
    is_many, is_indexed
        Whether it has very many values, and whether SQLite has an index of them.
    """

    name: str
    description: str
    kind: Kind
    place: int = 0
    column: int = -1
    number: int = -1
    has_numbers: bool = False
    has_several: bool = False
    is_many: bool = False
    is_indexed: bool = False

    @property
    def is_computed(self) -> bool:
        """True if its values are found out when they are asked for."""
        return self.column < 0 and self.name in COMPUTED


class FieldTable:
    """The fields of a result, which are found by their names, in any case where only one is meant.

    Parameters
    ----------
    fields
        Its fields.
    """

    def __init__(self, fields: Iterable[Field]) -> None:
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
