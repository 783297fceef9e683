"""Expression matrices: tickets and bytes of slices, by id and by search; formats, filters and units."""

from __future__ import annotations

from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from rnaget_server.apis.rnaget.downloads import download, named_format, of_readable, ticket
from rnaget_server.apis.rnaget.expression_filters import filters_of_matrices, units_of_matrices
from rnaget_server.errors import InvalidQuery
from rnaget_server.http.formats import checked_format, choose_format
from rnaget_server.http.posted import pairs_of
from rnaget_server.http.replies import id_headers, json_reply
from rnaget_server.http.request import cancellation_of, current
from rnaget_server.query import MatrixQuery, Parameters, parse_matrix_query
from rnaget_server.service import Services
from rnaget_server.slicing.matrices import slice_by_id, slice_by_search

GROUP = "expressions"


def get_expression_ticket_by_id(expression_id: str) -> Response:
    """Return the URL of a slice of one matrix."""
    request, services = current()
    query = _query(request, services)
    found = slice_by_id(services, expression_id, query, cancellation_of(request))
    format = checked_format(services, GROUP, query.format or found.default_format)
    return ticket(request, services, query.given, found, format, f"/expressions/{expression_id}/bytes")


def get_expression_file_by_id(expression_id: str) -> Response:
    """Return a slice of one matrix."""
    request, services = current()
    query = _query(request, services)
    found = slice_by_id(services, expression_id, query, cancellation_of(request))
    chosen = choose_format(request, services, GROUP, query.format, found.default_format)
    return download(request, found, chosen)


def get_expression_ticket() -> Response:
    """Return the URL of a slice of all matrices that match."""
    request, services = current()
    query = _query(request, services)
    format = named_format(services, GROUP, query.format)
    return of_readable(
        partial(slice_by_search, services, query, cancellation=cancellation_of(request)),
        lambda found: ticket(request, services, query.given, found, format, "/expressions/bytes"),
    )


def get_expression_file() -> Response:
    """Return a slice of all matrices that match, joined."""
    request, services = current()
    query = _query(request, services)
    format = named_format(services, GROUP, query.format)
    return of_readable(
        partial(slice_by_search, services, query, cancellation=cancellation_of(request)),
        lambda found: download(request, found, choose_format(request, services, GROUP, format, None)),
    )


async def get_expression_formats() -> Response:
    """Return the names of the formats."""
    request, services = current()
    Parameters(pairs_of(request), ())
    return json_reply(request, list(services.formats_of(GROUP)), "Formats of expression matrices")


async def get_expression_filters() -> Response:
    """Return every filter, or those of features or samples only."""
    request, services = current()
    kind = Parameters(pairs_of(request), ("type",)).text("type")
    if kind not in (None, "feature", "sample"):
        raise InvalidQuery(f"type must be feature or sample, not {kind!r}")
    catalog = services.catalog.current
    made = await services.remembered.get(("filters", kind), catalog, lambda: filters_of_matrices(services, kind))
    return _with_omitted(json_reply(request, made.payload, "Filters of expression matrices"), made.omitted)


async def get_expression_units() -> Response:
    """Return the units that some matrix has."""
    request, services = current()
    Parameters(pairs_of(request), ())
    made = await services.remembered.get("units", services.catalog.current, lambda: units_of_matrices(services))
    return _with_omitted(json_reply(request, made.payload, "Units of expression matrices"), made.omitted)


# By POST the parameters come in the body, and all else is the same.
post_expression_ticket_by_id = get_expression_ticket_by_id
post_expression_file_by_id = get_expression_file_by_id
post_expression_ticket = get_expression_ticket
post_expression_file = get_expression_file


def _query(request: Request, services: Services) -> MatrixQuery:
    return parse_matrix_query(pairs_of(request), services.catalog.current.filter_names)


def _with_omitted(reply: Response, omitted: tuple[str, ...]) -> Response:
    reply.headers.update(id_headers((), omitted))
    return reply
