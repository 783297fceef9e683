"""The page that says what went wrong, for the pages and for what is refused in front of them."""

from __future__ import annotations

from http import HTTPStatus

from rnaget_server.web.house import House
from rnaget_server.web.render import render
from rnaget_server.web.visitor import Visitor

_HEADINGS = {
    400: "That cannot be asked",
    401: "Not signed in",
    403: "Not for everybody",
    404: "Not found",
    413: "Too much at once",
    429: "Too many requests",
    503: "Temporarily unavailable",
}


def error_page(status: int, text: str, *, root: str, house: House, visitor: Visitor, heading: str = "") -> str:
    """Return the HTML of an error.

    Parameters
    ----------
    status
        Its number, which the page has above its heading.
    text
        What went wrong, and what mends it.
    root
        Path under which the whole server is mounted; mostly empty.
    house
        The style of the provider.
    visitor
        The one who looks at it.
    heading
        Another heading than that of the status.
    """
    heading = heading or _HEADINGS.get(status, HTTPStatus(status).phrase)
    return render("error.html", root=root, house=house, visitor=visitor, status=status, heading=heading, text=text)
