"""The genes of transcripts, by a table or an annotation."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnaget_server.errors import ImportFailure
from rnaget_server.importers.detect import read_head
from rnaget_server.importers.sequences.annotation_lines import FeatureLine, form_of, read_lines
from rnaget_server.importers.sequences.gene_models import bare_id
from rnaget_server.importers.text.columns import plain
from rnaget_server.importers.text.fields import shortened
from rnaget_server.importers.text.lines import TextLines
from rnaget_server.importers.text.table_body import decoded, too_many_labels
from rnaget_server.importers.text.tables import listed
from rnaget_server.sequences.genes import PAR_Y
from rnaget_server.storage.access import FileLimits

_TRANSCRIPTS = frozenset(
    (
        "transcriptid",
        "txname",
        "txid",
        "tx",
        "transcript",
        "targetid",
        "transcriptstableid",
        "transcriptstableidversion",
    )
)
_GENES = frozenset(("geneid", "gene", "genestableid", "genestableidversion", "ensemblgeneid", "ensgene"))
_NAMES = frozenset(("genename", "genesymbol", "symbol", "externalgenename", "hgncsymbol"))
_PARTS_OF_TRANSCRIPTS = frozenset(("exon", "CDS", "start_codon", "stop_codon", "Selenocysteine"))
_ANNOTATION = re.compile(rb"(?:[^\t]*\t){3}\d+\t\d+\t[^\t]*\t[-+.?]\t[.012]\t")
# The last number of an id alone, since names of transcripts may have points (Y110A7A.10.1 of WormBase).
_VERSION = re.compile(rf"\.\d+(?={PAR_Y}$|$)")
_ROW_BYTES, _HELD = 200, 4


class GeneOf(NamedTuple):
    """The gene of a transcript, and its name; with the line that says so."""

    gene: str
    name: str
    line: int


@dataclass(frozen=True)
class TranscriptGenes:
    """The genes of transcripts."""

    source: str
    genes: dict[str, GeneOf]


@dataclass(frozen=True)
class Grouping:
    """The genes, in order, and for each transcript the place of its gene, or -1."""

    genes: list[str]
    names: list[str] | None
    places: NDArray[np.int64]
    remarks: tuple[str, ...]


def read_tx2gene(path: Path, limits: FileLimits) -> TranscriptGenes:
    """Return the genes of transcripts by a table (transcript, gene, name) or by a GTF or GFF3 file, plain or gzip.

    Raises
    ------
    ImportFailure
        If it is none of these, or gives a transcript two genes.
    """
    head = read_head(path)
    lines = [line for line in head.splitlines() if line and not line.startswith(b"#")]
    rows = _of_annotation(path) if lines and _ANNOTATION.match(lines[0]) else _of_table(path)
    genes: dict[str, GeneOf] = {}
    held = 0
    for transcript, found in rows:
        first = genes.setdefault(transcript, found)
        if first.gene != found.gene:
            raise ImportFailure(
                f"the transcript {shortened(transcript)} is of the gene {shortened(found.gene)} here, and of "
                f"{shortened(first.gene)} in line {first.line}: leave one out",
                path,
                found.line,
            )
        if first is found:
            held += _ROW_BYTES
            if held > _HELD * limits.column_bytes:
                raise too_many_labels(path, "transcript", _HELD * limits.column_bytes, found.line)
    if not genes:
        raise ImportFailure("--tx2gene: there is no transcript with a gene in this file", path)
    return TranscriptGenes(path.name, genes)


def _of_table(path: Path) -> Iterator[tuple[str, GeneOf]]:
    with TextLines(path) as lines:
        separator = b"\t"
        columns: tuple[int, int, int | None] | None = None
        for numbers, block in lines.blocks():
            for number, line in zip(numbers, block, strict=True):
                if columns is None:
                    if line.startswith(b"#") and line.count(b"\t") == 0:
                        continue
                    separator = next((mark for mark in (b"\t", b",", b";", b" ") if mark in line), b"\t")
                fields = [field.strip().strip('"') for field in decoded(line.split(separator), path, number)]
                if columns is None:
                    columns, is_header = _columns(fields)
                    if is_header:
                        continue
                transcript, gene, name = columns
                if max(transcript, gene) >= len(fields) or not fields[transcript] or not fields[gene]:
                    raise ImportFailure(
                        "--tx2gene: a row of the table is a transcript and its gene, with a tab or comma between, and "
                        f"not {shortened(line)}",
                        path,
                        number,
                    )
                names = fields[name] if name is not None and name < len(fields) else ""
                yield fields[transcript], GeneOf(fields[gene], names, number)


def _columns(fields: Sequence[str]) -> tuple[tuple[int, int, int | None], bool]:
    """Return the columns of transcripts, genes and names, and whether these are headers; else they are the first."""
    by_header = [
        next((at for at, field in enumerate(fields) if plain(field.lstrip("#")) in known), None)
        for known in (_TRANSCRIPTS, _GENES, _NAMES)
    ]
    transcript, gene, name = by_header
    if transcript is not None and gene is not None:
        return (transcript, gene, name), True
    return (0, 1, 2 if len(fields) > 2 else None), False


def _of_annotation(path: Path) -> Iterator[tuple[str, GeneOf]]:
    form = None
    seen: dict[str, str] = {}
    for line in read_lines(path, lambda _: None):
        if not isinstance(line, FeatureLine):
            continue
        form = form or form_of(line, path)
        get = form.one
        transcript = get(line.attributes, "transcript_id")
        gene = get(line.attributes, "gene_id")
        if form.gff3:
            if line.type in _PARTS_OF_TRANSCRIPTS:
                continue
            parent = get(line.attributes, "Parent")
            transcript = transcript or (bare_id(get(line.attributes, "ID") or "") if parent else None)
            gene = gene or (bare_id(parent) if parent else None)
        if not transcript or not gene or seen.get(transcript) == gene:
            continue
        seen[transcript] = gene
        name = get(line.attributes, "gene_name") or get(line.attributes, "gene") or ""
        yield transcript, GeneOf(gene, name, line.number)


def group(ids: Sequence[str], known: TranscriptGenes, path: Path) -> Grouping:
    """Return the genes of these transcripts, sorted, as tximport has them.

    Ids are compared as they are, or if that meets fewer, up to the first ``|``, or without their versions.

    Raises
    ------
    ImportFailure
        If no transcript is known.
    """
    best: tuple[int, str, list[GeneOf | None]] = (-1, "", [])
    for how, shorten in _SHORTENED.items():
        table: Mapping[str, GeneOf | None] = known.genes if not how else _shortened_table(known.genes, shorten)
        found = [table.get(shorten(id)) for id in ids]  # None: there is none, or there are several
        count = sum(gene is not None for gene in found)
        if count > best[0]:
            best = count, how, found
    count, how, found = best
    if count == 0:
        raise ImportFailure(
            f"none of the {len(ids):,} transcripts ({listed(ids)}) is in {known.source}, which has "
            f"{listed(list(known.genes)[:3])}: give the table or annotation of the index by --tx2gene",
            path,
        )
    order = {id: at for at, id in enumerate(sorted({gene.gene for gene in found if gene is not None}))}
    names = dict.fromkeys(order, "")
    names.update({gene.gene: gene.name for gene in found if gene is not None and gene.name})
    places = np.array([-1 if gene is None else order[gene.gene] for gene in found], np.int64)
    remarks = [f"transcripts summed to {len(order):,} genes by {known.source}{how}, by the rules of tximport"]
    if count < len(ids):
        missing = [id for id, gene in zip(ids, found, strict=True) if gene is None]
        remarks.append(
            f"{len(missing):,} of {len(ids):,} transcripts are not in {known.source}, "
            f"or of several genes there, and left out: {listed(missing)}"
        )
    return Grouping(list(order), list(names.values()) if any(names.values()) else None, places, tuple(remarks))


def _shortened_table(genes: dict[str, GeneOf], shorten: Callable[[str], str]) -> dict[str, GeneOf | None]:
    """Return the genes by shortened ids; None for one that transcripts of several genes share."""
    shortened_ids: dict[str, GeneOf | None] = {}
    for id, gene in genes.items():
        first = shortened_ids.setdefault(shorten(id), gene)
        if first is not None and first.gene != gene.gene:
            shortened_ids[shorten(id)] = None
    return shortened_ids


def _as_is(id: str) -> str:
    return id


def _before_bar(id: str) -> str:
    return id.partition("|")[0]


def _without_version(id: str) -> str:
    return _VERSION.sub("", _before_bar(id))


_SHORTENED: dict[str, Callable[[str], str]] = {
    "": _as_is,
    " (ids up to the first |)": _before_bar,
    " (ids without their versions)": _without_version,
}
