"""A JSON reply as a page, for a browser that asks an API route."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator

from markupsafe import Markup, escape

from rnaget_server.web.house import House
from rnaget_server.web.render import render
from rnaget_server.web.visitor import Visitor

_MOST_LINES = 2_000

# A key with its colon, another string, or a bare word (number, true, false, null); what is between is layout.
_TOKEN = re.compile(r'(?P<key>"(?:[^"\\]|\\.)*")(?=:)|(?P<text>"(?:[^"\\]|\\.)*")|(?P<word>[^\s\[\]{},:"]+)')
_LINK = re.compile(r"(https?://[^\s/]|/rnaget(?=[/?]|$))")


def json_page(
    payload: object,
    title: str,
    path: str,
    *,
    address: str = "",
    root: str = "",
    house: House | None = None,
    visitor: Visitor | None = None,
) -> str:
    """Return a page that shows `payload` as indented JSON, its addresses as links.

    Parameters
    ----------
    payload
        Anything `json.dumps` takes. Of a long one the first 2,000 lines are shown.
    title
        Heading of the page.
    path
        Path and query string of the request, as in ``/rnaget/studies?version=1.0``.
    address
        Scheme and host for the command that gets the JSON itself, as in ``https://rna.example.org``.
    root
        Path under which the whole server is mounted; mostly empty.
    house
        The style of the provider.
    visitor
        The one who looks at it.
    """
    lines = json.dumps(payload, indent=2, ensure_ascii=False).split("\n")
    command = f"curl -H 'Accept: application/json' {shlex.quote(address + path)}"
    return render(
        "json.html",
        title=title,
        path=path,
        root=root,
        house=house or House(),
        visitor=visitor,
        command=command,
        body=Markup("").join(_marked("\n".join(lines[:_MOST_LINES]))),
        left_out=max(0, len(lines) - _MOST_LINES),
    )


def _marked(text: str) -> Iterator[Markup]:
    end = 0
    for token in _TOKEN.finditer(text):
        yield escape(text[end : token.start()])
        yield _token(str(token.lastgroup), token.group())
        end = token.end()
    yield escape(text[end:])


def _token(kind: str, source: str) -> Markup:
    if kind == "text":
        value = json.loads(source)
        if _LINK.match(value):
            return Markup('<a class="text" href="{}">{}</a>').format(value, source)
    return Markup('<span class="{}">{}</span>').format(kind, source)
