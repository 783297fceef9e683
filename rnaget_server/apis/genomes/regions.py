"""A genome as genome browsers read it: the sizes of its sequences, and the genes of a region with their exons."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from starlette.responses import PlainTextResponse, Response

from rnaget_server.apis.genomes.context import Context
from rnaget_server.errors import InvalidQuery, UnknownId, shown
from rnaget_server.sequences.genes import Gene, Transcript, with_version
from rnaget_server.sequences.store import SequenceStore

_MOST_GENES = 200
_AT_ONCE = 1_000
_MAX_POSITION = 2**32 - 1
_STRANDS = {1: "+", -1: "-", 0: "."}


def get_sizes(context: Context, genome: str) -> Response:
    """Return the name and the length of each sequence, in the order of the genome."""
    context.parameters()
    store = context.view.stores.open_genome(context.genome(genome))
    return PlainTextResponse("".join(f"{name}\t{length}\n" for name, length in _sizes(store)))


def _sizes(store: SequenceStore) -> Iterator[tuple[str, int]]:
    collection = store.collection().attributes
    yield from zip(collection["names"], collection["lengths"], strict=True)


def get_genes(context: Context, genome: str) -> Response:
    """Return the genes that overlap a region, which is counted from 0 without its end as refget does."""
    parameters = context.parameters("sequence", "start", "end")
    name = parameters.text("sequence")
    record = context.genome(genome)
    store = context.view.stores.open_genome(record)
    if name is None:
        raise InvalidQuery("name a sequence of the genome, as ?sequence=chr1&start=0&end=1000000")
    sequence = store.member(name)
    if sequence is None:
        raise UnknownId(f"the genome {record.id} has no sequence {shown(name)}: {record.id}/chrom.sizes lists all")
    start = parameters.whole_number("start", 0, _MAX_POSITION) or 0
    end = parameters.whole_number("end", 0, _MAX_POSITION)
    end = sequence.length if end is None else min(end, sequence.length)
    if start > end:
        raise InvalidQuery(
            f"start {start} is beyond end {end}: the sequence {shown(name)} has {sequence.length} letters"
        )
    genes = store.genes_within(name, start, end, _MOST_GENES + 1) if start < end else []
    payload = {
        "genome": record.id,
        "sequence": name,
        "start": start,
        "end": end,
        "genes": [gene_in_region(store, gene) for gene in genes[:_MOST_GENES]],
        "more": len(genes) > _MOST_GENES,
    }
    return context.respond(payload, "Genes of a region")


def gene_in_region(store: SequenceStore, gene: Gene) -> dict[str, Any]:
    """Return a gene with the exons of the transcript that stands for it: positions from 0, ends not included."""
    transcript = representative(store.transcripts(gene))
    coding = transcript.coding if transcript is not None else ()
    return {
        "id": gene.id,
        "stable_id": with_version(gene.id, gene.version),
        "symbol": gene.symbol,
        "biotype": gene.biotype,
        "start": gene.start,
        "end": gene.stop,
        "strand": _STRANDS[gene.strand],
        "transcript": transcript.id if transcript is not None else None,
        "exons": sorted([exon.start, exon.stop] for exon in transcript.exons) if transcript is not None else [],
        "coding": [min(part.start for part in coding), max(part.stop for part in coding)] if coding else None,
    }


def representative(transcripts: list[Transcript]) -> Transcript | None:
    """Return the transcript that stands for a gene: that of the annotation, else the one with the most coding bases."""

    def rank(transcript: Transcript) -> tuple[bool, int, int]:
        coding = sum(part.stop - part.start for part in transcript.coding)
        return transcript.is_canonical, coding, sum(exon.stop - exon.start for exon in transcript.exons)

    return max(transcripts, key=rank, default=None)
