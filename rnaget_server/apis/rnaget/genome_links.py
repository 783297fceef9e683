"""The way from a matrix to its genome: the digest of its sequence collection, and the addresses of its genes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import quote

from rnaget_server.apis.rnaget.context import Context
from rnaget_server.catalog import Matrix
from rnaget_server.datasets.repository import View
from rnaget_server.errors import StoreFailure
from rnaget_server.slicing.genomes import gene_names, genome_of

_GENOMES, _FEATURES = "genomes", "features"


def genome_fields(context: Context, view: View, matrix: Matrix) -> dict[str, Any]:
    """Return what the description of a matrix says of its genome; of one that is not in the catalogue the name."""
    study = view.catalog.studies.get(matrix.study_id)
    fields: dict[str, Any] = {"genome": study.genome} if study is not None and study.genome else {}
    genome = genome_of(view, matrix)
    digest = view.collection_of(genome.id) if genome is not None else None
    if genome is None or digest is None:
        return fields
    links = {
        "genome": context.address(_GENOMES, genome.id),
        "sequenceCollection": context.address("seqcol", "collection", digest),
    }
    with suppress(StoreFailure):
        if view.stores.open_genome(genome).number_of_genes():
            links["features"] = f"{context.address(_GENOMES, genome.id, _FEATURES)}/{{id}}"
    return {**fields, "sequenceCollection": digest, "links": links}


def with_gene_links(
    context: Context, view: View, matrix_id: str, features: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Return the features of a matrix, those that the genome of the study knows with the address of the gene."""
    genome = genome_of(view, view.catalog.matrices[matrix_id])
    if genome is None:
        return list(map(dict, features))
    names: list[str | None] = [None] * len(features)
    with suppress(StoreFailure):
        names = gene_names(view, genome, features)
    address = context.address(_GENOMES, genome.id, _FEATURES)
    return [
        {**feature, "link": f"{address}/{quote(name, safe='')}"} if name else dict(feature)
        for feature, name in zip(features, names, strict=True)
    ]
