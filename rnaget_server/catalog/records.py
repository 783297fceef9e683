"""Projects, studies, matrices and sets of tracks as records. Frozen; a changed catalogue is a new one."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

from rnaget_server.catalog.models import ReadsKind, ServiceFile, template_fields
from rnaget_server.catalog.offered import Group, OfferedFile, Owner, offered_id, with_distinct_names
from rnaget_server.catalog.taxonomy import Taxon
from rnaget_server.model.access import Access, RegionAccess, RegionRule, SampleAccess
from rnaget_server.model.kinds import Kind
from rnaget_server.sequences.parts import INDEX, LETTERS

Axis = Literal["sample", "feature"]
Conditions = tuple[Access, ...]
"""What has to be met for a record to be seen: its own condition and those of all above it, but for public ones."""


@dataclass(frozen=True)
class Filter:
    """A query parameter that selects the samples or features whose `attribute` has one of the values asked for.

    `type` None leaves it to the data whether the attribute holds numbers, dates or other text.
    """

    name: str
    attribute: str
    axis: Axis
    description: str
    type: Kind | None = None
    ignore_case: bool = False


@dataclass(frozen=True)
class Tsv:
    """The TSV form of a matrix: label columns, template of the column labels, comment lines."""

    labels: tuple[str, ...]
    column: str
    comments: bool

    @cached_property
    def fields(self) -> tuple[str, ...]:
        """The attributes of samples that the template names."""
        return template_fields(self.column)


@dataclass(frozen=True)
class Matrix:
    """One expression matrix: where its file is, and how its attributes are named.

    `shards` are the files of a matrix of several, which has the samples of each in turn; `path` is the first of them.
    `files` are the names and patterns of these in `directory`, that of the study; none of a matrix of one `file`.
    """

    id: str
    project_id: str
    study_id: str
    path: Path
    units: str
    version: str
    name: str | None
    description: str | None
    tags: tuple[str, ...]
    license: str | None
    feature_id: str
    feature_name: str | None
    sample_id: str
    filters: Mapping[str, Filter]
    tsv: Tsv
    default_format: str
    access: Conditions = ()
    sample_access: SampleAccess | None = None
    shards: tuple[Path, ...] = ()
    files: tuple[str, ...] = ()
    directory: Path = Path()

    @cached_property
    def paths(self) -> tuple[Path, ...]:
        """The data files, mostly one."""
        return self.shards or (self.path,)


@dataclass(frozen=True, slots=True)
class Track:
    """A signal track: whose it is, its attributes, and where its file is, from the directory of the study.

    There may be a hundred thousand, so each is small: a path is made when it is asked for.
    """

    sample: str
    directory: Path
    file: str
    attributes: Mapping[str, str]

    @property
    def path(self) -> Path:
        """The file."""
        return self.directory / self.file


@dataclass(frozen=True)
class TrackSet:
    """A set of signal tracks: bigWig files, or one loom file (`path`) with positions as columns."""

    id: str
    project_id: str
    study_id: str
    units: str
    version: str
    name: str | None
    description: str | None
    tags: tuple[str, ...]
    license: str | None
    tracks: tuple[Track, ...]
    path: Path | None
    track_id: str
    position: str
    filters: Mapping[str, Filter]
    no_data: float
    default_format: str
    access: Conditions = ()

    @property
    def paths(self) -> tuple[Path, ...]:
        """The data files: one for each track, or the loom file of all."""
        return (self.path,) if self.path is not None else tuple(track.path for track in self.tracks)

    def values(self, attribute: str) -> frozenset[str]:
        """Return what the catalogue says of its tracks by an attribute, or their names, without the empty value."""
        named = attribute == self.track_id
        values = (track.attributes.get(attribute, track.sample if named else "") for track in self.tracks)
        return frozenset(filter(None, values))


@dataclass(frozen=True)
class ReadsFile:
    """A file of alignments or variants with its index; `id` is what the log calls it.

    `modified` is when the file that `md5` is of was last changed, in nanoseconds since 1970.
    """

    id: str
    format: str
    path: Path
    index: Path | None
    md5: str | None
    size: int | None
    modified: int | None = None

    @property
    def paths(self) -> tuple[Path, ...]:
        """The file, and its index where it has one."""
        return (self.path,) if self.index is None else (self.path, self.index)


@dataclass(frozen=True)
class ReadSet:
    """Alignments or variants of some samples: the same content in one format or in two, the usual one first.

    Whoever is admitted by a condition of `region_access` sees what its rules name; without any, all is seen.
    """

    id: str
    kind: ReadsKind
    project_id: str
    study_id: str
    name: str | None
    description: str | None
    samples: tuple[str, ...]
    files: tuple[ReadsFile, ...]
    access: Conditions = ()
    region_access: tuple[RegionAccess, ...] = ()

    @property
    def allowed(self) -> tuple[RegionRule, ...] | None:
        """The regions that are to be seen by whom all conditions admit; None means all."""
        if not self.region_access or any(regions.rules is None for regions in self.region_access):
            return None
        return tuple(rule for regions in self.region_access for rule in regions.rules or ())

    @property
    def formats(self) -> Mapping[str, ReadsFile]:
        """The files by format."""
        return {file.format: file for file in self.files}


@dataclass(frozen=True)
class Study:
    """A study of a project, with its matrices."""

    id: str
    project_id: str
    path: Path
    version: str
    name: str | None
    description: str | None
    genome: str | None
    license: str | None
    tags: tuple[str, ...]
    matrices: tuple[Matrix, ...]
    track_sets: tuple[TrackSet, ...]
    read_sets: tuple[ReadSet, ...] = ()
    citation: str | None = None
    access: Conditions = ()

    @cached_property
    def reads_by_sample(self) -> Mapping[str, tuple[ReadSet, ...]]:
        """The alignments and variants of each sample."""
        found: dict[str, tuple[ReadSet, ...]] = {}
        for reads in self.read_sets:
            for sample in reads.samples:
                found[sample] = (*found.get(sample, ()), reads)
        return found

    @cached_property
    def files(self) -> tuple[OfferedFile, ...]:
        """The files of all its records, in the order of the catalogue."""
        return tuple(with_distinct_names(self._files()))

    def _files(self) -> Iterator[OfferedFile]:
        for matrix in self.matrices:
            if matrix.sample_access is None:  # else the file has samples that are not to be seen
                owner = Owner("expressions", matrix.id, self.project_id, self.id)
                for path in matrix.paths:
                    # Also of a pattern that matches one file so far, whose id stays when there are more.
                    part = os.path.relpath(path, self.path.parent) if matrix.files else ""
                    yield owner.file("matrix", path, part)
        for tracks in self.track_sets:
            owner = Owner("continuous", tracks.id, self.project_id, self.id)
            if tracks.path is not None:
                yield owner.file("tracks", tracks.path)
            for track in tracks.tracks:
                yield owner.file("tracks", track.path, track.sample, samples=(track.sample,))
        for reads in self.read_sets:
            if reads.region_access:  # the file has more than the regions that are to be seen
                continue
            owner = Owner(reads.kind, reads.id, self.project_id, self.id)
            for file in reads.files:
                yield owner.file(reads.kind, file.path, file.format, file.format, reads.samples, file.size)
                if file.index is not None:
                    yield owner.file("index", file.index, f"{file.format} index", samples=reads.samples)


@dataclass(frozen=True)
class Project:
    """A project, with its studies."""

    id: str
    path: Path
    version: str
    name: str | None
    description: str | None
    tags: tuple[str, ...]
    studies: tuple[Study, ...]
    access: Conditions = ()


@dataclass(frozen=True)
class Genome:
    """A genome: the directory of its sequences, and what is known of it."""

    id: str
    directory: Path
    name: str | None
    description: str | None
    assembly: str | None
    version: str
    tags: tuple[str, ...]
    scientific_name: str | None = None
    common_name: str | None = None
    taxonomy_id: str | None = None
    access: Conditions = ()

    @property
    def path(self) -> Path:
        """The file that changes when the sequences do."""
        return self.directory / INDEX

    @property
    def paths(self) -> tuple[Path, ...]:
        """The data files."""
        return (self.path, self.directory / LETTERS)


Record = Matrix | TrackSet | Genome | ReadsFile
Entry = tuple[Project, Study | None, Matrix | TrackSet | ReadSet | None]


@dataclass(frozen=True)
class Catalog:
    """The service and everything it offers, in catalogue order (by directory name, then as written)."""

    service: ServiceFile
    projects: Mapping[str, Project]
    genomes: Mapping[str, Genome] = field(default_factory=dict)
    taxa: Mapping[str, Taxon] = field(default_factory=dict)

    @cached_property
    def studies(self) -> Mapping[str, Study]:
        """Every study by id."""
        return {study.id: study for project in self.projects.values() for study in project.studies}

    @cached_property
    def matrices(self) -> Mapping[str, Matrix]:
        """Every expression matrix by id."""
        return {matrix.id: matrix for study in self.studies.values() for matrix in study.matrices}

    @cached_property
    def track_sets(self) -> Mapping[str, TrackSet]:
        """Every set of signal tracks by id."""
        return {tracks.id: tracks for study in self.studies.values() for tracks in study.track_sets}

    @cached_property
    def read_sets(self) -> Mapping[tuple[ReadsKind, str], ReadSet]:
        """All alignments and variants by kind and id."""
        return {(reads.kind, reads.id): reads for study in self.studies.values() for reads in study.read_sets}

    @cached_property
    def read_files(self) -> Mapping[str, ReadsFile]:
        """Every file of alignments or variants by what the log calls it."""
        return {file.id: file for reads in self.read_sets.values() for file in reads.files}

    @cached_property
    def files(self) -> Mapping[str, OfferedFile]:
        """Every file that is offered as it is, by id."""
        return {file.id: file for study in self.studies.values() for file in study.files}

    @cached_property
    def files_by_record(self) -> Mapping[tuple[Group, str], list[OfferedFile]]:
        """The same by the group and the id of the record that they belong to."""
        found: dict[tuple[Group, str], list[OfferedFile]] = {}
        for file in self.files.values():
            found.setdefault((file.group, file.record), []).append(file)
        return found

    @cached_property
    def bundles(self) -> Mapping[str, Study]:
        """Every study by the id that all its files have together."""
        return {offered_id("studies", study.id): study for study in self.studies.values()}

    @cached_property
    def entries(self) -> tuple[Entry, ...]:
        """Every matrix, set of tracks and set of reads below its project and study; None where there is nothing."""
        entries: list[Entry] = []
        for project in self.projects.values():
            for study in project.studies or (None,):
                records: tuple[Matrix | TrackSet | ReadSet, ...] = ()
                if study is not None:
                    records = (*study.matrices, *study.track_sets, *study.read_sets)
                entries += [(project, study, record) for record in records or (None,)]
        return tuple(entries)

    @cached_property
    def track_filters(self) -> Mapping[str, tuple[Filter, tuple[str, ...]]]:
        """Every filter of tracks by name, as the first set has it, with its values in all sets, sorted."""
        first: dict[str, Filter] = {}
        values: dict[str, set[str]] = {}
        for tracks in self.track_sets.values():
            for name, filter in tracks.filters.items():
                first.setdefault(name, filter)
                values.setdefault(name, set()).update(tracks.values(filter.attribute))
        return {name: (first[name], tuple(sorted(found))) for name, found in values.items()}

    @cached_property
    def track_filter_names(self) -> frozenset[str]:
        """Every public name under which some set of tracks can be filtered."""
        return frozenset(name for tracks in self.track_sets.values() for name in tracks.filters)

    @cached_property
    def filter_names(self) -> frozenset[str]:
        """Every public name under which some matrix can be filtered."""
        return frozenset(name for matrix in self.matrices.values() for name in matrix.filters)
