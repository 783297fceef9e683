"""Columns of attributes: their type, their names, and how they join and grow."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnaget_server.importers.text.numbers import MISSING
from rnaget_server.stores.native.write_dense import AxisTable

ColumnValues = NDArray[Any]

# No leading zeros: 007 is a label. No sign but minus, no bare point.
_WHOLE = re.compile(r"-?(?:0|[1-9]\d*)", re.ASCII)
_PLAIN = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?", re.ASCII)
_ABSENT = frozenset(("", "NA", "N/A", "NaN", "nan"))
_INT64 = 2**63
_LONGEST_WHOLE = 20  # of -9223372036854775808

# Headers of columns that hold names, best first; compared by `plain`.
NAMES = (
    "genename", "genesymbol", "symbol", "hgncsymbol", "prgenesymbol", "externalgenename", "featurename",
    "description",
)  # fmt: skip
# Further headers that describe features, never samples.
_DESCRIBING = frozenset(
    (
        *(*NAMES, "chr", "chrom", "chromosome", "start", "end", "strand", "genetype", "biotype", "genebiotype"),
        *("seqname", "seqnames", "seqid", "genestart", "geneend", "txstart", "txend", "reference", "locus", "cytoband"),
        *(
            "chromosomename",
            "startposition",
            "endposition",
            "startpositionbp",
            "endpositionbp",
            "transcriptid",
            "geneid",
        ),
        *("transcriptids", "genename", "geneshortname", "ensembl", "ensemblid", "ensemblgeneid", "taxonomy"),
    )
)
ID_NUMBERS = frozenset(("entrez", "entrezid", "entrezgene", "entrezgeneid", "ncbigeneid", "geneid", "hgncid", "ncbiid"))
"""Headers of columns whose numbers are ids of genes; compared by `plain`."""

# Those that hold numbers and that no sample is called by, in any position.
_DESCRIBING_NUMBERS = frozenset(
    (
        *("length", "genelength", "transcriptlength", "efflength", "effectivelength", "exonlength", "exoniclength"),
        *("bplength", "lengthbp", "lengthkb", "txlength", "cdslength", "medianlength", "meanlength", "mergedlength"),
        *("width", "exoncount", "numexons", "nexons", "exonnumber", "transcriptcount", "genelengthbp", "genelengthkb"),
        *("entrez", "entrezid", "entrezgene", "entrezgeneid", "entrezids", "ncbigeneid", "geneid", "hgncid", "ncbiid"),
        *("gccontent", "percentgc", "percentagegccontent", "percentagegenegccontent", "genepercentgccontent"),
        *("genestart", "geneend", "txstart", "txend", "startpositionbp", "endpositionbp", "startposition"),
        *("endposition", "taxid", "unionexonlength", "genesize", "len", "genelen", "txlen", "nexon", "numberofexons"),
        *("chromstart", "chromend", "chrstart", "chrend", "chrstop", "chromstop", "txstop", "genestop"),
        *("genestartbp", "geneendbp", "transcriptstart", "transcriptend", "transcriptstartbp", "transcriptendbp"),
        *("transcriptionstartsite", "transcriptionstartsitetss", "transcriptlengthincludingutrsandcds", "seqlength"),
        *("genomicstart", "genomicend", "startbp", "endbp", "gene%gccontent", "gc%", "%gc"),
        *("ncbigeneid", "ncbigeneformerlyentrezgeneid", "ncbigeneformerlyentrezgeneaccession", "sequencelength"),
    )
)
# Statistics of a comparison, of which a table of results has several.
_STATISTICS = frozenset(
    (
        *("log2foldchange", "logfc", "log2fc", "foldchange", "lfcse", "pvalue", "pval", "padj", "adjpval", "fdr"),
        *("adjpvalue", "qvalue", "qval", "basemean", "aveexpr", "logcpm", "pvaladj", "pvalsadj"),
        *("avglog2fc", "avglogfc", "pct1", "pct2"),
    )
)
# Those that samples may be called as well: statistics only together with a p value or a fold change.
_WEAK_STATISTICS = frozenset(("stat", "lr"))
_TESTS = re.compile(r".*(?:fc|foldchange|pval|pvalue|padj|adjpval|adjpvalue|pvaladj|pvalsadj|fdr|qval|qvalue)")
_CHROMOSOMES = frozenset(
    (
        *("chr", "chrom", "chromosome", "chromosomename", "seqnames", "seqname", "seqid", "chrname", "chromname"),
        *("chrs", "chromosomes", "chromosome/scaffoldname", "chromosomescaffoldname", "chromosomenumber", "chrnum"),
    )
)
# Words that a sample may be called as well: positions only together with a chromosome or a strand.
_POSITIONS = frozenset(("reference", "start", "end", "stop", "pos", "position", "tss", "tes", "band", "arm"))
# Those of them that are numbers.
_POSITIONS_OF_ENDS = frozenset(("start", "end", "stop", "pos", "position", "tss", "tes"))
_FEW = 2
_WORD = re.compile(rb"[A-Za-z\x80-\xff]")
# What other programs write where a number was meant; and digits of other scripts, which are only bytes above ASCII.
_NUMBER_LIKE = re.compile(
    rb"(?i)true|false|[+-]?(?:inf(inity)?|nan)|#?n/?a!?|<na>|none|#[a-z0-9/]+[!?]|[+-]?\d+\.#[a-z]+|0x[0-9a-f]+"
    rb"|[^A-Za-z]+|[\d.,]+e[+-]?\d+"
)


def plain(name: str) -> str:
    """Return a header for comparison: lower case, without spaces and underscores."""
    return re.sub(r"[\s_.()-]", "", name).lower()


def describes_features(name: str) -> bool:
    """Return whether a column of this header describes features rather than being a sample."""
    return any(plain(name) in known for known in (_DESCRIBING, _DESCRIBING_NUMBERS, _CHROMOSOMES))


def describes_among(name: str, names: Iterable[str]) -> bool:
    """Return whether a column of this header describes features, and is no sample among these headers."""
    if plain(name) in _POSITIONS:
        return not (_CHROMOSOMES | {"strand"}).isdisjoint(map(plain, names))
    return describes_features(name)


def is_position(name: str) -> bool:
    """Return whether a column of this header holds positions, if it describes features."""
    return plain(name) in _POSITIONS_OF_ENDS


def is_chromosome(name: str) -> bool:
    """Return whether a column of this header holds chromosomes."""
    return plain(name) in _CHROMOSOMES


def describing_by_numbers(names: Iterable[str]) -> set[str]:
    """Return the headers of columns that describe features by numbers, and are no samples in any position.

    A chromosome and a strand may be numbers. A start, an end and the like are positions if there is one of these as
    well, and gc is a content next to another such column.
    """
    by_name = {name: plain(name) for name in names}
    found = set(by_name.values())
    known = {*_DESCRIBING_NUMBERS, *_CHROMOSOMES, "strand"}
    if found & (_CHROMOSOMES | {"strand"}):
        known |= _POSITIONS_OF_ENDS
    if found & _DESCRIBING_NUMBERS:
        known.add("gc")
    return {name for name, header in by_name.items() if header in known}


def statistics(names: Iterable[str]) -> list[str]:
    """Return the headers that are statistics of a comparison, if there are several."""
    by_name = {name: plain(name) for name in names}
    tested = any(header in _STATISTICS and _TESTS.fullmatch(header) for header in by_name.values())
    known = _STATISTICS | (_WEAK_STATISTICS if tested else frozenset())
    found = [name for name, header in by_name.items() if header in known]
    return found if len(found) >= _FEW else []


def find_name(names: Iterable[str], description: bool = True) -> str | None:
    """Return the header that holds names of features, if a known one is there.

    `description` says whether a column called Description counts, as in GCT.
    """
    by_plain = {plain(name): name for name in reversed(list(names))}
    known = NAMES if description else NAMES[:-1]
    return next((by_plain[name] for name in known if name in by_plain), None)


def are_words(cells: Sequence[bytes], least: int = _FEW) -> bool:
    """Return whether a column without a known header is certainly text; in doubt it is cells, and refused as such."""
    known = [cell.strip() for cell in cells if cell.strip() not in MISSING]
    return len(known) >= least and all(_WORD.search(cell) and not _NUMBER_LIKE.fullmatch(cell) for cell in known)


def text_column(values: Sequence[str]) -> ColumnValues:
    """Return an object array of str."""
    column = np.empty(len(values), object)
    column[:] = values
    return column


def typed_column(values: Sequence[str]) -> ColumnValues:
    """Return int64 if every value is a whole number, float64 if all that are there are numbers, else text.

    In a column of numbers, NA counts as absent, and is NaN.
    """
    present = [value for value in values if value not in _ABSENT]
    if not present or not all(_PLAIN.fullmatch(value) for value in present):
        return text_column(values)
    if all(_WHOLE.fullmatch(value) for value in present):
        if max(map(len, present)) > _LONGEST_WHOLE:
            return text_column(values)
        whole = [int(value) for value in present]
        if any(not -_INT64 <= value < _INT64 for value in whole):
            return text_column(values)
        if len(whole) == len(values):
            return np.array(whole, np.int64)
        if any(abs(value) > 2**53 for value in whole):
            return text_column(values)
    numbers = np.array([np.nan if value in _ABSENT else float(value) for value in values], np.float64)
    return text_column(values) if np.isinf(numbers).any() else numbers


def free_name(name: str, taken: Iterable[str]) -> str:
    """Return `name`, or `name` with the first number that makes it new."""
    others = set(taken)
    if name not in others:
        return name
    return next(f"{name}_{number}" for number in range(2, len(others) + 3) if f"{name}_{number}" not in others)


def same(first: ColumnValues, second: ColumnValues) -> NDArray[np.bool_]:
    """Return where two columns agree; NaN agrees with NaN."""
    if first.dtype == object or second.dtype == object:
        return np.array([str(a) == str(b) for a, b in zip(first, second, strict=True)], bool)
    return np.asarray((first == second) | ((first != first) & (second != second)))


def take_or_fill(column: ColumnValues, positions: NDArray[np.int64]) -> ColumnValues:
    """Return the values at `positions`; where that is -1, nothing: ``""`` or NaN (int64 becomes float64)."""
    absent = positions < 0
    if not absent.any():
        return column[positions]
    if column.dtype == object:
        values = text_column([""] * len(positions))
    else:
        if column.dtype.kind == "i" and np.abs(column).max(initial=0) > 2**53:
            return take_or_fill(text_column([str(value) for value in column]), positions)
        values = np.full(len(positions), np.nan)
    values[~absent] = column[positions[~absent]]
    return values


def with_id_name(table: AxisTable, default: str) -> AxisTable:
    """Return the axis with an id column whose name can be used in a template of labels; `default` if it has none."""
    name = re.sub(r"[{}\[\]:!]", "_", table.id) or default
    if name == table.id:
        return table
    name = free_name(name, table.columns)
    columns = {name if key == table.id else key: column for key, column in table.columns.items()}
    return replace(table, id=name, columns=columns)
