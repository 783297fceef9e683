"""The frame of every page: the path that clients see the server under, and the parts that all pages have."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from flask import abort, request

from rnaget_server.http.request import visitor_of
from rnaget_server.pages.house import house_of
from rnaget_server.web import render

if TYPE_CHECKING:
    from rnaget_server.pages.site import Site


def page(site: Site, template: str, **values: object) -> str:
    """Return the HTML of a template for the request that is being answered."""
    house, visitor = house_of(site.view.catalog.service), visitor_of(request.environ.get("asgi.scope", {}))
    return render(template, root=root_of(site), house=house, visitor=visitor, **values)


def root_of(site: Site) -> str:
    """Return the path under which clients see the server: empty, unless a proxy puts it below one."""
    return urlsplit(site.settings.public_url).path or request.script_root


def address_of(site: Site) -> str:
    """Return the address of the server as its clients see it, for queries to copy.

    Raises
    ------
    werkzeug.exceptions.BadRequest
        If the header Host names none.
    """
    if not request.host:  # Werkzeug empties what is no host name
        abort(400)
    return site.settings.public_url or request.url_root.rstrip("/")
