"""Tables without a header line, such as htseq-count writes, and the counters in them that are no features."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Sequence

from rnaget_server.importers.text.columns import plain
from rnaget_server.importers.text.fields import QuoteError, split_fields
from rnaget_server.importers.text.lines import TextLines
from rnaget_server.importers.text.numbers import MISSING, is_number

STAR_COLUMNS = ("unstranded", "forward", "reverse")
"""The three counts of each gene in ReadsPerGene.out.tab of STAR."""

COUNTER_STARTS = ("_", "N")
"""The letters that ids of counters begin with."""

_STAR = ("N_unmapped", "N_multimapping", "N_noFeature", "N_ambiguous")
_COUNTERS = frozenset(
    (
        *("__no_feature", "__ambiguous", "__too_low_aQual", "__not_aligned", "__alignment_not_unique", "__unmapped"),
        *("__ambiguous_readpair_position", "__ambiguous_gene", "__low_quality", "__multimapped", *_STAR),
        *("_ambiguous", "_empty", "_lowaqual", "_notaligned", "_ambiguous_readpair_position"),
    )
)
# Those that the first versions of htseq-count put at the end of a table without a header.
_OLD_COUNTERS = frozenset(("no_feature", "ambiguous", "too_low_aQual", "not_aligned", "alignment_not_unique"))
_ID_WORDS = frozenset(
    (
        *("", "id", "ids", "gene", "genes", "symbol", "symbols", "name", "names", "entrez", "ensembl"),
        *("transcript", "transcripts", "target", "feature", "features", "probe", "probes", "probeset", "sample"),
        *("samples", "cell", "cells", "barcode", "barcodes", "x", "index", "row", "rows", "rownames", "accession"),
        *("identifier", "identifiers", "key", "isoform", "exon", "mirna", "locus", "orf", "protein", "peptide"),
        *("geneid", "genename", "genesymbol", "transcriptid", "sampleid", "cellid", "featureid", "probeid", "run"),
        *("targetid", "refseq", "uniprot", "hgnc", "contig", "region", "position", "v1", "rna", "description"),
    )
)
_PARTS = re.compile(r"[^A-Za-z]+|(?<=[a-z])(?=[A-Z])")
_LAST_WORDS = frozenset(("id", "ids", "ref", "name", "names", "symbol", "symbols", "accession", "identifier", "key"))
_LAST = 12


def is_counter(id: str) -> bool:
    """Return whether this is the counter of a program (htseq-count, STAR) and no feature."""
    return id in _COUNTERS


def is_star(first: Sequence[Sequence[str]]) -> bool:
    """Return whether the first rows are those of ReadsPerGene.out.tab of STAR."""
    return bool(first) and all(len(row) == 4 for row in first) and any(row[0] in _STAR for row in first)


def has_header(fields: Sequence[str], rows: Sequence[Sequence[bytes]]) -> bool | None:
    """Return whether the first line of a table is its header, by the lines below; None where that is in doubt.

    Parameters
    ----------
    fields
        Of the first line.
    rows
        The fields of some lines below it.
    """
    if rows and len(rows[0]) == len(fields) + 1:
        return True
    if is_counter(fields[0]):
        return False
    labels = 1
    while labels < len(fields) and _is_text(fields[labels]) and _are_texts([row[labels : labels + 1] for row in rows]):
        labels += 1
    values = fields[labels:]
    while values and not values[-1].strip():
        values = values[:-1]
    numbers = [value for value in values if value.strip().encode() not in MISSING]
    if not numbers or not all(is_number(value.encode()) for value in numbers) or is_id_header(fields[0]):
        return True
    ids = [row[0].decode("utf-8", "replace") for row in rows if row]
    if any(is_counter(id) for id in ids):
        return False
    if _is_word(fields[0], ids):
        return True
    if (labels == 1 and len(numbers) < len(values)) or len(set(values)) < len(values) or _is_like(fields[0], rows):
        return False
    return None  # fractions can be doses and times, which samples are called by


def ends_with_counters(lines: TextLines, separator: bytes) -> bool:
    """Return whether counters are among the last rows; reads the whole file."""
    rows = _last_rows(lines, separator)
    return any(is_counter(row[0]) for row in rows) or (bool(rows) and len(rows[-1]) == 2 and bool(_old_counters(rows)))


def old_counters(lines: TextLines, separator: bytes) -> frozenset[str]:
    """Return the ids at the end of a table without a header that are counters of old programs."""
    return _old_counters(_last_rows(lines, separator))


def _old_counters(rows: Sequence[Sequence[str]]) -> frozenset[str]:
    found = set[str]()
    for row in reversed(rows):
        if row[0] not in _OLD_COUNTERS:
            break
        found.add(row[0])
    return frozenset(found if len(found) > 1 else ())


def _last_rows(lines: TextLines, separator: bytes) -> list[list[str]]:
    """Return the fields of the last rows, none if quotes are wrong; reads the whole file."""
    last: deque[bytes] = deque(maxlen=_LAST)
    with lines.again() as every:
        for _, block in every.blocks():
            last.extend(block[-_LAST:])
    try:
        split = [split_fields(line, separator) for line in last if line.strip(separator + b" \t")]
    except QuoteError:
        return []
    return [[field.decode("utf-8", "replace") for field in row] for row in split]


def _is_text(text: str) -> bool:
    return not is_number(text.strip().encode())


def _are_texts(cells: Sequence[Sequence[bytes]]) -> bool:
    """Return whether a column has no number."""
    return not any(cell.strip() not in MISSING and is_number(cell) for row in cells for cell in row)


def is_id_header(head: str) -> bool:
    """Return whether a header certainly names ids, such as gene, ID_REF and OTU ID."""
    if plain(head.lstrip("#")) in _ID_WORDS:
        return True
    parts = _words(head)
    return not re.search(r"\d", head) and len(parts) > 1 and parts[-1] in _LAST_WORDS


def _is_word(head: str, ids: Sequence[str]) -> bool:
    """Return whether the first field holds a word that names ids, and that most ids below do not hold."""
    parts = _words(head)
    if re.search(r"\d", head) or len(parts) < 2:
        return False
    below = [_words(id) for id in ids]
    return any(2 * sum(word in parts for parts in below) <= len(below) for word in _ID_WORDS.intersection(parts))


def _words(text: str) -> list[str]:
    return [part.lower() for part in _PARTS.split(text) if part]


def _is_like(head: str, rows: Sequence[Sequence[bytes]]) -> bool:
    """Return whether the first field is built as most ids below it are: the same letters around digits."""
    shape = _shape(head)
    if "0" not in shape or not re.search("[A-Za-z]", shape):
        return False
    same = sum(_shape(row[0].decode("utf-8", "replace")) == shape for row in rows if row)
    return 0 < len(rows) <= 2 * same


def _shape(id: str) -> str:
    return re.sub(r"\d+", "0", id)
