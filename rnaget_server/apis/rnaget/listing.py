"""Lists of projects and studies: their filters, and one item by id."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from starlette.requests import Request

from rnaget_server.errors import UnknownId
from rnaget_server.http.posted import pairs_of
from rnaget_server.query import Parameters
from rnaget_server.query.parameters import unknown_name

Record = TypeVar("Record")
Fields = Mapping[str, tuple[Callable[[Any], str | Sequence[str] | None], str]]
_MOST_VALUES = 100
_FIELD_TYPES = {"number": "float", "date": "date"}


def matching(request: Request, records: Iterable[Record], fields: Fields) -> list[Record]:
    """Return the records that have, for each parameter given, one of its values in that field."""
    parameters = Parameters(pairs_of(request), fields)
    asked = parameters.lists(fields)
    return [
        record for record in records if all(_has(fields[name][0](record), values) for name, values in asked.items())
    ]


def by_id(kind: str, id: str, records: Mapping[str, Record]) -> Record:
    """Return the record of that id.

    Raises
    ------
    UnknownId
        If there is none; the message tells the nearest.
    """
    if id not in records:
        raise UnknownId(unknown_name(kind, id, records))
    return records[id]


def filters(records: Sequence[Any], fields: Fields) -> list[dict[str, Any]]:
    """Return the filter of each field that some record has, with the values that occur; all have version and name."""
    told = []
    for name, (get, description) in fields.items():
        values = sorted({value for record in records for value in _values(get(record))})
        if values or name in ("version", "name"):
            told.append(described(name, "string", description, values if len(values) <= _MOST_VALUES else None))
    return told


def described(name: str, type: str, description: str, values: Sequence[str] | None = None) -> dict[str, Any]:
    """Return the description of one filter, as every ``/filters`` route lists it."""
    told: dict[str, Any] = {"filter": name, "fieldType": type, "description": description}
    return {**told, "values": list(values)} if values else told


def present(**values: Any) -> dict[str, Any]:
    """Return the values that are there, as JSON leaves out what is unknown."""
    return {key: value for key, value in values.items() if value not in (None, ())}


def field_type(kinds: Collection[str]) -> str:
    """Return how a ``/filters`` route names what a filter holds, if the data behind it are of these kinds."""
    return _FIELD_TYPES.get(next(iter(kinds)), "string") if len(set(kinds)) == 1 else "string"


def _values(value: str | Sequence[str] | None) -> Sequence[str]:
    return (value,) if isinstance(value, str) else value or ()


def _has(value: str | Sequence[str] | None, asked: Sequence[str]) -> bool:
    wanted = {*asked, *(part.strip() for one in asked for part in one.split(","))}
    return not wanted.isdisjoint(_values(value))
