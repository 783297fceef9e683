"""The catalogue as the landing page shows it: projects, studies, matrices and tracks, with what their files hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, TypeVar

from rnaget_server.apis.site.matrices import matrix_detail
from rnaget_server.apis.site.tracks import track_detail
from rnaget_server.apis.site.views import MatrixView, Page, ProjectView, StudyView, TrackSetView
from rnaget_server.catalog.records import Catalog, Entry, Matrix, TrackSet
from rnaget_server.errors import CatalogChanged, StoreFailure

if TYPE_CHECKING:
    from rnaget_server.service import Services

_PER_PAGE = 50

_View = MatrixView | TrackSetView | None
_Record = TypeVar("_Record", Matrix, TrackSet)
_Detail = TypeVar("_Detail")


def overview(services: Services, catalog: Catalog, base: str, number: int) -> tuple[Page, tuple[ProjectView, ...]]:
    """Return page `number` of the catalogue: at most 50 matrices and sets (or studies and projects without any).

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
    page = Page(number, max(1, -(-len(catalog.entries) // _PER_PAGE)))
    if not 1 <= number <= page.last:
        raise LookupError(f"there are {page.last} pages")
    entries = catalog.entries[(number - 1) * _PER_PAGE : number * _PER_PAGE]
    return page, tuple(_grouped(entries, _views(services, [record for *_, record in entries], base)))


def _views(services: Services, records: Sequence[Matrix | TrackSet | None], base: str) -> list[_View]:
    first = next((record for record in records if record), None)
    views: list[_View] = []
    for record in records:
        if isinstance(record, Matrix):
            views.append(MatrixView(record, _detail(matrix_detail, services, record, base), record is first))
        elif record:
            views.append(TrackSetView(record, _detail(track_detail, services, record, base), record is first))
        else:
            views.append(None)
    return views


def _detail(
    read: Callable[[Services, _Record, str], _Detail], services: Services, record: _Record, base: str
) -> _Detail | None:
    try:
        return read(services, record, base)
    except (StoreFailure, CatalogChanged):  # the log says why, or the next look at the page shows it
        return None


def _grouped(entries: Sequence[Entry], views: Sequence[_View]) -> Iterator[ProjectView]:
    both = zip(entries, views, strict=True)
    for _, of_project in groupby(both, key=lambda pair: pair[0][0].id):
        rows = list(of_project)
        studies = []
        for _, of_study in groupby(rows, key=lambda pair: pair[0][1] and pair[0][1].id):
            found = list(of_study)
            if study := found[0][0][1]:
                shown = [view for _, view in found]
                matrices = tuple(view for view in shown if isinstance(view, MatrixView))
                track_sets = tuple(view for view in shown if isinstance(view, TrackSetView))
                studies.append(StudyView(study, matrices, track_sets))
        yield ProjectView(rows[0][0][0], tuple(studies))
