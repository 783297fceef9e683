"""The style of the provider: the name, the colour and the logo that ``catalog.yaml`` has."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from flask import Flask, Response, abort, request

from rnaget_server.catalog.models import ServiceFile
from rnaget_server.catalog.style import LOGO_TYPES, read_logo
from rnaget_server.web import House, style_sheet

if TYPE_CHECKING:
    from rnaget_server.pages.site import Site

# A change of the catalogue is to be seen soon; until then browsers need not ask.
_CACHED_SECONDS = 60
# As a page of its own, an SVG file could run scripts on this server's address.
_HARMLESS = "default-src 'none'; style-src 'unsafe-inline'; sandbox"


def house_of(service: ServiceFile) -> House:
    """Return the style that the pages of a service have."""
    style = service.style
    return House(
        name=style.name or service.name,
        has_logo=style.logo is not None,
        has_colours=style.colour is not None,
        footer=style.footer,
        footer_url=style.footer_url,
    )


def add_house(pages: Flask, site: Site) -> None:
    """Add ``/style.css`` and ``/logo``, where the catalogue has a colour and a logo."""

    @pages.get("/style.css")
    def colours() -> Response:
        colour = site.view.catalog.service.style.colour
        if colour is None:
            abort(404)
        return _kept(Response(style_sheet(colour), mimetype="text/css"))

    @pages.get("/logo")
    def logo() -> Response:
        name = site.view.catalog.service.style.logo
        if name is None:
            abort(404)
        try:
            content = read_logo(site.settings.data, name)
        except ValueError:  # the check of the catalogue says why
            abort(404)
        reply = Response(content, mimetype=LOGO_TYPES[PurePosixPath(name).suffix.lower()])
        reply.headers["Content-Security-Policy"] = _HARMLESS
        return _kept(reply)


def _kept(reply: Response) -> Response:
    reply.cache_control.max_age = _CACHED_SECONDS
    reply.add_etag()
    reply.make_conditional(request)
    return reply
