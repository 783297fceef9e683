"""Genes by their ids and symbols: where they are, and the sequences of their transcripts."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from starlette.responses import Response

from rnaget_server.apis.genomes import BASE_PATH
from rnaget_server.apis.genomes.context import Context
from rnaget_server.catalog import Genome
from rnaget_server.errors import InvalidQuery, UnknownId, shown
from rnaget_server.http.request import ROOT_KEY
from rnaget_server.sequences.genes import Derived, Gene, Match, Transcript, split_version, with_version
from rnaget_server.sequences.store import SequenceStore

_BASE = BASE_PATH.strip("/")
_STRANDS = {1: "+", -1: "-", 0: "."}
_MANY_CHOICES, _SEE_OTHER = 300, 303


def get_feature(context: Context, genome: str, name: str) -> Response:
    """Return the gene of a name with its transcripts, or the genes among which the client has to choose."""
    sequence = context.parameters("sequence").text("sequence")
    record = context.genome(genome)
    store = context.view.stores.open_genome(record)
    match = store.find_genes(name)
    if match is None:
        raise UnknownId(_unknown(store, record, name))
    genes = store.genes(match.genes)
    on_sequence = [gene for gene in genes if sequence in (None, gene.contig)]
    if not on_sequence:
        places = ", ".join(dict.fromkeys(gene.contig for gene in genes))
        raise UnknownId(f"{shown(name)} is not on the sequence {shown(sequence or '')}: it is on {places}")
    # The way to each of several genes is its own key in the annotation, which may be the symbol of others.
    called_so = [gene for gene in on_sequence if sequence is not None and gene.key == name]
    if len(called_so) == 1:
        on_sequence.sort(key=lambda gene: gene is not called_so[0])
    matched = _matched(name, match)
    if len(on_sequence) > 1 and len(called_so) != 1:
        payload = {
            "message": f"{shown(name)} is the {match.kind} of {len(on_sequence)} genes: ask for one by its link",
            "matched": matched,
            "candidates": [_candidate(context, record, gene) for gene in on_sequence],
        }
        return context.respond(payload, "Choice of genes", status=_MANY_CHOICES)
    gene, *rest = on_sequence
    others = [_candidate(context, record, other) for other in (*rest, *store.genes(match.others))]
    payload = {"genome": record.id, "matched": matched, "others": others, **_gene(context, gene)}
    payload["transcripts"] = [_transcript(context, transcript, gene) for transcript in store.transcripts(gene)]
    return context.respond(payload, "Gene")


def find_feature(context: Context, genome: str) -> Response:
    """Return the way to the gene of the name in a query, as a form sends it."""
    name = (context.parameters("name").text("name") or "").strip()
    record = context.genome(genome)
    if not name:
        raise InvalidQuery("give a name, as ?name=… with an id, a symbol or a synonym")
    # Without scheme and host: a proxy may have another scheme than the server knows of.
    address = "/".join(
        (context.request.scope[ROOT_KEY], _BASE, *(quote(part, safe="") for part in (record.id, "features", name)))
    )
    return Response(status_code=_SEE_OTHER, headers={"Location": address})


def _matched(name: str, match: Match) -> dict[str, Any]:
    """Return how a gene was found: the kind of the name, and whether it is written as it was asked for."""
    return {"asked": name, "found": match.name, "kind": match.kind, "exact": match.exact}


def _unknown(store: SequenceStore, genome: Genome, name: str) -> str:
    if not store.number_of_genes():
        return f"the genome {genome.id} has no genes here: only its sequences were imported"
    near = store.near_names(name)
    start = f"the genome {genome.id} has no gene, transcript or protein {shown(name)}"
    stem, version = split_version(name)
    if version is not None and stem in near:
        return f"{start}: it has {stem}, but not in the version {version}; near are {', '.join(near)}"
    return f"{start}: did you mean {', '.join(near)}?" if near else f"{start}: ask by its id or its symbol"


def _candidate(context: Context, genome: Genome, gene: Gene) -> dict[str, Any]:
    address = f"{context.address(_BASE, genome.id, 'features', gene.key)}?sequence={quote(gene.contig, safe='')}"
    return {**_gene(context, gene), "link": address}


def _gene(context: Context, gene: Gene) -> dict[str, Any]:
    return {
        "id": gene.id,
        "version": gene.version,
        "stable_id": with_version(gene.id, gene.version),
        "symbol": gene.symbol,
        "synonyms": list(gene.synonyms),
        "biotype": gene.biotype,
        "description": gene.description,
        "location": _location(context, gene, gene),
    }


def _location(context: Context, place: Gene | Transcript, gene: Gene) -> dict[str, Any]:
    """Return where something is: as an annotation counts, and as refget does.

    The whole of a circular sequence, from any other base on than its first, is no span of refget.
    """
    start, stop = place.start, place.stop
    if gene.circular:  # beyond its end is its beginning
        start, stop = start % gene.length, (stop - 1) % gene.length + 1
    address = context.address("sequence", gene.digests.ga4gh)
    refget = {"start": start, "end": stop, "link": f"{address}?start={start}&end={stop}"}
    return {
        "sequence": {
            "name": gene.contig,
            "length": gene.length,
            "circular": gene.circular,
            "ga4gh": gene.digests.ga4gh,
            "md5": gene.digests.md5,
        },
        "start": place.start + 1,
        "end": place.stop,
        "strand": _STRANDS[place.strand],
        "refget": refget if start != stop else None,
    }


def _transcript(context: Context, transcript: Transcript, gene: Gene) -> dict[str, Any]:
    protein = _derived(context, transcript.protein)
    if protein is not None:
        id, version = transcript.protein_id, transcript.protein_version
        stable_id = with_version(id, version) if id else None
        protein = {"id": id, "version": version, "stable_id": stable_id, **protein}
    return {
        "id": transcript.id,
        "version": transcript.version,
        "stable_id": with_version(transcript.id, transcript.version),
        "name": transcript.name,
        "biotype": transcript.biotype,
        "canonical": transcript.is_canonical,
        "mane": transcript.mane,
        "tags": list(transcript.tags),
        "location": _location(context, transcript, gene),
        "exons": [
            {
                "index": index,
                "id": exon.id,
                "start": exon.start + 1,
                "end": exon.stop,
                "start_phase": exon.start_phase,
                "end_phase": exon.end_phase,
            }
            for index, exon in enumerate(transcript.exons, 1)
        ],
        "coding_parts": [
            {"start": part.start + 1, "end": part.stop, "phase": part.phase} for part in transcript.coding
        ],
        "genetic_code": transcript.code if transcript.coding else None,
        "incomplete_start": transcript.incomplete_start,
        "incomplete_end": transcript.incomplete_end,
        "cdna": _derived(context, transcript.cdna),
        "cds": _derived(context, transcript.cds),
        "protein": protein,
    }


def _derived(context: Context, sequence: Derived | None) -> dict[str, Any] | None:
    if sequence is None:
        return None
    digests = sequence.digests
    link = context.address("sequence", digests.ga4gh)
    return {"md5": digests.md5, "ga4gh": digests.ga4gh, "length": sequence.length, "link": link}
