"""A list of genes as a heat map over groups of samples: the page with its form, and the data for its script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlencode

import orjson
from flask import Flask, Response, abort, request

from rnaget_server.errors import InvalidQuery, RnagetError, UnknownId, http_status, shown, unknown_choice, unknown_name
from rnaget_server.pages.assets import library_address
from rnaget_server.pages.frame import page
from rnaget_server.pages.numbers import plain_number
from rnaget_server.pages.queries import Query, Source, list_of
from rnaget_server.slicing.gene_list import MOST_GENES, GeneList, ListedGene, find_genes, matrix_with_most
from rnaget_server.slicing.heat_map import (
    CLUSTERS,
    SCALES,
    Cluster,
    Grouped,
    HeatMap,
    Scale,
    default_group,
    default_scale,
    groupings,
    heat_map,
)

if TYPE_CHECKING:
    from rnaget_server.catalog.records import Matrix
    from rnaget_server.datasets.repository import View
    from rnaget_server.pages.site import Site

SUMMARIES = ("median", "mean")
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

Choice = TypeVar("Choice", bound=str)


@dataclass(frozen=True)
class Asked:
    """The parameters of a heat map; those left out are yet to be chosen by the data."""

    lists: tuple[str, ...]
    matrix: str | None
    group_by: str | None
    summary: str
    scale: Scale | None
    cluster: Cluster


@dataclass(frozen=True)
class Drawn:
    """A heat map, and what it was made from; `heat` is None if there is nothing to draw, or a `problem`."""

    asked: Asked
    matrix: Matrix
    group_by: str
    groupings: Sequence[str]
    genes: GeneList
    heat: HeatMap | None = None
    problem: RnagetError | None = None

    @property
    def is_grouped(self) -> bool:
        """True unless each sample is a column."""
        return self.group_by != self.matrix.sample_id

    @property
    def is_unlogged(self) -> bool:
        """True if logarithms were asked for, and there are none."""
        return self.heat is not None and not self.heat.logged and self.asked.scale == "log"

    def parameters(self) -> dict[str, str]:
        """Return the parameters of its slice in the API."""
        given = {"featureIDList": list_of([gene.id for gene in self.genes.genes])}
        if self.is_grouped:
            given |= {"group_by": self.group_by, "summary": self.asked.summary}
        return {**given, "units": self.matrix.units}


@dataclass(frozen=True)
class Select:
    """A choice in the form: (value, words) each."""

    name: str
    label: str
    chosen: str
    options: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Table:
    """The first values of a heat map as text: groups with their sizes, and a row for each gene."""

    groups: Sequence[tuple[str, int]]
    rows: Sequence[tuple[ListedGene, Sequence[str]]]
    is_part: bool


def add_gene_list(pages: Flask, site: Site) -> None:
    """Add ``/genes`` and ``/genes.json``."""

    @pages.get("/genes")
    def gene_list() -> Response:
        _check_offered(site)
        asked, drawn, problem = None, None, None
        try:
            asked = _asked()
            if any(map(str.strip, asked.lists)):
                drawn = _drawn(site.view, asked)
                problem = drawn.problem
        except RnagetError as error:
            problem = error
        heat = drawn.heat if drawn is not None else None
        text = page(
            site,
            "gene_list.html",
            text="\n".join(request.args.getlist("ids")),
            selects=_selects(site.view, asked, drawn),
            most_genes=MOST_GENES,
            problem=problem,
            drawn=drawn,
            heat=heat,
            table=None if heat is None else _table(heat),
            query=None if drawn is None or heat is None else _query(site, drawn),
            data=None if drawn is None else _address(drawn),
            plotly=library_address(site, "plotly"),
        )
        nothing = 200 if drawn is None or drawn.genes.genes else 404
        return Response(text, status=nothing if problem is None else http_status(problem), mimetype="text/html")

    @pages.get("/genes.json")
    def heat_map_data() -> Response:
        _check_offered(site)
        drawn = _drawn(site.view, _asked())
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
    if "expressions" in site.settings.switched_off or not request.host:
        abort(404)


def _asked() -> Asked:
    given = request.args
    scale = given.get("scale")
    return Asked(
        tuple(given.getlist("ids")),
        given.get("matrix") or None,
        given.get("group_by") or None,
        _choice("summary", given.get("summary") or "median", SUMMARIES),
        _choice("scale", scale, SCALES) if scale else None,
        _choice("cluster", given.get("cluster") or "both", CLUSTERS),
    )


def _choice(name: str, value: str, choices: Sequence[Choice]) -> Choice:
    """Return the value as one of the choices.

    Raises
    ------
    InvalidQuery
        If it is none of them.
    """
    for choice in choices:
        if value == choice:
            return choice
    raise InvalidQuery(unknown_choice(f"there is no {name} {shown(value)}", value, choices))


def _drawn(view: View, asked: Asked) -> Drawn:
    """Return the heat map, or what of it there is.

    Raises
    ------
    RnagetError
        If there is no such matrix, it cannot be read, or there are too many genes.
    """
    matrix = _matrix(view, asked)
    store = view.stores.open(matrix)
    genes = find_genes(view, matrix, asked.lists)
    group_by = asked.group_by or default_group(matrix, store)
    drawn = Drawn(asked, matrix, group_by, groupings(matrix, store), genes)
    if not genes.genes:
        return drawn
    scale = asked.scale or default_scale(matrix)
    try:
        heat = heat_map(view, matrix, genes.genes, Grouped(group_by, asked.summary), scale, asked.cluster)
    except RnagetError as error:
        return replace(drawn, problem=error)
    return replace(drawn, heat=heat)


def _matrix(view: View, asked: Asked) -> Matrix:
    if asked.matrix is None:
        found = matrix_with_most(view, asked.lists)
        if found is None:
            raise UnknownId("there is no expression matrix here that can be read")
        return found
    matrix = view.catalog.matrices.get(asked.matrix)
    if matrix is None:
        raise UnknownId(unknown_name("expression matrix", asked.matrix, view.catalog.matrices))
    return matrix


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
        [(gene, [plain_number(value) for value in row]) for gene, row in zip(heat.genes, rows, strict=False)],
        len(heat.genes) > _MOST_TABLE_ROWS or len(heat.groups) > _MOST_TABLE_COLUMNS,
    )


def _address(drawn: Drawn) -> str:
    """Return the query of the data: as that of the page, with what the page has chosen."""
    asked = drawn.asked
    given = {
        "ids": list(asked.lists),
        "matrix": drawn.matrix.id,
        "group_by": drawn.group_by,
        "summary": asked.summary,
        "cluster": asked.cluster,
        **({"scale": asked.scale} if asked.scale else {}),
    }
    return urlencode(given, doseq=True)


def _query(site: Site, drawn: Drawn) -> Query:
    matrix = drawn.matrix
    base = site.settings.public_url or request.url_root.rstrip("/")
    labelled_by_id = matrix.tsv.labels[:1] == (matrix.feature_id,)
    source = Source(
        base, f"expressions/{matrix.id}", labelled_by_id, matrix.tsv.comments, site.settings.require_tickets
    )
    return source.part("These genes in these groups", drawn.parameters())


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
