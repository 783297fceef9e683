"""The ways to take a view of a page elsewhere: as commands, as a table, in another page."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from flask import Response, request

from rnaget_server.pages.frame import address_of
from rnaget_server.pages.queries import Query
from rnaget_server.web import PAGE_HEADERS

if TYPE_CHECKING:
    from rnaget_server.pages.site import Site

_NOWHERE, _EVERYWHERE = "frame-ancestors 'none'", "frame-ancestors *"


@dataclass(frozen=True)
class ViewLinks:
    """The ways to take one view elsewhere.

    Attributes
    ----------
    name
        The name of a file of it, without an extension.
    address
        The address of the page that shows it.
    frame
        The line of HTML that shows it in another page.
    query
        The commands that return what it shows; None if this server sends no such data.
    table
        The address of the same as TSV; None if that is sent only for the URL of a ticket.
    """

    name: str
    address: str
    frame: str
    query: Query | None
    table: str | None


def view_links(
    site: Site, path: str, state: Iterable[tuple[str, str]], title: str, query: Query | None, height: int = 480
) -> ViewLinks:
    """Return the ways to take a view elsewhere.

    Parameters
    ----------
    site
        The running server.
    path
        The path of its page, percent-encoded.
    state
        The parameters that make the page show it.
    title
        What it shows.
    query
        The commands that return the same, if there are any.
    height
        The height of its frame in other pages, in pixels.
    """
    pairs = list(state)
    page = f"{address_of(site)}{path}"
    address = f"{page}?{urlencode(pairs, quote_via=quote)}" if pairs else page
    embedded = f"{page}?{urlencode([*pairs, ('embed', '1')], quote_via=quote)}"
    size = f'width="100%" height="{height}"'
    frame = f'<iframe src="{escape(embedded)}" title="{escape(title)}" {size} loading="lazy"></iframe>'
    table = query.url if query is not None and not site.settings.require_tickets else None
    return ViewLinks(title, address, frame, query, table)


def is_embedded() -> bool:
    """Return whether the request is for a view without the page around it."""
    return request.args.get("embed") == "1"


def allow_frames(reply: Response) -> Response:
    """Let any page show a reply in a frame: only for views, which have nothing to be clicked by mistake."""
    policy = PAGE_HEADERS["Content-Security-Policy"]
    reply.headers["Content-Security-Policy"] = policy.replace(_NOWHERE, _EVERYWHERE)
    return reply
