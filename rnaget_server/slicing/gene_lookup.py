"""The look-up of one gene: the genomes that have it, and the features of matrices that are it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from rnaget_server.catalog import Genome, Matrix
from rnaget_server.datasets.repository import View
from rnaget_server.errors import CatalogChanged, StoreFailure
from rnaget_server.model.axis import Axis
from rnaget_server.model.columns import as_texts
from rnaget_server.model.observation import note_reading
from rnaget_server.sequences.genes import Gene, split_version
from rnaget_server.slicing.matrix_genes import cases
from rnaget_server.spelling import most_alike

_MOST_CANDIDATES = 50
_MOST_SUGGESTIONS = 8
_MOST_LOOKED_AT = 3
# An id of Ensembl without its version; the letters say of which species, and of what kind.
_STABLE = re.compile(r"(ENS[A-Z]*|OTT[A-Z]*)[0-9]{11}(?:_PAR_Y)?")

Way = Literal["id", "symbol"]


@dataclass(frozen=True)
class Occurrence:
    """A feature of a matrix that is the gene, and whether it was found by its id or by its symbol."""

    matrix: Matrix
    feature: str
    symbol: str | None
    by: Way


@dataclass(frozen=True)
class GeneInGenome:
    """A genome, and the gene as it is there."""

    genome: Genome
    gene: Gene


@dataclass(frozen=True)
class GeneCandidate:
    """One of several genes of a name: the id to ask by, its symbol, and what has it."""

    id: str
    symbol: str | None
    where: str


@dataclass(frozen=True)
class FoundGene:
    """The gene of a name, or the genes of which one has to be chosen.

    Attributes
    ----------
    id
        The id of the gene without a version, if some genome or matrix has one; else the name.
    symbol
        Its symbol.
    places
        The gene in each genome that has it.
    occurrences
        The features that are it, in catalogue order.
    candidates
        Several genes of that name, of which one has to be chosen; the others are empty then.
    more_candidates
        How many there are besides.
    unavailable
        Names of the matrices and genomes that cannot be read at the moment.
    """

    id: str
    symbol: str | None = None
    places: tuple[GeneInGenome, ...] = ()
    occurrences: tuple[Occurrence, ...] = ()
    candidates: tuple[GeneCandidate, ...] = ()
    more_candidates: int = 0
    unavailable: tuple[str, ...] = ()


@dataclass
class _Search:
    """One look at all genomes and matrices."""

    view: View
    unavailable: dict[str, None] = field(default_factory=dict)

    def places(self, name: str) -> list[GeneInGenome]:
        """Return the genes of a name, or that it is a synonym of, in all genomes."""
        found = []
        for genome in self.view.catalog.genomes.values():
            try:
                store = self.view.stores.open_genome(genome)
                match = store.find_genes(name)
                if match is not None:
                    note_reading("genomes", genome.id)
                    found += [GeneInGenome(genome, gene) for gene in store.genes(match.genes)]
            except (StoreFailure, CatalogChanged):
                self.unavailable[genome.name or genome.id] = None
        return found

    def features(self, id: str | None, symbol: str | None) -> Iterator[Occurrence]:
        """Yield the features of an id, with any version, or if a matrix has none, of a symbol."""
        for matrix in self.view.catalog.matrices.values():
            try:
                features = self.view.stores.open(matrix).features
                found = _rows(matrix, features, matrix.feature_id, id, "id") if id is not None else []
                if not found and symbol is not None:
                    named = matrix.feature_name or matrix.feature_id
                    found = _rows(matrix, features, named, symbol, "symbol")
                yield from found
            except (StoreFailure, CatalogChanged):
                self.unavailable[matrix.name or matrix.id] = None


def find_gene(view: View, name: str) -> FoundGene | None:
    """Return where a gene is, by its id with or without version, its symbol, or a synonym of it that a genome knows.

    One that is written otherwise than any is looked for in the cases of symbols as well. None: nothing has that name.
    """
    unavailable: FoundGene | None = None
    for form in cases(name):
        found = _find(view, form)
        if found is not None and (found.occurrences or found.places or found.candidates):
            return found
        unavailable = unavailable or found
    return unavailable


def _find(view: View, name: str) -> FoundGene | None:
    search = _Search(view)
    stem = split_version(name)[0]
    places = search.places(name)
    rows = [*search.features(stem, name)]
    genes = _distinct(places, rows, stem)
    if not genes:
        return FoundGene(name, unavailable=tuple(search.unavailable)) if search.unavailable else None
    if len(genes) > 1:
        candidates = tuple(genes.values())[:_MOST_CANDIDATES]
        return FoundGene(name, candidates=candidates, more_candidates=len(genes) - len(candidates))
    ((id, chosen),) = genes.items()
    places = [place for place in places if place.gene.id == id] or search.places(id)
    symbol = chosen.symbol or next((place.gene.symbol for place in places if place.gene.symbol), None)
    occurrences = [row for row in search.features(id, symbol) if _may_be(id, row)]
    return FoundGene(id, symbol, tuple(places), tuple(occurrences), unavailable=tuple(search.unavailable))


def _distinct(places: Sequence[GeneInGenome], rows: Sequence[Occurrence], stem: str) -> dict[str, GeneCandidate]:
    """Return the genes that a name means, by id; those of one kind of id are different ones.

    In a matrix that calls its features otherwise, several features of the name are different genes as well.
    """
    genes: dict[str, GeneCandidate] = {}
    for place in places:
        where = f"{place.genome.name or place.genome.id}, {place.gene.contig}"
        genes.setdefault(place.gene.id, GeneCandidate(place.gene.id, place.gene.symbol, where))
    for row in rows:
        id = split_version(row.feature)[0]
        if _STABLE.fullmatch(id):
            genes.setdefault(id, GeneCandidate(id, row.symbol, row.matrix.name or row.matrix.id))
    if stem in genes:
        return {stem: genes[stem]}
    if genes:
        return genes
    by_matrix: dict[str, list[Occurrence]] = {}
    for row in rows:
        by_matrix.setdefault(row.matrix.id, []).append(row)
    most = max(by_matrix.values(), key=len, default=[])
    return {row.feature: GeneCandidate(row.feature, row.symbol, row.matrix.name or row.matrix.id) for row in most}


def _may_be(id: str, row: Occurrence) -> bool:
    """Return whether a feature that has the symbol of a gene may be it: not if it is another gene of its species."""
    if row.by == "id":
        return True
    own, other = _STABLE.fullmatch(id), _STABLE.fullmatch(split_version(row.feature)[0])
    return own is None or other is None or own[1] != other[1]


def _rows(matrix: Matrix, features: Axis, attribute: str, value: str, by: Way) -> list[Occurrence]:
    positions, _ = features.index(attribute).find([value])
    if not positions.size:
        return []
    positions.sort()
    ids = as_texts(features.column(matrix.feature_id, positions))
    named = matrix.feature_name
    symbols = as_texts(features.column(named, positions)) if named is not None else [None] * len(ids)
    return [Occurrence(matrix, id, symbol or None, by) for id, symbol in zip(ids, symbols, strict=True)]


def similar_genes(view: View, name: str) -> list[str]:
    """Return names of genes that are like one that there is not, out of the genomes and the first matrices."""
    found: dict[str, None] = {}
    for genome in view.catalog.genomes.values():
        try:
            found |= dict.fromkeys(view.stores.open_genome(genome).near_names(name))
        except (StoreFailure, CatalogChanged):
            continue
    for matrix in list(view.catalog.matrices.values())[:_MOST_LOOKED_AT]:
        try:
            features = view.stores.open(matrix).features
            for attribute in filter(None, (matrix.feature_name, matrix.feature_id)):
                found |= dict.fromkeys(_first(features.suggest(attribute, [name]).alike.values()))
        except (StoreFailure, CatalogChanged):
            continue
    return list(dict.fromkeys([*most_alike(name, found, _MOST_SUGGESTIONS), *found]))[:_MOST_SUGGESTIONS]


def _first(alike: Iterable[Sequence[str]]) -> Iterator[str]:
    for names in alike:
        yield from names
