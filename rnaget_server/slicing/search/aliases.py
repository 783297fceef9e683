"""Other names of genes, as the genomes of studies give them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress

import numpy as np

from rnaget_server.catalog import Genome, Matrix
from rnaget_server.datasets.repository import View
from rnaget_server.errors import CatalogChanged, StoreFailure
from rnaget_server.model.axis import Axis, Positions
from rnaget_server.model.lists import exact
from rnaget_server.sequences.genes import NamedGene
from rnaget_server.slicing.genomes import STABLE, genome_of

_MOST = 1000


def genes_named(view: View, genomes: Iterable[Genome], key: str, most: int = _MOST) -> list[NamedGene]:
    """Return genes of some genomes of which a name begins with `key`; genomes that cannot be read are passed over."""
    genes: list[NamedGene] = []
    for genome in genomes:
        with suppress(StoreFailure, CatalogChanged):
            genes += view.stores.open_genome(genome).names_beginning(key, most)
    return genes


def features_named(view: View, matrix: Matrix, axis: Axis, key: str) -> Positions:
    """Return the features of a matrix whose gene has a name in the genome of the study that begins with `key`."""
    genome = genome_of(view, matrix)
    genes = genes_named(view, [genome], key) if genome is not None else []
    if not genes:
        return np.zeros(0, np.int64)
    symbols = _distinct(gene.symbol for gene in genes)
    positions, _ = axis.find(
        matrix.feature_id, _distinct([*(gene.id for gene in genes), *(gene.symbol for gene in genes)])
    )
    if matrix.feature_name is None or not symbols:
        return positions
    by_symbol, _ = axis.find(matrix.feature_name, symbols)
    # The symbol of a gene may have become that of another, which its id shows.
    ids = axis.column(matrix.feature_id, by_symbol)
    free = np.array([not str(id).startswith(STABLE) for id in ids], bool)
    return np.union1d(positions, by_symbol[free])


def _distinct(names: Iterable[str | None]) -> Sequence[str]:
    return [exact(name) for name in dict.fromkeys(names) if name]
