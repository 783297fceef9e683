"""What the landing page says of a set of signal tracks: tracks, chromosomes, filters, and first queries."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING

from rnaget_server.apis.site.axes import filter_view, first_value
from rnaget_server.apis.site.queries import Query, Source
from rnaget_server.apis.site.views import TrackDetail
from rnaget_server.catalog.records import TrackSet
from rnaget_server.stores.tracks import Run

if TYPE_CHECKING:
    from rnaget_server.service import Services
    from rnaget_server.stores.tracks import TrackStore

_NAMED_CHROMOSOMES = 5
_SHORT = 20
_LONG = 100_000
_BINS = 100

# How the first base with data is looked for: in so many chromosomes, by steps of so many bins.
_LOOKED_THROUGH = 25
_STEP = 1000


def track_detail(services: Services, record: TrackSet, base: str) -> TrackDetail:
    """Return what the files of a set of tracks tell, and queries that this server answers.

    Raises
    ------
    Unavailable, OSError
        If a file cannot be read.
    """
    store = services.stores.open_tracks(record)
    names = tuple(islice(store.chromosomes, _NAMED_CHROMOSOMES))
    return TrackDetail(
        store.tracks.size,
        names,
        len(store.chromosomes) - len(names),
        tuple(filter_view(store.tracks, one) for one in record.filters.values()),
        () if "continuous" in services.switched_off else tuple(_queries(services, record, store, base)),
    )


def _queries(services: Services, record: TrackSet, store: TrackStore, base: str) -> Iterator[Query]:
    place = _with_data(store)
    if place is None:
        return
    source = Source(base, f"continuous/{record.id}", labelled_by_id=True, comments=True)
    most = _most_columns(services, store.tracks.size)
    bases = min(_SHORT, len(place))
    if bases <= most:
        yield source.part("A few bases of all tracks", _range(place, bases))
    size = store.chromosomes[place.chromosome]
    bins = min(_BINS, size)
    if bins <= most:
        # By every base, a long chromosome of many tracks takes long; a loom file has no zoom levels, and is small.
        approximate = {"approximate": "true"} if record.path is None else {}
        title = f"The whole of {place.chromosome} in {bins} bins"
        yield source.part(title, {"chr": place.chromosome, "bins": str(bins), **approximate})
    sample = first_value(store.tracks, record.track_id)
    bases = min(_LONG, len(place), _most_columns(services, 1))
    if sample and bases and "bigwig" in services.formats_of("continuous"):
        yield source.browsed(f"{sample} as a track in a genome browser", sample, _range(place, bases))


def _range(place: Run, bases: int) -> dict[str, str]:
    return {"chr": place.chromosome, "start": str(place.start), "end": str(place.start + bases)}


def _most_columns(services: Services, tracks: int) -> int:
    """Return how many columns a reply of so many tracks may have."""
    settings = services.settings
    limits = [settings.max_positions] if settings.max_positions else []
    if settings.max_cells:
        limits.append(settings.max_cells // max(1, tracks))
    return min(limits, default=_LONG)


def _with_data(store: TrackStore) -> Run | None:
    """Return the run from the first base that has data in the first track, or the first run if none is found soon."""
    runs = store.runs(None, 0, None)
    for run in runs[:_LOOKED_THROUGH]:
        start = _first_base(store, run)
        if start is not None:
            return Run(run.chromosome, start, run.stop)
    return runs[0] if runs else None


def _first_base(store: TrackStore, run: Run) -> int | None:
    while len(run) > _STEP:
        covered = store.summary(0, run, _STEP, "coverage", math.nan, exact=False)
        if covered is None:
            break
        at = next((number for number, share in enumerate(covered.tolist()) if share > 0), None)
        if at is None:
            return None
        borders = [run.start + number * len(run) // _STEP for number in (at, at + 1)]
        run = Run(run.chromosome, *borders)
    values = store.read(0, Run(run.chromosome, run.start, min(run.stop, run.start + _STEP)))
    return next((run.start + number for number, value in enumerate(values.tolist()) if value == value), None)
