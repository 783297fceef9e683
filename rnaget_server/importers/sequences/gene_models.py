"""Genes and transcripts as an annotation gives them, line by line: named nodes, and the parts of those."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from struct import Struct
from typing import NamedTuple

import numpy as np

from rnaget_server.sequences.genes import PAR_Y, split_version

EXON, CODING = 0, 1
GENE = re.compile(r"(?:\w+_)?(?:pseudo)?gene")
"""The types of genes in GFF3."""

_DEEPEST = 10
_ROW = Struct("=qqIIIbb")
_ROW_TYPE = np.dtype(list(zip(("start", "stop", "node", "line", "id", "kind", "phase"), "qqIIIbb", strict=True)))
_PREFIX = re.compile(r"(?:gene|transcript|rna|cds|CDS|exon)[:-]")
_SYNONYMS = ("gene_synonym", "Alias", "synonym", "synonyms", "locus_tag", "old_locus_tag")
_REFERENCES = ("Dbxref", "db_xref", "hgnc_id")
_NAMED_REFERENCES = re.compile(r"(?:HGNC:)?((?:GeneID|HGNC|MGI|RGD|ZFIN|FLYBASE|SGD|Araport|TAIR|WormBase):.+)")

Attributes = Mapping[str, list[str]]


@dataclass(frozen=True)
class Contig:
    """A sequence of the genome: its name, its number in the store, and where its letters are."""

    name: str
    number: int
    start: int
    length: int
    circular: bool


@dataclass(slots=True, eq=False)
class Node:
    """A gene or a transcript, or both at once; `line` is 0 as long as only its parts were seen.

    Attributes
    ----------
    parent
        The gene of a transcript, or another node between the two.
    seen
        Contig, strand and line of its first part.
    product
        The protein of its coding parts, as the file writes it.
    exons_of
        The transcript whose exons it has, if this is a further product of that.
    stops
        Stop codons that have lines of their own.
    recoded
        Positions of codons that stand for other amino acids than their code says, and those.
    """

    key: str
    number: int
    type: str = ""
    contig: Contig | None = None
    start: int = 0
    stop: int = 0
    strand: int = 0
    line: int = 0
    parent: Node | None = None
    seen: tuple[Contig, int, int] | None = None
    id: str = ""
    version: str | None = None
    name: str | None = None
    biotype: str | None = None
    description: str | None = None
    tags: tuple[str, ...] = ()
    synonyms: tuple[str, ...] = ()
    protein_id: str | None = None
    protein_version: str | None = None
    product: str | None = None
    exons_of: Node | None = None
    code: int | None = None
    partial: frozenset[str] = frozenset()
    trans_spliced: bool = False
    start_codon: bool = False
    stops: list[tuple[int, int]] = field(default_factory=list)
    recoded: list[tuple[int, str]] = field(default_factory=list)

    @property
    def gene(self) -> Node:
        """The gene that it is below, else the node above all others; itself, if there is none."""
        node = self
        for _ in range(_DEEPEST):
            if node.parent is None or GENE.fullmatch(node.type):
                break
            node = node.parent
        return node


class Part(NamedTuple):
    """An exon or a part of a coding sequence, with its line."""

    start: int
    stop: int
    phase: int
    line: int
    id: str | None


class Parts:
    """The parts of all nodes, held as numbers."""

    def __init__(self) -> None:
        self._rows = bytearray()
        self._ids: dict[str | None, int] = {None: 0}

    def add(self, node: int, kind: int, part: Part) -> None:
        """Add a part of a node."""
        start, stop, phase, line, id = part
        number = self._ids.setdefault(id, len(self._ids))
        self._rows += _ROW.pack(start, stop, node, line, number, kind, phase)

    def __len__(self) -> int:
        return len(self._rows) // _ROW.size

    def by_node(self) -> Iterator[tuple[int, list[Part], list[Part]]]:
        """Yield each node that has parts: its number, its exons and its coding parts, both sorted by position."""
        if not len(self):
            return
        rows = np.frombuffer(self._rows, _ROW_TYPE)
        order = np.lexsort((rows["line"], rows["start"], rows["kind"], rows["node"]))
        columns = [rows[name][order] for name in ("start", "stop", "phase", "line")]
        numbers, nodes, is_exon = rows["id"][order], rows["node"][order], rows["kind"][order] == EXON
        ids = list(self._ids)
        bounds = [0, *(np.flatnonzero(np.diff(nodes)) + 1).tolist(), len(order)]
        for first, last in pairwise(bounds):
            texts = [ids[number] for number in numbers[first:last].tolist()]
            parts = list(map(Part, *(column[first:last].tolist() for column in columns), texts))
            exons = int(np.count_nonzero(is_exon[first:last]))
            yield int(nodes[first]), parts[:exons], parts[exons:]


def bare_id(key: str) -> str:
    """Return the ID of a GFF3 file without the kind that some write in front of it."""
    return _PREFIX.sub("", key, count=1) if _PREFIX.match(key) else key


def first(attributes: Attributes, *names: str) -> str | None:
    """Return the first value of the first of these attributes that is there."""
    return next((attributes[name][0] for name in names if attributes.get(name)), None)


def identify(node: Node, id: str, version: str | None) -> None:
    """Give a node its id and version; a version in the id goes before."""
    if node.key.endswith(PAR_Y) and not id.endswith(PAR_Y):
        id += PAR_Y
    node.id, of_id = split_version(id)
    node.version = of_id or version


def describe_gene(node: Node, attributes: Attributes, gff3: bool) -> None:
    """Give a gene the names that its attributes say."""
    name = first(attributes, "gene_name", "gene", "Name") if gff3 else first(attributes, "gene_name", "gene")
    if name is not None:
        node.name = name
    node.biotype = first(attributes, "gene_biotype", "gene_type", "biotype") or node.biotype
    description = attributes.get("description")
    if description:
        node.description = ",".join(description) if gff3 else description[0]
    names = [value for key in _SYNONYMS for value in attributes.get(key, ())]
    for value in (value for key in _REFERENCES for value in attributes.get(key, ())):
        found = _NAMED_REFERENCES.fullmatch(value)
        if found:
            names.append(found[1])
    own = first(attributes, "Name")
    if gff3 and own is not None:
        names.append(own)
    node.synonyms = tuple(dict.fromkeys([*node.synonyms, *names]))


def describe_transcript(node: Node, attributes: Attributes) -> None:
    """Give a transcript what its attributes say."""
    node.name = first(attributes, "transcript_name", "Name") or node.name
    node.biotype = first(attributes, "transcript_biotype", "transcript_type", "biotype") or node.biotype
    node.tags = tuple(dict.fromkeys([*node.tags, *attributes.get("tag", ())]))
    if "cds_start_NF" in node.tags:
        node.partial |= {"start"}
    if "cds_end_NF" in node.tags:
        node.partial |= {"end"}
