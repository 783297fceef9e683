"""The strand of STAR's counts, from the counts themselves."""

from __future__ import annotations

from pathlib import Path

from rnaget_server.errors import ImportFailure
from rnaget_server.importers.quantifications.finding import Results
from rnaget_server.importers.quantifications.kinds import COUNTS, STAR
from rnaget_server.importers.quantifications.table import STRANDS, Reading, read_quantities
from rnaget_server.storage.access import FileLimits

UNSTRANDED, FORWARD, REVERSE = STRANDS
# The share of the counts of both strands that are of the forward one.
_EVEN = 0.4, 0.6
_MOST, _LEAST = 0.9, 0.1


def strand_of(found: Results, limits: FileLimits) -> tuple[str, str]:
    """Return the strand by which the libraries of STAR were made, and a remark that says why.

    Raises
    ------
    ImportFailure
        If the samples do not say it, or differ.
    """
    assert found.kind == STAR
    every = [_forward_share(file.path, limits) for file in found.files]
    # A sample without counts says nothing; if all are so, any column is as good.
    shares = [share for share in every if share is not None] or [0.5]
    strands = {_strand(share) for share in shares}
    strand = strands.pop()
    if strand is None or strands:
        low, high = min(shares), max(shares)
        raise ImportFailure(
            f"the counts do not say of which strand the libraries are ({low:.0%} to {high:.0%} of them are of the "
            "forward one): take one by --strand unstranded, forward (the third column) or reverse (the fourth)",
            found.files[every.index(low)].path,
        )
    return strand, (
        f"strand: {strand}, since {min(shares):.0%} to {max(shares):.0%} of the counts of both strands are of the "
        "forward one (--strand takes another column)"
    )


def _forward_share(path: Path, limits: FileLimits) -> float | None:
    sums = [
        float(read_quantities(path, STAR, Reading(strand, limits=limits)).layers[COUNTS].sum())
        for strand in (FORWARD, REVERSE)
    ]
    return sums[0] / sum(sums) if sum(sums) else None


def _strand(share: float) -> str | None:
    if _EVEN[0] <= share <= _EVEN[1]:
        return UNSTRANDED
    return FORWARD if share >= _MOST else REVERSE if share <= _LEAST else None
