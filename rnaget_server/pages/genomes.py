"""The genomes on the landing page: their names, and how many sequences and genes each has."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from rnaget_server.catalog.records import Catalog, Genome
from rnaget_server.errors import CatalogChanged, StoreFailure

if TYPE_CHECKING:
    from rnaget_server.pages.site import Site

_MOST = 30


@dataclass(frozen=True)
class GenomeView:
    """A genome; `collection`, the digest of its sequences, is None while its files cannot be read."""

    record: Genome
    collection: str | None = None
    sequences: int = 0
    genes: int = 0


def genome_views(site: Site, catalog: Catalog) -> list[GenomeView]:
    """Return the first genomes of the catalogue, as many as one page takes."""
    return [_view(site, genome) for genome in islice(catalog.genomes.values(), _MOST)]


def _view(site: Site, genome: Genome) -> GenomeView:
    with suppress(StoreFailure, CatalogChanged):
        store = site.view.stores.open_genome(genome)
        return GenomeView(genome, store.digest(), store.number_of_sequences(), store.number_of_genes())
    return GenomeView(genome)
