"""One way from a template to HTML, for the pages and for the APIs' answers to browsers."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from urllib.parse import quote, urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from rnaget_server.model.lists import SEPARATOR
from rnaget_server.web.house import House
from rnaget_server.web.numbers import plain_number
from rnaget_server.web.visitor import Visitor

_HERE = Path(__file__).parent

STATIC = _HERE / "static"

PAGE_HEADERS: Mapping[str, str] = MappingProxyType(
    {
        # Nothing from elsewhere and nothing inline runs, so text that slipped through escaping stays text.
        "Content-Security-Policy": (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
            "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
        ),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
    }
)


def render(template: str, *, root: str, house: House, visitor: Visitor | None = None, **values: object) -> str:
    """Return the HTML of a template, every value escaped.

    Parameters
    ----------
    template
        The name of its file.
    root
        Path under which the whole server is mounted; mostly empty.
    house
        The style of the provider.
    visitor
        The one who looks at it; None: anyone, who cannot sign in.
    values
        What else the template shows.

    Raises
    ------
    jinja2.UndefinedError
        If the template uses a name that is not given.
    """
    return _environment().get_template(template).render(root=root, house=house, visitor=visitor or Visitor(), **values)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["grouped"] = lambda number: f"{number:,}"
    environment.filters["listed"] = lambda text: text.replace(SEPARATOR, ", ")
    environment.filters["urlpart"] = lambda text: quote(str(text), safe="")
    environment.filters["plain"] = plain_number
    environment.tests["web_address"] = _is_web_address
    return environment


def _is_web_address(text: object) -> bool:
    """Return whether the text may be a link: of a catalogue's text, ``javascript:`` must never."""
    address = urlsplit(str(text))
    return (address.scheme in ("http", "https") and bool(address.netloc)) or address.scheme == "mailto"
