"""The state of a gene list, which is all in its address, and the heat map that it makes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from rnaget_server.errors import InvalidQuery, RnagetError, UnknownId, shown, unknown_choice
from rnaget_server.pages.queries import list_of
from rnaget_server.slicing.gene_list import GeneList, find_genes, matrix_with_most
from rnaget_server.slicing.heat_map import (
    CLUSTERS,
    SCALES,
    Cluster,
    Grouped,
    HeatMap,
    Scale,
    default_group,
    default_scale,
    grouping_name,
    groupings,
    heat_map,
)
from rnaget_server.slicing.lookup import matrix_of

if TYPE_CHECKING:
    from werkzeug.datastructures import MultiDict

    from rnaget_server.catalog.records import Matrix
    from rnaget_server.datasets.repository import View

SUMMARIES = ("median", "mean")

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

    def pairs(self) -> Iterator[tuple[str, str]]:
        """Yield the parameters of the page that shows it, with what was chosen for the reader."""
        yield from (("ids", text) for text in self.asked.lists)
        yield "matrix", self.matrix.id
        yield "group_by", self.group_by
        yield "summary", self.asked.summary
        if self.asked.scale is not None:
            yield "scale", self.asked.scale
        yield "cluster", self.asked.cluster

    def parameters(self) -> dict[str, str]:
        """Return the parameters of its slice in the API."""
        given = {"featureIDList": list_of([gene.id for gene in self.genes.genes])}
        if self.is_grouped:
            given |= {"group_by": self.group_by, "summary": self.asked.summary}
        return {**given, "units": self.matrix.units}


def read_asked(given: MultiDict[str, str]) -> Asked:
    """Return what the parameters of a request ask for.

    Raises
    ------
    InvalidQuery
        If one is none of its choices.
    """
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


def draw(view: View, asked: Asked, count: Callable[[int], None]) -> Drawn:
    """Return the heat map, or what of it there is; `count` is called with the number of its cells before any is read.

    Raises
    ------
    RnagetError
        If there is no such matrix, it cannot be read, or there are too many genes.
    """
    matrix = _matrix(view, asked)
    store = view.stores.open(matrix)
    genes = find_genes(view, matrix, asked.lists)
    group_by = grouping_name(asked.group_by or default_group(matrix, store), matrix, store)
    drawn = Drawn(asked, matrix, group_by, groupings(matrix, store), genes)
    if not genes.genes:
        return drawn
    scale = asked.scale or default_scale(matrix)
    try:
        heat = heat_map(view, matrix, genes.genes, Grouped(group_by, asked.summary), scale, asked.cluster, count)
    except RnagetError as error:
        return replace(drawn, problem=error)
    return replace(drawn, heat=heat)


def _matrix(view: View, asked: Asked) -> Matrix:
    if asked.matrix is None:
        found = matrix_with_most(view, asked.lists)
        if found is None:
            raise UnknownId("there is no expression matrix here that can be read")
        return found
    return matrix_of(view, asked.matrix)
