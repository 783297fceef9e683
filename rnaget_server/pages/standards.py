"""The standards that the API page shows, each with its OpenAPI document."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Standard:
    """A standard of this server: `id` chooses it in the address of the page, `document` is where it is described."""

    id: str
    name: str
    document: str


STANDARDS = (
    Standard("rnaget", "RNAget", "/rnaget/openapi.json"),
    Standard("refget", "refget", "/sequence/openapi.json"),
    Standard("cram", "CRAM registry", "/cram/openapi.json"),
    Standard("seqcol", "Sequence collections", "/seqcol/openapi.json"),
    Standard("genomes", "Genomes and genes", "/genomes/openapi.json"),
    Standard("reads", "htsget: reads", "/reads/openapi.json"),
    Standard("variants", "htsget: variants", "/variants/openapi.json"),
    Standard("files", "Files", "/files/openapi.json"),
    Standard("drs", "DRS", "/ga4gh/drs/v1/openapi.json"),
    Standard("ena", "Archive portal", "/ena/portal/api/openapi.json"),
    Standard("ena-browser", "Archive browser", "/ena/browser/api/openapi.json"),
    Standard("ena-taxonomy", "Archive taxonomy", "/ena/taxonomy/rest/openapi.json"),
    Standard("registry", "Service registry", "/services/openapi.json"),
    Standard("graphql", "GraphQL", "/graphql/openapi.json"),
)
"""In the order of the page; the first is shown where none is chosen."""
