"""Lists of projects and studies: one item by id, those that match, and their filters."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from rnaget_server.apis.rnaget.context import Context
from rnaget_server.catalog import Catalog, Matrix, Project, Study, TrackSet
from rnaget_server.errors import UnknownId, unknown_name
from rnaget_server.model.axis import look_up
from rnaget_server.model.lists import plain
from rnaget_server.query.table import ParameterSpec

Fields = Mapping[str, tuple[Callable[[Any], str | Sequence[str] | None], str]]
MOST_VALUES = 100
"""How many values of a filter are listed at most."""

_FIELD_TYPES = {"number": "float", "date": "date"}


@dataclass(frozen=True)
class Listing:
    """The routes of one kind of record.

    Attributes
    ----------
    kind, plural
        What one is called, and several.
    records
        Takes them out of the catalogue, by id.
    fields
        For each parameter, what gives its value, and the description of it.
    shown
        Returns the JSON of one.
    """

    kind: str
    plural: str
    records: Callable[[Catalog], Mapping[str, Any]]
    fields: Fields
    shown: Callable[[Any], dict[str, Any]]

    async def by_id(self, context: Context, id: str) -> Response:
        """Return one."""
        context.parameters()
        records = self.records(context.view.catalog)
        if id not in records:
            raise UnknownId(unknown_name(self.kind, id, records))
        return context.respond(self.shown(records[id]), f"{self.kind.title()} {id}")

    async def matching(self, context: Context) -> Response:
        """Return those that have, for each parameter given, one of its values in that field."""
        asked = context.parameters(*self.fields).lists(self.fields)
        records = self.records(context.view.catalog).values()
        # A description is prose, not a list: its commas are its own however they are written.
        asked = {name: tuple(map(plain, texts)) if name == "description" else texts for name, texts in asked.items()}
        wanted = {name: _wanted(texts, self.fields[name][0], records) for name, texts in asked.items()}
        found = [
            record
            for record in records
            if all(not values.isdisjoint(_values(self.fields[name][0](record))) for name, values in wanted.items())
        ]
        return context.respond([self.shown(record) for record in found], self.plural)

    async def filters(self, context: Context) -> Response:
        """Return each field that some of them has, with the values that occur; all have version and name."""
        context.parameters()
        records = list(self.records(context.view.catalog).values())
        found = []
        for name, (get, description) in self.fields.items():
            values = sorted({value for record in records for value in _values(get(record))})
            if values or name in ("version", "name"):
                found.append(described(name, "string", description, values if len(values) <= MOST_VALUES else None))
        return context.respond(found, f"{self.kind.title()} filters")


def described(name: str, type: str, description: str, values: Sequence[str] | None = None) -> dict[str, Any]:
    """Return the description of one filter, as every ``/filters`` route lists it."""
    filter: dict[str, Any] = {"filter": name, "fieldType": type, "description": description}
    return {**filter, "values": list(values)} if values else filter


def of_table(specs: Iterable[ParameterSpec]) -> list[dict[str, Any]]:
    """Return the descriptions of parameters of the table."""
    return [described(spec.name, spec.kind, spec.description, spec.values) for spec in specs]


def of_records(
    kind: str, records: Collection[Matrix | TrackSet], units: Sequence[str], formats: Sequence[str]
) -> list[dict[str, Any]]:
    """Return the descriptions of the filters that matrices and sets of tracks share."""
    return [
        described("projectID", "string", f"project of the {kind}", sorted({record.project_id for record in records})),
        described("studyID", "string", f"study of the {kind}", sorted({record.study_id for record in records})),
        described("version", "string", f"version of the {kind}", sorted({record.version for record in records})),
        described("units", "string", "units of the values", units),
        described("format", "string", "format of the file", formats),
    ]


def present(**values: Any) -> dict[str, Any]:
    """Return the values that are there, as JSON leaves out what is unknown."""
    return {key: value for key, value in values.items() if value not in (None, ())}


def summary_of(record: Project | Study, **further: Any) -> dict[str, Any]:
    """Return what projects and studies have in common as JSON, with what a study has `further`."""
    return present(
        id=record.id,
        version=record.version,
        name=record.name,
        description=record.description,
        **further,
        tags=record.tags,
    )


def field_type(kinds: Collection[str]) -> str:
    """Return how a ``/filters`` route names what a filter holds, if the data behind it are of these kinds."""
    return _FIELD_TYPES.get(next(iter(kinds)), "string") if len(set(kinds)) == 1 else "string"


def _values(value: str | Sequence[str] | None) -> Sequence[str]:
    return (value,) if isinstance(value, str) else value or ()


def _wanted(texts: Sequence[str], get: Callable[[Any], str | Sequence[str] | None], records: Iterable[Any]) -> set[str]:
    """Return the values of a field that a list names."""
    existing = {value for record in records for value in _values(get(record))}
    wanted: set[str] = set()

    def missing_from(values: Sequence[str]) -> list[str]:
        wanted.update(existing.intersection(values))
        return [value for value in values if value not in existing]

    look_up(texts, missing_from)
    return wanted
