"""The cells of a matrix as a plot shows them: their places, and the groups and numbers that they are coloured by."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnaget_server.catalog import Matrix
from rnaget_server.datasets.guarded import GuardedStore
from rnaget_server.datasets.repository import View
from rnaget_server.errors import InvalidQuery, UnknownId, shown, unknown_name
from rnaget_server.model.columns import as_texts
from rnaget_server.slicing.matrix_genes import positions_of, similar_names
from rnaget_server.slicing.summaries.statistics import summarise
from rnaget_server.writers.cells import table_lines
from rnaget_server.writers.tsv import cleaned

MOST_CELL_GROUPS = 100
"""So many values of an attribute have a group of their own; the cells of all others are one."""

_FEW_NUMBERS = 50
_BYTES_OF_CELL = 120
_LINES_AT_ONCE = 1 << 14
# Attributes that are shown unless another is asked for, best first.
_USUAL = (
    "cell_type", "celltype", "cell_type__ontology_label", "author_cell_type", "cell_ontology_class", "annotation",
    "leiden", "louvain", "seurat_clusters", "cluster", "clusters", "tissue", "sample", "donor_id", "batch",
)  # fmt: skip
_LOOKED_AT = 20

Numbers = NDArray[Any]


@dataclass(frozen=True)
class Groups:
    """The groups of cells by an attribute.

    Attributes
    ----------
    attribute
        The attribute.
    values
        The values that have a group, the most frequent first.
    counts
        How many cells each group has; then those of all other values, and those without a value.
    others
        How many other values there are.
    codes
        For each cell, the number of its group; ``len(values)`` for another value, and one more for none.
    """

    attribute: str
    values: tuple[str, ...]
    counts: tuple[int, ...]
    others: int
    codes: NDArray[np.uint16]


@dataclass(frozen=True)
class FeatureInUnits:
    """A feature in some units: where it is, its id and its name."""

    position: int
    id: str
    name: str
    units: str


@dataclass(frozen=True)
class Statistics:
    """The numbers of one group of cells: how many have one, the mean, the median, and the share that is not 0."""

    n: int
    mean: float
    median: float
    fraction: float


class AmbiguousGene(InvalidQuery):
    """A name that several features have, whose ids are `ids`."""

    def __init__(self, name: str, ids: list[str]) -> None:
        super().__init__(f"{len(ids)} features are called {shown(name)}: ask for one by its id, such as {ids[0]}")
        self.ids = ids


@dataclass(frozen=True)
class Cells:
    """The cells of one matrix. Made by `cells_of`, within which alone it is used."""

    view: View
    matrix: Matrix
    store: GuardedStore

    @property
    def count(self) -> int:
        """Number of cells."""
        return self.store.shape[1]

    def points(self, embedding: str) -> NDArray[np.float32]:
        """Return the places of the cells: cells × 2, NaN for a cell without a place.

        Raises
        ------
        UnknownId
            If there is no such embedding.
        """
        if embedding not in self.store.embeddings:
            raise UnknownId(unknown_name("embedding", embedding, self.store.embeddings))
        return self.store.embedding(embedding)

    def default_embedding(self) -> str | None:
        """Return the embedding that is shown unless another is asked for; None if there is none."""
        names = self.store.embeddings
        usual = (name for kind in ("umap", "tsne") for name in names if kind in name.casefold().replace("-", ""))
        return next(usual, names[0] if names else None)

    def placed(self, embedding: str) -> int:
        """Return how many cells have a place."""
        return int(np.count_nonzero(~np.isnan(self.points(embedding)[:, 0])))

    def is_number(self, attribute: str) -> bool:
        """Return whether an attribute holds numbers.

        Raises
        ------
        UnknownId
            If there is no such attribute.
        """
        if attribute not in self.store.samples.attributes:
            raise UnknownId(unknown_name("attribute of samples", attribute, self.store.samples.attributes))
        return self.store.samples.column(attribute, np.arange(1)).dtype.kind in "iuf"

    def is_continuous(self, attribute: str) -> bool:
        """Return whether an attribute is shown by a scale: it holds numbers, unless they are few and whole.

        Raises
        ------
        UnknownId
            If there is no such attribute.
        """
        if not self.is_number(attribute):
            return False
        few = self.store.samples.values(attribute, _FEW_NUMBERS)
        return few is None or not all(float(value).is_integer() for value in few)

    def groups(self, attribute: str) -> Groups:
        """Return the cells by the values of an attribute, which has to be there."""
        codes, first = self.store.samples.factorized(attribute)
        values = as_texts(self.store.samples.column(attribute, first))
        empty = np.array([not value.strip() for value in values])
        order = np.argsort(-np.bincount(codes), kind="stable")
        order = order[~empty[order]]
        named = order[:MOST_CELL_GROUPS]
        number_of = np.full(len(values), len(named), np.uint16)
        number_of[named] = np.arange(len(named))
        number_of[empty] = len(named) + 1
        grouped = number_of[codes]
        counts = np.bincount(grouped, minlength=len(named) + 2).tolist()
        return Groups(
            attribute, tuple(values[number] for number in named), tuple(counts), len(order) - len(named), grouped
        )

    def default_attribute(self) -> str | None:
        """Return the attribute by which cells are grouped unless another is asked for; None if none suits."""
        known = self.store.samples.attributes
        by_name = {name.casefold(): name for name in reversed(known)}
        usual = [by_name[name] for name in _USUAL if name in by_name]
        for attribute in dict.fromkeys([*usual, *known[:_LOOKED_AT]]):
            values = self.store.samples.values(attribute, MOST_CELL_GROUPS)
            if values is not None and len(values) > 1 and not self.is_continuous(attribute):
                return attribute
        return None

    def numbers(self, attribute: str) -> Numbers:
        """Return the values of a numeric attribute, as float64."""
        return self.store.samples.column(attribute).astype(np.float64)

    def gene(self, name: str, units: str | None) -> FeatureInUnits:
        """Return the feature of an id, or of a name or an alias that no other feature has; see `matrix_genes`.

        Raises
        ------
        AmbiguousGene
            If several features have the name.
        UnknownId
            If there is none.
        InvalidQuery
            If the matrix has no such units.
        """
        matrix, axis = self.matrix, self.store.features
        if units is not None and units not in self.store.units:
            raise InvalidQuery(unknown_name("unit", units, self.store.units))
        positions = np.array(positions_of(self.view, matrix, self.store, [name]).get(name, []), np.int64)
        if not len(positions):
            near = similar_names(self.store, matrix, [name])[name]
            hint = f": did you mean {' or '.join(map(shown, near))}?" if near else ""
            raise UnknownId(f"{matrix.id} has no feature {shown(name)}{hint}")
        ids = as_texts(axis.column(matrix.feature_id, positions))
        if len(ids) > 1:
            raise AmbiguousGene(name, ids)
        called = as_texts(axis.column(matrix.feature_name, positions))[0] if matrix.feature_name else ids[0]
        return FeatureInUnits(int(positions[0]), ids[0], called, units or self.store.units[0])

    def expression(self, gene: FeatureInUnits) -> Numbers:
        """Return the value of a feature in each cell, as float32, or float64 where the layer has that."""
        blocks = self.store.blocks(gene.units, np.array([gene.position], np.int64))
        return np.concatenate([block.ravel() for block in blocks])

    def lines(self, embedding: str, attribute: str | None, numbers: dict[str, tuple[Numbers, bool]]) -> Iterator[bytes]:
        """Return a table of the cells as lines of TSV, a header first.

        Parameters
        ----------
        embedding
            The embedding whose coordinates are in the columns ``x`` and ``y``.
        attribute
            The attribute in the column after the ids; None for no such column.
        numbers
            The further columns by name: a number for each cell, and whether all are whole.
        """
        points = self.points(embedding)
        axis = self.store.samples
        texts = [self.matrix.sample_id, *([attribute] if attribute is not None else [])]
        yield ("\t".join(cleaned([*texts, "x", "y", *numbers])) + "\n").encode()
        for start in range(0, self.count, _LINES_AT_ONCE):
            rows = np.arange(start, min(self.count, start + _LINES_AT_ONCE))
            labels = [cleaned(as_texts(axis.column(name, rows))) for name in texts]
            lines = table_lines(points[rows], False, ["\t".join(row).encode() for row in zip(*labels, strict=True)])
            for values, whole in numbers.values():
                lines = table_lines(np.ascontiguousarray(values[rows, np.newaxis]), whole, lines.splitlines())
            yield lines


@contextmanager
def cells_of(view: View, matrix: Matrix) -> Iterator[Cells]:
    """Open the cells of a matrix, and hold the memory that work on them takes.

    Raises
    ------
    UnknownId
        If it has none.
    ResultTooLarge
        If it has more cells than a reply may have.
    Busy
        If too much other work is done at the moment.
    Unavailable
        If the file cannot be read.
    """
    store = view.stores.open(matrix)
    if not store.shape[1]:
        raise UnknownId(f"{matrix.id} has no cells")
    view.limits.check_cells((2, store.shape[1]), "cells", _ask_for_fewer)
    reservation = view.memory.reservation()
    try:
        reservation.grow_in_thread(store.shape[1] * _BYTES_OF_CELL)
        yield Cells(view, matrix, store)
    finally:
        reservation.release()


def statistics(numbers: Numbers, codes: NDArray[np.uint16], size: int) -> list[Statistics]:
    """Return the statistics of each of `size` groups, those of `codes`; NaN is no number."""
    order = np.argsort(codes, kind="stable")
    starts = np.searchsorted(codes[order], np.arange(1, size))
    with np.errstate(all="ignore"):
        return [_statistics(part) for part in np.split(numbers[order], starts)]


def _statistics(numbers: Numbers) -> Statistics:
    if not len(numbers):
        return Statistics(0, float("nan"), float("nan"), float("nan"))
    n, *others = map(float, summarise(numbers, ("n", "mean", "median", "fraction_nonzero")))
    return Statistics(int(n), *others)


def _ask_for_fewer(cells: int) -> str:
    return f"the page draws at most {cells // 2:,} cells; ask the API for some of them, as by sampleIDList"
