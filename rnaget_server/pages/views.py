"""The values that the templates of the lists read: studies, matrices, sets of tracks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from rnaget_server.catalog.records import Genome, Matrix, Project, Study, TrackSet
from rnaget_server.pages.files import FilesView
from rnaget_server.pages.queries import Query
from rnaget_server.pages.reads import ReadsView

Record = TypeVar("Record", Matrix, TrackSet)
Detail = TypeVar("Detail")


@dataclass(frozen=True)
class FilterView:
    """A metadata filter, with its values where they are few."""

    name: str
    description: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class MatrixDetail:
    """The facts that only the file of a matrix has."""

    features: int
    samples: int
    units: tuple[str, ...]


@dataclass(frozen=True)
class TrackDetail:
    """The facts that only the files of a set of tracks have; of its chromosomes the first ones, and how many more."""

    tracks: int
    chromosomes: tuple[str, ...]
    further_chromosomes: int
    filters: tuple[FilterView, ...]
    queries: tuple[Query, ...]


@dataclass(frozen=True)
class DataView(Generic[Record, Detail]):
    """A matrix or set of tracks; `detail` is None while its files cannot be read."""

    record: Record
    detail: Detail | None


@dataclass(frozen=True)
class StudyView:
    """A study with those of its matrices, sets of tracks and sets of reads that are on this page."""

    record: Study
    matrices: tuple[DataView[Matrix, MatrixDetail], ...]
    track_sets: tuple[DataView[TrackSet, TrackDetail], ...]
    read_sets: tuple[ReadsView, ...]
    files: FilesView | None = None


@dataclass(frozen=True)
class StudyCard:
    """A study in the list of the first page: its first matrices, and how many there are of everything."""

    record: Study
    project: Project
    line: str
    genome: Genome | None
    matrices: tuple[DataView[Matrix, MatrixDetail], ...]
    tracks: int
