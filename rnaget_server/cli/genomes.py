"""The lines about genomes in what the commands list and check."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from rnaget_server.catalog import Catalog, Genome
from rnaget_server.catalog.load import GENOMES
from rnaget_server.errors import StoreFailure, listed, unknown_choice
from rnaget_server.storage.files import leftover_directories

if TYPE_CHECKING:
    from rnaget_server.datasets.opening import StoreCache


def genome_lines(catalog: Catalog, stores: StoreCache) -> Iterator[str]:
    """Yield the lines that list the genomes."""
    if catalog.genomes:
        yield "genomes"
    for genome in catalog.genomes.values():
        yield f"  {_with_name(genome)}"
        yield f"    {_described(genome, stores)}"


def missing_genomes(catalog: Catalog) -> Iterator[str]:
    """Yield a hint for each genome that studies name and the catalogue has not."""
    studies: dict[str, list[str]] = {}
    for study in catalog.studies.values():
        if study.genome and study.genome not in catalog.genomes:
            studies.setdefault(study.genome, []).append(study.id)
    for name, ids in studies.items():
        start = f"the genome {name} of {listed(ids)} is not in the catalogue, so that features have no links to genes"
        if catalog.genomes:
            start = unknown_choice(start, name, catalog.genomes, "it has")
        yield f"{start}; `rnaget-server import FASTA --genome {name}` would add it"


def unfinished_genomes(data: Path) -> Iterator[str]:
    """Yield a line for each directory that a killed import of a genome has left."""
    for path in leftover_directories(data / GENOMES):
        size = sum(file.stat().st_size for file in path.iterdir() if file.is_file())
        yield f"{path} ({size:,} bytes) was left by an import that was killed; the next one of a genome tidies up"


def _with_name(genome: Genome) -> str:
    names = (genome.id, genome.name, genome.scientific_name, genome.common_name)
    return "  ".join(dict.fromkeys(filter(None, names)))


def _described(genome: Genome, stores: StoreCache) -> str:
    try:
        store = stores.open_genome(genome)
        genes = store.number_of_genes()
        parts = [
            _counted(store.number_of_sequences(), "sequence"),
            _counted(store.length(), "letter"),
            _counted(genes, "gene") if genes else "no genes",
            genome.assembly or "no assembly",
            f"collection {store.digest()}",
        ]
    except StoreFailure:
        return "cannot be read: see `rnaget-server check`"
    return ", ".join(parts)


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
