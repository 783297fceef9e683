"""The page of a matrix, or of what is selected of it: its facts, attributes, first cells, samples and downloads."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from flask import Flask, redirect, request

from rnaget_server.catalog.records import Matrix
from rnaget_server.delivery.sizes import Sample, Size, size_of
from rnaget_server.errors import InvalidQuery, ResultTooLarge, StoreFailure, UnknownId, unknown_name
from rnaget_server.model.observation import stage
from rnaget_server.pages.attributes import Links, ValueView, attribute_views, filter_of
from rnaget_server.pages.frame import address_of, page, root_of
from rnaget_server.pages.matrix_detail import matrix_queries
from rnaget_server.pages.paging import Span
from rnaget_server.pages.queries import data_route
from rnaget_server.pages.studies import genome_of_study
from rnaget_server.query import MatrixQuery
from rnaget_server.query.strings import Pair, digest, query_pairs, query_string
from rnaget_server.slicing.attribute_counts import AxisName, axis_of
from rnaget_server.slicing.lookup import matrix_of
from rnaget_server.slicing.matrices import selection_by_id, slice_by_id
from rnaget_server.slicing.preview import Sampler, first_cells, sample_ids, selecting_query

if TYPE_CHECKING:
    from werkzeug.wrappers import Response

    from rnaget_server.model.slice import ResolvedSlice
    from rnaget_server.pages.site import Site
    from rnaget_server.slicing.candidates import MatrixSelection

_ROWS, _COLUMNS = 10, 8
_SAMPLES = 60
_VALUES = 200
_LONGEST_QUERY = 4_000


@dataclass(frozen=True)
class DownloadView:
    """A format: where the file is, and its size; of one that cannot hold the data, the reason why."""

    format: str
    link: str
    size: Size | None
    reason: str = ""


def add_matrices(pages: Flask, site: Site) -> None:
    """Add ``/matrices/{id}`` and ``/matrices/{id}/values``."""

    @pages.get("/matrices/<id>")
    def matrix(id: str) -> str | Response:
        record = matrix_of(site.view, id)
        pairs = query_pairs(request.query_string.decode("latin-1"))
        asked = dict(pairs)
        if "attribute" in asked and "attribute" not in site.view.catalog.filter_names:
            return redirect(Links(root_of(site), record).values(_axis(site, record, asked), asked["attribute"]))
        return _matrix_page(site, record, pairs)

    @pages.get("/matrices/<id>/values")
    def values(id: str) -> str:
        return _values_page(site, matrix_of(site.view, id), request.args.to_dict())


def _is_offered(site: Site) -> bool:
    return "expressions" not in site.settings.switched_off


def _matrix_page(site: Site, matrix: Matrix, given: Sequence[Pair]) -> str:
    view = site.view
    offset = _whole(dict(given).get("offset", "0"))
    pairs = [pair for pair in given if pair[0] != "offset"]
    query = selecting_query(view, matrix.id, pairs)
    selected = selection_by_id(view, matrix.id, query)
    resolved, refusal = None, ""
    try:
        with stage("select"):
            resolved = slice_by_id(view, matrix.id, query)
    except ResultTooLarge as error:
        refusal = str(error)
    offered = _is_offered(site)
    links = Links(root_of(site), matrix, query.given, has_samples=site.shows_values)
    samples, features = attribute_views(site, selected, links)
    span = Span.at(offset, _SAMPLES, selected.shape[1])
    queries = matrix_queries(site, matrix, selected.store, address_of(site))
    return page(
        site,
        "matrix.html",
        **_facts(site, matrix, selected),
        links=links,
        query=query,
        given=query.given,
        missing=[value for values in selected.selection.missing.values() for value in values][:20],
        attributes_of_samples=samples,
        attributes_of_features=features,
        offered=offered,
        shows_values=site.shows_values,
        refusal=refusal,
        downloads=_downloads(site, selected, query, resolved) if offered and resolved is not None else [],
        cells=first_cells(selected, query.units or matrix.units, _ROWS, _COLUMNS) if site.shows_values else None,
        units=query.units or matrix.units,
        has_embeddings=site.shows_values and bool(selected.store.embeddings),
        samples=sample_ids(selected, span.start, _SAMPLES),
        span=span,
        offset_link=_offset_link(links.page, pairs),
        queries=list(queries) if offered and not query.given else [],
    )


def _facts(site: Site, matrix: Matrix, selected: MatrixSelection) -> dict[str, object]:
    view = site.view
    study = view.catalog.studies[matrix.study_id]
    sums = []
    for file in view.files.of_record("expressions", matrix.id):
        with suppress(StoreFailure):
            sums.append((file, view.files.facts(file, 0)))
    return {
        "matrix": matrix,
        "study": study,
        "project": view.catalog.projects[matrix.project_id],
        "genome": genome_of_study(site, study),
        "files": sums,
        "by_ticket": site.settings.require_tickets,
        "whole": selected.store.shape,
        "shape_of_part": selected.shape,
        "all_units": selected.store.units,
    }


def _downloads(
    site: Site, selected: MatrixSelection, query: MatrixQuery, resolved: ResolvedSlice
) -> Sequence[DownloadView]:
    """Return the formats with their sizes, which are found out once for each query and version of the file."""
    matrix, origin = selected.matrix, resolved.slice.origin
    parameters = query_string(query.given)
    if len(parameters) > _LONGEST_QUERY:
        return []

    def sizes() -> tuple[tuple[str, Size | None, str], ...]:
        sample = Sampler(selected, query, origin)
        return tuple(found(name, sample) for name in site.formats.of("expressions"))

    def found(name: str, sample: Sample) -> tuple[str, Size | None, str]:
        try:
            return name, size_of(site.formats.writer("expressions", name), resolved.slice, sample), ""
        except (InvalidQuery, ResultTooLarge) as error:
            return name, None, str(error)

    basis = [repr(matrix), repr(selected.store.version), repr(sorted(origin.items())), resolved.query]
    route = data_route(site.settings.require_tickets)
    address = f"{root_of(site)}/rnaget/expressions/{quote(matrix.id, safe='')}/{route}"
    return [
        DownloadView(name, f"{address}?{query_string([*query.given, ('format', name)])}", size, reason)
        for name, size, reason in site.sizes.get(digest({"size": basis}), sizes)
    ]


def _values_page(site: Site, matrix: Matrix, asked: dict[str, str]) -> str:
    axis = _axis(site, matrix, asked)
    attribute = asked.get("attribute", "")
    store = site.view.stores.open(matrix)
    names = axis_of(store, axis).attributes
    if attribute not in names:
        raise UnknownId(f"{matrix.id}: " + unknown_name(f"attribute of {axis}s", attribute, names))
    counts = site.counter.of(matrix, store, axis, attribute)
    span = Span.at(_whole(asked.get("offset", "0")), _VALUES, len(counts.values))
    links = Links(root_of(site), matrix, has_samples=site.shows_values)
    filter = filter_of(matrix, axis, attribute)
    shown = counts.values[span.start : span.stop]
    return page(
        site,
        "values.html",
        matrix=matrix,
        study=site.view.catalog.studies.get(matrix.study_id),
        attribute=attribute,
        axis=axis,
        size=axis_of(store, axis).size,
        filter=filter,
        is_id=links.of_value(axis, attribute, None, "") is not None,
        counts=counts,
        values=[ValueView(text, count, links.of_value(axis, attribute, filter, text)) for text, count in shown],
        span=span,
        offset_link=_offset_link(f"{links.page}/values", [("attribute", attribute), ("axis", axis)]),
        links=links,
    )


def _axis(site: Site, matrix: Matrix, asked: dict[str, str]) -> AxisName:
    """Return the axis that is asked for, else the one that has the attribute.

    Raises
    ------
    InvalidQuery
        If there is no such axis.
    """
    axis = asked.get("axis")
    if axis not in (None, "sample", "feature"):
        raise InvalidQuery("axis is sample or feature")
    if axis is not None:
        return "feature" if axis == "feature" else "sample"
    store = site.view.stores.open(matrix)
    named = asked.get("attribute")
    return "feature" if named in store.features.attributes and named not in store.samples.attributes else "sample"


def _whole(text: str) -> int:
    """Return a number of a page's address.

    Raises
    ------
    InvalidQuery
        If it is none.
    """
    if not (text.isascii() and text.isdigit() and len(text) <= 12):
        raise InvalidQuery("offset is a whole number, from 0")
    return int(text)


def _offset_link(address: str, pairs: Sequence[Pair]) -> str:
    """Return the address of another part of a list, without the offset at its end."""
    return f"{address}?{query_string([*pairs, ('offset', '')])}"
