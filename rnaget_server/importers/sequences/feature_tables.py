"""The genes and the transcripts of an annotation (GTF, GFF3) as tables of features."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import repeat
from pathlib import Path

from rnaget_server.errors import ImportFailure
from rnaget_server.importers.sequences.annotation_lines import (
    GTF,
    SKIPPED,
    AttributeForm,
    Directive,
    FeatureLine,
    form_of,
    gene_attributes,
    read_lines,
)
from rnaget_server.importers.sequences.gene_models import GENE, bare_id
from rnaget_server.importers.text.columns import free_name
from rnaget_server.importers.text.table_body import LABEL_BYTES
from rnaget_server.importers.text.tables import Table
from rnaget_server.model.collector import uncollected
from rnaget_server.sequences.genes import PAR_Y
from rnaget_server.storage.access import DEFAULT_LIMITS, FileLimits
from rnaget_server.stores.hdf5_dataset import shown_bytes

_PLACE = ("chromosome", "start", "end", "strand")
_STRANDS = {1: "+", -1: "-", 0: ""}
_TRANSCRIPTS = frozenset({"transcript", "mRNA", "primary_transcript"})
_PARTS = frozenset({"exon", "CDS", "start_codon", "stop_codon"})
_PART_TYPES = frozenset(part.encode() for part in _PARTS)
_MOST_ATTRIBUTES = 500
_GFF3_ONLY = frozenset({"ID", "Parent"})
_BETWEEN = "; "


@dataclass
class _Row:
    """A gene or transcript on one strand of one sequence; `of_parts` if no line of its own was read."""

    line: int
    start: int
    stop: int
    attributes: dict[str, str]
    of_parts: bool


@dataclass
class _Rows:
    """The rows of one kind of features, by id, sequence and strand, and the names of their attributes."""

    id: str
    rows: dict[tuple[str, str, int], _Row] = field(default_factory=dict)
    names: dict[str, None] = field(default_factory=dict)
    last: bytes = b""
    """The attribute of GTF with the id of the row that was entered last, if it has a line of its own."""

    def add(self, id: str, line: FeatureLine, attributes: dict[str, str], of_parts: bool) -> int:
        """Enter a line, or widen the place of its row, and return the memory that it takes."""
        key = (id, line.contig, line.strand)
        row = self.rows.get(key)
        if row is not None and row.of_parts and of_parts:
            row.start, row.stop = min(row.start, line.start), max(row.stop, line.stop)
            return 0
        if row is not None and of_parts:
            return 0
        self.last = b"" if of_parts else f'{self.id} "{id}";'.encode()
        self.rows[key] = _Row(line.number, line.start, line.stop, attributes, of_parts)
        self.names |= dict.fromkeys(attributes)
        return LABEL_BYTES * (len(attributes) + 8) + sum(map(len, attributes.values())) + len(id)

    def table(self, path: Path) -> Table:
        """Return the rows as a table, whose start and end are counted from 1, with both ends, as in the file."""
        headers: dict[str, str] = {}
        for name in self.names:
            headers[name] = free_name(name, (self.id, *_PLACE, *headers.values()))
        rows = [
            [
                *(id, contig, str(row.start + 1), str(row.stop), _STRANDS[strand]),
                *map(row.attributes.get, headers, repeat("")),
            ]
            for (id, contig, strand), row in self.rows.items()
        ]
        lines = [row.line for row in self.rows.values()]
        return Table(path, (self.id, *_PLACE, *headers.values()), rows, lines, joins_rows=True)


def read_feature_tables(
    path: Path, limits: FileLimits = DEFAULT_LIMITS, progress: Callable[[float], None] = lambda _: None
) -> tuple[Table, ...]:
    """Return the genes and the transcripts of a GTF or GFF3 file, with their places and all their attributes.

    Where the file has no line for a gene or transcript, its exons say where it lies.

    Raises
    ------
    ImportFailure
        If a line is not well formed, there is no gene or transcript, or they take too much memory.
    """
    with uncollected():
        return _read(path, limits, progress)


def _read(path: Path, limits: FileLimits, progress: Callable[[float], None]) -> tuple[Table, ...]:
    genes, transcripts = _Rows("gene_id"), _Rows("transcript_id")
    form: AttributeForm | None = None
    held = 0

    def adds_nothing(line: bytes) -> bool:
        """Return whether this is a part that follows the line of its transcript, as most do."""
        last = transcripts.last
        return last != b"" and last in line and line.split(b"\t", 3)[2] in _PART_TYPES and genes.last != b""

    for line in read_lines(path, progress, adds_nothing):
        if isinstance(line, Directive) or line.type.encode() in SKIPPED:
            continue
        form = form or form_of(line, path)
        held += (
            _add_gff3(genes, transcripts, line, form, path) if form.gff3 else _add_gtf(genes, transcripts, line, path)
        )
        width = max(len(genes.names), len(transcripts.names))
        if width > _MOST_ATTRIBUTES:
            raise ImportFailure(f"the lines have more than {_MOST_ATTRIBUTES} different attributes", path, line.number)
        if held + (len(genes.rows) + len(transcripts.rows)) * width * 8 > 4 * limits.column_bytes:
            raise ImportFailure(
                f"the genes and transcripts take more than {shown_bytes(4 * limits.column_bytes)} of memory: leave out "
                "those that are not needed, or set RNAGET_MAX_COLUMN_BYTES",
                path,
                line.number,
            )
    tables = tuple(rows.table(path) for rows in (genes, transcripts) if rows.rows)
    if not tables:
        raise ImportFailure("there is no gene and no transcript in the file: give a GTF or GFF3 file, or a table", path)
    return tables


def _add_gtf(genes: _Rows, transcripts: _Rows, line: FeatureLine, path: Path) -> int:
    """Enter a line of GTF, which names its gene and its transcript."""
    of_parts = line.type in _PARTS
    if not of_parts and line.type != "gene" and line.type not in _TRANSCRIPTS:
        return 0
    form = GTF
    gene, transcript = form.one(line.attributes, "gene_id"), form.one(line.attributes, "transcript_id")
    if gene is None:
        gene_attributes(form, line, path)
        raise ImportFailure(f"the {line.type} has no gene_id", path, line.number)
    # The lines of most exons add nothing: their attributes are not looked at.
    known = genes.rows.get((gene, line.contig, line.strand))
    held = 0
    if known is None or known.of_parts or line.type == "gene":
        attributes = _joined(gene_attributes(form, line, path), {"gene_id"})
        if line.type != "gene":
            attributes = {name: text for name, text in attributes.items() if name.startswith("gene")}
        held += genes.add(gene, line, attributes, of_parts=line.type != "gene")
    if transcript is not None and line.type != "gene":
        row = transcripts.rows.get((transcript, line.contig, line.strand))
        if row is None or row.of_parts or not of_parts:
            attributes = _joined(gene_attributes(form, line, path), {"transcript_id"})
            if of_parts:
                attributes = {name: text for name, text in attributes.items() if not name.startswith("exon")}
            held += transcripts.add(transcript, line, attributes, of_parts)
    return held


def _add_gff3(genes: _Rows, transcripts: _Rows, line: FeatureLine, form: AttributeForm, path: Path) -> int:
    """Enter a line of GFF3, which has an ID, and names what it is part of as its Parent."""
    if line.type in _PARTS:
        return 0
    attributes = gene_attributes(form, line, path)
    is_gene = GENE.fullmatch(line.type) is not None
    key = attributes.get("ID")
    if not key or (not is_gene and "Parent" not in attributes):
        return 0
    rows = genes if is_gene else transcripts
    id = (attributes.get(rows.id) or [bare_id(key[0])])[0]
    if key[0].endswith(PAR_Y) and not id.endswith(PAR_Y):
        id += PAR_Y
    texts = _joined(attributes, _GFF3_ONLY | {rows.id})
    if not is_gene:
        texts = {"parent": bare_id(attributes["Parent"][0]), **texts} if attributes["Parent"] else texts
    return rows.add(id, line, texts, of_parts=False)


def _joined(attributes: dict[str, list[str]], but: set[str] | frozenset[str]) -> dict[str, str]:
    return {name: _BETWEEN.join(values) for name, values in attributes.items() if name not in but}
