"""The results of a search in all that a catalogue has, in groups of one kind, the best first."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from heapq import merge
from operator import attrgetter

from rnaget_server.catalog import Matrix
from rnaget_server.datasets.repository import View
from rnaget_server.sequences.genes import split_version
from rnaget_server.slicing.genomes import STABLE
from rnaget_server.slicing.search.aliases import genes_named
from rnaget_server.slicing.search.entries import Hit
from rnaget_server.slicing.search.index import SearchIndex
from rnaget_server.slicing.search.names import fold, without_version
from rnaget_server.slicing.search.ranks import ALIAS, EXACT
from rnaget_server.slicing.search.values import ValuesOfAttribute

KINDS: Mapping[str, str] = {
    "gene": "Genes",
    "sample": "Samples",
    "value": "Values of attributes",
    "study": "Studies",
    "matrix": "Matrices",
    "tracks": "Tracks",
    "genome": "Genomes",
    "project": "Projects",
    "attribute": "Attributes",
    "reads": "Reads and variants",
}
"""The headings of the kinds, in the order in which equally good results are shown."""

_MOST_ALIASES = 20
_MOST_PLACES = 5
_MOST_LOOKED_AT = 2000


@dataclass(frozen=True)
class PageAddress:
    """An address: the parts of its path, and the parameters of its query."""

    label: str
    path: tuple[str, ...]
    query: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Result:
    """One thing that was found: how well, its names, where it is, and up to five matrices that have it."""

    kind: str
    rank: int
    label: str
    note: str
    place: PageAddress
    places: tuple[PageAddress, ...] = ()


@dataclass(frozen=True)
class Group:
    """The best results of one kind; `has_more` is true if there are others."""

    kind: str
    results: tuple[Result, ...]
    has_more: bool

    @property
    def heading(self) -> str:
        """The name of the kind."""
        return KINDS[self.kind]


def find(view: View, index: SearchIndex, text: str, most: int, hidden: Collection[str] = frozenset()) -> list[Group]:
    """Return up to `most` results of each kind but the hidden ones for a text, kinds with better ones first."""
    key = fold(text)
    if not key:
        return []
    searches: dict[str, Iterator[Result]] = {
        "gene": _genes(view, index, key),
        "sample": _samples(index, key),
        "value": _values(index, key),
        "attribute": _attributes(index, key),
        **{kind: _records(index, kind, key) for kind in index.records},
    }
    groups = []
    for kind in (kind for kind in KINDS if kind not in hidden):
        results = [result for result, _ in zip(searches[kind], range(most + 1), strict=False)]
        if results:
            groups.append(Group(kind, tuple(results[:most]), len(results) > most))
    return sorted(groups, key=lambda group: group.results[0].rank)


def best(groups: Iterable[Group], most: int) -> list[Group]:
    """Return the best `most` results of all groups, of equally good ones some of each kind."""
    places = [(result.rank, place, result) for group in groups for place, result in enumerate(group.results)]
    chosen = {id(result) for *_, result in sorted(places, key=lambda place: place[:2])[:most]}
    kept = []
    for group in groups:
        results = tuple(result for result in group.results if id(result) in chosen)
        if results:
            kept.append(Group(group.kind, results, group.has_more or len(results) < len(group.results)))
    return kept


def exact_gene(groups: Iterable[Group]) -> Result | None:
    """Return the one gene whose id or symbol was searched for; None if there is none, or several, or other things."""
    exact = [result for group in groups for result in group.results if result.rank == EXACT]
    return exact[0] if len(exact) == 1 and exact[0].kind == "gene" else None


def _genes(view: View, index: SearchIndex, key: str) -> Iterator[Result]:
    entries = index.features.entries
    aliases = dict(_aliases(view, index, key))
    seen: set[str] = set()
    hits = merge(entries.search(key), (Hit(ALIAS, entry) for entry in aliases), key=attrgetter("rank"))
    for hit in _bounded(hits):
        id, name = entries.ids[hit.entry], entries.names[hit.entry]
        stem = without_version(fold(id))
        if stem in seen:
            continue
        seen.add(stem)
        same = [entry for entry in entries.named(stem) if without_version(fold(entries.ids[entry])) == stem]
        digests = [digest for entry in same or [hit.entry] for digest in index.features.axes_of(entry)]
        matrices = index.matrices_with("features", digests)
        if matrices:
            name = name or next((other for entry in same if (other := entries.names[entry])), "")
            notes = [id if name and name != id else "", _in_matrices(matrices)]
            notes += [f"also called {aliases[hit.entry]}"] if hit.rank == ALIAS else []
            note = " · ".join(filter(None, notes))
            yield Result("gene", hit.rank, name or id, note, PageAddress(name or id, ("genes", address_of_gene(id))))


def address_of_gene(id: str) -> str:
    """Return the id by which the page of a gene is asked for: of Ensembl and HAVANA without its version."""
    return split_version(id)[0] if id.startswith(STABLE) else id


def _aliases(view: View, index: SearchIndex, key: str) -> Iterator[tuple[int, str]]:
    """Yield the features of genes that have another name in some genome, with that name."""
    entries, genomes = index.features.entries, view.catalog.genomes
    named = {study.genome for study in view.catalog.studies.values() if study.genome in genomes}
    for gene in genes_named(view, [genomes[id] for id in sorted(filter(None, named))], key, _MOST_ALIASES):
        for entry in entries.named(fold(gene.id)):
            yield entry, gene.name
        for entry in entries.named(fold(gene.symbol or "")):
            if not entries.ids[entry].startswith(STABLE):
                yield entry, gene.name


def _samples(index: SearchIndex, key: str) -> Iterator[Result]:
    entries = index.samples.entries
    for hit in _bounded(entries.search(key)):
        id = entries.ids[hit.entry]
        matrices = index.matrices_with("samples", index.samples.axes_of(hit.entry))
        if matrices:
            places = [
                PageAddress(matrix.name or matrix.id, ("samples", matrix.id, id)) for matrix in matrices[:_MOST_PLACES]
            ]
            note = f"sample {_in_matrices(matrices)}"
            yield Result("sample", hit.rank, id, note, places[0], tuple(places) if len(places) > 1 else ())


def _values(index: SearchIndex, key: str) -> Iterator[Result]:
    values = index.values
    for hit in _bounded(values.values.search(key)):
        value, of = values.values.ids[hit.entry], values.of_values[hit.entry]
        places = [_place(index, attribute, value) for attribute in of[:_MOST_PLACES]]
        note = f"{of[0].attribute} of {of[0].axis} {_in_attributes(index, of)}"
        yield Result("value", hit.rank, value, note, places[0], tuple(places) if len(places) > 1 else ())


def _attributes(index: SearchIndex, key: str) -> Iterator[Result]:
    values = index.values
    for hit in _bounded(values.attributes.search(key)):
        name, of = values.attributes.ids[hit.entry], values.of_attributes[hit.entry]
        places = [_place(index, attribute) for attribute in of[:_MOST_PLACES]]
        note = f"attribute of {of[0].axis} {_in_attributes(index, of)}"
        yield Result("attribute", hit.rank, name, note, places[0], tuple(places) if len(places) > 1 else ())


def _place(index: SearchIndex, attribute: ValuesOfAttribute, value: str | None = None) -> PageAddress:
    """Return the page of what has a value, or of all values of an attribute where no filter selects by it."""
    matrix = index.labels[attribute.matrix].matrix
    label, path = matrix.name or matrix.id, ("matrices", matrix.id)
    if attribute.filter is not None and value is not None:
        return PageAddress(label, path, ((attribute.filter, value),))
    query = (("attribute", attribute.attribute), ("axis", attribute.axis.removesuffix("s")))
    return PageAddress(label, (*path, "values"), query)


def _records(index: SearchIndex, kind: str, key: str) -> Iterator[Result]:
    records = index.records[kind]
    for hit in _bounded(records.entries.search(key)):
        record = records.records[hit.entry]
        note = " · ".join(filter(None, [record.id if record.name else "", record.note]))
        label = record.name or record.id
        yield Result(kind, hit.rank, label, note, PageAddress(label, record.path))


def _bounded(hits: Iterator[Hit]) -> Iterator[Hit]:
    """Yield the first hits: of those of one gene or of no matrix any number may be passed over."""
    for hit, _ in zip(hits, range(_MOST_LOOKED_AT), strict=False):
        yield hit


def _in_matrices(matrices: list[Matrix]) -> str:
    return f"in {matrices[0].name or matrices[0].id}" if len(matrices) == 1 else f"in {len(matrices):,} matrices"


def _in_attributes(index: SearchIndex, of: Iterable[ValuesOfAttribute]) -> str:
    return _in_matrices([index.labels[id].matrix for id in dict.fromkeys(attribute.matrix for attribute in of)])
