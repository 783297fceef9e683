"""The catalogue as the landing page shows it: projects, studies, matrices and tracks, with what their files hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import groupby
from typing import TYPE_CHECKING

from rnaget_server.catalog.records import Catalog, Entry, Matrix, ReadSet, TrackSet
from rnaget_server.errors import CatalogChanged, StoreFailure
from rnaget_server.pages.files import files_view
from rnaget_server.pages.matrices import matrix_detail
from rnaget_server.pages.reads import reads_view
from rnaget_server.pages.tracks import track_detail
from rnaget_server.pages.views import DataView, Detail, Page, ProjectView, Record, StudyView

if TYPE_CHECKING:
    from rnaget_server.pages.site import Site

_PER_PAGE = 50


def overview(site: Site, catalog: Catalog, base: str, number: int) -> tuple[Page, tuple[ProjectView, ...]]:
    """Return page `number` of the catalogue: at most 50 matrices and sets (or studies and projects without any).

    Parameters
    ----------
    site
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
    return page, tuple(_grouped(site, entries, base))


def _grouped(site: Site, entries: Sequence[Entry], base: str) -> Iterator[ProjectView]:
    first = next((record for *_, record in entries if record), None)
    for _, of_project in groupby(entries, key=lambda entry: entry[0].id):
        rows = list(of_project)
        studies = []
        for _, of_study in groupby(rows, key=lambda entry: entry[1] and entry[1].id):
            found = list(of_study)
            if study := found[0][1]:
                records = [record for *_, record in found]
                matrices = [record for record in records if isinstance(record, Matrix)]
                track_sets = [record for record in records if isinstance(record, TrackSet)]
                views_of_matrices = tuple(_view(matrix_detail, site, record, base, first) for record in matrices)
                views_of_tracks = tuple(_view(track_detail, site, record, base, first) for record in track_sets)
                reads = tuple(reads_view(record, base) for record in records if isinstance(record, ReadSet))
                files = files_view(site, study, base)
                studies.append(StudyView(study, views_of_matrices, views_of_tracks, reads, files))
        yield ProjectView(rows[0][0], tuple(studies))


def _view(
    read: Callable[[Site, Record, str], Detail],
    site: Site,
    record: Record,
    base: str,
    first: Matrix | TrackSet | ReadSet | None,
) -> DataView[Record, Detail]:
    detail = None
    with suppress(StoreFailure, CatalogChanged):  # the log says why, or the next look at the page shows it
        detail = read(site, record, base)
    return DataView(record, detail, record is first)
