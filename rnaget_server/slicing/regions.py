"""From a query for a range to what a writer writes: which sets match, which tracks, which columns."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from rnaget_server.cancellation import Cancellation
from rnaget_server.catalog import TrackSet
from rnaget_server.errors import InvalidQuery, ResultTooLarge, RnagetError, StoreFailure, Unavailable, UnknownId
from rnaget_server.query import RegionQuery
from rnaget_server.query.parameters import shown
from rnaget_server.query.strings import digest
from rnaget_server.service import Services
from rnaget_server.slicing.finding import belongs, no_record, not_found, record_by_id
from rnaget_server.slicing.matrices import Found, Stored, canonical, missing_from_all, origin
from rnaget_server.stores.base import Near, Positions
from rnaget_server.stores.bins import summarised
from rnaget_server.stores.select import Chooser
from rnaget_server.stores.track_columns import Columns, PositionLabels, columns_of
from rnaget_server.stores.tracks import Run, TrackStore, range_of
from rnaget_server.writers.base import LayerInfo, Slice
from rnaget_server.writers.bigwig import BigWigWriter


@dataclass(frozen=True)
class _Candidate:
    record: TrackSet
    store: TrackStore
    tracks: Positions
    missing: dict[str, list[str]]
    found: frozenset[str]
    near: dict[str, Near]


def region_by_id(
    services: Services, set_id: str, query: RegionQuery, cancellation: Cancellation | None = None
) -> Found:
    """Return a range of one set of tracks, which are read until that is cancelled.

    Raises
    ------
    UnknownId
        If there is no such set, chromosome or track.
    InvalidQuery
        If the set has no such filter or units, or the range starts beyond the chromosome.
    ResultTooLarge, Unavailable
        See `rnaget_server.errors`.
    """
    catalog = services.catalog.current
    record = record_by_id("continuous set", set_id, catalog.track_sets, query)
    if query.units not in (None, record.units):
        raise InvalidQuery(f"{record.id} has no units {shown(str(query.units))}: it has {record.units}")
    return _made(services, query, [_candidate(services, record, query)], (), cancellation or Cancellation())


def region_by_search(
    services: Services, query: RegionQuery, without: Collection[str] = (), cancellation: Cancellation | None = None
) -> Found:
    """Return the tracks of every set that matches, as rows; sets with other units or columns are left out.

    So are those that cannot be read, and those whose ids are in `without`: their tracks could not be read before.

    Raises
    ------
    UnknownId
        If nothing matches.
    InvalidQuery
        If no set has the units asked for, or the range starts beyond the chromosome in all.
    ResultTooLarge, Unavailable
        See `rnaget_server.errors`.
    """
    catalog = services.catalog.current
    matching = [one for one in catalog.track_sets.values() if belongs(one, query)]
    if not matching:
        raise UnknownId(no_record(catalog, query, "continuous set"))
    units = dict.fromkeys(one.units for one in matching)
    if query.units is not None and query.units not in units:
        raise InvalidQuery(f"no set has the units {shown(query.units)}: there are {', '.join(units)}")
    candidates, omitted = [], []
    cancellation = cancellation or Cancellation()
    for record in matching:
        cancellation.check()
        if query.units in (None, record.units) and query.filters.keys() <= record.filters.keys():
            try:
                if record.id in without:
                    raise StoreFailure("its tracks cannot be read", record.id)
                candidates.append(_candidate(services, record, query))
            except StoreFailure:
                omitted.append(record.id)
    if not candidates and omitted:
        raise Unavailable(f"the sets {', '.join(omitted)} cannot be read at the moment")
    return _made(services, query, candidates, tuple(omitted), cancellation)


def _candidate(services: Services, record: TrackSet, query: RegionQuery) -> _Candidate:
    store = services.stores.open_tracks(record)
    chosen = Chooser(store.tracks)
    chosen.by_id("sampleIDList", record.track_id, query.samples, query.not_samples)
    for name, condition in query.filters.items():
        chosen.by_condition(record.filters[name], condition)
    tracks = np.arange(store.tracks.size) if chosen.positions is None else chosen.positions
    return _Candidate(record, store, tracks, chosen.missing, frozenset(chosen.found), chosen.near)


def _made(
    services: Services,
    query: RegionQuery,
    candidates: list[_Candidate],
    omitted: tuple[str, ...],
    cancellation: Cancellation,
) -> Found:
    missing = missing_from_all([one.missing for one in candidates])
    used = [one for one in candidates if one.tracks.size]
    if not used:
        raise UnknownId(
            not_found(missing, [one.found for one in candidates], [one.near for one in candidates], query.filters)
        )
    columns, used, other = _columns(used, query)
    tracks = sum(len(one.tracks) for one in used)
    stored = _stored(used, query)
    too_large = _too_large(services, columns, tracks)
    if too_large is not None and stored is None:
        raise too_large
    asked = canonical(query)
    first = used[0].record
    told = origin(services.catalog.current, [one.record for one in used], first.units, asked)
    return Found(
        slice=_slice(told, used, columns, query, cancellation),
        records=tuple(one.record for one in used),
        missing=tuple(value for values in missing.values() for value in values),
        omitted=(*omitted, *other),
        query=digest(asked),
        smaller=lambda cells: _smaller(columns, cells // tracks),
        stored=stored,
        too_large=too_large,
    )


def _stored(used: list[_Candidate], query: RegionQuery) -> Stored | None:
    """Return the file that holds exactly what is asked for: one whole track as it was published."""
    if query.chromosome is not None or len(used) > 1 or len(used[0].tracks) > 1:
        return None
    record = used[0].record
    if not record.tracks or record.no_data == record.no_data:
        return None
    return Stored(record.tracks[int(used[0].tracks[0])].path, BigWigWriter.media_types[0])


def _columns(used: list[_Candidate], query: RegionQuery) -> tuple[Columns, list[_Candidate], list[str]]:
    """Return the columns of the first set that has the range, the sets that have the same, and the others."""
    columns: Columns | None = None
    kept: list[_Candidate] = []
    other: list[str] = []
    refusal: RnagetError | None = None
    for one in used:
        if kept and one.record.units != kept[0].record.units:
            other.append(one.record.id)
            continue
        try:
            own = columns_of(one.store, query)
        except (InvalidQuery, UnknownId) as error:
            refusal = refusal or error
            other.append(one.record.id)
            continue
        if columns is None or own == columns:
            columns = columns or own
            kept.append(one)
        else:
            other.append(one.record.id)
    if columns is None:
        raise refusal or UnknownId("no set has that range")
    return columns, kept, other


def _too_large(services: Services, columns: Columns, tracks: int) -> ResultTooLarge | None:
    settings = services.settings
    limits = [settings.max_positions] if settings.max_positions else []
    limits += [settings.max_cells // tracks] if settings.max_cells else []
    most = min(limits, default=len(columns))
    if len(columns) <= most:
        return None
    return ResultTooLarge(
        f"{len(columns):,} columns for each of {tracks:,} track{'s' if tracks > 1 else ''} are more than this server "
        f"gives in one reply (here at most {most:,}): {_smaller(columns, most)}"
    )


def _smaller(columns: Columns, most: int) -> str:
    run = columns.runs[0]
    fitting = max(1, min(most, len(run)))
    return (
        f"ask for a smaller range such as chr={run.chromosome}&start={run.start}&end={run.start + fitting}, "
        f"or for bins such as chr={run.chromosome}&bins={min(1000, fitting)}"
    )


def _slice(
    told: Mapping[str, str],
    used: list[_Candidate],
    columns: Columns,
    query: RegionQuery,
    cancellation: Cancellation,
) -> Slice:
    first = used[0].record
    track_labels = _TrackLabels(tuple(used), first.track_id)
    rows = partial(_rows, used, columns, query, cancellation)
    return Slice(
        features=track_labels,
        samples=PositionLabels(columns, used[0].store.chromosomes, first.position),
        layers=(LayerInfo(first.units, np.dtype(np.float32), False, rows),),
        tsv_labels=(first.track_id,),
        tsv_columns=columns.labels,
        tsv_comments=True,
        tsv_head={"labels": first.track_id, "range": columns.told()},
        origin=told,
    )


def _rows(
    used: Iterable[_Candidate], columns: Columns, query: RegionQuery, cancellation: Cancellation
) -> Iterator[NDArray[np.float32]]:
    """Yield one row for each track."""
    for one in used:
        # Sets that are joined may write the chromosome in their own way.
        runs = range_of(one.store, query.chromosome, query.start, query.end)
        for track in one.tracks.tolist():
            cancellation.check()
            row = _row(one, track, runs, columns, query)
            if one.record.no_data == one.record.no_data and query.summary != "coverage":
                row = np.nan_to_num(row, nan=one.record.no_data, posinf=np.inf, neginf=-np.inf)
            yield row.reshape(1, -1)


def _row(
    one: _Candidate, track: int, runs: tuple[Run, ...], columns: Columns, query: RegionQuery
) -> NDArray[np.float32]:
    if columns.bins is None:
        parts = [one.store.read(track, run) for run in runs]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)
    whole = Run(runs[0].chromosome, columns.start, columns.stop)
    row = one.store.summary(track, whole, columns.bins, query.summary, one.record.no_data, exact=not query.approximate)
    if row is not None:
        return row
    return summarised(one.store, track, runs, columns.borders, query.summary, one.record.no_data)


@dataclass(frozen=True)
class _TrackLabels:
    """The selected tracks of all sets in turn."""

    used: tuple[_Candidate, ...]
    id: str
    name: str | None = None

    @property
    def size(self) -> int:
        return sum(len(one.tracks) for one in self.used)

    @property
    def attributes(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(chain.from_iterable(one.store.tracks.attributes for one in self.used)))

    def column(self, attribute: str) -> NDArray[np.object_]:
        parts = []
        for one in self.used:
            own = one.record.track_id if attribute == self.id else attribute
            if own in one.store.tracks.attributes:
                parts.append(one.store.tracks.column(own, one.tracks).astype(object))
            else:
                parts.append(np.full(len(one.tracks), "", object))
        return np.concatenate(parts)

    def ascii(self, attribute: str) -> None:
        return None
