"""The page of the cells of a matrix: an embedding, coloured by an attribute or a feature, and the same as a table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from flask import Flask, Response, request

from rnaget_server.errors import InvalidQuery, RnagetError, UnknownId, http_status
from rnaget_server.pages.cells_data import add_cells_data, read_expression, shown_matrix
from rnaget_server.pages.frame import address_of, page, root_of
from rnaget_server.pages.queries import cells_query
from rnaget_server.slicing.cells import (
    MOST_CELL_GROUPS,
    AmbiguousGene,
    Cells,
    FeatureInUnits,
    Groups,
    Statistics,
    cells_of,
    statistics,
)

if TYPE_CHECKING:
    from rnaget_server.pages.site import Site

_MOST_CHOICES = 500


@dataclass(frozen=True)
class Choice:
    """The part of the cells that is shown, and its colours.

    Attributes
    ----------
    embedding
        The embedding.
    colour
        The attribute that was asked for, or the usual one.
    by
        The attribute whose values are the groups; None if there are none.
    gene
        The feature; None if it was not asked for, or there is none.
    problem
        Why the feature that was asked for is not shown.
    """

    embedding: str
    colour: str | None
    by: str | None
    gene: FeatureInUnits | None
    problem: RnagetError | None

    @property
    def numbers(self) -> str | None:
        """The name of the numbers that the cells are coloured by; None if they are coloured by group."""
        if self.gene is not None:
            return f"{self.gene.name} ({self.gene.units})"
        return self.colour if self.colour != self.by else None


@dataclass(frozen=True)
class Row:
    """One group of cells; `code` is its number, and `kind` says whether it is ``other`` or ``none``."""

    code: int
    kind: str
    label: str
    count: int
    statistics: Statistics | None


def add_cells(pages: Flask, site: Site) -> None:
    """Add ``/matrices/{id}/cells``, and the addresses of its data."""
    add_cells_data(pages, site)

    @pages.get("/matrices/<id>/cells")
    def cells_page(id: str) -> Response:
        with cells_of(site.view, shown_matrix(site, id)) as cells:
            choice = _choice(cells)
            reply = Response(page(site, "cells.html", **_values(site, cells, choice)))
        if choice.problem is not None:
            reply.status_code = http_status(choice.problem)
        return reply


def _choice(cells: Cells) -> Choice:
    """Return what the request asks for.

    Raises
    ------
    UnknownId
        If the matrix has no embeddings, or none of that name, or no such attribute.
    """
    asked = request.args
    embedding = asked.get("embedding") or cells.default_embedding()
    if embedding is None:
        raise UnknownId(f"{cells.matrix.id} has no embedding of its cells, such as UMAP, which this page would show")
    cells.points(embedding)
    colour = asked.get("colour") or cells.default_attribute()
    by = colour if colour is None or not cells.is_continuous(colour) else cells.default_attribute()
    gene = problem = None
    if name := asked.get("gene", "").strip():
        try:
            gene = cells.gene(name, asked.get("units") or None)
        except (UnknownId, InvalidQuery) as error:
            problem = error
    return Choice(embedding, colour, by, gene, problem)


def _values(site: Site, cells: Cells, choice: Choice) -> dict[str, object]:
    """Return the values that the template shows."""
    matrix, store = cells.matrix, cells.store
    address = f"{root_of(site)}/matrices/{quote(matrix.id)}"
    groups = cells.groups(choice.by) if choice.by is not None else None
    table = {"embedding": choice.embedding, "colour": choice.colour, **_of_gene(choice)}
    return {
        "matrix": matrix,
        "study": site.view.catalog.studies.get(matrix.study_id),
        "choice": choice,
        "embeddings": store.embeddings,
        "attributes": store.samples.attributes[:_MOST_CHOICES],
        "units": store.units,
        "count": cells.count,
        "placed": cells.placed(choice.embedding),
        "groups": groups,
        "most_groups": MOST_CELL_GROUPS,
        "rows": list(_rows(cells, choice, groups)),
        "candidates": choice.problem.ids[:20] if isinstance(choice.problem, AmbiguousGene) else (),
        "log": bool(request.args.get("log")),
        "asked": request.args,
        "sources": _sources(address, choice),
        "table": f"{address}/cells/table?{_query(table)}",
        "query": cells_query(f"{address_of(site)}/matrices/{quote(matrix.id)}/cells/table?{_query(table)}"),
    }


def _sources(address: str, choice: Choice) -> dict[str, str | None]:
    """Return the addresses that the script reads: of the points, groups and numbers, and of single cells."""
    groups, numbers = {"attribute": choice.by}, _of_gene(choice) or {"attribute": choice.colour}
    return {
        "points": f"{address}/embeddings/{quote(choice.embedding, safe='')}",
        "cell": f"{address}/cells/",
        "groups": f"{address}/cells/groups?{_query(groups)}" if choice.by is not None else None,
        "numbers": f"{address}/cells/values?{_query(numbers)}" if choice.numbers is not None else None,
    }


def _of_gene(choice: Choice) -> dict[str, str | None]:
    return {"gene": choice.gene.id, "units": choice.gene.units} if choice.gene is not None else {}


def _query(parameters: dict[str, str | None]) -> str:
    return urlencode({key: value for key, value in parameters.items() if value}, quote_via=quote)


def _rows(cells: Cells, choice: Choice, groups: Groups | None) -> Iterator[Row]:
    """Yield the groups, then the other values together, then the cells without a value."""
    if groups is None:
        return
    numbers = None
    if choice.gene is not None:
        numbers = read_expression(cells, choice.gene)
    elif choice.numbers is not None and choice.colour is not None:
        numbers = cells.numbers(choice.colour)
    size = len(groups.counts)
    found: list[Statistics | None] = [None] * size
    if numbers is not None:
        found = [*statistics(numbers, groups.codes, size)]
    further = [("other", f"{groups.others:,} other values"), ("none", "no value")]
    kinds = [*(("", value) for value in groups.values), *further]
    for code, ((kind, label), count) in enumerate(zip(kinds, groups.counts, strict=True)):
        if count:
            yield Row(code, kind, label, count, found[code])
