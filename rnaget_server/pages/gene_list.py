"""A list of genes as a heat map over groups of samples: the page with its form, and the data for its script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import orjson
from flask import Flask, Response, abort, request

from rnaget_server.errors import RnagetError, UnknownId, http_status
from rnaget_server.model.limits import MAX_HEAT_MAP
from rnaget_server.pages.assets import library_address
from rnaget_server.pages.fair_share import count_cells
from rnaget_server.pages.frame import address_of, page
from rnaget_server.pages.heat_map_state import SUMMARIES, Asked, Drawn, draw, read_asked
from rnaget_server.pages.queries import Source
from rnaget_server.pages.view_links import allow_frames, is_embedded, view_links
from rnaget_server.slicing.gene_list import ListedGene
from rnaget_server.slicing.heat_map import CLUSTERS, SCALES, Cluster, HeatMap, Scale

if TYPE_CHECKING:
    from rnaget_server.catalog.records import Matrix
    from rnaget_server.datasets.repository import View
    from rnaget_server.pages.site import Site

_SCALE_WORDS: Mapping[Scale, str] = {"log": "log2(value + 1)", "linear": "value", "zscore": "z-score of each gene"}
_CLUSTER_WORDS: Mapping[Cluster, str] = {
    "both": "genes and groups",
    "genes": "genes",
    "groups": "groups",
    "none": "nothing: as listed",
}
_MOST_TABLE_ROWS = 100
_MOST_TABLE_COLUMNS = 60
_MOST_MATRICES = 500
_FRAME_HEIGHT = 640


@dataclass(frozen=True)
class Select:
    """A choice in the form: (value, words) each."""

    name: str
    label: str
    chosen: str
    options: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Table:
    """The first values of a heat map: groups with their sizes, and a row for each gene."""

    groups: Sequence[tuple[str, int]]
    rows: Sequence[tuple[ListedGene, Sequence[float]]]
    is_part: bool


def add_gene_list(pages: Flask, site: Site) -> None:
    """Add ``/genes`` and ``/genes.json``."""

    @pages.get("/genes")
    def gene_list() -> Response:
        _check_offered(site)
        view = site.view
        asked, drawn, problem = None, None, None
        try:
            asked = read_asked(request.args)
            if any(map(str.strip, asked.lists)):
                drawn = draw(view, asked, count_cells)
                problem = drawn.problem
        except RnagetError as error:
            problem = error
        heat = drawn.heat if drawn is not None else None
        if drawn is not None and heat is not None and is_embedded():
            embedded = page(site, "gene_list_embedded.html", drawn=drawn, **_view(site, drawn))
            return allow_frames(Response(embedded, mimetype="text/html"))
        text = page(
            site,
            "gene_list.html",
            text="\n".join(request.args.getlist("ids")),
            selects=_selects(view, asked, drawn),
            most_genes=MAX_HEAT_MAP,
            problem=problem,
            drawn=drawn,
            heat=heat,
            table=None if heat is None else _table(heat),
            **({} if drawn is None or heat is None else _view(site, drawn)),
        )
        nothing = 200 if drawn is None or drawn.genes.genes else 404
        return Response(text, status=nothing if problem is None else http_status(problem), mimetype="text/html")

    @pages.get("/genes.json")
    def heat_map_data() -> Response:
        _check_offered(site)
        drawn = draw(site.view, read_asked(request.args), count_cells)
        if drawn.problem is not None:
            raise drawn.problem
        if drawn.heat is None:
            raise UnknownId(f"{drawn.matrix.id} has none of these genes")
        reply = Response(orjson.dumps(_data(drawn, drawn.heat), option=orjson.OPT_SERIALIZE_NUMPY))
        reply.mimetype = "application/json"
        reply.cache_control.no_cache = True
        reply.add_etag()
        reply.make_conditional(request)
        return reply


def _check_offered(site: Site) -> None:
    """Answer 404 where the provider does not offer expression values."""
    if "expressions" in site.settings.switched_off:
        abort(404)
    site.check_values()


def _selects(view: View, asked: Asked | None, drawn: Drawn | None) -> list[Select]:
    """Return the choices of the form; those of a matrix once there is one."""
    matrices = islice(view.catalog.matrices.values(), _MOST_MATRICES)
    of_matrices = [("", "the one with most of the genes"), *((matrix.id, _title(matrix)) for matrix in matrices)]
    selects = [Select("matrix", "Matrix", drawn.matrix.id if drawn else (asked and asked.matrix) or "", of_matrices)]
    scales = [(scale, _SCALE_WORDS[scale]) for scale in SCALES]
    if drawn is not None:
        own = {drawn.matrix.sample_id: "nothing: each sample"}
        names = [(name, own.get(name, name)) for name in drawn.groupings]
        chosen = drawn.group_by if drawn.problem is None else drawn.matrix.sample_id
        selects.append(Select("group_by", "Group samples by", chosen, names))
    selects.append(Select("summary", "Value of a group", asked.summary if asked else "", [(s, s) for s in SUMMARIES]))
    chosen_scale = drawn.heat.scale if drawn and drawn.heat else (asked and asked.scale) or ""
    selects.append(Select("scale", "Colours", chosen_scale, [("", "as fits the units"), *scales]))
    clusters = [(cluster, _CLUSTER_WORDS[cluster]) for cluster in CLUSTERS]
    return [*selects, Select("cluster", "Cluster", asked.cluster if asked else "", clusters)]


def _title(matrix: Matrix) -> str:
    return f"{matrix.name or matrix.id} ({matrix.units})"


def _table(heat: HeatMap) -> Table:
    rows = heat.values[:_MOST_TABLE_ROWS, :_MOST_TABLE_COLUMNS].tolist()
    return Table(
        list(zip(heat.groups, heat.sizes, strict=True))[:_MOST_TABLE_COLUMNS],
        list(zip(heat.genes, rows, strict=False)),
        len(heat.genes) > _MOST_TABLE_ROWS or len(heat.groups) > _MOST_TABLE_COLUMNS,
    )


def _view(site: Site, drawn: Drawn) -> dict[str, Any]:
    """Return what a template needs to draw: where the data are, how to take the view elsewhere, and the library."""
    matrix, asked = drawn.matrix, drawn.asked
    pairs = list(drawn.pairs())
    source = Source.of_matrix(address_of(site), matrix, site.settings.require_tickets)
    number = len(drawn.genes.genes)
    title = f"{number} {'gene' if number == 1 else 'genes'} in {matrix.name or matrix.id}"
    if drawn.is_grouped:
        title += f", {asked.summary} by {drawn.group_by}"
    query = source.part(title, drawn.parameters())
    return {
        "data": urlencode(pairs, quote_via=quote),
        "links": view_links(site, "/genes", pairs, title, query, _FRAME_HEIGHT),
        "plotly": library_address(site, "plotly"),
    }


def _data(drawn: Drawn, heat: HeatMap) -> dict[str, Any]:
    return {
        "matrix": drawn.matrix.id,
        "units": drawn.matrix.units,
        "group_by": drawn.group_by,
        "grouped": drawn.is_grouped,
        "summary": drawn.asked.summary,
        "scale": heat.scale,
        "logarithms": heat.logged,
        "genes": [{"id": gene.id, "name": gene.name} for gene in heat.genes],
        "groups": [{"name": name, "samples": size} for name, size in zip(heat.groups, heat.sizes, strict=True)],
        "values": heat.values,
        "shown": heat.shown,
    }
