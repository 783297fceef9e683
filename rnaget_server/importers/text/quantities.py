"""Tables of one sample, as quantifiers write them: their columns are quantities and descriptions, not samples."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from rnaget_server.errors import ImportFailure
from rnaget_server.importers.text.columns import plain

# For each kind of units, the headers of its column, best first. All are compared by `plain`.
_FAMILIES: dict[str, tuple[str, ...]] = {
    "TPM": ("tpm", "tpmunstranded"),
    "FPKM": ("fpkm", "fpkmunstranded"),
    "FPKM-UQ": ("fpkmuqunstranded",),
    "RPKM": ("rpkm",),
    "count": (
        *("numreads", "estcounts", "estcount", "expectedcount", "effcounts", "estimatedcounts", "count", "counts"),
        *("rawcount", "rawcounts", "readcount", "readcounts", "reads"),
    ),
    "RPM": ("readspermillionmirnamapped",),
    "coverage": ("coverage", "cov"),
    "IsoPct": ("isopct",),
}
# Quantities that no units mean by themselves: they can be named alone.
_OTHERS = (
    *("unstranded", "strandedfirst", "strandedsecond", "totcounts", "uniqcounts", "ambigdistralpha", "ambigdistrbeta"),
    *("fpkmconflow", "fpkmconfhigh", "fpkmconflo", "fpkmconfhi", "kpkm", "estimatednumkmers", "estimatednumreads"),
    *("solvable", "fpkmstatus", "ptpm", "ntpm", "nx", "ucount", "mrcount"),
    *("scaledestimate", "medianlengthnormalized", "expressionvalues", "expressionvalue"),
    *("uniquegenereads", "totalgenereads", "raw", "countcds", "countutr", "countambiggene"),
    *("value", "detectionpvalue", "detectionpval"),
)
_DERIVED = re.compile(
    r"(?:posteriormean|pme|standarddeviationof).*|.*(?:cilowerbound|ciupperbound|coefficientofquartilevariation)"
)
_QUANTITIES = frozenset((*(name for names in _FAMILIES.values() for name in names), *_OTHERS))
# Words that a sample may well be called: alone they are no sign of a quantity.
_WEAK = frozenset(("count", "counts", "reads", "coverage", "cov", "unstranded", "solvable", "nx", "raw", "value"))
_LENGTHS = frozenset(("length", "efflength", "effectivelength", "len", "genelength", "transcriptlength"))
_UNITS = {
    **dict.fromkeys(("count", "counts", "rawcount", "rawcounts", "reads", "read", "readcount", "readcounts"), "count"),
    **dict.fromkeys(("estimatedcount", "estimatedcounts", "expectedcounts", "numberofreads"), "count"),
    **{plain(family): family for family in _FAMILIES},
    **dict.fromkeys(("readspermillion", "cpm"), "RPM"),
    **{"fpkmuq": "FPKM-UQ", "cov": "coverage"},
}
# Further ids than the first column, where that holds something else.
_IDS = ("tname", "targetid", "trackingid")
_ENDINGS = re.compile(
    r"(?:[._-]?ReadsPerGene\.out\.tab|\.genes\.results|\.isoforms\.results|\.genes\.sf|\.genes\.fpkm_tracking"
    r"|\.isoforms\.fpkm_tracking|\.[^.]*)$"
)


def is_quantity(header: str) -> bool:
    """Return whether a column of this header is a quantity of a quantifier."""
    return plain(header) in _QUANTITIES or _DERIVED.fullmatch(plain(header)) is not None


def is_length(header: str) -> bool:
    """Return whether a column of this header is a length of genes or transcripts."""
    return plain(header) in _LENGTHS


def is_of_one_sample(headers: Sequence[str]) -> bool:
    """Return whether these are the headers of a table of one sample."""
    found = {plain(header) for header in headers[1:]}
    quantities = found & _QUANTITIES
    strong = quantities - _WEAK
    if not quantities:
        return False
    with_length = bool(found & _LENGTHS)
    effective = bool(found & {"efflength", "effectivelength"})
    return effective or (bool(strong) and (len(quantities) > 1 or with_length or len(found) == 1))


def has_quantity(headers: Sequence[str]) -> bool:
    """Return whether a header besides the first is a quantity that no sample is called by, such as TPM."""
    return any(plain(header) in _QUANTITIES - _WEAK for header in headers[1:])


def only_units(headers: Sequence[str]) -> str | None:
    """Return the units of a table of one sample; None if it is none, or has columns in several units."""
    found = {family for family, names in _FAMILIES.items() for header in headers[1:] if plain(header) in names}
    return found.pop() if len(found) == 1 and is_of_one_sample(headers) else None


def id_header(headers: Sequence[str]) -> str:
    """Return the header of the ids."""
    return next((header for name in _IDS for header in headers if plain(header) == name), headers[0])


def value_header(path: Path, headers: Sequence[str], units: str, given: str | None) -> str:
    """Return the header of the column that holds the values.

    Parameters
    ----------
    path
        For messages.
    headers
        Of all columns.
    units
        The units that the values have, by the provider.
    given
        The column that the provider names, if any.

    Raises
    ------
    ImportFailure
        If the units do not say which column it is.
    """
    if given is not None:
        return given
    for header in headers:
        if is_quantity(header) and plain(header) == plain(units):
            return header
    by_plain = {plain(header): header for header in reversed(headers)}
    wanted = plain(units)
    for name in _FAMILIES.get(_UNITS.get(wanted, ""), ()):
        if name in by_plain:
            return by_plain[name]
    raise ImportFailure(_unclear(headers, units), path)


def sample_name(path: Path) -> str:
    """Return what the one sample of a file is called: the file, without what its program puts behind the name."""
    name = re.sub(r"\.b?gz$", "", path.name, flags=re.IGNORECASE)
    return _ENDINGS.sub("", name) or name.strip(".") or "sample"


def _unclear(headers: Sequence[str], units: str) -> str:
    by_plain = {plain(header): header for header in reversed(headers)}
    ways = []
    for family, names in _FAMILIES.items():
        column = next((by_plain[name] for name in names if name in by_plain), None)
        if column is not None:
            ways.append(f"--units {family} for the column {column}")
    quantities = [header for header in headers if is_quantity(header)]
    return (
        f"this is a table of one sample, and its columns {', '.join(quantities)} are quantities, no samples; the "
        f"units {units!r} do not say which of them to take: write {', '.join(ways) or 'other --units'}, or name the "
        f"column by --value-column (as --value-column {quantities[0]!r})"
    )
