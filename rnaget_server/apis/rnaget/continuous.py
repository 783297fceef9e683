"""Signal tracks: tickets and bytes of ranges, by id and by search; formats and filters."""

from __future__ import annotations

from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from rnaget_server.apis.rnaget.downloads import download, named_format, of_readable, ticket
from rnaget_server.apis.rnaget.listing import described, field_type
from rnaget_server.http.formats import checked_format, choose_format
from rnaget_server.http.posted import pairs_of
from rnaget_server.http.replies import json_reply
from rnaget_server.http.request import cancellation_of, current
from rnaget_server.query import Parameters, RegionQuery, parse_region_query
from rnaget_server.query.conditions import kind_of
from rnaget_server.service import Services
from rnaget_server.slicing.regions import region_by_id, region_by_search

GROUP = "continuous"
_MOST_VALUES = 100
_STANDARD = (
    ("sampleIDList", "string", "samples whose tracks to return, separated by commas or repeated"),
    ("chr", "string", "chromosome of the range"),
    ("start", "integer", "first base of the range, 0-based"),
    ("end", "integer", "end of the range, 0-based, not part of it"),
    ("bins", "integer", "number of columns to summarise the range in, instead of one for each base"),
    ("summary", "string", "how bins are summarised", ["mean", "min", "max", "coverage"]),
    ("approximate", "string", "whether bins may come from the zoom levels of the files", ["true", "false"]),
)


def get_continuous_ticket_by_id(continuous_id: str) -> Response:
    """Return the URL of a range of one set."""
    request, services = current()
    query = _query(request, services)
    found = region_by_id(services, continuous_id, query, cancellation_of(request))
    format = checked_format(services, GROUP, query.format or found.default_format)
    return ticket(request, services, query.given, found, format, f"/continuous/{continuous_id}/bytes")


def get_continuous_file_by_id(continuous_id: str) -> Response:
    """Return a range of one set."""
    request, services = current()
    query = _query(request, services)
    found = region_by_id(services, continuous_id, query, cancellation_of(request))
    chosen = choose_format(request, services, GROUP, query.format, found.default_format)
    return download(request, found, chosen)


def get_continuous_ticket() -> Response:
    """Return the URL of a range of all sets that match."""
    request, services = current()
    query = _query(request, services)
    format = named_format(services, GROUP, query.format)
    return of_readable(
        partial(region_by_search, services, query, cancellation=cancellation_of(request)),
        lambda found: ticket(request, services, query.given, found, format, "/continuous/bytes"),
    )


def get_continuous_file() -> Response:
    """Return a range of all sets that match, their tracks as rows."""
    request, services = current()
    query = _query(request, services)
    format = named_format(services, GROUP, query.format)
    return of_readable(
        partial(region_by_search, services, query, cancellation=cancellation_of(request)),
        lambda found: download(request, found, choose_format(request, services, GROUP, format, None)),
    )


async def get_continuous_formats() -> Response:
    """Return the names of the formats."""
    request, services = current()
    Parameters(pairs_of(request), ())
    return json_reply(request, list(services.formats_of(GROUP)), "Formats of continuous data")


async def get_continuous_filters() -> Response:
    """Return every filter."""
    request, services = current()
    Parameters(pairs_of(request), ())
    told = await services.remembered.get("filters of tracks", services.catalog.current, lambda: _filters(services))
    return json_reply(request, told, "Filters of continuous data")


# By POST the parameters come in the body, and all else is the same.
post_continuous_ticket_by_id = get_continuous_ticket_by_id
post_continuous_file_by_id = get_continuous_file_by_id
post_continuous_ticket = get_continuous_ticket
post_continuous_file = get_continuous_file


def _query(request: Request, services: Services) -> RegionQuery:
    return parse_region_query(pairs_of(request), services.catalog.current.track_filter_names)


def _filters(services: Services) -> list[dict[str, Any]]:
    sets = services.catalog.current.track_sets.values()
    told = [
        described("projectID", "string", "project of the set", sorted({one.project_id for one in sets})),
        described("studyID", "string", "study of the set", sorted({one.study_id for one in sets})),
        described("version", "string", "version of the set", sorted({one.version for one in sets})),
        described("units", "string", "units of the values", sorted({one.units for one in sets})),
        described("format", "string", "format of the file", list(services.formats_of(GROUP))),
        *(described(*one) for one in _STANDARD),
    ]
    for name, (filter, values) in services.catalog.current.track_filters.items():
        type = field_type({filter.type or kind_of(values)})
        told.append(described(name, type, filter.description, values if len(values) <= _MOST_VALUES else None))
    return told
