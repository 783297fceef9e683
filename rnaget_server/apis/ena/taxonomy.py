"""Species and groups of them by name or number."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from rnaget_server.apis.ena.context import Context
from rnaget_server.archive.index import Search
from rnaget_server.errors import UnknownId, shown

_FIELDS = {"tax_id": "taxId", "scientific_name": "scientificName", "common_name": "commonName", "rank": "rank"}


def get_by_scientific_name(context: Context, name: str) -> Response:
    """Return the taxa of a scientific name."""
    context.given()
    folded = name.strip().casefold()
    taxa = [taxon for taxon in _named(context, name) if taxon["scientificName"].casefold() == folded]
    return _respond(context, name, taxa)


def get_by_any_name(context: Context, name: str) -> Response:
    """Return the taxa of a scientific, common or other name."""
    context.given()
    return _respond(context, name, _named(context, name))


def get_by_number(context: Context, id: str) -> Response:
    """Return the taxon of a number."""
    context.given()
    found = _taxa(context, [id])
    if not found:
        raise UnknownId(f"there is no taxon {shown(id)} here")
    return context.respond_json(found[0])


def _named(context: Context, name: str) -> list[dict[str, Any]]:
    return _taxa(context, context.index.taxa_named(name.strip()))


def _taxa(context: Context, ids: list[str]) -> list[dict[str, Any]]:
    fields = context.index.fields("taxon")
    columns = [fields.get(name) for name in _FIELDS]
    batches = context.index.records(Search("taxon", include=("tax_id", ids)), columns)
    found = []
    for row in (row for rows in batches for row in rows):
        taxon: dict[str, Any] = {name: value for name, value in zip(_FIELDS.values(), row, strict=True) if value}
        found.append({**taxon, "formalName": "true", "submittable": "true"})
    return found


def _respond(context: Context, name: str, taxa: list[dict[str, Any]]) -> Response:
    if not taxa:
        raise UnknownId(f"No results for {shown(name)}: the result taxon of /ena/portal/api/search lists all taxa")
    return context.respond_json(taxa)
