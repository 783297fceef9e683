"""Text files that hold no expression matrix: annotations, reads, regions, sheets, pages; what each is, what to do."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from rnaget_server.errors import ImportFailure
from rnaget_server.importers.detect import HEAD_BYTES, read_head
from rnaget_server.importers.foreign import imported_binary, is_zarr

_LOOKED_AT = 40
_LEAST_OF_SAM = 11
_FIELDS_OF_GTF = 9
_BOM = b"\xef\xbb\xbf"
_READS = "count them first (salmon, STAR, featureCounts), and import the table of counts"
_ANNOTATION = (
    "which says where genes are, and is no matrix: import the table of values; for attributes of its features, make "
    "a table of gene_id and further columns, and give that by --features"
)
_SAM_HEADER = re.compile(rb"@(HD\tVN:|SQ\t(SN|LN):|RG\t[A-Z]{2}:|PG\tID:|CO\t)")
_CIGAR = re.compile(rb"\*|(\d+[MIDNSHPX=])+")
_GTF_ATTRIBUTES = re.compile(rb'\w+ "[^"]*"\s*(;|$)')
_GFF_ATTRIBUTES = re.compile(rb"[\w.:-]+=[^;]+(;|$)")
_SEQUENCE = re.compile(rb"[A-Za-z*.-]+")
_JSON = re.compile(rb"\s*(\{\s*([\"}]|$)|\[\s*([\[{\"\]]|-?\d[\d.eE+-]*\s*,|$))")
_HTML = re.compile(rb"\s*(<!--.*?-->\s*)*<(!doctype\s+html|html|head|body|script|title|meta|div)\b", re.I | re.S)
_TITLE = re.compile(rb"<title[^>]*>\s*(.*?)\s*</title>", re.I | re.S)
_CHROMOSOME = re.compile(rb"chr[\w.]+", re.I)
_PLACE = re.compile(rb"\d{1,18}")
_SIZES = re.compile(rb"\s*\d+\s+\d+\s+\d+\s*")


def refuse_foreign_text(path: Path, head: bytes) -> None:
    """Refuse text of a kind that is known and holds no expression matrix.

    Raises
    ------
    ImportFailure
        If it is of such a kind.
    """
    if is_zarr(path, head):
        return
    text = head.removeprefix(_BOM)
    advice = _of_markup(text) or _of_lines(path, _lines(text, len(head)))
    if advice is not None:
        raise ImportFailure(advice, path)


def refuse_foreign_table(path: Path) -> None:
    """Refuse an annotation, a web page or the like in the place of a table of samples or features.

    Raises
    ------
    ImportFailure
        If it is of such a kind, or cannot be read.
    """
    head = read_head(path)
    known = imported_binary(head)
    if known is not None:
        raise ImportFailure(f"this is {known}: save the table in it as tab-separated text, and give that", path)
    text = head.removeprefix(_BOM)
    lines = _lines(text, len(head))
    advice = _of_markup(text) or (_of_annotation(lines[0], _rows(lines)) if lines else None)
    if advice is not None:
        raise ImportFailure(advice, path)


def is_annotation(head: bytes) -> bool:
    """Return whether a file that begins so is an annotation, GTF or GFF3."""
    lines = _lines(head.removeprefix(_BOM), len(head))
    return bool(lines) and (lines[0].startswith((b"##gff", b"##gtf")) or any(map(_is_annotation, _rows(lines))))


def _rows(lines: Sequence[bytes]) -> list[list[bytes]]:
    return [line.split(b"\t") for line in lines if not line.startswith(b"#")][:_LOOKED_AT]


def _lines(text: bytes, size: int) -> list[bytes]:
    """Return the first lines that are whole and not empty."""
    lines = re.split(rb"\r\n|\n|\r", text)
    if size >= HEAD_BYTES and len(lines) > 1:
        lines = lines[:-1]
    return [line for line in lines if line.strip()]


def _of_markup(text: bytes) -> str | None:
    if _HTML.match(text[:4096]):
        title = _TITLE.search(text[:8192])
        words = title.group(1).decode("utf-8", "replace")[:60] if title else ""
        named = f", titled {words!r}," if words else ""
        return (
            f"this is a web page (HTML){named} and no data: such as a log-in or error page that was saved in place of "
            "the file; download the file itself and see that it is whole"
        )
    if text.lstrip()[:5].lower() == b"<?xml" or re.match(rb"\s*<Error>", text):
        return "this is XML, no table: if it is the error message of a server, download the file again, or else " + (
            "look for the same data as a tab-separated table"
        )
    if _JSON.match(text):
        return (
            "this is JSON, no table: write the matrix as tab-separated text, ids in the first column, and import that"
        )
    return None


def _of_lines(path: Path, lines: Sequence[bytes]) -> str | None:
    if not lines:
        return None
    first = lines[0]
    for found in (
        _labels_of_a_matrix(path),
        _of_first_line(first, lines),
        _matrix_market_without_banner(path, lines),
        _of_reads(lines),
        _of_annotation(first, _rows(lines)),
        _of_regions(path, lines),
    ):
        if found is not None:
            return found
    return None


def _labels_of_a_matrix(path: Path) -> str | None:
    """Return the advice for a file of labels that accompanies a MatrixMarket file."""
    if not re.search(r"(^|[._-])(features|genes|barcodes)([._-].*)?\.tsv(\.gz)?$", path.name, re.IGNORECASE):
        return None
    matrices = sorted(other.name for other in path.parent.iterdir() if other.name.endswith((".mtx", ".mtx.gz")))
    return f"these are labels of a MatrixMarket matrix: import that, {matrices[0]}" if matrices else None


def _of_first_line(first: bytes, lines: Sequence[bytes]) -> str | None:
    lowered = first.lower()
    if lowered.startswith((b"##fileformat=vcf", b"#chrom\tpos\tid\tref\talt")):
        return "this is a VCF file of variants, no expression matrix"
    fields = [field.strip(b' "') for field in lowered.split(b"\t")]
    if fields[0] == b"source name" and len(fields) > 1:
        return (
            "this is an SDRF file (MAGE-TAB), which describes samples: import the matrix, and give this file by "
            "--samples, with the column of the sample ids by --sample-id"
        )
    if fields[0] in (b"mage-tab version", b"investigation title"):
        return "this is an IDF file (MAGE-TAB), which describes a study: import the matrix that belongs to it"
    if lowered.startswith(b"version https://git-lfs"):
        return "this is a pointer of Git LFS in place of the data: fetch these, as by `git lfs pull`, and import that"
    if first.startswith((b"^DATABASE", b"^SERIES", b"^SAMPLE", b"^PLATFORM")):
        return "this is a SOFT file of GEO: download the series matrix or the supplementary files in its place"
    return None


def _matrix_market_without_banner(path: Path, lines: Sequence[bytes]) -> str | None:
    """Return the advice for MatrixMarket whose first line is missing or cut."""
    if lines[0][:14].lower() == b"%%matrixmarket":
        return None
    sizes = next((line for line in lines if not line.startswith(b"%")), b"")
    commented = lines[0].startswith(b"%")
    named = path.name.lower().removesuffix(".gz").endswith(".mtx")
    if not _SIZES.fullmatch(sizes) or not (commented or named):
        return None
    return (
        "this looks like MatrixMarket and has no MatrixMarket line: put `%%MatrixMarket matrix coordinate integer "
        f"general` (real for integer if there are fractions) {'in place of' if commented else 'in front of'} line 1"
    )


def _of_reads(lines: Sequence[bytes]) -> str | None:
    first = lines[0]
    fields = first.split(b"\t")
    bare = (
        len(fields) >= _LEAST_OF_SAM
        and all(fields[at].isdigit() for at in (1, 3, 4))
        and _CIGAR.fullmatch(fields[5]) is not None
        and re.fullmatch(rb"-?\d+", fields[8]) is not None
    )
    if _SAM_HEADER.match(first) or bare:
        return f"this is a SAM file of aligned reads, no matrix: {_READS}"
    if first.startswith(b"@") and len(lines) > 3 and lines[2].startswith(b"+") and len(lines[1]) == len(lines[3]):
        return f"this is a FASTQ file of reads, no matrix: {_READS}"
    if first.startswith(b">") and len(lines) > 1 and _SEQUENCE.fullmatch(lines[1].strip()):
        return "this is a FASTA file of sequences, no expression matrix: --data and --genome alone make a genome of it"
    return None


def _of_annotation(first: bytes, rows: Sequence[Sequence[bytes]]) -> str | None:
    if first.startswith(b"##gff-version"):
        return f"this is a GFF3 annotation, {_ANNOTATION}"
    if first.startswith(b"##gtf"):
        return f"this is a GTF annotation, {_ANNOTATION}"
    if not rows or not all(_is_annotation(row) for row in rows):
        return None
    attributes = rows[0][8]
    if _GTF_ATTRIBUTES.match(attributes):
        return f"this is a GTF annotation, {_ANNOTATION}"
    return f"this is a GFF3 annotation, {_ANNOTATION}"


def _is_annotation(row: Sequence[bytes]) -> bool:
    return (
        len(row) == _FIELDS_OF_GTF
        and row[3].isdigit()
        and row[4].isdigit()
        and row[6] in (b"+", b"-", b".", b"?")
        and (_GTF_ATTRIBUTES.match(row[8]) is not None or _GFF_ATTRIBUTES.match(row[8]) is not None)
    )


def _of_regions(path: Path, lines: Sequence[bytes]) -> str | None:
    """Return the advice for BED: chromosomes that repeat, with starts and ends, and no value behind (bedGraph)."""
    rows = [line.split() for line in lines if not line.startswith((b"#", b"track", b"browser"))][:_LOOKED_AT]
    if not rows or not all(
        len(row) >= 3 and _PLACE.fullmatch(row[1]) and _PLACE.fullmatch(row[2]) and int(row[1]) <= int(row[2])
        for row in rows
    ):
        return None
    chromosomes = [row[0] for row in rows]
    repeated = any(first == second for first, second in pairwise(chromosomes))
    if not repeated and not all(_CHROMOSOME.fullmatch(name) for name in chromosomes):
        return None
    if any(line.startswith(b"track") and b"bedGraph" in line for line in lines) or _all_numbers(rows):
        return None
    return (
        "this is a BED file, which holds regions and no matrix: import the table of values, or signal tracks as "
        "bigWig or bedGraph"
    )


def _all_numbers(rows: Sequence[Sequence[bytes]]) -> bool:
    """Return whether the fourth field is the last, and a number: a bedGraph file, or cells."""
    return all(len(row) == 4 and re.fullmatch(rb"[-+\d.eEnNaAiIfF]+", row[3]) is not None for row in rows)
