"""Lists of projects and studies: their filters, and one item by id."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from starlette.requests import Request

from rnaget_server.errors import UnknownId
from rnaget_server.query import Parameters
from rnaget_server.query.parameters import unknown_name

Record = TypeVar("Record")
Fields = Mapping[str, tuple[Callable[[Any], str | None], str]]


def matching(request: Request, records: Iterable[Record], fields: Fields) -> list[Record]:
    """Return the records that have, for each parameter given, one of its values in that field."""
    parameters = Parameters(request.query_params.multi_items(), fields)
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
    """Return the filter of each field, with the values that occur."""
    return [
        described(name, "string", description, sorted({value for record in records if (value := get(record))}))
        for name, (get, description) in fields.items()
    ]


def described(name: str, type: str, description: str, values: Sequence[str] | None = None) -> dict[str, Any]:
    """Return the description of one filter, as every ``/filters`` route lists it."""
    told: dict[str, Any] = {"filter": name, "fieldType": type, "description": description}
    return {**told, "values": list(values)} if values else told


def present(**values: Any) -> dict[str, Any]:
    """Return the values that are there, as JSON leaves out what is unknown."""
    return {key: value for key, value in values.items() if value not in (None, ())}


def _has(value: str | None, asked: Sequence[str]) -> bool:
    return any(value == one or value in [part.strip() for part in one.split(",")] for one in asked)
