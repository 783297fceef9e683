"""Lists of genes as people paste them, and the features of a matrix that they mean."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np

from rnaget_server.catalog import Matrix
from rnaget_server.datasets.repository import View
from rnaget_server.errors import StoreFailure
from rnaget_server.model.columns import as_texts
from rnaget_server.model.limits import MAX_HEAT_MAP, check_heat_map_genes
from rnaget_server.sequences.genes import split_version
from rnaget_server.slicing.matrix_genes import NamedFeatures, positions_by_genome, similar_names
from rnaget_server.stores.base import MatrixStore

_MOST_MATRICES = 200
_ENDS = re.compile(r"[,;\t\r\n]+")
# More words than these are more than 500 names, with blanks in them or not, and are not looked for at all.
_MOST_WORDS = 10 * MAX_HEAT_MAP
_BETWEEN_WORDS = re.compile(r"[,;\s]+")


@dataclass(frozen=True)
class ListedGene:
    """A feature of a matrix that was asked for, and by which text.

    Attributes
    ----------
    found_as
        Its id where the text is neither its id nor its name, but an alias or the id with another version.
    """

    asked: str
    position: int
    id: str
    name: str
    found_as: str = ""


@dataclass(frozen=True)
class GeneList:
    """The features of a list, each once, in the order of the list.

    Attributes
    ----------
    genes
        The features.
    ambiguous
        For each text that means several features, their ids. All of them are among the features.
    missing
        For each text that means none, similar ids and names.
    """

    genes: tuple[ListedGene, ...] = ()
    ambiguous: Mapping[str, Sequence[str]] = field(default_factory=dict)
    missing: Mapping[str, Sequence[str]] = field(default_factory=dict)


def find_genes(view: View, matrix: Matrix, lists: Sequence[str]) -> GeneList:
    """Return the features of a matrix that lists of ids, symbols and aliases name.

    Texts are separated by commas, semicolons, white space and line ends; one with blanks or commas in it is taken
    whole first. An id is found with and without its version, a name in capitals, too; and what the matrix does not
    have is looked for among the names in the genome of its study.

    Raises
    ------
    ResultTooLarge
        If there are more than 500.
    Unavailable
        If the file of the matrix cannot be read.
    """
    store = view.stores.open(matrix)
    texts, found = _found(store, matrix, lists)
    found |= positions_by_genome(view, matrix, store, [text for text in texts if text not in found])
    positions = np.array(list(dict.fromkeys(place for text in texts for place in found.get(text, ()))), np.int64)
    ids = as_texts(store.features.column(matrix.feature_id, positions))
    names = as_texts(store.features.column(matrix.feature_name, positions)) if matrix.feature_name else ids
    labels = dict(zip(positions.tolist(), zip(ids, names, strict=True), strict=True))
    genes: dict[int, ListedGene] = {}
    ambiguous: dict[str, list[str]] = {}
    for text in texts:
        places = found.get(text, [])
        if len(places) > 1:
            ambiguous[text] = [labels[place][0] for place in places]
        for place in places:
            id, name = labels[place]
            genes.setdefault(place, ListedGene(text, place, id, name, "" if _is_same(text, id, name) else id))
    missing = [text for text in texts if not found.get(text)]
    return GeneList(tuple(genes.values()), ambiguous, similar_names(store, matrix, missing))


def matrix_with_most(view: View, lists: Sequence[str]) -> Matrix | None:
    """Return the matrix that has most of the genes of some lists, the first of equal ones.

    Matrices that cannot be read are passed over; None if none can. Only the first 200 are looked at.
    """
    best: tuple[int, Matrix] | None = None
    first: Matrix | None = None
    for matrix, _ in zip(view.catalog.matrices.values(), range(_MOST_MATRICES), strict=False):
        with suppress(StoreFailure):
            store = view.stores.open(matrix)
            first = first or matrix
            texts, found = _found(store, matrix, lists)
            if best is None or len(found) > best[0]:
                best = len(found), matrix
            if len(found) == len(texts):
                break
    return best[1] if best is not None and best[0] else first


def _found(store: MatrixStore, matrix: Matrix, lists: Sequence[str]) -> tuple[list[str], dict[str, list[int]]]:
    """Return the texts of the lists, each once, and for those that the matrix has, where.

    Raises
    ------
    ResultTooLarge
        If they are more than one heat map has.
    """
    words = sum(len(_BETWEEN_WORDS.split(given)) for given in lists)
    if words > _MOST_WORDS:
        check_heat_map_genes(words)
    named = NamedFeatures(store, matrix, _parts(lists))
    texts: dict[str, None] = {}
    for given in lists:
        if "\n" not in given and named.positions(given.strip()):
            texts[given.strip()] = None
            continue
        for part in filter(None, map(str.strip, _ENDS.split(given))):
            texts |= dict.fromkeys([part] if named.positions(part) else part.split())
    check_heat_map_genes(len(texts))
    return list(texts), {text: positions for text in texts if (positions := named.positions(text))}


def _parts(lists: Iterable[str]) -> Iterator[str]:
    """Yield the lists, what is between their line ends and commas, and the words of that."""
    for given in lists:
        yield given.strip()
        for part in map(str.strip, _ENDS.split(given)):
            yield part
            yield from part.split()


def _is_same(text: str, id: str, name: str) -> bool:
    """Return whether a text is an id or a name in any case, or the id without its version."""
    return text.lower() in (id.lower(), name.lower(), split_version(id)[0].lower())
