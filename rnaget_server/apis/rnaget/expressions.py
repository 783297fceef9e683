"""Expression matrices: tickets and bytes of slices, by id and by search; formats, filters and units."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from rnaget_server.apis.rnaget import BASE_PATH
from rnaget_server.apis.rnaget.expression_filters import described
from rnaget_server.errors import InvalidQuery
from rnaget_server.http.formats import Chosen, choose_format, format_for_ticket
from rnaget_server.http.replies import id_headers, json_reply, stream_reply
from rnaget_server.http.request import current, public_root
from rnaget_server.query import MatrixQuery, Parameters, parse_matrix_query
from rnaget_server.service import Services
from rnaget_server.slicing import Found, slice_by_id, slice_by_search


def get_expression_ticket_by_id(expression_id: str) -> Response:
    """Return the URL of a slice of one matrix."""
    request, services = current()
    query = _query(request, services)
    found = slice_by_id(services, expression_id, query)
    format = format_for_ticket(services, query.format or found.matrices[0].default_format)
    return _ticket(request, services, query, found, format, f"/expressions/{expression_id}/bytes")


def get_expression_file_by_id(expression_id: str) -> Response:
    """Return a slice of one matrix."""
    request, services = current()
    query = _query(request, services)
    found = slice_by_id(services, expression_id, query)
    chosen = choose_format(request, services, query.format, found.matrices[0].default_format)
    return _file(request, found, chosen)


def get_expression_ticket() -> Response:
    """Return the URL of a slice of all matrices that match."""
    request, services = current()
    query = _with_format(_query(request, services))
    format = format_for_ticket(services, str(query.format))
    found = slice_by_search(services, query)
    return _ticket(request, services, query, found, format, "/expressions/bytes")


def get_expression_file() -> Response:
    """Return a slice of all matrices that match, joined."""
    request, services = current()
    query = _with_format(_query(request, services))
    format_for_ticket(services, str(query.format))
    found = slice_by_search(services, query)
    return _file(request, found, choose_format(request, services, query.format, None))


def get_expression_formats() -> Response:
    """Return the names of the formats."""
    request, services = current()
    Parameters(request.query_params.multi_items(), ())
    return json_reply(request, list(services.formats), "Formats of expression matrices")


def get_expression_filters() -> Response:
    """Return every filter, or those of features or samples only."""
    request, services = current()
    kind = Parameters(request.query_params.multi_items(), ("type",)).text("type")
    if kind not in (None, "feature", "sample"):
        raise InvalidQuery(f"type must be feature or sample, not {kind!r}")
    return json_reply(request, described(services, kind), "Filters of expression matrices")


def get_expression_units() -> Response:
    """Return the units that some matrix has."""
    request, services = current()
    Parameters(request.query_params.multi_items(), ())
    units = dict.fromkeys(name for store in services.readable_stores().values() for name in store.units)
    return json_reply(request, list(units), "Units of expression matrices")


def _query(request: Request, services: Services) -> MatrixQuery:
    return parse_matrix_query(request.query_params.multi_items(), services.catalog.current.filter_names)


def _with_format(query: MatrixQuery) -> MatrixQuery:
    if query.format is None:
        raise InvalidQuery("a search needs the parameter format, such as format=tsv; /expressions/formats lists all")
    return query


def _ticket(request: Request, services: Services, query: MatrixQuery, found: Found, format: str, path: str) -> Response:
    given = [pair for pair in query.given if pair[0] != "format"]
    told: dict[str, Any] = {
        "url": f"{public_root(request, services)}{BASE_PATH}{path}?{urlencode([*given, ('format', format)])}",
        "units": found.slice.layers[0].units,
        "fileType": format,
    }
    for key, values in (
        ("version", {matrix.version for matrix in found.matrices}),
        ("studyID", {matrix.study_id for matrix in found.matrices}),
    ):
        if len(values) == 1:
            told[key] = values.pop()
    reply = json_reply(request, told, "Ticket")
    reply.headers.update(id_headers(found.missing, found.omitted))
    return reply


def _file(request: Request, found: Found, chosen: Chosen) -> Response:
    name = found.matrices[0].id if len(found.matrices) == 1 else "expressions"
    return stream_reply(
        request,
        chosen.writer.write(found.slice),
        chosen.media_type,
        f"{name}.{chosen.writer.extension}",
        id_headers(found.missing, found.omitted),
    )
