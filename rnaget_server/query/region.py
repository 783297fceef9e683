"""The query for a slice of signal tracks: a range of bases, which tracks, one column per base or bins."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from rnaget_server.errors import InvalidQuery, ReversedRange, UnknownId
from rnaget_server.query.conditions import Condition, conditions
from rnaget_server.query.parameters import Parameters
from rnaget_server.query.table import BIN_SUMMARIES, COMPRESSIONS, OF_TRACKS

_MAX_BINS = 1_000_000
_MAX_POSITION = 2**32 - 1


@dataclass(frozen=True)
class RegionQuery:
    """A request for bases of tracks: 0-based, half-open; None means no restriction."""

    chromosome: str | None = None
    start: int | None = None
    end: int | None = None
    bins: int | None = None
    summary: str = "mean"
    approximate: bool = False
    samples: tuple[str, ...] | None = None
    not_samples: tuple[str, ...] | None = None
    filters: Mapping[str, Condition] = field(default_factory=dict)
    units: str | None = None
    format: str | None = None
    compression: str | None = None
    project_id: str | None = None
    study_id: str | None = None
    version: str | None = None
    given: tuple[tuple[str, str], ...] = ()


def parse_region_query(pairs: Iterable[tuple[str, str]], filters: Collection[str]) -> RegionQuery:
    """Return the query in the parameters of a request; `filters` are the names of the metadata filters.

    Raises
    ------
    InvalidQuery
        If a parameter is unknown, empty or of the wrong type, or a range has no chromosome.
    ReversedRange
        If start is greater than end, for any chromosome.
    UnknownId
        If start equals end (the standard wants 404 for it).
    """
    parameters = Parameters(pairs, OF_TRACKS, filters, of_slice=True)
    start, end = (parameters.whole_number(name, 0, _MAX_POSITION) for name in ("start", "end"))
    chromosome = parameters.text("chr")
    _check_range(chromosome, start, end)
    bins = parameters.whole_number("bins", 1, _MAX_BINS)
    approximate = parameters.flag("approximate")
    if bins is None and (approximate or parameters.text("summary") is not None):
        raise InvalidQuery("summary and approximate say how bins are made: add bins=N, or leave them out")
    summary = parameters.choice("summary", BIN_SUMMARIES)
    if bins is not None and chromosome is None:
        raise InvalidQuery("bins divide a range of one chromosome: add chr")
    format = parameters.text("format")
    return RegionQuery(
        chromosome=chromosome,
        start=start,
        end=end,
        bins=bins,
        summary=summary or "mean",
        approximate=approximate,
        samples=parameters.values("sampleIDList"),
        not_samples=parameters.values("sampleIDList_not"),
        filters=conditions(parameters, filters),
        units=parameters.text("units"),
        format=format and format.lower(),
        compression=parameters.choice("compression", COMPRESSIONS),
        project_id=parameters.text("projectID"),
        study_id=parameters.text("studyID"),
        version=parameters.text("version"),
        given=parameters.given,
    )


def _check_range(chromosome: str | None, start: int | None, end: int | None) -> None:
    for name, value in (("start", start), ("end", end)):
        if value is not None and chromosome is None:
            raise InvalidQuery(f"{name} is given without chr: name the chromosome as well")
    if start is not None and end is not None and start > end:
        raise ReversedRange(f"start {start} is greater than end {end}: swap them")
    if end is not None and end == (start or 0):
        raise UnknownId(f"the range from {start or 0} to {end} holds no base, since end is not part of it: raise end")
