"""The catalogue as the landing page shows it: projects, studies and matrices, with what their files hold."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from typing import TYPE_CHECKING, Any

from rnaget_server.apis.site.queries import Query, Source
from rnaget_server.catalog.records import Catalog, Filter, Matrix, Project, Study
from rnaget_server.errors import Unavailable

if TYPE_CHECKING:
    from rnaget_server.service import Services
    from rnaget_server.stores.base import Axis, MatrixStore

_log = logging.getLogger(__name__)

_PER_PAGE = 50
_MOST_VALUES = 12

# The stores index arrays by this; an array of positions would need numpy here.
_HEAD: Any = slice(20)


@dataclass(frozen=True)
class FilterView:
    """A metadata filter of a matrix, with its values where they are few."""

    name: str
    description: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Detail:
    """What only the file of a matrix tells."""

    features: int
    samples: int
    units: tuple[str, ...]
    filters: tuple[FilterView, ...]
    queries: tuple[Query, ...]


@dataclass(frozen=True)
class MatrixView:
    """A matrix of the page; `detail` is None while its file cannot be read, `first` marks the page's first one."""

    record: Matrix
    detail: Detail | None
    first: bool


@dataclass(frozen=True)
class StudyView:
    """A study with those of its matrices that are on this page."""

    record: Study
    matrices: tuple[MatrixView, ...]


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


_Entry = tuple[Project, Study | None, Matrix | None]


def overview(services: Services, catalog: Catalog, base: str, number: int) -> tuple[Page, tuple[ProjectView, ...]]:
    """Return page `number` of the catalogue: at most 50 matrices (or studies and projects without any).

    Parameters
    ----------
    services
        The running server.
    catalog
        The catalogue to show.
    base
        Address of the server as its clients see it, for the queries.
    number
        Page, from 1.

    Raises
    ------
    LookupError
        If there is no such page.
    """
    page = Page(number, max(1, -(-sum(1 for _ in _entries(catalog)) // _PER_PAGE)))
    if not 1 <= number <= page.last:
        raise LookupError(f"there are {page.last} pages")
    entries = list(islice(_entries(catalog), (number - 1) * _PER_PAGE, number * _PER_PAGE))
    first = next((matrix for _, _, matrix in entries if matrix), None)
    views = {
        matrix.id: MatrixView(matrix, _detail(services, matrix, base), matrix is first)
        for _, _, matrix in entries
        if matrix
    }
    return page, tuple(_grouped(entries, views))


def _entries(catalog: Catalog) -> Iterator[_Entry]:
    for project in catalog.projects.values():
        for study in project.studies or (None,):
            for matrix in (study.matrices if study else ()) or (None,):
                yield project, study, matrix


def _grouped(entries: Sequence[_Entry], views: dict[str, MatrixView]) -> Iterator[ProjectView]:
    for _, of_project in groupby(entries, key=lambda entry: entry[0].id):
        rows = list(of_project)
        studies = []
        for _, of_study in groupby(rows, key=lambda entry: entry[1] and entry[1].id):
            found = list(of_study)
            if study := found[0][1]:
                studies.append(StudyView(study, tuple(views[matrix.id] for _, _, matrix in found if matrix)))
        yield ProjectView(rows[0][0], tuple(studies))


def _detail(services: Services, matrix: Matrix, base: str) -> Detail | None:
    try:
        store = services.stores.open(matrix)
        features, samples = store.shape
        return Detail(
            features,
            samples,
            tuple(store.units),
            tuple(_filter(store, filter_) for filter_ in matrix.filters.values()),
            () if "expressions" in services.switched_off else tuple(_queries(services, matrix, store, base)),
        )
    except Unavailable:  # the store has logged why
        return None
    except Exception as error:  # whatever else one file suffers from, the page shows the others
        _log.warning("matrix %s is shown as unavailable: %s", matrix.id, error)
        return None


def _filter(store: MatrixStore, filter_: Filter) -> FilterView:
    values = _axis(store, filter_).values(filter_.attribute, _MOST_VALUES)
    return FilterView(filter_.name, filter_.description, tuple(values or ()))


def _queries(services: Services, matrix: Matrix, store: MatrixStore, base: str) -> Iterator[Query]:
    features, samples = store.shape
    most = (services.settings.max_cells or features * samples * len(store.units)) // len(store.units)
    source = Source(base, matrix.id, matrix.feature_id, matrix.tsv)
    feature = _first(store.features, matrix.feature_id)
    if feature and samples <= most:
        yield source.part("One feature in all samples", {"featureIDList": feature})
        if chosen := _filter_value(store, matrix):
            name, value = chosen
            yield source.part(f"The same feature where {name} is {value}", {"featureIDList": feature, name: value})
    if feature and features * samples <= most:
        yield source.whole("The whole matrix")


def _filter_value(store: MatrixStore, matrix: Matrix) -> tuple[str, str] | None:
    """Return a filter on samples and a value that some sample has, so that one feature is left of any."""
    for filter_ in matrix.filters.values():
        if filter_.axis == "sample" and (value := _first(store.samples, filter_.attribute)):
            return filter_.name, value
    return None


def _first(axis: Axis, attribute: str) -> str | None:
    """Return the first value that can stand in a list as it is: text, not empty, without a comma."""
    for value in axis.column(attribute, _HEAD):
        if isinstance(value, str) and value.strip() and "," not in value:
            return value
    return None


def _axis(store: MatrixStore, filter_: Filter) -> Axis:
    return store.samples if filter_.axis == "sample" else store.features
