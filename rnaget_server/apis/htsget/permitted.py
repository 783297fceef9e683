"""The regions of alignments or variants that somebody may see, where these are not all of them."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Sequence

from rnaget_server.catalog import ReadSet
from rnaget_server.errors import Forbidden, shown
from rnaget_server.model.access import RegionRule
from rnaget_server.reads.files import Region
from rnaget_server.reads.trim import merged

_DIGITS = 12
_ALL = ""


def must_be_exact(reads: ReadSet, format: str, regions: Sequence[Region] | None) -> bool:
    """Return whether no record outside of regions may be sent, to one who may see these alone.

    Raises
    ------
    Forbidden
        If they, or all where there are none, are not within those that he may see.
    """
    rules = reads.allowed
    if rules is None:
        return False
    permitted = _Permitted(rules, format)
    if permitted.has_all:
        return False
    if regions is None:
        raise Forbidden(f"only some regions of {reads.id} as {format} are for you: name one by referenceName")
    for region in regions:
        if not permitted.has(region):
            end = "the end" if region.end is None else f"{region.end:,}"
            raise Forbidden(
                f"not all of {shown(region.reference)} from {region.start or 0:,} to {end} is for you: ask for less"
            )
    return True


def version_for(reads: ReadSet, version: str) -> str:
    """Return the version of a file with that of the rules that bind the one who asks, if there are any."""
    rules = reads.allowed
    if rules is None:
        return version
    return f"{version}-{hashlib.sha256(repr(rules).encode('utf-8', 'surrogatepass')).hexdigest()[:_DIGITS]}"


class _Permitted:
    """The intervals that rules allow of each reference in one format."""

    def __init__(self, rules: Sequence[RegionRule], format: str) -> None:
        self._regions = [
            Region(rule.reference if rule.reference is not None else _ALL, rule.start, rule.end)
            for rule in rules
            if rule.format in (None, format)
        ]
        self._of: dict[str, list[tuple[int, int | None]]] = {}

    @property
    def has_all(self) -> bool:
        """True if they are all of the file."""
        return any(region.reference == _ALL and not region.start and region.end is None for region in self._regions)

    def has(self, region: Region) -> bool:
        """Return whether they are all of a region."""
        name = region.reference
        if name not in self._of:
            named = [Region(name, one.start, one.end) for one in self._regions if one.reference in (_ALL, name)]
            self._of[name] = merged(named).get(name, [])
        intervals = self._of[name]
        place = bisect_right(intervals, region.start or 0, key=lambda interval: interval[0]) - 1
        if place < 0:
            return False
        end = intervals[place][1]
        return end is None or (region.end is not None and region.end <= end)
