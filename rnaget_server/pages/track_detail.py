"""A set of signal tracks on the landing page: tracks, chromosomes, filters, and first queries."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from itertools import chain, islice
from typing import TYPE_CHECKING

from rnaget_server.catalog.records import TrackSet
from rnaget_server.pages.axes import MOST_VALUES, filter_view, first_of_axis, first_value
from rnaget_server.pages.queries import Query, Source
from rnaget_server.pages.views import FilterView, TrackDetail
from rnaget_server.stores.tracks.base import Run
from rnaget_server.stores.tracks.bigwig import BigWigStore

if TYPE_CHECKING:
    from rnaget_server.pages.site import Site
    from rnaget_server.stores.tracks.base import TrackStore

_NAMED_CHROMOSOMES = 5
_SHORT = 20
_LONG = 100_000
_BINS = 100

# In so many runs of bases, one with data is looked for.
_LOOKED_THROUGH = 25


def track_detail(site: Site, record: TrackSet, base: str) -> TrackDetail:
    """Return what the catalogue and the first track of a set say, and queries that this server answers.

    Of bigWig files only the first is opened: there may be a thousand.

    Raises
    ------
    Unavailable, OSError
        If the file cannot be read.
    """
    store = _first_track(site, record)
    names = tuple(islice(store.chromosomes, _NAMED_CHROMOSOMES))
    return TrackDetail(
        _size(record, store),
        names,
        len(store.chromosomes) - len(names),
        _filters(record, store),
        () if "continuous" in site.settings.switched_off else tuple(_queries(site, record, store, base)),
    )


def _first_track(site: Site, record: TrackSet) -> TrackStore:
    """Return the open store of the first bigWig file, or of the loom file with its tracks."""
    if record.path is None and all(_has_attribute(record, filter_.attribute) for filter_ in record.filters.values()):
        with suppress(OSError):
            return BigWigStore([record.tracks[0].path], {})
    # Of a set that cannot be served, this writes to the log why.
    return site.view.stores.open_tracks(record)


def _has_attribute(record: TrackSet, attribute: str) -> bool:
    """Return whether some track has the attribute."""
    return attribute == record.track_id or any(attribute in track.attributes for track in record.tracks)


def _size(record: TrackSet, store: TrackStore) -> int:
    return len(record.tracks) or store.tracks.size


def _filters(record: TrackSet, store: TrackStore) -> tuple[FilterView, ...]:
    if record.path is not None:
        return tuple(filter_view(store.tracks, filter_) for filter_ in record.filters.values())
    views = []
    for filter_ in record.filters.values():
        values = sorted(record.values(filter_.attribute))
        views.append(FilterView(filter_.name, filter_.description, tuple(values) if len(values) <= MOST_VALUES else ()))
    return tuple(views)


def _sample(record: TrackSet, store: TrackStore) -> str | None:
    """Return the first track whose name can be used in a list."""
    if record.path is not None:
        return first_of_axis(store.tracks, record.track_id)
    return first_value(track.sample for track in record.tracks)


def _queries(site: Site, record: TrackSet, store: TrackStore, base: str) -> Iterator[Query]:
    place = run_with_data(store)
    if place is None:
        return
    source = Source(base, f"continuous/{record.id}", True, True, site.settings.require_tickets)
    most = _most_columns(site, _size(record, store))
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
    sample = _sample(record, store)
    bases = min(_LONG, len(place), _most_columns(site, 1))
    if sample and bases and not source.by_ticket and "bigwig" in site.formats.of("continuous"):
        yield source.browsed(f"{sample} as a track in a genome browser", sample, _range(place, bases))


def _range(place: Run, bases: int) -> dict[str, str]:
    return {"chr": place.chromosome, "start": str(place.start), "end": str(place.start + bases)}


def _most_columns(site: Site, tracks: int) -> int:
    """Return how many columns a reply of so many tracks may have."""
    most = site.view.limits.max_columns(tracks)
    return _LONG if most is None else most


def run_with_data(store: TrackStore) -> Run | None:
    """Return the run from the first base that has data in the first track, or the first run if none is found soon."""
    runs = chain.from_iterable(store.runs(name, 0, None) for name in store.chromosomes)
    first = None
    for run in islice(runs, _LOOKED_THROUGH):
        first = first or run
        start = store.first(0, run)
        if start is not None:
            return Run(run.chromosome, start, run.stop)
    return first
