"""The first page: the service, a search with examples, the studies as cards, the genomes, and how to ask the API."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING
from urllib.parse import quote

from flask import Flask, Response, request

from rnaget_server.catalog.records import Catalog, Matrix, Study
from rnaget_server.errors import CatalogChanged, StoreFailure
from rnaget_server.pages.axes import first_of_axis
from rnaget_server.pages.frame import address_of, page, root_of
from rnaget_server.pages.genomes import genome_views
from rnaget_server.pages.matrix_detail import matrix_detail, matrix_queries
from rnaget_server.pages.paging import Page
from rnaget_server.pages.queries import Query
from rnaget_server.pages.studies import data_view
from rnaget_server.pages.track_detail import track_detail
from rnaget_server.pages.views import StudyCard
from rnaget_server.slicing.preview import named_features

if TYPE_CHECKING:
    from rnaget_server.pages.site import Site

_PER_PAGE = 24
_MATRICES_OF_CARD = 3
_LOOKED_AT = 5
"""So many matrices are looked through for an example, or a first query."""

_EXAMPLES = 6
_WELL_KNOWN = ["GAPDH", "ACTB", "TP53", "ALB", "MYH6", "INS", "BRCA1", "HBB", "Gapdh", "Actb", "Alb", "ACT1", "TDH3"]
_LETTERS_OF_LINE = 160
_NEXT_SENTENCE = re.compile(r"(?<=[.!?]) (?=[A-Z])")
_LISTS = (
    ("Projects", "/rnaget/projects", "projects"),
    ("Studies", "/rnaget/studies", "studies"),
    ("About the service", "/rnaget/service-info", None),
)


def add_landing(pages: Flask, site: Site) -> None:
    """Add ``/``, and ``/rnaget``, which leads there."""

    @pages.get("/")
    def landing() -> str:
        base = address_of(site)
        catalog = site.view.catalog
        studies = list(catalog.studies.values())
        part = Page.named(request.args.get("page", "1"), len(studies), _PER_PAGE)
        shown = part.of(studies)
        return page(
            site,
            "index.html",
            base=base,
            service=catalog.service,
            page=part,
            examples=_examples(site, shown),
            offers_values=site.shows_values,
            cards=[_card(site, catalog, study) for study in shown],
            # A project of no studies would be nowhere else.
            empty=[one for one in catalog.projects.values() if not one.studies] if part.number == part.last else [],
            genomes=genome_views(site, catalog) if part.number == 1 else [],
            query=next(_queries(site, shown, base), None),
            totals={
                "projects": len(catalog.projects),
                "studies": len(catalog.studies),
                "matrices": len(catalog.matrices),
                "track_sets": len(catalog.track_sets),
                "read_sets": len(catalog.read_sets),
                "genomes": len(catalog.genomes),
            },
            formats=site.formats.of("expressions"),
            lists=[(label, path) for label, path, group in _LISTS if group not in site.settings.switched_off],
        )

    @pages.get("/rnaget")
    def api_address() -> Response:
        # The base of the API is no route of its own, but people try it in a browser.
        query = f"?{request.query_string.decode('latin-1')}" if request.query_string else ""
        return Response(status=302, headers={"Location": f"{root_of(site)}/{query}"})


def _card(site: Site, catalog: Catalog, study: Study) -> StudyCard:
    """Return a study as a card; of its files, no more are opened than it shows."""
    return StudyCard(
        study,
        catalog.projects[study.project_id],
        _line(study.description or ""),
        catalog.genomes.get(study.genome) if study.genome else None,
        tuple(data_view(matrix_detail, site, matrix, "") for matrix in study.matrices[:_MATRICES_OF_CARD]),
        sum(len(record.tracks) or 1 for record in study.track_sets),
    )


def _line(text: str) -> str:
    """Return the first sentence of a text, or the start of a long one."""
    first = _NEXT_SENTENCE.split(" ".join(text.split()), maxsplit=1)[0]
    if len(first) <= _LETTERS_OF_LINE:
        return first
    words = first[:_LETTERS_OF_LINE].rpartition(" ")[0] or first[:_LETTERS_OF_LINE]
    return f"{words} …"


def _matrices(studies: Sequence[Study]) -> Iterator[Matrix]:
    """Yield the first matrices of studies, those that cards show."""
    shown = (matrix for study in studies for matrix in study.matrices[:_MATRICES_OF_CARD])
    return islice(shown, _LOOKED_AT)


def _examples(site: Site, studies: Sequence[Study]) -> list[tuple[str, str]]:
    """Return genes to look at, each with its page: well-known ones that some matrix has, else the first of one."""
    found: dict[str, None] = {}
    first: dict[str, None] = {}
    for matrix in _matrices(studies):
        with suppress(StoreFailure, CatalogChanged):
            features = site.view.stores.open(matrix).features
            found |= dict.fromkeys(named_features(matrix, features, _WELL_KNOWN))
            if example := first_of_axis(features, matrix.feature_name or matrix.feature_id):
                first[example] = None
    names = sorted(found, key=_WELL_KNOWN.index) or list(first)[:1]
    return [(name, f"{root_of(site)}/genes/{quote(name, safe='')}") for name in names[:_EXAMPLES]]


def _queries(site: Site, studies: Sequence[Study], base: str) -> Iterator[Query]:
    """Yield queries on the data of the page."""
    if "expressions" not in site.settings.switched_off:
        for matrix in _matrices(studies):
            with suppress(StoreFailure, CatalogChanged):
                yield from matrix_queries(site, matrix, site.view.stores.open(matrix), base)
    sets = (record for study in studies for record in study.track_sets)
    for record in islice(sets, _LOOKED_AT):
        with suppress(StoreFailure, CatalogChanged):
            yield from track_detail(site, record, base).queries
