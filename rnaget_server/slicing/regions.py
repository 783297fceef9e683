"""From a query for a range to what a writer writes: which sets match, which tracks, which columns."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rnaget_server.catalog import TrackSet
from rnaget_server.datasets.repository import View
from rnaget_server.errors import InvalidQuery, RnagetError, StoreFailure, Unavailable, UnknownId, shown, unknown_choice
from rnaget_server.model.axis import Near, Positions
from rnaget_server.model.cancellation import Cancellation
from rnaget_server.model.labels import WholeLabels
from rnaget_server.model.limits import Limits
from rnaget_server.model.slice import LayerInfo, ResolvedSlice, Slice
from rnaget_server.query import RegionQuery
from rnaget_server.slicing.lookup import (
    matching,
    missing_from_all,
    not_found,
    origin,
    record_by_id,
)
from rnaget_server.slicing.select import AxisSelector
from rnaget_server.stores.tracks.base import Run, TrackStore, range_of
from rnaget_server.stores.tracks.bins import summarised
from rnaget_server.stores.tracks.columns import Columns, PositionLabels
from rnaget_server.writers.bigwig import BigWigWriter, check_tracks


@dataclass(frozen=True)
class _TrackSelection:
    record: TrackSet
    store: TrackStore
    tracks: Positions
    missing: dict[str, list[str]]
    found: frozenset[str]
    near: dict[str, Near]


@dataclass(frozen=True)
class RegionSlice(ResolvedSlice):
    """A range of the signal tracks of one or several sets.

    Attributes
    ----------
    columns
        The bases or bins.
    limits
        The most that it may have to be made.
    stored
        The file that holds exactly what is asked for: one whole track as it was published.
    """

    may_be_stored = True

    columns: Columns
    limits: Limits
    stored: Path | None

    def suggest_smaller(self, cells: int) -> str:
        """Return how to ask for a slice of at most so many cells."""
        run = self.columns.runs[0]
        fitting = max(1, min(cells // self.slice.shape[0], len(run)))
        return (
            f"ask for a smaller range such as chr={run.chromosome}&start={run.start}&end={run.start + fitting}, "
            f"or for bins such as chr={run.chromosome}&bins={min(1000, fitting)}"
        )

    def stored_file(self, media_type: str) -> Path | None:
        """Return the stored file, if it is of that media type; else refuse a slice of too many columns.

        Several tracks in a format that holds one are refused first, since no smaller range would help.
        """
        if media_type == BigWigWriter.media_types[0]:
            if self.stored is not None:
                return self.stored
            check_tracks(self.slice)
        self.limits.check_columns(len(self.columns), self.slice.shape[0], self.suggest_smaller)
        return None


def region_by_id(view: View, set_id: str, query: RegionQuery, cancellation: Cancellation | None = None) -> RegionSlice:
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
    catalog = view.catalog
    record = record_by_id("continuous set", set_id, catalog.track_sets, query)
    if query.units is not None and query.units != record.units:
        start = f"{record.id} has no units {shown(query.units)}"
        raise InvalidQuery(unknown_choice(start, query.units, [record.units], "it has"))
    return _resolve(view, query, [_candidate(view, record, query)], (), cancellation or Cancellation())


def region_by_search(
    view: View, query: RegionQuery, without: Collection[str] = (), cancellation: Cancellation | None = None
) -> RegionSlice:
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
    records = matching("continuous set", view.catalog, view.catalog.track_sets, query)
    units = dict.fromkeys(record.units for record in records)
    if query.units is not None and query.units not in units:
        raise InvalidQuery(unknown_choice(f"no set has the units {shown(query.units)}", query.units, units))
    candidates, omitted = [], []
    cancellation = cancellation or Cancellation()
    for record in records:
        cancellation.check()
        if query.units in (None, record.units) and query.filters.keys() <= record.filters.keys():
            try:
                if record.id in without:
                    raise StoreFailure("its tracks cannot be read", record.id)
                candidates.append(_candidate(view, record, query))
            except StoreFailure:
                omitted.append(record.id)
    if not candidates and omitted:
        raise Unavailable(f"the sets {', '.join(omitted)} cannot be read at the moment")
    return _resolve(view, query, candidates, tuple(omitted), cancellation)


def _candidate(view: View, record: TrackSet, query: RegionQuery) -> _TrackSelection:
    store = view.stores.open_tracks(record)
    selector = AxisSelector(store.tracks)
    selector.by_id("sampleIDList", record.track_id, query.samples, query.not_samples)
    for name, condition in query.filters.items():
        selector.by_condition(record.filters[name], condition)
    tracks = np.arange(store.tracks.size) if selector.positions is None else selector.positions
    return _TrackSelection(record, store, tracks, selector.missing, frozenset(selector.found), selector.near)


def _resolve(
    view: View,
    query: RegionQuery,
    candidates: list[_TrackSelection],
    omitted: tuple[str, ...],
    cancellation: Cancellation,
) -> RegionSlice:
    missing = missing_from_all([selected.missing for selected in candidates])
    used = [selected for selected in candidates if selected.tracks.size]
    if not used:
        raise UnknownId(
            not_found(
                missing,
                [selected.found for selected in candidates],
                [selected.near for selected in candidates],
                query.filters,
            )
        )
    columns, used, other = _columns(used, query)
    first = used[0].record
    described, digest, references = origin(view, [selected.record for selected in used], first.units, query)
    return RegionSlice(
        slice=_slice(described, used, columns, query, cancellation),
        sources=tuple(selected.record for selected in used),
        missing=tuple(value for values in missing.values() for value in values),
        omitted=(*omitted, *other),
        query=digest,
        references=references,
        columns=columns,
        limits=view.limits,
        stored=_stored(used, query),
    )


def _stored(used: list[_TrackSelection], query: RegionQuery) -> Path | None:
    """Return the file that holds exactly what is asked for: one whole track as it was published."""
    if query.chromosome is not None or len(used) > 1 or len(used[0].tracks) > 1:
        return None
    record = used[0].record
    if not record.tracks or record.no_data == record.no_data:
        return None
    return record.tracks[int(used[0].tracks[0])].path


def _columns(used: list[_TrackSelection], query: RegionQuery) -> tuple[Columns, list[_TrackSelection], list[str]]:
    """Return the columns of the first set that has the range, the sets that have the same, and the others."""
    columns: Columns | None = None
    alike: list[_TrackSelection] = []
    other: list[str] = []
    refusal: RnagetError | None = None
    for selected in used:
        if alike and selected.record.units != alike[0].record.units:
            other.append(selected.record.id)
            continue
        try:
            own = _columns_of(selected.store, query)
        except (InvalidQuery, UnknownId) as error:
            refusal = refusal or error
            other.append(selected.record.id)
            continue
        if columns is None or own == columns:
            columns = columns or own
            alike.append(selected)
        else:
            other.append(selected.record.id)
    if columns is None:
        raise refusal or UnknownId("no set has that range")
    return columns, alike, other


def _columns_of(store: TrackStore, query: RegionQuery) -> Columns:
    """Return the columns that a query asks of a set; see `range_of` for the errors."""
    runs = range_of(store, query.chromosome, query.start, query.end)
    if query.bins is None:
        return Columns(runs)
    size = store.chromosomes[runs[0].chromosome]
    start, stop = query.start or 0, min(query.end or size, size)
    if query.bins > stop - start:
        raise InvalidQuery(f"{query.bins} bins are more than the {stop - start} bases of the range: ask for fewer")
    return Columns(runs, query.bins, start, stop)


def _slice(
    origin: Mapping[str, str],
    used: list[_TrackSelection],
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
        tsv_head={"labels": first.track_id, "range": str(columns)},
        origin=origin,
    )


def _rows(
    used: Iterable[_TrackSelection], columns: Columns, query: RegionQuery, cancellation: Cancellation
) -> Iterator[NDArray[np.float32]]:
    """Yield one row for each track."""
    for selected in used:
        # Sets that are joined may write the chromosome in their own way.
        runs = range_of(selected.store, query.chromosome, query.start, query.end)
        for track in selected.tracks.tolist():
            cancellation.check()
            row = _row(selected, track, runs, columns, query)
            # In bins it counts already, and what is NaN there is no number, such as inf less inf.
            if selected.record.no_data == selected.record.no_data and columns.bins is None:
                row = np.nan_to_num(row, nan=selected.record.no_data, posinf=np.inf, neginf=-np.inf)
            yield row.reshape(1, -1)


def _row(
    selected: _TrackSelection, track: int, runs: tuple[Run, ...], columns: Columns, query: RegionQuery
) -> NDArray[np.float32]:
    if columns.bins is None:
        parts = [selected.store.read(track, run) for run in runs]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)
    whole = Run(runs[0].chromosome, columns.start, columns.stop)
    row = selected.store.summary(
        track, whole, columns.bins, query.summary, selected.record.no_data, exact=not query.approximate
    )
    if row is not None:
        return row
    return summarised(selected.store, track, runs, columns.borders, query.summary, selected.record.no_data)


@dataclass(frozen=True)
class _TrackLabels(WholeLabels):
    """The selected tracks of all sets in turn."""

    used: tuple[_TrackSelection, ...]
    id: str
    name: str | None = None

    @property
    def size(self) -> int:
        return sum(len(selected.tracks) for selected in self.used)

    @property
    def attributes(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(chain.from_iterable(selected.store.tracks.attributes for selected in self.used)))

    def column(self, attribute: str) -> NDArray[np.object_]:
        parts = []
        for selected in self.used:
            own = selected.record.track_id if attribute == self.id else attribute
            if own in selected.store.tracks.attributes:
                parts.append(selected.store.tracks.column(own, selected.tracks).astype(object))
            else:
                parts.append(np.full(len(selected.tracks), "", object))
        return np.concatenate(parts)

    def ascii(self, attribute: str) -> None:
        return None
