"""Genomes: a list of them, and each by its id."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from rnaget_server.apis.genomes import BASE_PATH
from rnaget_server.apis.genomes.context import Context
from rnaget_server.apis.genomes.page import genome_page
from rnaget_server.catalog import Genome
from rnaget_server.errors import StoreFailure
from rnaget_server.http.dialect import JsonDialect, wants_page

_BASE = BASE_PATH.strip("/")


def get_genomes(context: Context) -> Response:
    """Return the genomes; one that cannot be read has only its names."""
    context.parameters()
    payload = []
    for genome in context.view.catalog.genomes.values():
        try:
            payload.append(_genome(context, genome))
        except StoreFailure as failure:
            payload.append({**_names(genome), "message": str(failure)})
    return context.respond({"genomes": payload}, "Genomes")


def get_genome(context: Context, genome: str) -> Response:
    """Return a genome; its page to a browser, where `page` and `region` are which part of it is shown."""
    parameters = context.parameters("page", "region")
    number, region = parameters.whole_number("page", 1, 10**9) or 1, parameters.text("region")
    record = context.genome(genome)
    if wants_page(context.request, JsonDialect.media_types):
        return genome_page(context, record, number, region)
    return context.respond(_genome(context, record), "Genome")


def _names(genome: Genome) -> dict[str, Any]:
    return {
        "id": genome.id,
        "name": genome.name,
        "description": genome.description,
        "assembly": genome.assembly,
        "scientific_name": genome.scientific_name,
        "common_name": genome.common_name,
        "taxonomy_id": genome.taxonomy_id,
    }


def _genome(context: Context, genome: Genome) -> dict[str, Any]:
    store = context.view.stores.open_genome(genome)
    collection = store.digest()
    genes = store.number_of_genes()
    links = {
        "self": context.address(_BASE, genome.id),
        "collection": context.address("seqcol", "collection", collection),
    }
    if genes:
        links["features"] = f"{context.address(_BASE, genome.id, 'features')}/{{name}}"
    return {
        **_names(genome),
        "collection": collection,
        "sequences": store.number_of_sequences(),
        "genes": genes,
        "links": links,
    }
