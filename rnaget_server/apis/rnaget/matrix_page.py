"""The page that a browser gets for the address of a matrix, in place of all its cells as JSON."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

from starlette.responses import Response

from rnaget_server.apis.rnaget import BASE_PATH
from rnaget_server.apis.rnaget.context import Context
from rnaget_server.apis.rnaget.dialect import RnagetDialect, slice_headers
from rnaget_server.catalog import Matrix
from rnaget_server.http.dialect import HTML
from rnaget_server.http.request import house_of, visitor_of
from rnaget_server.query import MatrixQuery
from rnaget_server.query.strings import query_string
from rnaget_server.slicing.matrices import MatrixSlice
from rnaget_server.web import render

_MOST_OF_QUERY = 4_000
_NOT_IN_LINKS = ("format", "download")


def matrix_page(context: Context, matrix: Matrix, query: MatrixQuery, resolved: MatrixSlice) -> Response:
    """Return the page of a slice of a matrix: its size, and links to it in every format."""
    root = urlsplit(context.api.settings.public_url).path
    address = f"{root}{BASE_PATH}/expressions/{quote(matrix.id, safe='')}"
    parameters = query_string(pair for pair in query.given if pair[0] not in _NOT_IN_LINKS)
    features, columns = resolved.slice.shape
    links = []
    if len(parameters) <= _MOST_OF_QUERY:
        start = f"{parameters}&" if parameters else ""
        formats = context.api.formats.of("expressions")
        links = [(format, f"{address}/bytes?{start}format={quote(format)}") for format in formats]
    hidden = "studies" in context.api.settings.switched_off
    study = None if hidden else context.view.catalog.studies.get(matrix.study_id)
    page = render(
        "slice.html",
        root=root,
        house=house_of(context.request),
        visitor=visitor_of(context.request.scope),
        matrix=matrix,
        study=study,
        address=address,
        whole_page=_page_of(root, matrix, query),
        is_part=bool(parameters),
        parameters=parameters[:_MOST_OF_QUERY],
        features=features,
        columns=columns,
        kind=resolved.columns,
        units=[layer.units for layer in resolved.slice.layers],
        missing=resolved.missing[:20],
        links=links,
    )
    headers = {"Vary": "Accept", **RnagetDialect().headers(HTML)}
    headers |= slice_headers(resolved)
    return Response(page, headers=headers)


def _page_of(root: str, matrix: Matrix, query: MatrixQuery) -> str:
    """Return the address of the page of a matrix, with what selects features and samples."""
    address = f"{root}/matrices/{quote(matrix.id, safe='')}"
    if query.group_by is not None or query.top is not None or query.has_bounds:
        return address
    parameters = query_string(pair for pair in query.given if pair[0] not in _NOT_IN_LINKS)
    return f"{address}?{parameters}" if 0 < len(parameters) <= _MOST_OF_QUERY else address
