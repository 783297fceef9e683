"""Annotations in GTF and GFF3, as GENCODE, Ensembl, RefSeq, UCSC and others write them, to genes and transcripts."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn
from urllib.parse import unquote

from rnaget_server.errors import ImportFailure, shown
from rnaget_server.importers.sequences.annotation_lines import (
    SKIPPED,
    AttributeForm,
    Directive,
    FeatureLine,
    form_of,
    gene_attributes,
    read_lines,
    says_circular,
)
from rnaget_server.importers.sequences.contigs import Contigs
from rnaget_server.importers.sequences.gene_models import (
    CODING,
    EXON,
    GENE,
    Attributes,
    Contig,
    Node,
    Part,
    Parts,
    bare_id,
    describe_gene,
    describe_transcript,
    first,
    identify,
)
from rnaget_server.sequences.derive import CODES
from rnaget_server.sequences.genes import split_version

_SKIPPED = frozenset(name.decode() for name in SKIPPED)
_EXONS = frozenset({"exon", "pseudogenic_exon", "noncoding_exon"})
_SELENOCYSTEINE = frozenset({"Selenocysteine", "selenocysteine", "stop_codon_redefined_as_selenocysteine"})
_PARTS = _EXONS | _SELENOCYSTEINE | {"CDS", "start_codon", "stop_codon"}
_GTF_TRANSCRIPTS = frozenset({"transcript", "mRNA", "primary_transcript"})
_RNA = re.compile(r"(?:\w+_)?(?:transcript|\w*RNA)")
_EXCEPTION = re.compile(r"pos:(?:complement\()?(\d{1,12})\.\.(\d{1,12})\)?,aa:(\w+)")
_AMINO = {
    **{"Ala": "A", "Arg": "R", "Asn": "N", "Asp": "D", "Cys": "C", "Gln": "Q", "Glu": "E", "Gly": "G", "His": "H"},
    **{"Ile": "I", "Leu": "L", "Lys": "K", "Met": "M", "Phe": "F", "Pro": "P", "Ser": "S", "Thr": "T", "Trp": "W"},
    **{"Tyr": "Y", "Val": "V", "Sec": "U", "Pyl": "O", "Xaa": "X"},
}


class Annotation:
    """The genes and transcripts of one file.

    Parameters
    ----------
    path
        The file.
    contigs
        The sequences of the genome.

    Raises
    ------
    ImportFailure
        If a line is not well formed or does not fit the genome, or there is no gene; with the line.
    """

    def __init__(self, path: Path, contigs: Contigs, progress: Callable[[float], None] = lambda _: None) -> None:
        self.path = path
        self.parts = Parts()
        self.nodes: list[Node] = []
        self.remarks: list[str] = []
        self._contigs = contigs
        self._by_key: dict[tuple[str, ...], Node] = {}
        form: AttributeForm | None = None
        for line in read_lines(path, progress):
            if isinstance(line, Directive):
                contigs.check_length(line, path)
                continue
            if line.type in _SKIPPED:
                contigs.check_length(Directive(line.number, line.contig, line.stop, True), path)
                if says_circular(line):
                    contigs.make_circular(line, path)
                continue
            if form is None:
                form = form_of(line, path)
            self._add(line, form)
        self._check_parents()
        if not self.nodes:
            raise ImportFailure("there is no gene, transcript, exon or CDS in the file: give a GTF or GFF3 file", path)

    def _add(self, line: FeatureLine, form: AttributeForm) -> None:
        if form.gff3:
            if line.type in _PARTS:
                self._add_gff3_part(line, form)
            else:
                self._add_gff3_node(line, form)
        elif line.type == "gene":
            self._add_gtf_gene(line, gene_attributes(form, line, self.path))
        elif line.type in _GTF_TRANSCRIPTS or line.type in _PARTS:
            self._add_gtf_transcript(line, form)

    # GTF: each line names its gene and its transcript.

    def _add_gtf_gene(self, line: FeatureLine, attributes: Attributes) -> None:
        id = first(attributes, "gene_id") or self._fail("the gene has no gene_id", line)
        gene = self._gtf_gene(id, line)
        if gene.line:
            self._fail(f"the gene {shown(id)} is in line {gene.line:,} already", line)
        self._place(gene, line)
        identify(gene, id, first(attributes, "gene_version"))
        describe_gene(gene, attributes, gff3=False)

    def _gtf_gene(self, id: str, line: FeatureLine) -> Node:
        contig = self._contigs.find(line, self.path)
        return self._node("gene", id, contig.name)

    def _add_gtf_transcript(self, line: FeatureLine, form: AttributeForm) -> None:
        key = form.one(line.attributes, "transcript_id")
        if key is None:
            gene_attributes(form, line, self.path)
            self._fail(f"the {line.type} has no transcript_id", line)
        transcript = self._by_key.get(("transcript", key))
        is_new = transcript is None
        if transcript is None:
            transcript = self._node("transcript", key)
        is_part = line.type in _PARTS
        if is_new or not is_part:
            attributes = gene_attributes(form, line, self.path)
            self._describe_gtf(transcript, line, attributes)
            if not is_part:
                if transcript.line:
                    self._fail(f"the transcript {shown(key)} is in line {transcript.line:,} already", line)
                self._place(transcript, line)
        if is_part:
            self._add_part(transcript, line, form)

    def _describe_gtf(self, transcript: Node, line: FeatureLine, attributes: Attributes) -> None:
        identify(transcript, transcript.key, first(attributes, "transcript_version"))
        describe_transcript(transcript, attributes)
        transcript.protein_id = first(attributes, "protein_id") or transcript.protein_id
        id = first(attributes, "gene_id") or self._fail(f"the {line.type} has no gene_id", line)
        gene = self._gtf_gene(id, line)
        if transcript.parent not in (None, gene):
            self._fail(f"the transcript {shown(transcript.key)} is of another gene in the lines above", line)
        transcript.parent = gene
        if not gene.line:
            identify(gene, id, first(attributes, "gene_version"))
            describe_gene(gene, attributes, gff3=False)

    # GFF3: lines have an ID, and name their parents by it.

    def _add_gff3_node(self, line: FeatureLine, form: AttributeForm) -> None:
        attributes = gene_attributes(form, line, self.path)
        key, parent = first(attributes, "ID"), first(attributes, "Parent")
        is_gene = GENE.fullmatch(line.type) is not None
        is_known = is_gene or _RNA.fullmatch(line.type) is not None
        if key is None:
            if is_known:
                self._fail(f"the {line.type} has no ID", line)
            return
        node = self._node("feature", key)
        trans_spliced = _is_trans_spliced(line)
        if node.line and is_known and not trans_spliced:
            self._fail(f"the ID {shown(key)} is in line {node.line:,} already", line)
        node.trans_spliced |= trans_spliced
        self._place(node, line)
        if parent is not None:
            node.parent = self._node("feature", parent)
        if parent is not None and not is_gene:
            id = first(attributes, "transcript_id") or bare_id(key)
            describe_transcript(node, attributes)
            node.protein_id = first(attributes, "protein_id") or node.protein_id
        else:
            id = first(attributes, "gene_id") or bare_id(key)
            describe_gene(node, attributes, gff3=True)
            node.tags = tuple(attributes.get("tag", ()))
        identify(node, id, first(attributes, "version"))
        self._take_code(node, line, form)

    def _add_gff3_part(self, line: FeatureLine, form: AttributeForm) -> None:
        found = re.search(r"(?:^|;)\s*Parent=([^;]+)", line.attributes)
        if found is not None:
            for parent in found[1].strip().split(","):
                node = self._node("feature", unquote(parent.strip()))
                if line.type == "CDS":
                    node = self._product(node, form.one(line.attributes, "protein_id"))
                self._add_part(node, line, form)
            return
        attributes = gene_attributes(form, line, self.path)
        key = first(attributes, "ID")
        if key is None:
            self._fail(f"the {line.type} has neither Parent nor ID", line)
        node = self._node("feature", key)
        if not node.line:  # a gene of nothing but its coding sequence
            self._place(node, line)
            identify(node, bare_id(key), None)
            describe_gene(node, attributes, gff3=True)
        else:
            node.start, node.stop = min(node.start, line.start), max(node.stop, line.stop)
        self._add_part(node, line, form)

    def _product(self, node: Node, protein: str | None) -> Node:
        """Return the node that a coding part belongs to: one for each protein of a transcript, or of a gene."""
        if protein is None or node.product in (None, protein):
            node.product = node.product or protein
            return node
        other = self._node("product", f"{node.key}.{protein}")
        other.product, other.parent, other.exons_of = protein, node, node
        return other

    # Both.

    def _node(self, *key: str) -> Node:
        node = self._by_key.get(key)
        if node is None:
            node = self._by_key[key] = Node(key[1], len(self.nodes))
            self.nodes.append(node)
        return node

    def _place(self, node: Node, line: FeatureLine) -> None:
        node.contig = self._contigs.find(line, self.path)
        start, stop = self._contigs.span(node.contig, line, self.path)
        node.start, node.stop = (min(node.start, start), max(node.stop, stop)) if node.line else (start, stop)
        node.type, node.strand, node.line = line.type, line.strand, line.number

    def _add_part(self, node: Node, line: FeatureLine, form: AttributeForm) -> None:
        contig = self._contigs.find(line, self.path)
        start, stop = self._contigs.span(contig, line, self.path)
        self._check_place(node, contig, line)
        if line.type in _EXONS:
            id = form.one(line.attributes, "exon_id")
            if id is None and form.gff3:
                id = form.one(line.attributes, "Name") or form.one(line.attributes, "ID")
                id = bare_id(id) if id is not None else None
            version = form.one(line.attributes, "version" if form.gff3 else "exon_version") if id else None
            part = Part(start, stop, -1, line.number, f"{id}.{version}" if version else id)
            self.parts.add(node.number, EXON, part)
        elif line.type == "CDS":
            self.parts.add(node.number, CODING, Part(start, stop, line.phase, line.number, None))
            self._describe_coding(node, line, form)
        elif line.type == "stop_codon":
            node.stops.append((start, stop))
        elif line.type == "start_codon":
            node.start_codon = True
        else:
            node.recoded.append((start if line.strand >= 0 else stop - 1, "U"))

    def _check_place(self, node: Node, contig: Contig, line: FeatureLine) -> None:
        if node.seen is None:
            node.seen = contig, line.strand, line.number
            return
        if node.seen[0].name == contig.name and node.seen[1] == line.strand:
            return
        if node.trans_spliced or _is_trans_spliced(line):
            node.trans_spliced = True
            return
        what = "strands" if node.seen[0].name == contig.name else "sequences"
        self._fail(f"the parts of {shown(node.key)} are on two {what}: see line {node.seen[2]:,}", line)

    def _describe_coding(self, node: Node, line: FeatureLine, form: AttributeForm) -> None:
        if node.protein_id is None or node.protein_version is None:
            id = form.one(line.attributes, "protein_id") or node.protein_id
            if id is not None:
                version = form.one(line.attributes, "version" if form.gff3 else "protein_version")
                node.protein_id, of_id = split_version(id)
                node.protein_version = of_id or version or ""
        text = line.attributes
        if form.gff3:
            if "start_range=." in text:
                node.partial |= {"start" if line.strand >= 0 else "end"}
            if "end_range=" in text and "partial=true" in text:
                node.partial |= {"end" if line.strand >= 0 else "start"}
        if "transl_" in text:
            self._take_code(node, line, form)
            for first_base, last, amino in _EXCEPTION.findall(unquote(text)):
                letter = _AMINO.get(amino)
                if letter is not None:
                    found = int(first_base) - 1 if line.strand >= 0 else int(last) - 1
                    if (found, letter) not in node.recoded:
                        node.recoded.append((found, letter))

    def _take_code(self, node: Node, line: FeatureLine, form: AttributeForm) -> None:
        text = form.one(line.attributes, "transl_table")
        if text is None:
            return
        if text not in map(str, CODES):
            self._fail(
                f"there is no genetic code {shown(text)} here: transl_table is one of {', '.join(map(str, CODES))}",
                line,
            )
        node.code = int(text)

    def _check_parents(self) -> None:
        """Refuse parts and transcripts below an ID that is in no line; other features may be below anything."""
        for (kind, *_), node in self._by_key.items():
            if kind != "feature" or not (node.seen or is_transcript(node)):
                continue
            for above in (node, node.parent):
                if above is not None and not above.line:
                    line = node.line or (node.seen[2] if node.seen else 0)
                    raise ImportFailure(
                        f"there is no line with the ID {shown(above.key)}, the Parent here", self.path, line
                    )

    def _fail(self, message: str, line: FeatureLine) -> NoReturn:
        raise ImportFailure(message, self.path, line.number)


def _is_trans_spliced(line: FeatureLine) -> bool:
    return "trans-splicing" in line.attributes or "trans_splicing" in line.attributes


def is_gene(node: Node) -> bool:
    """Return whether a node is a gene by its type."""
    return GENE.fullmatch(node.type) is not None or (node.parent is None and not node.type)


def is_transcript(node: Node) -> bool:
    """Return whether a node is a transcript by its type, whose line may be its only exon."""
    return node.parent is not None and _RNA.fullmatch(node.type) is not None


def is_of_parts(node: Node) -> bool:
    """Return whether a node has no line but those of its parts, which then say where it lies."""
    return node.type in _PARTS
