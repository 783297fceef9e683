"""The routes that the draft of the next RNAget adds to 1.2.0: matrices, their features and samples, one slice."""

from __future__ import annotations

from typing import Any, Literal

from starlette.responses import Response

from rnaget_server.apis.rnaget.context import Context
from rnaget_server.apis.rnaget.dialect import RnagetDialect, slice_headers
from rnaget_server.apis.rnaget.genome_links import genome_fields, with_gene_links
from rnaget_server.apis.rnaget.listing import present
from rnaget_server.apis.rnaget.matrix_page import matrix_page
from rnaget_server.apis.rnaget.paging import PAGE_PARAMETERS, paging_of, respond_page
from rnaget_server.catalog import Matrix
from rnaget_server.datasets.repository import View
from rnaget_server.errors import StoreFailure, UnknownParameter
from rnaget_server.http.dialect import wants_page
from rnaget_server.model.observation import stage
from rnaget_server.query import MatrixQuery, Parameters, parse_matrix_query
from rnaget_server.query.parameters import parameter_names
from rnaget_server.query.table import SEARCH_PARAMETERS
from rnaget_server.slicing.advice import matrix_query_of, unknown_of_matrix
from rnaget_server.slicing.axis_pages import axis_page, matrix_details
from rnaget_server.slicing.lookup import belongs, record_by_id
from rnaget_server.slicing.matrices import slice_by_id

_LISTS = ("sampleIDList", "featureIDList", "featureNameList")
_SEARCH = "search"
_TAKEN = (*_LISTS, *(f"{name}_not" for name in _LISTS), _SEARCH)


def get_expressions_info(context: Context) -> Response:
    """Return what is known of the matrices that match, page by page."""
    paging = paging_of(context, SEARCH_PARAMETERS)
    query = parse_matrix_query(paging.parameters, ())
    view = context.view
    matching = [matrix for matrix in view.catalog.matrices.values() if belongs(matrix, query)]
    data, omitted = [], []
    for matrix in matching[paging.items]:
        try:
            data.append(_described(context, view, matrix))
        except StoreFailure:
            omitted.append(matrix.id)
    payload = {"data": data, "count": len(matching)}
    return respond_page(context, paging, payload, len(matching), "Expression matrices", omitted=omitted)


def get_expression_info_by_id(context: Context, expression_id: str) -> Response:
    """Return what is known of one matrix."""
    context.parameters()
    view = context.view
    matrix = record_by_id("expression matrix", expression_id, view.catalog.matrices, MatrixQuery())
    return context.respond(_described(context, view, matrix), f"Matrix {matrix.id}")


def get_expression_features(context: Context, expression_id: str) -> Response:
    """Return the features of a matrix, page by page."""
    return _axis(context, expression_id, "feature")


def get_expression_samples(context: Context, expression_id: str) -> Response:
    """Return the samples of a matrix, page by page."""
    return _axis(context, expression_id, "sample")


def get_expression_by_id(context: Context, expression_id: str) -> Response:
    """Return a slice of one matrix, as JSON unless another format is named; to be shown, or saved as a file.

    A browser that names no format gets a page with links, since it would show the JSON of millions of cells.
    """
    pairs = context.received.pairs
    saved = Parameters([pair for pair in pairs if pair[0] == "download"], ("download",)).flag("download")
    rest = [pair for pair in pairs if pair[0] != "download"]
    view = context.view
    query = matrix_query_of(view, expression_id, rest)
    with stage("select"):
        resolved = slice_by_id(view, expression_id, query, context.cancellation)
    if query.format is None and not saved and wants_page(context.request, RnagetDialect.media_types):
        return matrix_page(context, view.catalog.matrices[expression_id], query, resolved)
    chosen = context.api.formats.choose(context.request, "expressions", query.format or "json", None, query.compression)
    reply = context.api.delivery.respond(context, resolved, chosen, slice_headers(resolved))
    if not saved and "Content-Disposition" in reply.headers:
        reply.headers["Content-Disposition"] = reply.headers["Content-Disposition"].replace("attachment", "inline", 1)
    return reply


# By POST the parameters come in the body, and all else is the same.
post_expressions_info = get_expressions_info
post_expression_features = get_expression_features
post_expression_samples = get_expression_samples
post_expression_by_id = get_expression_by_id


def _axis(context: Context, matrix_id: str, axis: Literal["feature", "sample"]) -> Response:
    view = context.view
    filters = view.catalog.filter_names
    try:
        paging = paging_of(context, (*_TAKEN, *parameter_names(filters)))
    except UnknownParameter as error:
        raise unknown_of_matrix(view, matrix_id, error, (*_TAKEN, *PAGE_PARAMETERS)) from None
    search = Parameters([pair for pair in paging.parameters if pair[0] == _SEARCH], (_SEARCH,)).text(_SEARCH)
    query = parse_matrix_query([pair for pair in paging.parameters if pair[0] != _SEARCH], filters)
    page = axis_page(view, matrix_id, axis, query, paging.offset, paging.limit, search)
    if axis == "sample":
        _name_reads(context, view, matrix_id, page.items)
    items = with_gene_links(context, view, matrix_id, page.items) if axis == "feature" else page.items
    payload: dict[str, Any] = {"data": items, "total": page.total}
    if search is not None and not page.total:
        payload["suggestions"] = list(page.suggestions)
    return respond_page(context, paging, payload, page.total, f"{axis.title()}s of {matrix_id}", page.missing)


def _name_reads(context: Context, view: View, matrix_id: str, samples: list[dict[str, Any]]) -> None:
    """Add the addresses of reads and variants to the samples that the study has some of."""
    study = view.catalog.studies[view.catalog.matrices[matrix_id].study_id]
    for sample in samples:
        for reads in study.reads_by_sample.get(str(sample["id"]), ()):
            sample.setdefault(reads.kind, []).append(f"{context.root}/{reads.kind}/{reads.id}")


def _described(context: Context, view: View, matrix: Matrix) -> dict[str, Any]:
    fields = present(
        id=matrix.id,
        version=matrix.version,
        name=matrix.name,
        description=matrix.description,
        projectID=matrix.project_id,
        studyID=matrix.study_id,
        license=matrix.license,
        tags=matrix.tags,
        fileType=matrix.default_format,
        formats=context.api.formats.of("expressions"),
        featureID=matrix.feature_id,
        featureName=matrix.feature_name,
        sampleID=matrix.sample_id,
        filters=tuple(matrix.filters),
        units=(matrix.units,),
    )
    return {**fields, **matrix_details(view, matrix), **genome_fields(context, view, matrix)}
