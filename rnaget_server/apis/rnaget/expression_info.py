"""What the draft of the next version of RNAget has beyond 1.2.0: matrices, their features and samples, one slice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from starlette.requests import Request
from starlette.responses import Response

from rnaget_server.apis.rnaget.downloads import download
from rnaget_server.apis.rnaget.listing import present
from rnaget_server.catalog import Matrix
from rnaget_server.errors import InvalidQuery, StoreFailure
from rnaget_server.http.formats import choose_format
from rnaget_server.http.posted import pairs_of
from rnaget_server.http.replies import id_headers, json_reply
from rnaget_server.http.request import cancellation_of, current
from rnaget_server.query import MatrixQuery, Parameters, parse_matrix_query
from rnaget_server.query.conditions import parameter_names
from rnaget_server.query.matrix import SEARCH_PARAMETERS
from rnaget_server.query.parameters import shown
from rnaget_server.service import Services
from rnaget_server.slicing.finding import belongs, record_by_id
from rnaget_server.slicing.labels import axis_page, matrix_details
from rnaget_server.slicing.matrices import slice_by_id

_DEFAULT_LIMIT = 100
_MOST = 2**31 - 1
_PAGING = ("offset", "limit")
_LISTS = ("sampleIDList", "featureIDList", "featureNameList")


def get_expressions_info() -> Response:
    """Return what is known of the matrices that match, page by page."""
    request, services = current()
    pairs, offset, limit = _paged(request, SEARCH_PARAMETERS)
    query = parse_matrix_query(pairs, ())
    matching = [one for one in services.catalog.current.matrices.values() if belongs(one, query)]
    page = matching[offset : offset + limit if limit else None]
    data, omitted = [], []
    for one in page:
        try:
            data.append(_described(services, one))
        except StoreFailure:
            omitted.append(one.id)
    reply = json_reply(request, {"data": data, "count": len(matching)}, "Expression matrices")
    reply.headers.update(id_headers((), omitted))
    return reply


def get_expression_info_by_id(expression_id: str) -> Response:
    """Return what is known of one matrix."""
    request, services = current()
    Parameters(pairs_of(request), ())
    matrix = record_by_id("expression matrix", expression_id, services.catalog.current.matrices, MatrixQuery())
    return json_reply(request, _described(services, matrix), f"Matrix {matrix.id}")


def get_expression_features(expression_id: str) -> Response:
    """Return the features of a matrix, page by page."""
    return _axis(expression_id, "feature")


def get_expression_samples(expression_id: str) -> Response:
    """Return the samples of a matrix, page by page."""
    return _axis(expression_id, "sample")


def get_expression_by_id(expression_id: str) -> Response:
    """Return a slice of one matrix, as JSON unless another format is named; to be shown, or saved as a file."""
    request, services = current()
    pairs = pairs_of(request)
    saved = Parameters([pair for pair in pairs if pair[0] == "download"], ("download",)).text("download")
    if saved not in (None, "true", "false"):
        raise InvalidQuery(f"download must be true or false, not {shown(str(saved))}")
    rest = [pair for pair in pairs if pair[0] != "download"]
    query = parse_matrix_query(rest, services.catalog.current.filter_names)
    found = slice_by_id(services, expression_id, query, cancellation_of(request))
    chosen = choose_format(request, services, "expressions", query.format or "json", None)
    reply = download(request, found, chosen)
    if saved != "true" and "Content-Disposition" in reply.headers:
        reply.headers["Content-Disposition"] = reply.headers["Content-Disposition"].replace("attachment", "inline", 1)
    return reply


# By POST the parameters come in the body, and all else is the same.
post_expressions_info = get_expressions_info
post_expression_features = get_expression_features
post_expression_samples = get_expression_samples
post_expression_by_id = get_expression_by_id


def _axis(matrix_id: str, axis: Literal["feature", "sample"]) -> Response:
    request, services = current()
    filters = services.catalog.current.filter_names
    known = (*_LISTS, *(f"{name}_not" for name in _LISTS), *parameter_names(filters))
    pairs, offset, limit = _paged(request, known)
    page = axis_page(services, matrix_id, axis, parse_matrix_query(pairs, filters), offset, limit)
    reply = json_reply(request, {"data": page.items, "total": page.total}, f"{axis.title()}s of {matrix_id}")
    reply.headers.update(id_headers(page.missing, ()))
    return reply


def _paged(request: Request, known: Sequence[str]) -> tuple[list[tuple[str, str]], int, int]:
    """Return the parameters but those of paging, and offset and limit (0: all)."""
    pairs = pairs_of(request)
    parameters = Parameters(pairs, (*known, *_PAGING))
    offset = parameters.whole_number("offset", 0, _MOST)
    limit = parameters.whole_number("limit", 0, _MOST)
    rest = [pair for pair in pairs if pair[0] not in _PAGING]
    return rest, offset or 0, _DEFAULT_LIMIT if limit is None else limit


def _described(services: Services, matrix: Matrix) -> dict[str, Any]:
    told = present(
        id=matrix.id,
        version=matrix.version,
        name=matrix.name,
        description=matrix.description,
        projectID=matrix.project_id,
        studyID=matrix.study_id,
        license=matrix.license,
        tags=matrix.tags,
        fileType=matrix.default_format,
        formats=services.formats_of("expressions"),
        featureID=matrix.feature_id,
        featureName=matrix.feature_name,
        sampleID=matrix.sample_id,
        filters=tuple(matrix.filters),
        units=(matrix.units,),
    )
    return {**told, **matrix_details(services, matrix)}
