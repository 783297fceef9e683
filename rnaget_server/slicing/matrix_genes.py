"""The features of a matrix that names of genes mean, by the same rules on every page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress

from rnaget_server.catalog import Matrix
from rnaget_server.datasets.repository import View
from rnaget_server.errors import StoreFailure
from rnaget_server.model.limits import MAX_HEAT_MAP
from rnaget_server.model.suggestions import MOST_NAMES, merged
from rnaget_server.sequences.genes import split_version, with_version
from rnaget_server.slicing.genomes import genome_of
from rnaget_server.stores.base import MatrixStore

_MOST_SUGGESTED = 12


def cases(text: str) -> list[str]:
    """Return a text, and the same in the cases that symbols are written in."""
    return list(dict.fromkeys([text, text.upper(), text.capitalize()]))


def variants(text: str) -> list[str]:
    """Return a text in all cases of symbols, each with and without the version of an id."""
    return list(dict.fromkeys(form for case in cases(text) for form in (case, split_version(case)[0])))


class NamedFeatures:
    """The positions of the features that have one of some ids or names, or another variant of it.

    Parameters
    ----------
    store
        The open matrix.
    matrix
        Its record.
    texts
        All that will be asked for.
    """

    def __init__(self, store: MatrixStore, matrix: Matrix, texts: Iterable[str]) -> None:
        wanted = list(dict.fromkeys(form for text in texts for form in variants(text) if form))
        attributes = dict.fromkeys((matrix.feature_id, matrix.feature_name or matrix.feature_id))
        self._by_attribute = [_located(store, attribute, wanted) for attribute in attributes]

    def positions(self, text: str) -> list[int]:
        """Return the positions of what has the text as its id, else as its name, else another variant of it."""
        for form in variants(text):
            for located in self._by_attribute:
                if form in located:
                    return sorted(located[form])
        return []


def positions_of(view: View, matrix: Matrix, store: MatrixStore, texts: Sequence[str]) -> dict[str, list[int]]:
    """Return where the features are of each text that means any: by their names, else by those in the genome."""
    named = NamedFeatures(store, matrix, texts)
    found = {text: positions for text in texts if (positions := named.positions(text))}
    return found | positions_by_genome(view, matrix, store, [text for text in texts if text not in found])


def positions_by_genome(view: View, matrix: Matrix, store: MatrixStore, texts: Sequence[str]) -> dict[str, list[int]]:
    """Return where the genes are that the genome of the matrix knows under these names, aliases most of all."""
    genome = genome_of(view, matrix)
    found: dict[str, list[int]] = {}
    if genome is None or not texts:
        return found
    with suppress(StoreFailure):
        genes = view.stores.open_genome(genome)
        existing = genes.existing_names(texts[:MAX_HEAT_MAP])
        for text in sorted(existing, key=texts.index):
            match = genes.find_genes(text)
            meant = genes.genes(match.genes) if match is not None else []
            names = [(with_version(gene.id, gene.version), gene.id, gene.symbol or "") for gene in meant]
            named = NamedFeatures(store, matrix, [name for of_gene in names for name in of_gene])
            positions = [next(filter(None, map(named.positions, of_gene)), []) for of_gene in names]
            if any(positions):
                found[text] = sorted({position for some in positions for position in some})
    return found


def similar_names(store: MatrixStore, matrix: Matrix, missing: Sequence[str]) -> dict[str, list[str]]:
    """Return for each text ids and names like it; of very many, for the first dozen."""
    attributes = dict.fromkeys((matrix.feature_name or matrix.feature_id, matrix.feature_id))
    similar: dict[str, list[str]] = {text: [] for text in missing}
    for start in range(0, min(len(missing), _MOST_SUGGESTED), MOST_NAMES):
        some = missing[start : start + MOST_NAMES]
        found = merged(store.features.suggest(attribute, some) for attribute in attributes)
        similar |= {text: list(found.alike.get(text, ()))[:3] for text in some}
    return similar


def _located(store: MatrixStore, attribute: str, texts: Sequence[str]) -> dict[str, list[int]]:
    located: dict[str, list[int]] = {}
    positions, owners = store.features.index(attribute).locate(texts)
    for position, owner in zip(positions.tolist(), owners.tolist(), strict=True):
        located.setdefault(texts[owner], []).append(position)
    return located
