"""The import of signal tracks: check every source and plan its file, write each, enter the set in the catalogue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from rnaget_server.catalog.edit import CatalogEdit
from rnaget_server.catalog.located import files_of
from rnaget_server.catalog.records import TrackSet
from rnaget_server.errors import ImportFailure
from rnaget_server.importers.atomic_files import write_into_place
from rnaget_server.importers.base import Progress
from rnaget_server.importers.filters import entry_filters
from rnaget_server.importers.job import CopyPart, FilePart, ImportRequest, Outcome, Plan, importing, open_catalog
from rnaget_server.importers.text.tables import listed
from rnaget_server.importers.tracks.bedgraph import intervals
from rnaget_server.importers.tracks.genome import BIGWIG_SUFFIXES, TrackGenome, first_range, read_genome
from rnaget_server.importers.tracks.kinds import TrackKind
from rnaget_server.importers.tracks.loom import SourceSet, read_positions
from rnaget_server.importers.tracks.samples import Sample, samples_by_name, samples_by_table
from rnaget_server.importers.tracks.targets import targets_for
from rnaget_server.storage.access import DEFAULT_LIMITS, FileAccess, FileLimits
from rnaget_server.stores.tracks.bigwig_writer import write_bigwig

_TRACK_ID = "tracks"
_CHECKING = 0.3
_SHOWN = 3


@dataclass(frozen=True, kw_only=True)
class TracksRequest(ImportRequest):
    """An import of signal tracks; `kinds` says what each source is."""

    sources: tuple[Path, ...]
    kinds: tuple[TrackKind, ...]
    sample_id: str | None = None
    position: str | None = None
    no_data: str | None = None
    chrom_sizes: Path | None = None
    link: bool = False
    limits: FileLimits = DEFAULT_LIMITS


def run_tracks_import(request: TracksRequest, progress: Progress) -> Outcome:
    """Import signal tracks as a continuous set, or add them to one; see `importers.matrices.job.run_import`."""
    with importing(request.data, *request.sources):
        edit, existing = open_catalog(request, CatalogEdit.track_set, "tracks are added")
        planner = TracksPlanner(request, edit, existing)
        if request.kinds == ("positions",):
            plan = planner.plan_loom()
        else:
            plan = planner.plan_tracks(lambda share: progress(share * _CHECKING))
        return plan.run(request.limits.min_free_bytes, lambda share: progress(_CHECKING + share * (1 - _CHECKING)))


@dataclass(frozen=True)
class BedGraphPart:
    """A bedGraph file to convert to bigWig: the sizes of its chromosomes, and the number of bases it covers."""

    source: Path
    target: Path
    sizes: Mapping[str, int]
    covered: int

    def write(self, progress: Progress) -> None:
        """Convert the file."""
        rows = intervals(self.source, self.sizes, progress)
        write_into_place(self.target, lambda temporary: write_bigwig(temporary, self.sizes, rows, self.covered))


@dataclass(frozen=True)
class TracksPlan(Plan[None]):
    """The plan of the files of a continuous set, and its catalogue entry."""

    request: TracksRequest
    existing: TrackSet | None
    entry: dict[str, Any]
    new_filters: tuple[str, ...]
    remarks: tuple[str, ...]
    first: tuple[str, int, int] | None
    """Some bases that have a value; None: they are looked up in the first file."""

    def commit(self, written: Sequence[None]) -> Outcome:
        """Enter the set in the catalogue."""
        request, target = self.request, self.parts[0].target
        chromosome, start, end = self.first or first_range(target)
        with self.editing() as edit:
            edit.put("continuous", self.entry, request.genome, keep_tracks=not request.replace)
        address = f"/rnaget/continuous/{request.id}/bytes?format=tsv&chr={quote(chromosome, safe='')}"
        place = target.parent if len(self.parts) > 1 else target
        return Outcome(place, edit.study_file, self.remarks, self.new_filters, f"{address}&start={start}&end={end}")

    def clean_up(self) -> tuple[str, ...]:
        """Remove nothing; return a remark on the files of a set that was replaced."""
        if self.existing is None or not self.request.replace:
            return ()
        targets = {part.target for part in self.parts}
        left = [path for path in files_of(self.existing) if path not in targets]
        if not left:
            return ()
        more = f" and {len(left) - _SHOWN} more" if len(left) > _SHOWN else ""
        return (f"no longer used: {', '.join(map(str, left[:_SHOWN]))}{more}; remove what nothing else needs",)


class TracksPlanner:
    """Plans an import of tracks, in a catalogue that has been checked."""

    def __init__(self, request: TracksRequest, edit: CatalogEdit, existing: TrackSet | None) -> None:
        self._request = request
        self._edit = edit
        self._existing = existing
        self._directory = edit.study_directory / request.id
        self._extended = None if request.replace else existing
        """The set that stays, with its tracks."""

    def plan_tracks(self, progress: Progress) -> TracksPlan:
        """Check bigWig and bedGraph files, and plan theirs in the catalogue."""
        request, extended = self._request, self._extended
        if extended is not None:
            self._check_extended(extended)
        samples, remarks = self._samples()
        sources = tuple(zip(request.sources, request.kinds, strict=True))
        existing = [track.path for track in extended.tracks] if extended else []
        genome = read_genome(sources, existing, request.chrom_sizes, progress)
        targets = self._targets(
            [(path, None if kind == "bigwig" and path.suffix in BIGWIG_SUFFIXES else ".bw") for path, kind in sources]
        )
        tracks = [_track(sample, self._in_yaml(path)) for sample, path in zip(samples, targets, strict=True)]
        replaced = self._existing is not None and extended is None
        files = {"tracks": tracks, **({"file": None, "track_id": None, "position": None} if replaced else {})}
        parts = [self._part(path, kind, target, genome) for (path, kind), target in zip(sources, targets, strict=True)]
        attributes = tuple(dict.fromkeys(name for sample in samples for name in sample.attributes))
        return self._plan(parts, files, attributes, (*self._summary(samples, genome), *remarks))

    def plan_loom(self) -> TracksPlan:
        """Check a loom file with positions as columns, which is served as it is, and plan its copy."""
        request = self._request
        (source,) = request.sources
        if self._extended is not None:
            raise ImportFailure(f"the set {request.id} is there already: add --replace to put this file in its place")
        for option in ("samples", "chrom_sizes"):
            if getattr(request, option):
                raise ImportFailure(f"--{option.replace('_', '-')} does not apply to a loom file", source)
        found = read_positions(source, request.sample_id, request.position, FileAccess(request.limits))
        (target,) = self._targets([(source, None)])
        files = {"tracks": None, "file": self._in_yaml(target)}
        files |= {"track_id": found.track_id, "position": found.position}
        part = CopyPart(source, target, request.link, None)
        return self._plan([part], files, found.attributes, _summary_of_set(found, request.units), found.first)

    def _plan(
        self,
        parts: Sequence[FilePart[None]],
        files: dict[str, Any],
        attributes: tuple[str, ...],
        remarks: tuple[str, ...],
        first: tuple[str, int, int] | None = None,
    ) -> TracksPlan:
        """Return the plan of a set; `files` are the keys of its entry that name them."""
        request, existing = self._request, self._existing
        filters = existing.filters.values() if existing else ()
        kept = [filter for filter in filters if self._extended is not None or filter.attribute in attributes]
        values, new_filters = entry_filters(kept, attributes, ())
        no_data = {} if request.no_data is None else {"no_data": request.no_data}
        entry = {"id": request.id, "units": request.units, **request.texts, **no_data, "filters": values, **files}
        remarks = (*remarks, f"attributes: {', '.join(attributes) or '(none)'}")
        return TracksPlan(self._edit, parts, request, existing, entry, new_filters, remarks, first)

    def _check_extended(self, existing: TrackSet) -> None:
        if existing.path is not None:
            raise ImportFailure(
                f"the set {existing.id} is {existing.path.name}, which is served as it is and takes no further tracks: "
                "choose another --id, or add --replace to put these files in its place"
            )
        if existing.units != self._request.units:
            raise ImportFailure(
                f"the set {existing.id} is in {existing.units}, and these tracks in {self._request.units}: choose "
                "another --id, or add --replace"
            )

    def _samples(self) -> tuple[list[Sample], tuple[str, ...]]:
        request, extended = self._request, self._extended
        remarks: tuple[str, ...] = ()
        if request.samples:
            if len(request.samples) > 1:
                raise ImportFailure("tracks take one table of samples: join the tables to one", request.samples[1])
            track_id = extended.track_id if extended else _TRACK_ID
            samples, remarks = samples_by_table(
                request.sources, request.samples[0], request.sample_id, (track_id,), request.limits
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

    def _part(self, source: Path, kind: TrackKind, target: Path, genome: TrackGenome) -> FilePart[None]:
        if kind == "bigwig":
            return CopyPart(source, target, self._request.link, None)
        extent = genome.extents[source]
        return BedGraphPart(source, target, {name: genome.sizes[name] for name in extent.ends}, extent.covered)

    def _summary(self, samples: list[Sample], genome: TrackGenome) -> tuple[str, ...]:
        request, extended = self._request, self._extended
        summary = [
            f"{_counted(len(samples), 'track')}, in {request.units}: {listed([sample.id for sample in samples])}"
        ]
        if extended is not None:
            summary.append(f"added to the {_counted(len(extended.tracks), 'track')} that the set had")
        summary.append(_summary_of_chromosomes(genome.sizes))
        if genome.extents:
            summary.append(f"{_counted(len(genome.extents), 'bedGraph file')} converted to bigWig")
        for path, count in genome.beyond.items():
            beyond = f"{_counted(count, 'interval')} beyond the end of a chromosome"
            summary.append(f"{path.name} has {beyond}: what lies there is not served")
        if genome.guessed:
            summary.append(
                "chromosome sizes are the largest ends in the bedGraph files: give the true ones by --chrom-sizes"
            )
        return tuple(summary)


def _track(sample: Sample, file: str) -> dict[str, Any]:
    track: dict[str, Any] = {"sample": sample.id, "file": file}
    return {**track, "attributes": sample.attributes} if sample.attributes else track


def _summary_of_set(found: SourceSet, units: str) -> tuple[str, ...]:
    return (
        f"{_counted(found.tracks, 'track')}, in {units}; served as it is",
        f"tracks: id {found.track_id}; positions: {found.position}, {found.columns:,} of them",
        _summary_of_chromosomes(found.chromosomes),
    )


def _summary_of_chromosomes(sizes: dict[str, int]) -> str:
    shown = ", ".join(f"{name} ({size:,} bases)" for name, size in list(sizes.items())[:_SHOWN])
    more = f" and {len(sizes) - _SHOWN} more" if len(sizes) > _SHOWN else ""
    return f"{_counted(len(sizes), 'chromosome')}: {shown}{more}"


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}" + ("" if number == 1 else "s")
