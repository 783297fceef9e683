"""The API page: Swagger UI on the OpenAPI document of one standard."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Flask, abort, request

from rnaget_server.pages.assets import library_address
from rnaget_server.pages.frame import page, root_of
from rnaget_server.pages.standards import STANDARDS

if TYPE_CHECKING:
    from rnaget_server.pages.site import Site


def add_docs(pages: Flask, site: Site) -> None:
    """Add ``/docs``."""

    @pages.get("/docs")
    def docs() -> str:
        asked = request.args.get("api", STANDARDS[0].id)
        chosen = next((standard for standard in STANDARDS if standard.id == asked), None)
        if chosen is None:
            abort(404)
        return page(
            site,
            "docs.html",
            name=site.view.catalog.service.name,
            standards=STANDARDS,
            chosen=chosen,
            spec=f"{root_of(site)}{chosen.document}",
            script=library_address(site, "swagger"),
            style=library_address(site, "swagger-style"),
        )
