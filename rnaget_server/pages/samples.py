"""The page of one sample, or cell, of a matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from flask import Flask, Response, abort, request

from rnaget_server.pages.assets import library_address
from rnaget_server.pages.fair_share import count_cells
from rnaget_server.pages.frame import address_of, page, root_of
from rnaget_server.pages.queries import Query, Source, list_of
from rnaget_server.pages.view_links import allow_frames, is_embedded, view_links
from rnaget_server.slicing.lookup import matrix_of
from rnaget_server.slicing.sample import Sample, read_sample
from rnaget_server.web import plain_number

if TYPE_CHECKING:
    from rnaget_server.catalog.records import Matrix
    from rnaget_server.datasets.repository import View
    from rnaget_server.pages.site import Site

_FRAME_HEIGHT = 640


def add_samples(pages: Flask, site: Site) -> None:
    """Add ``/samples/{matrix}/{id}``."""

    @pages.get("/samples/<matrix>/<path:id>")
    def sample(matrix: str, id: str) -> Response:
        if "expressions" in site.settings.switched_off:
            abort(404)
        site.check_values()
        view = site.view
        record = matrix_of(view, matrix)
        count_cells(view.stores.open(record).shape[0])
        return _page(site, view, record, read_sample(view, record, id, request.args.get("units")))


def _page(site: Site, view: View, matrix: Matrix, sample: Sample) -> Response:
    query = _query(site, matrix, sample)
    path = f"/samples/{quote(matrix.id, safe='')}/{quote(sample.id, safe='')}"
    state = [("units", sample.units)] if sample.units != matrix.units else []
    values = {
        "sample": sample,
        "links": view_links(site, path, state, query.title, query, _FRAME_HEIGHT),
        "plotly": library_address(site, "plotly"),
    }
    if is_embedded():
        return allow_frames(Response(page(site, "sample_embedded.html", **values), mimetype="text/html"))
    text = page(
        site,
        "sample.html",
        matrix=matrix,
        all_units=view.stores.open(matrix).units,
        study=view.catalog.studies.get(matrix.study_id),
        highest_ids=",".join(high.id for high in sample.highest),
        facts=_facts(sample),
        downloads=[] if site.settings.require_tickets else _downloads(site, query),
        **values,
    )
    return Response(text, mimetype="text/html")


def _facts(sample: Sample) -> list[tuple[str, str]]:
    """Return what is said of all values together."""
    words = {"min": "Minimum", "q1": "First quartile", "median": "Median", "q3": "Third quartile", "max": "Maximum"}
    facts = [("Above 0", f"{sample.above_zero:,} of {sample.features:,} features")]
    if sample.missing:
        facts.append(("Without a value", f"{sample.missing:,} features"))
    if sample.total is not None:
        facts.append(("Library size", plain_number(sample.total)))
    return facts + [(words[name], plain_number(value)) for name, value in sample.quantiles]


def _query(site: Site, matrix: Matrix, sample: Sample) -> Query:
    source = Source.of_matrix(address_of(site), matrix, site.settings.require_tickets)
    return source.part(
        f"{sample.id} in {matrix.name or matrix.id}", {"sampleIDList": list_of([sample.id]), "units": sample.units}
    )


def _downloads(site: Site, query: Query) -> list[tuple[str, str]]:
    """Return where the sample is in each format; the address of the query ends with its own."""
    start = root_of(site) + query.url.removeprefix(address_of(site)).removesuffix("tsv")
    return [(name, f"{start}{quote(name)}") for name in site.formats.of("expressions")]
