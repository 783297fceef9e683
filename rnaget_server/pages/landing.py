"""The first page: the service, its genomes, and all data in pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Flask, Response, abort, request

from rnaget_server.pages.frame import page, root_of
from rnaget_server.pages.genomes import genome_views
from rnaget_server.pages.overview import overview

if TYPE_CHECKING:
    from rnaget_server.pages.site import Site

_LISTS = (
    ("Projects", "/rnaget/projects", "projects"),
    ("Studies", "/rnaget/studies", "studies"),
    ("About the service", "/rnaget/service-info", None),
)


def add_landing(pages: Flask, site: Site) -> None:
    """Add ``/``, and ``/rnaget``, which leads there."""

    @pages.get("/")
    def landing() -> str:
        if not request.host:  # Werkzeug empties what is no host name, and the queries would name none
            abort(400)
        base = site.settings.public_url or request.url_root.rstrip("/")
        catalog = site.view.catalog
        try:
            number, projects = overview(site, catalog, base, int(request.args.get("page", "1")))
        except (LookupError, ValueError):
            abort(404)
        return page(
            site,
            "index.html",
            base=base,
            service=catalog.service,
            page=number,
            projects=projects,
            genomes=genome_views(site, catalog) if number.number == 1 else [],
            genome_ids=frozenset(catalog.genomes),
            totals={
                "projects": len(catalog.projects),
                "studies": len(catalog.studies),
                "matrices": len(catalog.matrices),
                "track_sets": len(catalog.track_sets),
                "read_sets": len(catalog.read_sets),
                "genomes": len(catalog.genomes),
            },
            formats=site.formats.of("expressions"),
            track_formats=site.formats.of("continuous"),
            lists=[(label, path) for label, path, group in _LISTS if group not in site.settings.switched_off],
        )

    @pages.get("/rnaget")
    def api_address() -> Response:
        # The base of the API is no route of its own, but people try it in a browser.
        query = f"?{request.query_string.decode('latin-1')}" if request.query_string else ""
        return Response(status=302, headers={"Location": f"{root_of(site)}/{query}"})
