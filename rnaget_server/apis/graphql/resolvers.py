"""The values of the schema: mappings whose costly fields are functions, called only where a query asks for them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from graphql import GraphQLError

from rnaget_server.apis.graphql.cost import Cost
from rnaget_server.catalog import Genome
from rnaget_server.datasets.repository import View
from rnaget_server.model.observation import note_reading
from rnaget_server.sequences.digests import StoredSequence
from rnaget_server.sequences.genes import Derived, Exon, Gene, Transcript, answers_to, split_version, with_version
from rnaget_server.sequences.store import SequenceStore

_MOST_RECORDS = 5_000
_MOST_OF_SLICE = 1_000
_MOST_CANDIDATES = 100
_SCAN = 1_000
"""The values that looking for the genes of a slice counts as, even where it has none."""
Value = dict[str, Any]
_KEYWORDS: dict[str, Callable[[Genome], tuple[str | None, ...]]] = {
    "assembly_accession_id": lambda genome: (genome.assembly,),
    "assembly_name": lambda genome: (genome.id, genome.name),
    "common_name": lambda genome: (genome.common_name,),
    "scientific_name": lambda genome: (genome.scientific_name,),
    "species_taxonomy_id": lambda genome: (genome.taxonomy_id,),
    "tolid": lambda _: (),
}
"""What each keyword is compared with, and all of them with the tags of a genome."""


class Resolvers:
    """The values for one request, of which it may have so many genes and transcripts in all."""

    def __init__(self, view: View, cost: Cost) -> None:
        self._view = view
        self._cost = cost
        self._left = _MOST_RECORDS

    def root(self) -> Value:
        """Return the fields of a query."""
        return {
            "version": {"api": {"major": "1", "minor": "0", "patch": "0"}},
            "genome": self._genome,
            "genomes": self._genomes,
            "gene": self._gene_by_id,
            "genes": self._genes_by_symbol,
            "transcript": self._transcript,
            "product": self._product,
            "region": self._region,
            "overlap_region": self._overlap,
        }

    def _spend(self, count: int) -> None:
        self._left -= count
        if self._left < 0:
            self._cost.refuse(
                f"the query comes to more than {_MOST_RECORDS:,} genes and transcripts: ask in several steps"
            )

    def _transcripts(self, store: SequenceStore, gene: Gene) -> list[Transcript]:
        found = store.transcripts(gene)
        self._spend(len(found))
        self._cost.spend(sum(len(transcript.exons) + len(transcript.coding) for transcript in found))
        return found

    def _store(self, genome_id: str) -> SequenceStore:
        genome = self._view.catalog.genomes.get(genome_id)
        if genome is None:
            raise _missing("GENOME_NOT_FOUND", f"there is no genome {genome_id}", genome_id=genome_id)
        note_reading("genomes", genome.id)
        return self._view.stores.open_genome(genome)

    def _genome(self, _: Any, by_genome_id: Value) -> Value:
        self._store(by_genome_id["genome_id"])
        return self._genome_value(self._view.catalog.genomes[by_genome_id["genome_id"]])

    def _genomes(self, _: Any, by_keyword: Value | None = None, by_assembly_accession_id: Value | None = None) -> Any:
        given = {**(by_keyword or {}), **(by_assembly_accession_id or {})}
        wanted = {key: _folded(value) for key, value in given.items() if value is not None}
        if not wanted:
            raise GraphQLError("give by_keyword or by_assembly_accession_id, with one value at least")
        found = [
            self._genome_value(genome)
            for genome in self._view.catalog.genomes.values()
            if all(text in map(_folded, (*_KEYWORDS[key](genome), *genome.tags)) for key, text in wanted.items())
        ]
        if not found:
            raise _missing("GENOME_NOT_FOUND", f"there is no genome of {', '.join(wanted.values())}", **given)
        return found

    def _genome_value(self, genome: Genome) -> Value:
        return {
            "genome_id": genome.id,
            "name": genome.name,
            "description": genome.description,
            "assembly_accession": genome.assembly,
            "common_name": genome.common_name,
            "scientific_name": genome.scientific_name,
            "species_taxonomy_id": genome.taxonomy_id,
            "assembly": {"accession_id": genome.assembly, "name": genome.name or genome.id},
            "collection": lambda _: self._view.stores.open_genome(genome).digest(),
        }

    def _gene_by_id(self, _: Any, by_id: Value) -> Value:
        store, id = self._store(by_id["genome_id"]), by_id["stable_id"]
        match = store.find_genes(id, "id")
        if match is None:
            raise _missing("GENE_NOT_FOUND", f"there is no gene {id}", **by_id)
        found = store.genes(match.genes[:_MOST_CANDIDATES])
        if len(found) > 1:
            candidates = [_candidate(gene, gene) for gene in found]
            raise _ambiguous("gene", id, len(match.genes), candidates, by_id)
        return self._gene(store, found[0])

    def _genes_by_symbol(self, _: Any, by_symbol: Value) -> list[Value]:
        store, symbol = self._store(by_symbol["genome_id"]), by_symbol["symbol"]
        match = store.find_genes(symbol, "symbol")
        if match is None or not match.exact:
            match = store.find_genes(symbol)
        if match is None:
            raise _missing("GENE_NOT_FOUND", f"there is no gene {symbol}", **by_symbol)
        # One by one, so that no more are read than may be returned.
        return [self._gene(store, gene) for number in match.genes for gene in store.genes([number])]

    def _transcripts_named(self, store: SequenceStore, name: str) -> Iterable[tuple[Gene, Transcript]]:
        match = store.find_genes(name)
        for number in (*match.genes, *match.others) if match else ():
            self._spend(1)
            (gene,) = store.genes([number])
            yield from ((gene, transcript) for transcript in self._transcripts(store, gene))

    def _transcript(self, _: Any, by_id: Value | None = None, by_symbol: Value | None = None) -> Value:
        given = by_id or by_symbol
        if given is None:
            raise GraphQLError("give by_id or by_symbol")
        store, name = self._store(given["genome_id"]), given["stable_id" if by_id else "symbol"]
        ranked = [
            (rank, gene, transcript)
            for gene, transcript in self._transcripts_named(store, name)
            if (rank := _rank(name, transcript, by_symbol=not by_id)) is not None
        ]
        if not ranked:
            raise _missing("TRANSCRIPT_NOT_FOUND", f"there is no transcript {name}", **given)
        best = min(rank for rank, *_ in ranked)
        found = [(gene, transcript) for rank, gene, transcript in ranked if rank == best]
        if len(found) > 1:
            candidates = [_candidate(transcript, gene) for gene, transcript in found]
            raise _ambiguous("transcript", name, len(found), candidates, given)
        return self._transcript_value(store, *found[0])

    def _product(self, _: Any, by_id: Value) -> Value:
        store, id = self._store(by_id["genome_id"]), by_id["stable_id"]
        ranked: list[tuple[int, Value, Value]] = []
        for gene, transcript in self._transcripts_named(store, id):
            own, protein = transcript.protein_id, transcript.protein
            rank = answers_to(id, own, transcript.protein_version) if own and protein else None
            if rank is not None and protein is not None:
                value = _protein(transcript, protein)
                ids = {"stable_id": value["stable_id"], **value["sequence"], "transcript": _candidate(transcript, gene)}
                ranked.append((rank, value, ids))
        if not ranked:
            raise _missing("PRODUCT_NOT_FOUND", f"there is no product {id}", **by_id)
        best = min(rank for rank, *_ in ranked)
        found = [(value, candidate) for rank, value, candidate in ranked if rank == best]
        # Copies of a gene have one protein.
        if any(value != found[0][0] for value, _ in found):
            raise _ambiguous("product", id, len(found), [candidate for _, candidate in found], by_id)
        return found[0][0]

    def _region(self, _: Any, by_name: Value) -> Value:
        found = self._store(by_name["genome_id"]).member(by_name["name"])
        if found is None:
            raise _missing("REGION_NOT_FOUND", f"there is no region {by_name['name']}", **by_name)
        return _region(by_name["name"], found.length, found.circular, found.digests.md5)

    def _overlap(self, _: Any, by_slice: Value) -> Value:
        store, name = self._store(by_slice["genome_id"]), by_slice["region_name"]
        region: StoredSequence | None = store.member(name)
        if region is None:
            raise _missing("REGION_NOT_FOUND", f"there is no region {name}", **by_slice)
        start, stop = by_slice["start"] - 1, by_slice["end"]
        if not 0 <= start < stop <= region.length:
            raise GraphQLError(f"start and end must be from 1 to {region.length:,}, the start first")
        self._cost.spend(_SCAN)
        # Beyond the end of a circular sequence is its beginning.
        turns = (0, region.length) if region.circular else (0,)

        def overlaps(item: Gene | Transcript) -> bool:
            return any(item.start - turn < stop and start < item.stop - turn for turn in turns)

        genes = store.genes_within(name, start, stop, _MOST_OF_SLICE + 1)
        if len(genes) > _MOST_OF_SLICE:
            self._spend(_MOST_OF_SLICE)
            raise _missing(
                "SLICE_RESULT_LIMIT_EXCEEDED", f"the slice has more than {_MOST_OF_SLICE:,} genes: ask for less"
            )

        def transcripts(_: Any) -> list[Value]:
            found = []
            for gene in genes:
                within = filter(overlaps, self._transcripts(store, gene))
                found += [self._transcript_value(store, gene, transcript) for transcript in within]
            return found

        return {"genes": [self._gene(store, gene) for gene in genes], "transcripts": transcripts}

    def _gene(self, store: SequenceStore, gene: Gene) -> Value:
        self._spend(1)

        def transcripts(_: Any) -> list[Value]:
            return [self._transcript_value(store, gene, found) for found in self._transcripts(store, gene)]

        return {
            "type": "Gene",
            **_ids(gene.id, gene.version),
            "symbol": gene.symbol,
            "name": gene.description,
            "so_term": gene.biotype,
            "alternative_symbols": list(gene.synonyms),
            "slice": _slice(gene, gene),
            "metadata": {"biotype": _label(gene.biotype)},
            "transcripts": transcripts,
        }

    def _transcript_value(self, store: SequenceStore, gene: Gene, transcript: Transcript) -> Value:
        def exons(_: Any) -> list[Value]:
            return [
                {
                    "index": at,
                    "exon": _exon(exon, transcript, gene),
                    "start_phase": exon.start_phase,
                    "end_phase": exon.end_phase,
                }
                for at, exon in enumerate(transcript.exons, 1)
            ]

        coding = transcript.protein is not None
        return {
            "type": "Transcript",
            **_ids(transcript.id, transcript.version),
            "symbol": transcript.name,
            "so_term": transcript.biotype,
            "slice": _slice(transcript, gene),
            "metadata": {
                "canonical": {"value": True, "label": "canonical"} if transcript.is_canonical else None,
                "mane": _label(transcript.mane),
                "biotype": _label(transcript.biotype),
            },
            "gene": partial(self._gene_of, store, gene),
            "spliced_exons": exons,
            "product_generating_contexts": [
                {
                    "product_type": "Protein" if coding else None,
                    "default": True,
                    "cdna": _cdna(transcript),
                    "cds": _cds(transcript),
                    "product": _protein(transcript, transcript.protein) if transcript.protein else None,
                    "phased_exons": exons,
                }
            ],
        }

    def _gene_of(self, store: SequenceStore, gene: Gene, _: Any) -> Value:
        return self._gene(store, gene)


def _folded(text: str | None) -> str:
    return " ".join((text or "").lower().split())


def _missing(code: str, message: str, **values: Any) -> GraphQLError:
    return GraphQLError(message, extensions={"code": code, **values})


def _ambiguous(what: str, name: str, count: int, candidates: list[Value], given: Value) -> GraphQLError:
    return _missing(
        f"{what.upper()}_AMBIGUOUS",
        f"{name} is the name of {count:,} {what}s: ask for one of the candidates by its stable_id, or for its gene",
        **given,
        candidates=candidates[:_MOST_CANDIDATES],
    )


def _candidate(found: Gene | Transcript, gene: Gene) -> Value:
    place = {"region": gene.contig, "start": found.start + 1, "end": found.stop}
    if isinstance(found, Gene):
        return {"stable_id": gene.key, "symbol": gene.symbol, **place}
    return {"stable_id": with_version(found.id, found.version), "gene": gene.key, **place}


def _rank(name: str, transcript: Transcript, by_symbol: bool) -> int | None:
    """Return how well a name is that of a transcript, the least being best; None if it is another."""
    own = transcript.name
    if by_symbol and own is not None and own.lower() == name.lower():
        return 0 if own == name else 1
    by_id = answers_to(name, transcript.id, transcript.version)
    return by_id + 2 if by_symbol and by_id is not None else by_id


def _ids(id: str | None, version: str | None) -> Value:
    number = int(version) if version and version.isdigit() and len(version) < 10 else None
    return {"stable_id": with_version(id, version) if id else None, "unversioned_stable_id": id, "version": number}


def _label(text: str | None) -> Value | None:
    return {"value": text, "label": text.replace("_", " ")} if text else None


def _sequence(md5: str, alphabet: str) -> Value:
    return {"alphabet": {"accession_id": alphabet, "value": alphabet}, "checksum": md5}


def _region(name: str, length: int, circular: bool, md5: str) -> Value:
    topology = "circular" if circular else "linear"
    return {
        "name": name,
        "length": length,
        "code": "chromosome",
        "topology": topology,
        "sequence": _sequence(md5, "dna"),
    }


def _slice(place: Gene | Transcript | Exon, gene: Gene, strand: int | None = None) -> Value:
    value = strand if isinstance(place, Exon) else place.strand
    return {
        "region": _region(gene.contig, gene.length, gene.circular, gene.digests.md5),
        "location": {"start": place.start + 1, "end": place.stop, "length": place.stop - place.start},
        "strand": {"code": "forward" if value > 0 else "reverse", "value": value} if value else None,
        "default": True,
    }


def _exon(exon: Exon, transcript: Transcript, gene: Gene) -> Value:
    ids = _ids(*split_version(exon.id)) if exon.id else {}
    return {"type": "Exon", **ids, "slice": lambda _: _slice(exon, gene, transcript.strand)}


def _cdna(transcript: Transcript) -> Value | None:
    found = transcript.cdna
    if found is None:
        return None
    sequence = _sequence(found.digests.md5, "dna")
    return {"start": transcript.start + 1, "end": transcript.stop, "length": found.length, "sequence": sequence}


def _cds(transcript: Transcript) -> Value | None:
    if transcript.cds is None:
        return None
    return {
        "start": min(part.start for part in transcript.coding) + 1,
        "end": max(part.stop for part in transcript.coding),
        "nucleotide_length": transcript.cds.length,
        "protein_length": transcript.protein.length if transcript.protein else 0,
        "sequence": _sequence(transcript.cds.digests.md5, "dna"),
    }


def _protein(transcript: Transcript, protein: Derived) -> Value:
    ids = _ids(transcript.protein_id, transcript.protein_version)
    return {"type": "Protein", **ids, "length": protein.length, "sequence": _sequence(protein.digests.md5, "protein")}
