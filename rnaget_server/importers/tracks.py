"""One import of signal tracks from end to end: check every source, place the files, enter them in the YAML."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from rnaget_server.catalog.edit import CatalogEdit, files_of
from rnaget_server.catalog.models import FilterEntry
from rnaget_server.catalog.records import TrackSet
from rnaget_server.errors import CatalogError, ImportFailure
from rnaget_server.importers.base import Progress
from rnaget_server.importers.filters import make_filters
from rnaget_server.importers.job import Outcome, importing
from rnaget_server.importers.places import directory_for, restored_on_failure, with_room
from rnaget_server.importers.tables import listed
from rnaget_server.importers.tracks_bedgraph import intervals
from rnaget_server.importers.tracks_kinds import TrackKind
from rnaget_server.importers.tracks_loom import SourceSet, read_positions
from rnaget_server.importers.tracks_places import put_file, put_made, targets_for
from rnaget_server.importers.tracks_read import BIGWIG_SUFFIXES, Genome, first_range, read_genome
from rnaget_server.importers.tracks_samples import Sample, samples_by_name, samples_by_table
from rnaget_server.stores.access import DEFAULT_LIMITS, FileAccess, FileLimits
from rnaget_server.stores.bigwig_writer import write_bigwig

_TRACK_ID = "tracks"
_CHECKING = 0.3
_SHOWN = 3


@dataclass(frozen=True)
class TracksRequest:
    """What tracks are to be imported, and as what. `kinds` says what each source is; `texts` are further keys."""

    sources: tuple[Path, ...]
    kinds: tuple[TrackKind, ...]
    data: Path
    project: str
    study: str
    id: str
    units: str
    samples: Path | None = None
    sample_id: str | None = None
    position: str | None = None
    no_data: str | None = None
    chrom_sizes: Path | None = None
    texts: dict[str, str] = field(default_factory=dict)
    genome: str | None = None
    link: bool = False
    replace: bool = False
    limits: FileLimits = DEFAULT_LIMITS


def run_tracks_import(request: TracksRequest, progress: Progress) -> Outcome:
    """Import signal tracks as a continuous set, or add them to one; the catalogue then serves them.

    Parameters
    ----------
    request
        What and where to.
    progress
        Called with the share done, from 0 to 1.

    Raises
    ------
    ImportFailure
        If anything is wrong. The catalogue is then as it was.
    """
    with importing(request.data, *request.sources):
        return _import(request, progress)


def _import(request: TracksRequest, progress: Progress) -> Outcome:
    try:
        edit = CatalogEdit(request.data, request.project, request.study)
        there = edit.track_set(request.id)
        if request.genome:
            edit.check_genome(request.genome)
    except CatalogError as error:
        raise ImportFailure(f"the catalogue must be in order before tracks are added:\n{error}") from None
    except ValueError as error:
        raise ImportFailure(str(error)) from None
    if not request.units.strip():
        raise ImportFailure("--units must not be empty")
    job = _Job(request, edit, there, progress)
    return job.positions() if request.kinds == ("positions",) else job.tracks()


class _Job:
    """The steps of one import, in a catalogue that has been checked."""

    def __init__(self, request: TracksRequest, edit: CatalogEdit, there: TrackSet | None, progress: Progress) -> None:
        self._request = request
        self._edit = edit
        self._there = there
        self._progress = progress
        self._directory = edit.study_directory / request.id
        self._extended = None if request.replace else there
        """The set that stays, with its tracks."""

    def tracks(self) -> Outcome:
        """Import bigWig and bedGraph files."""
        request, extended = self._request, self._extended
        if extended is not None:
            self._check_extended(extended)
        samples, remarks = self._samples()
        genome = read_genome(
            tuple(zip(request.sources, request.kinds, strict=True)),
            [track.path for track in extended.tracks] if extended else [],
            request.chrom_sizes,
            lambda share: self._progress(share * _CHECKING),
        )
        targets = self._targets(
            [
                (path, None if kind == "bigwig" and path.suffix in BIGWIG_SUFFIXES else ".bw")
                for path, kind in zip(request.sources, request.kinds, strict=True)
            ]
        )
        names = tuple(dict.fromkeys(name for sample in samples for name in sample.attributes))
        filters, new = self._filters(names)
        entry = self._entry(filters)
        entry["tracks"] = [_track(sample, self._in_yaml(path)) for sample, path in zip(samples, targets, strict=True)]
        if self._there is not None and extended is None:
            entry |= {"file": None, "track_id": None, "position": None}
        with self._placing(targets):
            self._place(genome, targets)
            query = first_range(targets[0])
            self._enter(entry)
        return self._outcome((*self._told(samples, genome), *remarks), names, targets, new, query)

    def positions(self) -> Outcome:
        """Import a loom file with positions as columns, which is served as it is."""
        request = self._request
        (source,) = request.sources
        if self._extended is not None:
            raise ImportFailure(f"the set {request.id} is there already: add --replace to put this file in its place")
        for option in ("samples", "chrom_sizes"):
            if getattr(request, option) is not None:
                raise ImportFailure(f"--{option.replace('_', '-')} does not apply to a loom file", source)
        found = read_positions(source, request.sample_id, request.position, FileAccess(request.limits))
        (target,) = self._targets([(source, None)])
        filters, new = self._filters(found.attributes)
        entry = {**self._entry(filters), "tracks": None, "file": self._in_yaml(target)}
        entry |= {"track_id": found.track_id, "position": found.position}
        with self._placing([target]):
            put_file(source, target, request.link)
            self._enter(entry)
        return self._outcome(_told_of_set(found, request.units), found.attributes, [target], new, found.first)

    def _check_extended(self, there: TrackSet) -> None:
        if there.path is not None:
            raise ImportFailure(
                f"the set {there.id} is {there.path.name}, which is served as it is and takes no further tracks: "
                "choose another --id, or add --replace to put these files in its place"
            )
        if there.units != self._request.units:
            raise ImportFailure(
                f"the set {there.id} is in {there.units}, and these tracks in {self._request.units}: choose another "
                "--id, or add --replace"
            )

    def _samples(self) -> tuple[list[Sample], tuple[str, ...]]:
        request, extended = self._request, self._extended
        remarks: tuple[str, ...] = ()
        if request.samples is not None:
            track_id = extended.track_id if extended else _TRACK_ID
            samples, remarks = samples_by_table(
                request.sources, request.samples, request.sample_id, (track_id,), request.limits
            )
        elif request.sample_id is not None:
            raise ImportFailure("--sample-id names a column of the table given by --samples, and there is none")
        else:
            samples = samples_by_name(request.sources)
        has = {track.sample for track in extended.tracks} if extended else set()
        twice = [sample.id for sample in samples if sample.id in has]
        if twice:
            raise ImportFailure(
                f"the set {request.id} has tracks of {listed(twice)} already: add --replace to put these files in the "
                "place of the whole set, or leave them out"
            )
        return samples, remarks

    def _targets(self, sources: list[tuple[Path, str | None]]) -> list[Path]:
        return targets_for(self._directory, sources, self._edit.files(), self._request.replace)

    def _in_yaml(self, target: Path) -> str:
        return target.relative_to(self._edit.study_directory).as_posix()

    def _filters(self, attributes: tuple[str, ...]) -> tuple[dict[str, FilterEntry], tuple[str, ...]]:
        """Return every filter, those that stay first, and the names of the new ones."""
        there = self._there.filters.values() if self._there else ()
        kept = {
            one.name: FilterEntry(attribute=one.attribute, axis="sample")
            for one in there
            if self._extended is not None or one.attribute in attributes
        }
        made = make_filters(attributes, (), kept)
        return {**kept, **made}, tuple(made)

    def _entry(self, filters: dict[str, FilterEntry]) -> dict[str, Any]:
        """Return the entry of study.yaml without its tracks; a key whose value is None goes."""
        request = self._request
        no_data = {} if request.no_data is None else {"no_data": request.no_data}
        told = {name: {"attribute": one.attribute, "axis": one.axis} for name, one in filters.items()}
        return {"id": request.id, "units": request.units, **request.texts, **no_data, "filters": told}

    @contextmanager
    def _placing(self, targets: list[Path]) -> Iterator[None]:
        """Make the directory, and put everything back as it was if what follows fails."""
        with ExitStack() as stack:
            stack.enter_context(directory_for(self._edit.study_directory))
            stack.enter_context(directory_for(self._directory))
            self._progress = with_room(self._directory, self._request.limits.min_free_bytes, self._progress)
            for target in targets:
                stack.enter_context(restored_on_failure(target))
            yield

    def _place(self, genome: Genome, targets: list[Path]) -> None:
        request = self._request
        for number, (source, kind, target) in enumerate(zip(request.sources, request.kinds, targets, strict=True)):

            def told(share: float, number: int = number) -> None:
                self._progress(_CHECKING + (number + share) / len(targets) * (1 - _CHECKING))

            told(0.0)
            if kind == "bigwig":
                put_file(source, target, request.link)
            else:
                put_made(target, _converter(source, genome, told))

    def _enter(self, entry: dict[str, Any]) -> None:
        try:
            self._edit.put_continuous(entry, self._request.genome, keep_tracks=self._extended is not None)
            self._edit.commit()
        except (CatalogError, ValueError) as error:
            raise ImportFailure(f"the catalogue would not check, so nothing was changed: {error}") from None

    def _told(self, samples: list[Sample], genome: Genome) -> tuple[str, ...]:
        request, extended = self._request, self._extended
        told = [f"{_counted(len(samples), 'track')}, in {request.units}: {listed([one.id for one in samples])}"]
        if extended is not None:
            told.append(f"added to the {_counted(len(extended.tracks), 'track')} that the set had")
        told.append(_told_of_chromosomes(genome.sizes))
        if genome.extents:
            told.append(f"{_counted(len(genome.extents), 'bedGraph file')} converted to bigWig")
        if genome.guessed:
            told.append(
                "chromosome sizes are the largest ends in the bedGraph files: give the true ones by --chrom-sizes"
            )
        return tuple(told)

    def _outcome(
        self,
        remarks: tuple[str, ...],
        attributes: tuple[str, ...],
        targets: list[Path],
        new: tuple[str, ...],
        query: tuple[str, int, int],
    ) -> Outcome:
        there = self._there
        before = files_of(there) if there is not None and self._extended is None else []
        left = [path for path in before if path not in targets]
        if left:
            more = f" and {len(left) - _SHOWN} more" if len(left) > _SHOWN else ""
            shown = ", ".join(str(path) for path in left[:_SHOWN]) + more
            remarks += (f"no longer used: {shown}; remove what nothing else needs",)
        remarks += (f"attributes: {', '.join(attributes) or '(none)'}",)
        chromosome, start, end = query
        address = f"/rnaget/continuous/{self._request.id}/bytes?format=tsv&chr={quote(chromosome, safe='')}"
        place = self._directory if len(targets) > 1 else targets[0]
        return Outcome(place, self._edit.study_file, remarks, new, f"{address}&start={start}&end={end}")


def _converter(source: Path, genome: Genome, progress: Progress) -> Callable[[Path], None]:
    extent = genome.extents[source]
    sizes = {name: genome.sizes[name] for name in extent.ends}
    rows = partial(intervals, source, sizes, progress)
    return lambda beside: write_bigwig(beside, sizes, rows(), extent.covered)


def _track(sample: Sample, file: str) -> dict[str, Any]:
    track: dict[str, Any] = {"sample": sample.id, "file": file}
    return {**track, "attributes": sample.attributes} if sample.attributes else track


def _told_of_set(found: SourceSet, units: str) -> tuple[str, ...]:
    return (
        f"{_counted(found.tracks, 'track')}, in {units}; served as it is",
        f"tracks: id {found.track_id}; positions: {found.position}, {found.columns:,} of them",
        _told_of_chromosomes(found.chromosomes),
    )


def _told_of_chromosomes(sizes: dict[str, int]) -> str:
    shown = ", ".join(f"{name} ({size:,} bases)" for name, size in list(sizes.items())[:_SHOWN])
    more = f" and {len(sizes) - _SHOWN} more" if len(sizes) > _SHOWN else ""
    return f"{_counted(len(sizes), 'chromosome')}: {shown}{more}"


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}" + ("" if number == 1 else "s")
