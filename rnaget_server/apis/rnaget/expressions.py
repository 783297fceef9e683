"""Expression matrices: tickets and bytes of slices, by id and by search; formats, filters and units."""

from __future__ import annotations

from starlette.responses import Response

from rnaget_server.apis.rnaget.context import Context
from rnaget_server.apis.rnaget.dialect import slice_headers
from rnaget_server.apis.rnaget.downloads import format_of_search, of_readable, ticket
from rnaget_server.apis.rnaget.expression_filters import filters_of_matrices, units_of_matrices
from rnaget_server.datasets.repository import View
from rnaget_server.errors import InvalidQuery, UnknownParameter
from rnaget_server.query import MatrixQuery, parse_matrix_query
from rnaget_server.slicing.advice import unknown_of_matrix
from rnaget_server.slicing.matrices import slice_by_id, slice_by_search

GROUP = "expressions"


def get_expression_ticket_by_id(context: Context, expression_id: str) -> Response:
    """Return the URL of a slice of one matrix."""
    view = context.view
    query = _query_for(context, expression_id)
    resolved = slice_by_id(view, expression_id, query, context.cancellation)
    format = context.api.formats.resolve(GROUP, query.format or resolved.sources[0].default_format)
    return ticket(context, query.given, resolved, GROUP, format, f"/expressions/{expression_id}/bytes")


def get_expression_file_by_id(context: Context, expression_id: str) -> Response:
    """Return a slice of one matrix."""
    view = context.view
    query = _query_for(context, expression_id)
    resolved = slice_by_id(view, expression_id, query, context.cancellation)
    chosen = context.api.formats.choose(context.request, GROUP, query.format, resolved.sources[0].default_format)
    return context.api.delivery.respond(context, resolved, chosen, slice_headers(resolved))


def get_expression_ticket(context: Context) -> Response:
    """Return the URL of a slice of all matrices that match."""
    query = _query(context, context.view)
    format = format_of_search(context, GROUP, query.format)
    return of_readable(
        lambda failed: slice_by_search(context.view, query, failed, context.cancellation),
        lambda resolved: ticket(context, query.given, resolved, GROUP, format, "/expressions/bytes"),
    )


def get_expression_file(context: Context) -> Response:
    """Return a slice of all matrices that match, joined."""
    query = _query(context, context.view)
    format = format_of_search(context, GROUP, query.format)
    return of_readable(
        lambda failed: slice_by_search(context.view, query, failed, context.cancellation),
        lambda resolved: context.api.delivery.respond(
            context,
            resolved,
            context.api.formats.choose(context.request, GROUP, format, None),
            slice_headers(resolved),
        ),
    )


async def get_expression_formats(context: Context) -> Response:
    """Return the names of the formats."""
    context.parameters()
    return context.respond(list(context.api.formats.of(GROUP)), "Formats of expression matrices")


async def get_expression_filters(context: Context) -> Response:
    """Return every filter, or those of features or samples only."""
    kind = context.parameters("type").text("type")
    if kind not in (None, "feature", "sample"):
        raise InvalidQuery(f"type must be feature or sample, not {kind!r}")
    formats = context.api.formats.of(GROUP)
    found = await context.remembered(f"filters {kind}", lambda view: filters_of_matrices(view, formats, kind))
    return context.respond(found.payload, "Filters of expression matrices", omitted=found.omitted)


async def get_expression_units(context: Context) -> Response:
    """Return the units that some matrix has."""
    context.parameters()
    found = await context.remembered("units", units_of_matrices)
    return context.respond(found.payload, "Units of expression matrices", omitted=found.omitted)


# By POST the parameters come in the body, and all else is the same.
post_expression_ticket_by_id = get_expression_ticket_by_id
post_expression_file_by_id = get_expression_file_by_id
post_expression_ticket = get_expression_ticket
post_expression_file = get_expression_file


def _query(context: Context, view: View) -> MatrixQuery:
    return parse_matrix_query(context.received.pairs, view.catalog.filter_names)


def _query_for(context: Context, matrix_id: str) -> MatrixQuery:
    """Return the query for one matrix; an error for an unknown parameter says what that matrix knows."""
    view = context.view
    try:
        return parse_matrix_query(context.received.pairs, view.catalog.filter_names)
    except UnknownParameter as error:
        raise unknown_of_matrix(view, matrix_id, error) from None
