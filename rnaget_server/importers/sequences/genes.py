"""The import of an annotation: its genes, and the sequences of their transcripts, into the store of a genome."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rnaget_server.errors import ImportFailure, shown
from rnaget_server.importers.sequences.annotation import Annotation, is_gene, is_of_parts, is_transcript
from rnaget_server.importers.sequences.contigs import Contigs, GeneticCodes
from rnaget_server.importers.sequences.gene_models import Contig, Node, Part, bare_id
from rnaget_server.importers.sequences.symbols import add_symbols
from rnaget_server.importers.sequences.transcripts import Model, model_of
from rnaget_server.model.collector import uncollected
from rnaget_server.sequences.derive import NUCLEOTIDES
from rnaget_server.sequences.genes import Gene, Transcript, with_version
from rnaget_server.sequences.parts import LETTERS
from rnaget_server.sequences.write import SequenceWriter
from rnaget_server.sequences.write_genes import GeneWriter
from rnaget_server.storage.local import LocalFile

_LOOKED_AT = 4096
_PARSING = 0.5
_NO_DIGESTS: Any = None
_REPORTED_EACH = 500


@dataclass(frozen=True)
class GenesOutcome:
    """The numbers of genes and transcripts written, a gene to ask for, and remarks for the provider."""

    genes: int
    transcripts: int
    first: str
    remarks: tuple[str, ...]


def import_annotation(
    writer: SequenceWriter,
    directory: Path,
    genome: str,
    path: Path,
    codes: tuple[str, ...],
    symbols: Path | None,
    progress: Callable[[float], None],
) -> GenesOutcome:
    """Write the genes of an annotation, and the sequences of their transcripts.

    Parameters
    ----------
    writer
        Has the sequences of the genome already.
    directory
        The directory that it writes to.
    genome
        The id of the genome.
    path
        The annotation.
    codes
        Genetic codes, see `GeneticCodes`.
    symbols
        A table of further names of genes, see `add_symbols`.
    progress
        Is called with the share that is done.

    Raises
    ------
    ImportFailure
        If the annotation is not well formed, or is not of this genome; with the line.
    """
    by_name = _contigs(writer)
    with closing(LocalFile.open(directory / LETTERS)) as letters:
        read = partial(_read, letters)
        for contig in by_name.values():
            _refuse_protein(contig, read(contig, 0, min(contig.length, _LOOKED_AT)))
        genetic_codes = GeneticCodes(codes, list(by_name))
        contigs = Contigs(by_name, partial(_own_name, writer, by_name))
        with uncollected():
            annotation = Annotation(path, contigs, lambda share: progress(share * _PARSING))
        for contig in contigs.made_circular:
            writer.index.execute("UPDATE sequences SET circular = 1 WHERE number = ?", (contig.number,))
        job = _Job(annotation, genes := GeneWriter(writer, genome), genetic_codes, read)
        job.run(lambda share: progress(_PARSING + share * (1 - _PARSING)))
        remarks = [f"{contig.name} is circular, as the annotation says" for contig in contigs.made_circular]
        if symbols is not None:
            remarks.append(add_symbols(genes, symbols))
    return job.outcome(remarks)


def _read(letters: LocalFile, contig: Contig, start: int, stop: int) -> bytes:
    """Return letters of a sequence, over the end of a circular one if `stop` is beyond that."""
    pieces = b""
    while stop > contig.length:
        if start < contig.length:
            pieces += letters.read(contig.start + start, contig.length - start)
        start, stop = max(0, start - contig.length), stop - contig.length
    return pieces + letters.read(contig.start + start, max(0, stop - start))


def _own_name(writer: SequenceWriter, by_name: dict[str, Contig], alias: str) -> str | None:
    """Return the name that the genome has for a sequence with an alias."""
    row = writer.index.execute("SELECT number FROM ids WHERE id = ?", (alias,)).fetchone()
    return next((name for name, contig in by_name.items() if row and contig.number == row[0]), None)


def _contigs(writer: SequenceWriter) -> dict[str, Contig]:
    writer.flush()
    query = "SELECT name, number, start, length, circular FROM members JOIN sequences USING (number) ORDER BY place"
    return {
        name: Contig(name, number, start, length, bool(circular))
        for name, number, start, length, circular in writer.index.execute(query)
    }


def _refuse_protein(contig: Contig, letters: bytes) -> None:
    others = letters.translate(None, NUCLEOTIDES)
    if others:
        raise ImportFailure(
            f"the sequence {contig.name} holds the letter {chr(others[0])!r}, no nucleotide: with --annotation the "
            "FASTA files must be those of the genome, not of proteins"
        )


class _Job:
    """The way of one annotation into the store."""

    def __init__(
        self,
        annotation: Annotation,
        writer: GeneWriter,
        codes: GeneticCodes,
        read: Callable[[Contig, int, int], bytes],
    ) -> None:
        self._annotation = annotation
        self._writer = writer
        self._codes = codes
        self._read = read
        self._extents: dict[int, tuple[int, int]] = {}
        self._places: dict[int, tuple[Contig, int]] = {}
        self._counts: Counter[str] = Counter()
        self._first = ""

    def run(self, progress: Callable[[float], None]) -> None:
        """Write transcripts in the order of the file, then genes."""
        nodes, seen = self._annotation.nodes, set()
        of_others: dict[int, list[Part]] = {node.exons_of.number: [] for node in nodes if node.exons_of is not None}
        for done, (number, exons, coding) in enumerate(self._annotation.parts.by_node()):
            if not done % _REPORTED_EACH:
                progress(number / len(nodes))
            seen.add(number)
            if number in of_others:
                of_others[number] = exons
            further = nodes[number].exons_of
            if further is not None:
                exons = exons or of_others[further.number]
            self._add_transcript(nodes[number], exons, coding)
        above = {node.parent.number for node in nodes if node.parent is not None}
        for node in nodes:
            if node.number not in seen and node.number not in above and is_transcript(node) and node.contig:
                self._add_transcript(node, [Part(node.start, node.stop, -1, node.line, None)], [])
        for node in nodes:
            if node.number in self._places or (is_gene(node) and node.line):
                self._add_gene(node)
        if not self._writer.genes:
            raise ImportFailure("there is no gene in the file: give the annotation of genes", self._annotation.path)
        self._writer.finish()

    def outcome(self, remarks: list[str]) -> GenesOutcome:
        """Return what was done, after `run`."""
        words = {
            "incomplete": "coding sequences are incomplete: cut off at an end, or no multiple of three",
            "stops": "proteins have stops before their end: is the genetic code (--genetic-code) right, the assembly?",
            "phases": "coding sequences have other phases in the file than their lengths say: the first was taken",
            "trans_spliced": "transcripts are spliced from several strands or sequences: they have no sequences here",
        }
        counted = [f"{self._counts[key]:,} {text}" for key, text in words.items() if self._counts[key]]
        several = len({name for name in self._writer.ambiguous if ":" not in name})
        if several:
            counted.append(f"{several:,} ids of transcripts or proteins stand for several sequences: ask by digest")
        return GenesOutcome(
            self._writer.genes,
            self._writer.transcripts,
            self._first,
            (*remarks, *self._codes.remarks(), *counted),
        )

    def _add_transcript(self, node: Node, exons: list[Part], coding: list[Part]) -> None:
        contig, strand, line = node.seen or (node.contig, node.strand, node.line)
        assert contig is not None  # every node that has a line or a part has one
        if node.contig is not None and node.contig.name != contig.name and not node.trans_spliced:
            raise ImportFailure(
                f"{shown(node.key)} is on {node.contig.name}, but its parts are on {contig.name}: see line {line:,}",
                self._annotation.path,
                node.line,
            )
        if node.line and node.strand and strand and node.strand != strand and not node.trans_spliced:
            raise ImportFailure(
                f"{shown(node.key)} is on the other strand than its parts: see line {line:,}",
                self._annotation.path,
                node.line,
            )
        code = node.code or node.gene.code or self._codes.of(contig.name) if coding else 1
        model = self._model(node, contig, exons, coding, code)
        start, stop = min(part.start for part in exons or coding), max(part.stop for part in exons or coding)
        if model.exons:
            start, stop = min(exon.start for exon in model.exons), max(exon.stop for exon in model.exons)
        self._note_place(node.gene, contig, strand, start, stop)
        transcript = Transcript(
            id=node.id or bare_id(node.key),
            version=node.version,
            name=node.name if node.name != node.id else None,
            biotype=node.biotype or (node.type if node.parent and node.type not in ("", "transcript") else None),
            tags=node.tags,
            start=start,
            stop=stop,
            strand=strand,
            exons=model.exons,
            coding=model.coding,
            cdna=None,
            cds=None,
            protein=None,
            protein_id=node.protein_id if coding else None,
            protein_version=node.protein_version or None,
            code=code,
            incomplete_start=model.incomplete_start,
            incomplete_end=model.incomplete_end,
        )
        self._writer.add_transcript(node.number, node.gene.number, transcript, self._sequences(transcript, model))

    def _model(self, node: Node, contig: Contig, exons: list[Part], coding: list[Part], code: int) -> Model:
        if node.trans_spliced:
            self._counts["trans_spliced"] += 1
            return Model((), (), None, None, None, False, False)
        model = model_of(node, contig, exons, coding, code, self._read, self._annotation.path)
        self._counts["incomplete"] += model.incomplete_start or model.incomplete_end
        self._counts["stops"] += model.stops_within
        self._counts["phases"] += model.has_other_phases
        return model

    def _sequences(self, transcript: Transcript, model: Model) -> tuple[int | None, int | None, int | None]:
        add, protein = self._writer.add_sequence, model.protein
        ids = (with_version(transcript.id, transcript.version), transcript.id)
        of_protein = transcript.protein_id
        protein_ids = (with_version(of_protein, transcript.protein_version), of_protein) if of_protein else ()
        return (
            add(model.cdna, dict.fromkeys(ids)) if model.cdna else None,
            add(model.cds, ()) if model.cds else None,
            add(protein.encode(), dict.fromkeys(protein_ids)) if protein else None,
        )

    def _note_place(self, gene: Node, contig: Contig, strand: int, start: int, stop: int) -> None:
        first, last = self._extents.get(gene.number, (start, stop))
        self._extents[gene.number] = min(first, start), max(last, stop)
        if gene.number in self._places and self._places[gene.number][1] != strand:
            strand = 0
        self._places[gene.number] = contig, strand

    def _add_gene(self, node: Node) -> None:
        contig, strand = self._places.get(node.number) or (node.contig, node.strand)
        start, stop = self._extents.get(node.number, (node.start, node.stop))
        if node.line and not is_of_parts(node):
            contig, strand, start, stop = node.contig, node.strand, node.start, node.stop
        assert contig is not None
        id = node.id or bare_id(node.key)
        gene = Gene(
            number=node.number,
            key=node.key,
            id=id,
            version=node.version,
            symbol=node.name,
            synonyms=tuple(name for name in node.synonyms if name not in (id, node.name)),
            biotype=node.biotype or (node.type if node.type not in ("", "gene") else None),
            description=node.description,
            contig=contig.name,
            digests=_NO_DIGESTS,
            length=contig.length,
            circular=contig.circular,
            start=start,
            stop=stop,
            strand=strand,
        )
        self._first = self._first or node.name or id
        self._writer.add_gene(gene, contig.number, (node.key, bare_id(node.key)))
