"""What the landing page shows, as its templates read it: projects, studies, matrices, sets of tracks."""

from __future__ import annotations

from dataclasses import dataclass

from rnaget_server.apis.site.queries import Query
from rnaget_server.catalog.records import Matrix, Project, Study, TrackSet


@dataclass(frozen=True)
class FilterView:
    """A metadata filter, with its values where they are few."""

    name: str
    description: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class MatrixDetail:
    """What only the file of a matrix tells."""

    features: int
    samples: int
    units: tuple[str, ...]
    filters: tuple[FilterView, ...]
    queries: tuple[Query, ...]


@dataclass(frozen=True)
class TrackDetail:
    """What only the files of a set of tracks tell: of its chromosomes the first names, and how many more there are."""

    tracks: int
    chromosomes: tuple[str, ...]
    further_chromosomes: int
    filters: tuple[FilterView, ...]
    queries: tuple[Query, ...]


@dataclass(frozen=True)
class MatrixView:
    """A matrix of the page; `detail` is None while its file cannot be read, `first` marks the page's first entry."""

    record: Matrix
    detail: MatrixDetail | None
    first: bool


@dataclass(frozen=True)
class TrackSetView:
    """A set of tracks of the page; `detail` is None while a file of it cannot be read, `first` as of a matrix."""

    record: TrackSet
    detail: TrackDetail | None
    first: bool


@dataclass(frozen=True)
class StudyView:
    """A study with those of its matrices and sets of tracks that are on this page."""

    record: Study
    matrices: tuple[MatrixView, ...]
    track_sets: tuple[TrackSetView, ...]


@dataclass(frozen=True)
class ProjectView:
    """A project with those of its studies that are on this page."""

    record: Project
    studies: tuple[StudyView, ...]


@dataclass(frozen=True)
class Page:
    """Which page this is, and which is the last; both count from 1."""

    number: int
    last: int
