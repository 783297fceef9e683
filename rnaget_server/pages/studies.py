"""The page of a study: what it is, its matrices, tracks, reads and files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flask import Flask, request

from rnaget_server.catalog.records import Genome, Matrix, ReadSet, Study, TrackSet
from rnaget_server.errors import CatalogChanged, StoreFailure
from rnaget_server.pages.files import files_view
from rnaget_server.pages.frame import address_of, page
from rnaget_server.pages.matrix_detail import matrix_detail
from rnaget_server.pages.paging import Page
from rnaget_server.pages.reads import reads_view
from rnaget_server.pages.track_detail import track_detail
from rnaget_server.pages.views import DataView, Detail, Record, StudyView
from rnaget_server.slicing.lookup import known_record

if TYPE_CHECKING:
    from rnaget_server.pages.site import Site

_PER_PAGE = 50


@dataclass(frozen=True)
class GenomeLink:
    """The genome that a study names; `record` and `collection` are None where it is not here, or cannot be read."""

    name: str
    record: Genome | None
    collection: str | None


def add_studies(pages: Flask, site: Site) -> None:
    """Add ``/studies/{id}``."""

    @pages.get("/studies/<id>")
    def study(id: str) -> str:
        catalog = site.view.catalog
        record = known_record("study", id, catalog.studies)
        entries: tuple[Matrix | TrackSet | ReadSet, ...] = (*record.matrices, *record.track_sets, *record.read_sets)
        part = Page.named(request.args.get("page", "1"), len(entries), _PER_PAGE)
        return page(
            site,
            "study.html",
            study=_view(site, record, part.of(entries), address_of(site)),
            page=part,
            project=catalog.projects[record.project_id],
            genome=genome_of_study(site, record),
            formats=site.formats.of("expressions"),
            track_formats=site.formats.of("continuous"),
        )


def genome_of_study(site: Site, study: Study) -> GenomeLink | None:
    """Return the genome of a study; None if it names none."""
    if not study.genome:
        return None
    return GenomeLink(study.genome, site.view.catalog.genomes.get(study.genome), site.view.collection_of(study.genome))


def data_view(
    read: Callable[[Site, Record, str], Detail], site: Site, record: Record, base: str
) -> DataView[Record, Detail]:
    """Return a matrix or set of tracks with what its files hold, if they can be read."""
    detail = None
    with suppress(StoreFailure, CatalogChanged):  # the log says why, or the next look at the page shows it
        detail = read(site, record, base)
    return DataView(record, detail)


def _view(site: Site, study: Study, shown: Sequence[Matrix | TrackSet | ReadSet], base: str) -> StudyView:
    return StudyView(
        study,
        tuple(data_view(matrix_detail, site, record, base) for record in shown if isinstance(record, Matrix)),
        tuple(data_view(track_detail, site, record, base) for record in shown if isinstance(record, TrackSet)),
        tuple(reads_view(record, study, base) for record in shown if isinstance(record, ReadSet)),
        files_view(site, study, base),
    )
