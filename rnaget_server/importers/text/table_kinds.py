"""Tables of known kinds: the names of their columns, and whether several rows may be of one sample or feature."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from rnaget_server.importers.text.columns import free_name, plain

# MAGE-TAB: what describes a sample, its treatment or its files, and what says more of the column in front of it.
_NAMED = re.compile(r"(?:characteristics?|comment|parameter ?value)\s*\[\s*(.+?)\s*\]", re.IGNORECASE)
_FACTOR = re.compile(r"factor ?value\s*\[\s*(.+?)\s*\](?:\s*\(.*\))?", re.IGNORECASE)
_QUALIFIER = re.compile(r"(unit|term source ref|term accession number)\s*(?:\[.*\])?", re.IGNORECASE)
_RUNS = frozenset(("run_accession", "experiment_accession", "sample_accession", "secondary_sample_accession"))
_RUN_SELECTOR = frozenset(("Run", "BioSample"))
_GENE_IDS = frozenset(("genestableid", "ensemblgeneid", "geneid", "genestableidversion"))
_TRANSCRIPT_IDS = frozenset(("transcriptstableid", "ensembltranscriptid", "transcriptid", "transcriptstableidversion"))
_LEAST_RUN_FIELDS = 2
# Files of GENCODE that have no header: gencode.v47.metadata.HGNC.gz and others.
_STABLE_ID = re.compile(r"ENS[A-Z]*[EGPT][0-9]{11}(?:\.[0-9]+)?(?:_PAR_Y)?")
_METADATA = re.compile(r"metadata\.(\w+?)(?:\.tsv|\.txt)?(?:\.gz)?$", re.IGNORECASE)
_METADATA_COLUMNS = {
    "hgnc": ("symbol", "hgnc_id"),
    "mgi": ("symbol", "mgi_id"),
    "entrezgene": ("entrez_id",),
    "refseq": ("refseq_rna", "refseq_protein"),
    "swissprot": ("uniprot", "uniprot_entry"),
    "trembl": ("uniprot", "uniprot_entry"),
}


def is_sdrf(headers: Sequence[str]) -> bool:
    """Return whether the headers are those of an SDRF file of MAGE-TAB."""
    lowered = [header.lower() for header in headers]
    return "source name" in lowered and any(_NAMED.fullmatch(header) or _FACTOR.fullmatch(header) for header in headers)


def joins_rows(headers: Sequence[str]) -> bool:
    """Return whether a table of these headers may have several rows of one sample or feature.

    So has SDRF (a row for each file), a report of ENA or of the SRA (a row for each run), and a table with a row for
    each transcript of a gene, as BioMart and GENCODE have it.
    """
    found = {plain(header) for header in headers}
    return (
        is_sdrf(headers)
        or len(_RUNS.intersection(headers)) >= _LEAST_RUN_FIELDS
        or set(headers) >= _RUN_SELECTOR
        or "genestableid" in found
        or bool(found & _GENE_IDS and found & _TRANSCRIPT_IDS)
    )


def column_names(headers: Sequence[str]) -> list[str]:
    """Return the names of the columns: the headers, or the attributes that the headers of an SDRF file stand for.

    ``Characteristics[organism part]`` is ``organism part``; a unit or a term is named by the column in front of it,
    and names that repeat get numbers.
    """
    names: list[str] = []
    for name in _attributes(headers):
        names.append(free_name(name, names) if name else name)
    return names if is_sdrf(headers) else list(headers)


def repeating_columns(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    """Return the columns of an SDRF file that say the same as one in front of them that stands for the same attribute.

    A factor is most often a characteristic as well.
    """
    if not is_sdrf(headers):
        return []
    places: dict[str, list[int]] = {}
    found = []
    for at, name in enumerate(_attributes(headers)):
        earlier = places.setdefault(name, [])
        if any(all(row[at] == row[other] for row in rows) for other in earlier):
            found.append(at)
        else:
            earlier.append(at)
    return found


def _attributes(headers: Sequence[str]) -> Iterator[str]:
    """Yield the attribute that each header of an SDRF file stands for."""
    described = ""
    for header in headers:
        qualifier = _QUALIFIER.fullmatch(header)
        if qualifier is not None and described:
            yield f"{described} {qualifier[1].lower()}"
            continue
        found = _FACTOR.fullmatch(header) or _NAMED.fullmatch(header)
        described = found[1] if found else header
        yield described


def headerless_names(name: str, row: Sequence[str]) -> list[str] | None:
    """Return the names of the columns of a table whose first row begins with an id of Ensembl; None if it does not.

    Parameters
    ----------
    name
        The name of the file, by which GENCODE says what the columns are.
    row
        The first row.
    """
    if not row or not _STABLE_ID.fullmatch(row[0].strip()):
        return None
    found = _METADATA.search(name)
    known = _METADATA_COLUMNS.get(found[1].lower(), ()) if found else ()
    return ["id", *(known[at] if at < len(known) else f"column_{at + 2}" for at in range(len(row) - 1))]
