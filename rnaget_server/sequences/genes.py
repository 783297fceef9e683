"""The genes of one genome: the tables of them in its ``index``, and how they are looked up and read.

Positions are 0-based and half-open; a stop beyond the length of a circular sequence goes on at its beginning.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

from rnaget_server.sequences.digests import Digests
from rnaget_server.spelling import LONGEST_COMPARED, most_alike

GENE_TABLES = """
CREATE TABLE genes (
    number INTEGER PRIMARY KEY, key TEXT, id TEXT, version TEXT, symbol TEXT, synonyms TEXT, biotype TEXT,
    description TEXT, contig TEXT, sequence INTEGER, start INTEGER, stop INTEGER, strand INTEGER
);
CREATE INDEX genes_of_contigs ON genes (contig, start, stop);
CREATE TABLE transcripts (
    number INTEGER PRIMARY KEY, gene INTEGER, id TEXT, version TEXT, name TEXT, biotype TEXT, tags TEXT,
    start INTEGER, stop INTEGER, strand INTEGER, cdna INTEGER, cds INTEGER, protein INTEGER,
    protein_id TEXT, protein_version TEXT, code INTEGER, incomplete_start INTEGER, incomplete_end INTEGER
);
CREATE INDEX transcripts_of_genes ON transcripts (gene);
CREATE TABLE exons (
    transcript INTEGER, rank INTEGER, id TEXT, start INTEGER, stop INTEGER, start_phase INTEGER, end_phase INTEGER,
    PRIMARY KEY (transcript, rank)
) WITHOUT ROWID;
CREATE TABLE coding (
    transcript INTEGER, rank INTEGER, start INTEGER, stop INTEGER, phase INTEGER, PRIMARY KEY (transcript, rank)
) WITHOUT ROWID;
CREATE TABLE names (
    folded TEXT, name TEXT, kind INTEGER, gene INTEGER, PRIMARY KEY (folded, name, kind, gene)
) WITHOUT ROWID;
"""
"""``coding``: the parts of the coding sequence; ``names``: each text by which a gene is asked for, and that without
its case."""

KINDS = ("id", "symbol", "synonym", "transcript id", "protein id")
"""The kinds of names, by the number in the table; ids and symbols go before all others."""

_ID, _SYMBOL, _, _TRANSCRIPT, _PROTEIN = range(len(KINDS))

GENES_FACT = "genes"
PAR_Y = "_PAR_Y"
# Ids whose last part is a version: of Ensembl, HAVANA, RefSeq, proteins in INSDC. Others can end so too (AT1G01010.1).
_VERSIONED = re.compile(
    r"(ENS[A-Z]*[0-9]{11}|OTT[A-Z]{4,}[0-9]{11}|[ANWXYZ][A-Z]_[0-9]+|[A-Z]{3}[0-9]{5,7})"
    rf"\.([0-9]+)({PAR_Y})?"
)
_NEAR = 5
_AT_ONCE = 500
# Names of one gene that begin alike, such as those of its transcripts, are so many at most, mostly.
_ALIKE = 4
_COMPARED = 2_000
_CANONICAL = frozenset({"Ensembl_canonical", "RefSeq_Select", "MANE_Select"})

Rows = Callable[..., list[tuple[Any, ...]]]


def split_version(id: str) -> tuple[str, str | None]:
    """Return an id without its version, and the version if it has one; ``_PAR_Y`` belongs to the id."""
    found = _VERSIONED.fullmatch(id)
    return (found[1] + (found[3] or ""), found[2]) if found else (id, None)


def with_version(id: str, version: str | None) -> str:
    """Return an id with its version; ``_PAR_Y`` comes after that."""
    if version is None:
        return id
    stem = id.removesuffix(PAR_Y)
    return f"{stem}.{version}{id[len(stem) :]}"


class Match(NamedTuple):
    """Genes of a name: the kind of the name, as it is written there, and genes that it is but a synonym of."""

    genes: tuple[int, ...]
    kind: str
    name: str
    exact: bool
    others: tuple[int, ...] = ()


@dataclass(frozen=True)
class Derived:
    """A sequence that follows from a transcript: its digests and its length."""

    digests: Digests
    length: int


@dataclass(frozen=True)
class Exon:
    """An exon; phases as Ensembl gives them, -1 where its end is not coding."""

    id: str | None
    start: int
    stop: int
    start_phase: int
    end_phase: int


@dataclass(frozen=True)
class CodingPart:
    """A part of a coding sequence, and how many of its first bases belong to a codon that began before."""

    start: int
    stop: int
    phase: int


@dataclass(frozen=True, kw_only=True)
class Transcript:
    """A transcript of a gene, with its sequences; exons and coding parts in the order of transcription."""

    id: str
    version: str | None
    name: str | None
    biotype: str | None
    tags: tuple[str, ...]
    start: int
    stop: int
    strand: int
    exons: tuple[Exon, ...]
    coding: tuple[CodingPart, ...]
    cdna: Derived | None
    cds: Derived | None
    protein: Derived | None
    protein_id: str | None
    protein_version: str | None
    code: int
    incomplete_start: bool
    incomplete_end: bool

    @property
    def is_canonical(self) -> bool:
        """True if the annotation calls it the one that represents its gene."""
        return not _CANONICAL.isdisjoint(tag.replace(" ", "_") for tag in self.tags)

    @property
    def mane(self) -> str | None:
        """The tag of the MANE collection, if it is in it."""
        return next((tag.replace(" ", "_") for tag in self.tags if tag.startswith("MANE")), None)


@dataclass(frozen=True, kw_only=True)
class Gene:
    """A gene: its names, and where it is; the annotation itself calls it `key`."""

    number: int
    key: str
    id: str
    version: str | None
    symbol: str | None
    synonyms: tuple[str, ...]
    biotype: str | None
    description: str | None
    contig: str
    digests: Digests
    length: int
    circular: bool
    start: int
    stop: int
    strand: int


def answers_to(name: str, id: str, version: str | None) -> int | None:
    """Return how well a name is that of an id: 0 as it is written, 1 in another case, 2 by a version that it has not.

    None if it is another.
    """
    names = (id, with_version(id, version))
    if name in names:
        return 0
    if name.lower() in map(str.lower, names):
        return 1
    stem, asked = split_version(name)
    return 2 if asked is not None and version is None and stem.lower() == id.lower() else None


def find_genes(rows: Rows, name: str, only: str | None = None) -> Match | None:
    """Return the genes that have a name: as it is written, else in any case, else by an id without its version.

    Names of transcripts and proteins find their gene. What is the id of one gene means that gene, also where it is the
    symbol of others, unless it is the symbol of that gene, too, as the ids are that are made of symbols. What is the id
    or symbol of one gene and a synonym of another means the first. An id with a version finds one without only where
    the annotation says no version.

    Parameters
    ----------
    rows
        Reads the tables.
    name
        The name.
    only
        The one of `KINDS` that is looked at; None: all.
    """
    found = rows("SELECT name, kind, gene FROM names WHERE folded = ? ORDER BY kind, gene", (name.lower(),))
    found = [row for row in found if only in (None, KINDS[row[1]])]
    exact = [row for row in found if row[0] == name]
    if exact or found:
        return _match(exact or found, bool(exact))
    stem, version = split_version(name)
    unversioned = _without_version(rows, stem) if version is not None else []
    unversioned = [row for row in unversioned if only in (None, KINDS[row[1]])]
    return _match(unversioned, False) if unversioned else None


def _without_version(rows: Rows, id: str) -> list[tuple[Any, ...]]:
    """Return the names of genes, transcripts and proteins that are an id for which the annotation says no version."""
    columns = "SELECT DISTINCT names.name, names.kind, names.gene FROM names JOIN"
    ends = "ORDER BY names.kind, names.gene"
    of_genes = (
        f"{columns} genes ON genes.number = names.gene WHERE folded = ? AND names.kind = ? AND names.name = genes.id "
        f"AND genes.version IS NULL {ends}"
    )
    of_transcripts = (
        f"{columns} transcripts ON transcripts.gene = names.gene WHERE folded = ? AND "
        "(names.kind = ? AND names.name = transcripts.id AND transcripts.version IS NULL "
        f"OR names.kind = ? AND names.name = protein_id AND protein_version IS NULL) {ends}"
    )
    return [*rows(of_genes, (id.lower(), _ID)), *rows(of_transcripts, (id.lower(), _TRANSCRIPT, _PROTEIN))]


def _match(found: Sequence[tuple[Any, ...]], exact: bool) -> Match:
    name, kind, _ = found[0]
    symbols = {row[2] for row in found if row[1] == _SYMBOL}
    best = [row for row in found if row[1] == kind]
    if kind == _ID and symbols:
        best = [row for row in best if row[2] not in symbols] or [row for row in found if row[1] <= _SYMBOL]
    genes = tuple(dict.fromkeys(row[2] for row in best))
    others = tuple(dict.fromkeys(row[2] for row in found if row[2] not in genes))
    return Match(genes, KINDS[kind], name, exact, others)


def existing_names(rows: Rows, names: Iterable[str]) -> set[str]:
    """Return those of the names that some gene has, in any case of their letters."""
    wanted = list(dict.fromkeys(names))
    existing: set[str] = set()
    for at in range(0, len(wanted), _AT_ONCE):
        some = wanted[at : at + _AT_ONCE]
        marks = ", ".join("?" * len(some))
        query = f"SELECT DISTINCT folded FROM names WHERE folded IN ({marks})"
        folded = {row[0] for row in rows(query, tuple(name.lower() for name in some))}
        existing.update(name for name in some if name.lower() in folded)
    return existing


class NamedGene(NamedTuple):
    """A gene by one of its names."""

    name: str
    id: str
    version: str | None
    symbol: str | None


def names_beginning(rows: Rows, start: str, most: int) -> list[NamedGene]:
    """Return up to `most` genes of which some name begins so, in any case: those that are named so first, then by name.

    A gene is listed once.
    """
    lower = start.lower()
    query = (
        "SELECT names.name, id, version, symbol, gene FROM names JOIN genes ON number = gene "
        "WHERE folded >= ? AND folded < ? ORDER BY folded LIMIT ?"
    )
    genes: dict[int, NamedGene] = {}
    for *values, number in rows(query, (lower, lower + "\U0010ffff", _ALIKE * most)):
        genes.setdefault(number, NamedGene(*values))
    return list(genes.values())[:most]


def near_names(rows: Rows, name: str) -> list[str]:
    """Return names that are like one that there is not."""
    if len(name) > LONGEST_COMPARED:
        return []
    stem = split_version(name)[0].removesuffix(PAR_Y).lower()
    query = "SELECT DISTINCT name FROM names WHERE folded >= ? AND folded < ? LIMIT ?"
    same = [row[0] for row in rows(query, (stem, stem + "\U0010ffff", _NEAR))]
    if len(same) >= _NEAR or not stem:
        return same
    # Those with the same beginning first: comparing with all would take seconds.
    for begin in (stem[: max(1, len(stem) // 2)], stem[:1], ""):
        texts = [row[0] for row in rows(query, (begin, begin + "\U0010ffff", _COMPARED))]
        near = most_alike(stem, texts, _NEAR)
        if near:
            return list(dict.fromkeys([*same, *near]))[:_NEAR]
    return same


_GENE = (
    "SELECT genes.number, key, id, version, symbol, synonyms, biotype, description, contig, md5, sha1, trunc512, "
    "ga4gh, length, circular, genes.start, stop, strand FROM genes JOIN sequences ON sequences.number = genes.sequence "
)


def read_genes(rows: Rows, numbers: Iterable[int]) -> list[Gene]:
    """Return genes by their numbers."""
    return [_gene(row) for number in numbers for row in rows(f"{_GENE} WHERE genes.number = ?", (number,))]


def read_genes_within(rows: Rows, contig: str, start: int, stop: int, most: int) -> list[Gene]:
    """Return up to `most` genes that overlap a part of a sequence, also those that do so over its origin."""
    # By columns of the index alone, where the store has it (old ones do not): the length is looked up once.
    length = "(SELECT length FROM sequences WHERE number = (SELECT sequence FROM genes WHERE contig = ? LIMIT 1))"
    within = f"contig = ? AND stop > ? AND (genes.start < ? OR stop > ? + {length})"
    query = f"{_GENE} WHERE {within} ORDER BY genes.start, genes.number LIMIT ?"
    return [_gene(row) for row in rows(query, (contig, start, stop, start, contig, most))]


_GENE_FIELDS = [field.name for field in fields(Gene)]


def _gene(row: Sequence[Any]) -> Gene:
    # The columns are in the order of the fields; the digests are four of them.
    values = dict(zip(_GENE_FIELDS, (*row[:9], Digests(*row[9:13]), *row[13:]), strict=True))
    values["synonyms"] = tuple(json.loads(values["synonyms"]))
    values["circular"] = bool(values["circular"])
    return Gene(**values)


_TRANSCRIPTS = (
    "SELECT number, id, version, name, biotype, tags, start, stop, strand, cdna, cds, protein, protein_id, "
    "protein_version, code, incomplete_start, incomplete_end FROM transcripts WHERE gene = ? ORDER BY number"
)


def read_transcripts(rows: Rows, gene: int) -> list[Transcript]:
    """Return the transcripts of a gene."""
    return [_transcript(rows, row) for row in rows(_TRANSCRIPTS, (gene,))]


def _transcript(rows: Rows, row: Sequence[Any]) -> Transcript:
    number, id, version, name, biotype, tags, start, stop, strand, cdna, cds, protein = row[:12]
    of_exons = "SELECT id, start, stop, start_phase, end_phase FROM exons WHERE transcript = ? ORDER BY rank"
    of_coding = "SELECT start, stop, phase FROM coding WHERE transcript = ? ORDER BY rank"
    return Transcript(
        id=id,
        version=version,
        name=name,
        biotype=biotype,
        tags=tuple(json.loads(tags)),
        start=start,
        stop=stop,
        strand=strand,
        exons=tuple(Exon(*values) for values in rows(of_exons, (number,))),
        coding=tuple(CodingPart(*values) for values in rows(of_coding, (number,))),
        cdna=_derived(rows, cdna),
        cds=_derived(rows, cds),
        protein=_derived(rows, protein),
        protein_id=row[12],
        protein_version=row[13],
        code=row[14],
        incomplete_start=bool(row[15]),
        incomplete_end=bool(row[16]),
    )


def _derived(rows: Rows, number: int | None) -> Derived | None:
    found = rows("SELECT md5, sha1, trunc512, ga4gh, length FROM sequences WHERE number = ?", (number,))
    return Derived(Digests(*found[0][:4]), found[0][4]) if found else None
