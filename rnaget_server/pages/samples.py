"""The page of one sample, or cell, of a matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from flask import Flask, abort, request

from rnaget_server.errors import UnknownId, unknown_name
from rnaget_server.pages.assets import library_address
from rnaget_server.pages.frame import page
from rnaget_server.pages.numbers import plain_number
from rnaget_server.pages.queries import Query, Source, list_of
from rnaget_server.slicing.sample import Sample, read_sample

if TYPE_CHECKING:
    from rnaget_server.catalog.records import Matrix
    from rnaget_server.pages.site import Site


def add_samples(pages: Flask, site: Site) -> None:
    """Add ``/samples/{matrix}/{id}``."""

    @pages.get("/samples/<matrix>/<path:id>")
    def sample(matrix: str, id: str) -> str:
        if "expressions" in site.settings.switched_off or not request.host:
            abort(404)
        view = site.view
        record = view.catalog.matrices.get(matrix)
        if record is None:
            raise UnknownId(unknown_name("expression matrix", matrix, view.catalog.matrices))
        read = read_sample(view, record, id, request.args.get("units"))
        query = _query(site, record, read)
        return page(
            site,
            "sample.html",
            matrix=record,
            all_units=view.stores.open(record).units,
            study=view.catalog.studies.get(record.study_id),
            sample=read,
            highest=[(high, plain_number(high.value)) for high in read.highest],
            highest_ids=",".join(high.id for high in read.highest),
            facts=_facts(read),
            query=query,
            downloads=[] if site.settings.require_tickets else _downloads(site, query),
            plotly=library_address(site, "plotly"),
        )


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
    base = site.settings.public_url or request.url_root.rstrip("/")
    labelled_by_id = matrix.tsv.labels[:1] == (matrix.feature_id,)
    source = Source(
        base, f"expressions/{matrix.id}", labelled_by_id, matrix.tsv.comments, site.settings.require_tickets
    )
    return source.part("This sample", {"sampleIDList": list_of([sample.id]), "units": sample.units})


def _downloads(site: Site, query: Query) -> list[tuple[str, str]]:
    """Return the address of the sample in each format; that of the query ends with its format."""
    start = query.url.removesuffix("tsv")
    return [(name, f"{start}{quote(name)}") for name in site.formats.of("expressions")]
