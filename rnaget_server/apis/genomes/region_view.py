"""A region of a genome on its page: the genes in it, and what the genome browser draws."""

from __future__ import annotations

import json
from itertools import islice
from typing import Any
from urllib.parse import quote

from rnaget_server.apis.genomes import BASE_PATH
from rnaget_server.catalog import Genome
from rnaget_server.errors import InvalidQuery
from rnaget_server.sequences.genes import Gene
from rnaget_server.sequences.store import SequenceStore
from rnaget_server.slicing.named_regions import NamedRegion, find_region
from rnaget_server.web import libraries

_MOST_GENES = 50
_MOST_NAMES = 1_000
_LONGEST_REGION = 300
_FIRST_BASES = 20_000
_IGV = libraries()["igv"]


def region_view(root: str, genome: Genome, store: SequenceStore, asked: str | None) -> dict[str, Any]:
    """Return what the template shows of a region: of that which is asked for, or else around the example gene.

    Raises
    ------
    InvalidQuery, UnknownId
        If there is no such region.
    """
    if asked is not None and len(asked) > _LONGEST_REGION:
        raise InvalidQuery(f"a region has at most {_LONGEST_REGION} letters: write it like chr1:1001-2000")
    attributes = store.collection().attributes
    lengths = dict(zip(attributes["names"], attributes["lengths"], strict=True))
    names = {name: name for name in lengths}
    region = _shown_region(store, lengths, names, asked)
    found = (
        store.genes_within(region.chromosome, region.start, region.end, _MOST_GENES + 1) if region is not None else []
    )
    view = {
        "id": genome.id,
        "name": genome.name or genome.id,
        "sizes": f"{root}{BASE_PATH}/{quote(genome.id)}/chrom.sizes",
        "tracks": [],
        "genes": store.number_of_genes() > 0,
        "genome": {"id": genome.id, "sequences": dict(islice(names.items(), _MOST_NAMES)), "root": root},
    }
    return {
        "region": region,
        "asked": asked,
        "found": [_line(gene) for gene in found[:_MOST_GENES]],
        "more": len(found) > _MOST_GENES,
        "view": json.dumps(view, ensure_ascii=False),
        "library": f"{root}/assets/{_IGV.name}" if _IGV.version is not None else None,
    }


def _shown_region(
    store: SequenceStore, lengths: dict[str, int], names: dict[str, str], asked: str | None
) -> NamedRegion | None:
    wanted = asked or store.example_gene()
    if wanted is not None:
        return find_region(wanted, lengths, store, names)
    first = next(((name, length) for name, length in lengths.items() if length), None)
    return first and NamedRegion(first[0], 0, min(first[1], _FIRST_BASES))


def _line(gene: Gene) -> dict[str, Any]:
    return {
        "id": gene.id,
        "name": gene.symbol or gene.id,
        "biotype": gene.biotype,
        "strand": {1: "+", -1: "-"}.get(gene.strand, ""),
        "region": str(NamedRegion(gene.contig, gene.start, min(gene.stop, gene.length))),
    }
