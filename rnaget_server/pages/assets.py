"""Static files: our own, and the libraries of pages out of the packages that ship them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Flask, Response, abort, request, send_from_directory

from rnaget_server.pages.frame import root_of
from rnaget_server.web import STATIC

if TYPE_CHECKING:
    from rnaget_server.pages.site import Site

_MEDIA_TYPES = {".js": "text/javascript", ".css": "text/css"}
_YEAR = 365 * 24 * 3600
# Matrices and sequences are for people and programs that ask for them; a crawler would fetch every slice linked to.
_LEFT_TO_PROGRAMS = (
    "/rnaget/",
    "/sequence/",
    "/cram/",
    "/ena/",
    "/seqcol/",
    "/graphql",
    "/genomes/*/features",
    "/genomes/*/genes",
    "/tracks/*?",
    "/files",
    "/search",
    "/genes/",
    "/genes?",
    "/genes.json",
    "/samples/",
    "/matrices/*/cells",
    "/matrices/*/embeddings",
    "/ga4gh/",
)
_ROBOTS = "User-agent: *\n" + "".join(f"Disallow: {path}\n" for path in _LEFT_TO_PROGRAMS)


def add_assets(pages: Flask, site: Site) -> None:
    """Add ``/assets/…``, where the libraries are, the icon and ``/robots.txt``."""

    @pages.get("/assets/<name>")
    def asset(name: str) -> Response:
        library = next((one for one in site.libraries.values() if one.version is not None and one.name == name), None)
        if library is None:
            abort(404)
        if request.accept_encodings.quality("gzip"):
            reply = Response(site.compressed.of(library), headers={"Content-Encoding": "gzip"})
        else:
            reply = Response(library.path.read_bytes())
        reply.mimetype = _MEDIA_TYPES[library.path.suffix]
        reply.vary.add("Accept-Encoding")
        reply.cache_control.public = reply.cache_control.immutable = True
        reply.cache_control.max_age = _YEAR
        return reply

    @pages.get("/favicon.svg")
    @pages.get("/favicon.ico", endpoint="old_favicon")
    def favicon() -> Response:
        return send_from_directory(STATIC, "favicon.svg")

    @pages.get("/robots.txt")
    def robots() -> Response:
        return Response(_ROBOTS, mimetype="text/plain")


def library_address(site: Site, name: str) -> str | None:
    """Return the address of a library, or None if the package that ships it is not installed."""
    library = site.libraries[name]
    return None if library.version is None else f"{root_of(site)}/assets/{library.name}"
