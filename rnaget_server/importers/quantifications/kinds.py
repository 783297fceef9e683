"""The files that quantifiers write: how each is called, known by its header, and what its columns are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

Level = Literal["transcripts", "genes"]
TPM, COUNTS, FPKM = "TPM", "counts", "FPKM"
LENGTH, EFFECTIVE = "length", "effective_length"
_GZ = r"(?:\.b?gz)?"


@dataclass(frozen=True)
class Kind:
    """One kind of file of a quantifier.

    Attributes
    ----------
    program, level, file
        Who writes it, what its rows are, and how it is usually called.
    id
        Header of the column with the ids; without a header, ``""``.
    layers, lengths, attributes
        Units, lengths and feature attributes, each with the header of its column.
    names
        The pattern of the ends of names, if there are others than `file`.
    any_name
        True if owners call such files as they like.
    feature_name
        The attribute that holds the names.
    gene
        The attribute that holds the gene of a transcript.
    markers
        Files that a run of the program leaves next to its results, from which a run without results is known.
    repeated
        True if a gene may have several rows, one for each locus, of which the values are added.
    """

    program: str
    level: Level
    file: str
    id: str
    layers: dict[str, str] = field(compare=False)
    lengths: dict[str, str] = field(default_factory=dict, compare=False)
    attributes: dict[str, str] = field(default_factory=dict, compare=False)
    names: str | None = None
    any_name: bool = False
    feature_name: str | None = None
    gene: str | None = None
    markers: frozenset[str] = frozenset()
    repeated: bool = False

    @cached_property
    def name(self) -> re.Pattern[str] | None:
        """The pattern of the names of such files; what comes before the end names the sample. None: any name."""
        if self.any_name:
            return None
        ending = self.names or re.escape(self.file.removeprefix("NAME."))
        return re.compile(rf"(?P<sample>.*?)[._-]?{ending}{_GZ}", re.DOTALL)

    @property
    def columns(self) -> tuple[str, ...]:
        """The headers by which a file is known."""
        return (self.id, *self.layers.values(), *self.lengths.values())

    @property
    def abundance(self) -> str | None:
        """The units that tximport calls abundance."""
        return next((units for units in (TPM, FPKM) if units in self.layers), None)

    @property
    def length(self) -> str | None:
        """The length that tximport weighs: the effective one, if there is one."""
        return next((name for name in (EFFECTIVE, LENGTH) if name in self.lengths), None)


_SALMON = (
    {TPM: "TPM", COUNTS: "NumReads"},
    {LENGTH: "Length", EFFECTIVE: "EffectiveLength"},
)
_RSEM = (
    {TPM: "TPM", COUNTS: "expected_count", FPKM: "FPKM"},
    {LENGTH: "length", EFFECTIVE: "effective_length"},
)
_CUFFLINKS = {"gene_name": "gene_short_name", "locus": "locus"}
_SALMON_RUN = frozenset(("cmd_info.json", "aux_info", "lib_format_counts.json"))
_KALLISTO_RUN = frozenset(("run_info.json",))

KALLISTO_H5 = Kind(
    "kallisto",
    "transcripts",
    "abundance.h5",
    "aux/ids",
    {TPM: "", COUNTS: "est_counts"},
    {LENGTH: "aux/lengths", EFFECTIVE: "aux/eff_lengths"},
    markers=_KALLISTO_RUN,
)
FEATURE_COUNTS = Kind(
    "featureCounts",
    "genes",
    "featureCounts.txt",
    "Geneid",
    {COUNTS: ""},
    {LENGTH: "Length"},
    {"chr": "Chr", "start": "Start", "end": "End", "strand": "Strand"},
    any_name=True,
)
HTSEQ = Kind("htseq-count", "genes", "counts.txt", "", {COUNTS: ""}, any_name=True)
STAR = Kind(
    "STAR",
    "genes",
    "ReadsPerGene.out.tab",
    "",
    {COUNTS: ""},
    markers=frozenset(("Log.out", "SJ.out.tab", "Log.progress.out")),
)
# Of one program, the kinds that are preferred come first.
KINDS: tuple[Kind, ...] = (
    Kind("salmon", "transcripts", "quant.sf", "Name", *_SALMON, markers=_SALMON_RUN),
    Kind("salmon", "genes", "quant.genes.sf", "Name", *_SALMON, markers=_SALMON_RUN),
    Kind(
        "kallisto",
        "transcripts",
        "abundance.tsv",
        "target_id",
        {TPM: "tpm", COUNTS: "est_counts"},
        {LENGTH: "length", EFFECTIVE: "eff_length"},
        markers=_KALLISTO_RUN,
    ),
    KALLISTO_H5,
    Kind("RSEM", "genes", "NAME.genes.results", "gene_id", *_RSEM),
    Kind(
        "RSEM",
        "transcripts",
        "NAME.isoforms.results",
        "transcript_id",
        *_RSEM,
        {"gene_id": "gene_id"},
        gene="gene_id",
    ),
    Kind(
        "StringTie",
        "genes",
        "gene_abund.tab",
        "Gene ID",
        {TPM: "TPM", FPKM: "FPKM"},
        attributes={"gene_name": "Gene Name", "chr": "Reference", "strand": "Strand", "start": "Start", "end": "End"},
        names=r"gene[._-]?abund(?:ances?)?\.(?:tab|tsv|txt)",
        feature_name="gene_name",
        repeated=True,
    ),
    Kind(
        "StringTie",
        "transcripts",
        "t_data.ctab",
        "t_name",
        {FPKM: "FPKM"},
        {LENGTH: "length"},
        {"gene_id": "gene_id", "gene_name": "gene_name", "chr": "chr", "strand": "strand"},
        gene="gene_id",
    ),
    Kind(
        "Cufflinks",
        "genes",
        "genes.fpkm_tracking",
        "tracking_id",
        {FPKM: "FPKM"},
        attributes=_CUFFLINKS,
        feature_name="gene_name",
        repeated=True,
    ),
    Kind(
        "Cufflinks",
        "transcripts",
        "isoforms.fpkm_tracking",
        "tracking_id",
        {FPKM: "FPKM"},
        {LENGTH: "length"},
        {"gene_id": "gene_id", **_CUFFLINKS},
        gene="gene_id",
    ),
    STAR,
    FEATURE_COUNTS,
    HTSEQ,
)
FEATURE_COUNTS_HEADER = frozenset(("Geneid", "Chr", "Start", "End", "Strand", "Length"))
COVERAGE = "cov"
"""The column of t_data.ctab from which tximport makes counts."""

_FPKM_OF_SAMPLE = re.compile(r"(?P<sample>.+)_FPKM")
# What is left out of the name of a file that is called as its owner likes.
_ENDINGS = re.compile(
    r"(?:[._-]?(?:htseq|featurecounts)(?:[._-]?counts?)?|[._-]counts?|\.(?:b?gz|txt|tsv|tab|csv|out|sf|results|h5))$",
    re.IGNORECASE,
)


def kind_of_name(name: str) -> Kind | None:
    """Return the kind of the files that are called so, if any is."""
    return next((kind for kind in KINDS if kind.name is not None and kind.name.fullmatch(name)), None)


def sample_of_name(kind: Kind, name: str) -> str:
    """Return what a file calls its sample; nothing if its directory does."""
    match = kind.name.fullmatch(name) if kind.name is not None else None
    if match is not None:
        return match["sample"]
    while (shorter := _ENDINGS.sub("", name)) != name and shorter:
        name = shorter
    return name


def kind_of_header(fields: Sequence[str]) -> Kind | None:
    """Return the kind of text file that has this header, if any has.

    Cufflinks calls the columns of genes and isoforms the same: only names of files tell them apart.
    """
    names = set(fields)
    if names >= FEATURE_COUNTS_HEADER:
        return FEATURE_COUNTS
    if "tracking_id" in names and samples_of_cuffdiff(fields):
        names.add("FPKM")
    known = (kind for kind in KINDS if kind.id and "" not in kind.columns)
    return next((kind for kind in known if set(kind.columns) <= names), None)


def samples_of_cuffdiff(fields: Sequence[str]) -> dict[str, str]:
    """Return the samples of a table of Cuffdiff or Cuffnorm, each with the header of its column."""
    return {match["sample"]: field for field in fields if (match := _FPKM_OF_SAMPLE.fullmatch(field))}


def units_of(name: str, offered: Sequence[str]) -> str | None:
    """Return those of the units that a provider means; None if there are none such."""
    wanted = name.strip().lower()
    if wanted in ("count", "counts"):
        wanted = COUNTS
    return next((units for units in offered if units.lower() == wanted), None)
