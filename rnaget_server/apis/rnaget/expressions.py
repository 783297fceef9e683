"""Expression matrices: tickets and bytes of slices, by id and by search; formats, filters and units."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.responses import Response

from rnaget_server.apis.rnaget.context import Context
from rnaget_server.apis.rnaget.downloads import Slices
from rnaget_server.apis.rnaget.expression_filters import filters_of_matrices, units_of_matrices
from rnaget_server.datasets.repository import View
from rnaget_server.errors import InvalidQuery, UnknownParameter
from rnaget_server.query import MatrixQuery, parse_matrix_query
from rnaget_server.query.strings import Pair
from rnaget_server.slicing.advice import unknown_of_matrix
from rnaget_server.slicing.matrices import slice_by_id, slice_by_search

GROUP = "expressions"


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


def _query(view: View, pairs: Sequence[Pair]) -> MatrixQuery:
    return parse_matrix_query(pairs, view.catalog.filter_names)


def _query_for(view: View, matrix_id: str, pairs: Sequence[Pair]) -> MatrixQuery:
    """Return the query for one matrix; an error for an unknown parameter says what that matrix knows."""
    try:
        return _query(view, pairs)
    except UnknownParameter as error:
        raise unknown_of_matrix(view, matrix_id, error) from None


# Connexion finds the handlers by these names.
_SLICES = Slices(GROUP, _query_for, _query, slice_by_id, slice_by_search)
get_expression_ticket_by_id = _SLICES.ticket_by_id
get_expression_file_by_id = _SLICES.file_by_id
get_expression_ticket = _SLICES.ticket
get_expression_file = _SLICES.file

# By POST the parameters come in the body, and all else is the same.
post_expression_ticket_by_id = get_expression_ticket_by_id
post_expression_file_by_id = get_expression_file_by_id
post_expression_ticket = get_expression_ticket
post_expression_file = get_expression_file
