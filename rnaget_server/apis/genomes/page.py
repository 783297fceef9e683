"""The page that a browser gets for the address of a genome: its genes and sequences, and requests to copy."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from starlette.responses import Response

from rnaget_server.apis.genomes import BASE_PATH
from rnaget_server.apis.genomes.context import Context
from rnaget_server.apis.genomes.region_view import region_view
from rnaget_server.catalog import Genome
from rnaget_server.errors import InvalidQuery, UnknownId
from rnaget_server.http.dialect import HTML
from rnaget_server.http.request import ROOT_KEY, house_of, visitor_of
from rnaget_server.sequences.digests import StoredSequence
from rnaget_server.sequences.store import SequenceStore
from rnaget_server.web import PAGE_HEADERS, render

_PER_PAGE = 100
_FIRST = 60
_TRACK_SETS = 3
_LOOK = 1_000
"""So many letters are shown at once: a browser takes long over a chromosome."""

_GENE_QUERY = (
    "query ($genome: String!, $symbol: String!) { genes(by_symbol: {genome_id: $genome, symbol: $symbol}) { stable_id "
    "transcripts { stable_id product_generating_contexts { cds { sequence { checksum } } product { stable_id } } } } }"
)


def genome_page(context: Context, genome: Genome, number: int, region: str | None = None) -> Response:
    """Return page `number` of a genome, from 1: each has a hundred of its sequences; and a region of it.

    Raises
    ------
    UnknownId
        If there is no such page.
    """
    store = context.view.stores.open_genome(genome)
    total = store.number_of_sequences()
    last = max(1, -(-total // _PER_PAGE))
    if not 1 <= number <= last:
        raise UnknownId(f"there is no page {number:,} of the genome {genome.id}: there are {last:,}")
    root = context.request.scope[ROOT_KEY]
    hidden = "studies" in context.api.settings.switched_off
    studies = [one for one in context.view.catalog.studies.values() if one.genome == genome.id]
    status, shown = _region(context, genome, store, region)
    page = render(
        "genome.html",
        root=root,
        house=house_of(context.request),
        visitor=visitor_of(context.request.scope),
        address=f"{root}{BASE_PATH}/{quote(genome.id, safe='')}",
        genome=genome,
        collection=store.digest(),
        total=total,
        letters=store.length(),
        genes=store.number_of_genes(),
        example=store.example_gene(),
        studies=[] if hidden else studies,
        track_sets=[tracks for study in studies for tracks in study.track_sets][:_TRACK_SETS],
        **shown,
        sequences=[_line(name, found) for name, found in store.members((number - 1) * _PER_PAGE, _PER_PAGE)],
        number=number,
        last=last,
        requests=list(_requests(context, genome, store)),
    )
    return Response(page, status, headers={"Vary": "Accept", **PAGE_HEADERS, "Content-Type": f"{HTML}; charset=utf-8"})


def _region(context: Context, genome: Genome, store: SequenceStore, asked: str | None) -> tuple[int, dict[str, Any]]:
    """Return the status of the page, and its region; or why there is none."""
    try:
        return 200, {"problem": None, **region_view(context.request.scope[ROOT_KEY], genome, store, asked)}
    except (InvalidQuery, UnknownId) as error:
        status = 400 if isinstance(error, InvalidQuery) else 404
        return status, {"problem": str(error), "asked": asked, "region": None, "library": None}


def _line(name: str, sequence: StoredSequence) -> dict[str, object]:
    return {
        "name": name,
        "length": sequence.length,
        "md5": sequence.digests.md5,
        "circular": sequence.circular,
        "look": min(_LOOK, sequence.length),
    }


def _requests(context: Context, genome: Genome, store: SequenceStore) -> Iterator[tuple[str, str]]:
    """Yield what each request is for, and the command."""
    for name, sequence in store.members(0, 1):
        named = f"{genome.id}:{name}"
        found = store.find(named)
        id = named if found is not None and found.number == sequence.number else sequence.digests.ga4gh
        start = f"{context.root}/sequence/{quote(id, safe=':')}"
        yield f"Bases of {name}", _curl(f"{start}?start=0&end={min(_FIRST, sequence.length)}")
        yield f"All of {name} as FASTA", _curl(start, "-H", "Accept: text/x-fasta", "-o", "sequence.fa")
        yield f"Digests and names of {name}", _curl(f"{start}/metadata")
    collection = store.digest()
    yield "Its sequence collection", _curl(f"{context.address('seqcol', 'collection', collection)}?level=1")
    example = store.example_gene()
    if example is not None:
        yield f"The gene {example}", _curl(context.address(BASE_PATH.strip("/"), genome.id, "features", example))
        variables = {"genome": genome.id, "symbol": example}
        body = json.dumps({"query": _GENE_QUERY, "variables": variables}, ensure_ascii=False)
        options = ("-H", "Content-Type: application/json", "-d", body)
        yield f"{example} by GraphQL", _curl(context.address("graphql"), *options)
    registry = f"REF_PATH={shlex.quote(context.address('cram', 'md5') + '/%s')}"
    yield "Reads of a CRAM file on this genome", f"{registry} samtools view reads.cram"


def _curl(address: str, *options: str) -> str:
    return shlex.join(["curl", *options, address])
