"""The API page: Swagger UI on the OpenAPI document of one standard."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Flask, Response, abort, request, send_from_directory
from swagger_ui_bundle import swagger_ui_path

from rnaget_server.pages.frame import page, root_of
from rnaget_server.pages.standards import STANDARDS

if TYPE_CHECKING:
    from rnaget_server.pages.site import Site

_SWAGGER_FILES = frozenset({"swagger-ui.css", "swagger-ui-bundle.js"})


def add_docs(pages: Flask, site: Site) -> None:
    """Add ``/docs`` and the files of Swagger UI."""

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
        )

    @pages.get("/docs/static/<name>")
    def swagger_file(name: str) -> Response:
        if name not in _SWAGGER_FILES:
            abort(404)
        return send_from_directory(swagger_ui_path, name)
