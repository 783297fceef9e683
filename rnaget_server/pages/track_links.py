"""The ways to have a region of signal tracks, or a whole track, as a file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from rnaget_server.catalog.records import TrackSet
from rnaget_server.delivery.stored_files import FILES_PATH
from rnaget_server.errors import Unavailable
from rnaget_server.pages.queries import Query, Source
from rnaget_server.slicing.named_regions import NamedRegion

if TYPE_CHECKING:
    from rnaget_server.pages.site import Site

_MANY_COLUMNS = 100_000
_BINS = 1_000
_ONE_TRACK = "bigwig"


@dataclass(frozen=True)
class Link:
    """A format, the path of a region in it, and what it holds."""

    format: str
    path: str
    content: str


@dataclass(frozen=True)
class WholeFile:
    """The file of a track: its path, None if only tickets lead to it, and its size, None if it cannot be read."""

    path: str | None
    size: int | None


def region_links(site: Site, record: TrackSet, region: NamedRegion, samples: Sequence[str], tracks: int) -> list[Link]:
    """Return a link for each format of a region, base by base or in bins where that is too much.

    `samples` are chosen of so many `tracks`.
    """
    if not samples or site.settings.require_tickets:
        return []
    bins = _bins(site, region, len(samples))
    content = f"{bins:,} bins" if bins else f"{len(region):,} bases"
    asked = {**_asked(region, samples, tracks), **({"bins": str(bins)} if bins else {})}
    path = f"/rnaget/continuous/{quote(record.id)}/bytes"
    return [
        Link(format, f"{path}?{urlencode({**asked, 'format': format}, quote_via=quote)}", content)
        for format in site.formats.of("continuous")
        if format != _ONE_TRACK or len(samples) == 1
    ]


def region_queries(
    site: Site, record: TrackSet, region: NamedRegion, samples: Sequence[str], tracks: int, base: str
) -> Iterator[Query]:
    """Yield commands for the region; `base` is the address of the server."""
    source = Source(base, f"continuous/{record.id}", True, True, site.settings.require_tickets)
    if samples:
        bins = _bins(site, region, len(samples)) or min(_BINS, len(region))
        asked = {**_asked(region, samples, tracks), "bins": str(bins)}
        yield source.part(f"This region in {bins:,} bins", asked)
        if not source.by_ticket and _ONE_TRACK in site.formats.of("continuous") and "," not in samples[0]:
            yield source.browsed(f"{samples[0]} in another genome browser", samples[0], _asked(region, (), 0))


def whole_files(site: Site, record: TrackSet, first: int, most: int) -> dict[int, WholeFile]:
    """Return the files of up to `most` tracks by their places in the set; none of those that are parts of one file."""
    if record.path is not None:
        return {}
    found = {}
    for at, file in enumerate(site.view.files.of_record("continuous", record.id)[first : first + most], first):
        try:
            size = site.view.files.size(file)
        except Unavailable:  # the log says why
            size = None
        path = None if site.settings.require_tickets else f"{FILES_PATH}/{file.id}"
        found[at] = WholeFile(path, size)
    return found


def _asked(region: NamedRegion, samples: Sequence[str], tracks: int) -> dict[str, str]:
    asked = {"chr": region.chromosome, "start": str(region.start), "end": str(region.end)}
    if 0 < len(samples) < tracks and not any("," in name for name in samples):
        asked["sampleIDList"] = ",".join(samples)
    return asked


def _bins(site: Site, region: NamedRegion, tracks: int) -> int | None:
    """Return how many bins a region is asked for in; None if it can be had base by base."""
    most = min(site.view.limits.max_columns(tracks) or _MANY_COLUMNS, _MANY_COLUMNS)
    return min(_BINS, most) if len(region) > most else None
