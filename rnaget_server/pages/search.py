"""The search in everything: a page of results, and the few that are shown while somebody types."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from flask import Flask, Response, abort, jsonify, redirect, request

from rnaget_server.pages.frame import page, root_of
from rnaget_server.slicing.search.names import LONGEST
from rnaget_server.slicing.search.results import Group, PageAddress, best, exact_gene, find
from rnaget_server.slicing.search.similar import similar_names

if TYPE_CHECKING:
    from werkzeug.wrappers import Response as AnyResponse

    from rnaget_server.pages.site import Site

_MOST_ON_PAGE = 30
_MOST_SUGGESTED = 10
_MOST_NAMED = 10
_PATIENCE = 2.0
_SEE_OTHER = 303
_WITHOUT_PAGES = frozenset({"gene", "sample"})
"""The kinds whose pages are not there where pages show no values."""


def add_search(pages: Flask, site: Site) -> None:
    """Add ``/search`` and ``/search/suggestions``."""
    hidden = frozenset() if site.shows_values else _WITHOUT_PAGES

    @pages.get("/search")
    def search() -> str | AnyResponse:
        text = _text()
        view = site.view
        index = site.searches.current(view, _PATIENCE)
        groups = find(view, index, text, _MOST_ON_PAGE, hidden)
        gene = exact_gene(groups)
        # The box asks so: who presses Enter after the name of a gene wants the gene.
        if gene is not None and "go" in request.args:
            return redirect(address_of(site, gene.place), _SEE_OTHER)
        return page(
            site,
            "search.html",
            text=text,
            groups=groups,
            similar=similar_names(index, text) if text and not groups else [],
            address=lambda place: address_of(site, place),
            is_complete=index.is_complete,
            unavailable=index.unavailable[:_MOST_NAMED],
            further=max(0, len(index.unavailable) - _MOST_NAMED),
            left_out=index.left_out[:_MOST_NAMED],
        )

    @pages.get("/search/suggestions")
    def suggestions() -> Response:
        text = _text()
        view = site.view
        index = site.searches.current(view, 0)
        groups = best(find(view, index, text, _MOST_SUGGESTED, hidden), _MOST_SUGGESTED)
        reply = jsonify(query=text, complete=index.is_complete, groups=_as_json(site, groups))
        reply.headers["Cache-Control"] = "no-cache"
        return reply


def address_of(site: Site, place: PageAddress) -> str:
    """Return the address of a page of this server."""
    path = "/".join(quote(part, safe="") for part in place.path)
    query = f"?{urlencode(place.query, quote_via=quote)}" if place.query else ""
    return f"{root_of(site)}/{path}{query}"


def _text() -> str:
    text = request.args.get("q", "").strip()
    if len(text) > LONGEST:
        abort(400, f"A search has at most {LONGEST} characters: shorten it to the first of a name.")
    return text


def _as_json(site: Site, groups: Sequence[Group]) -> list[dict[str, Any]]:
    return [
        {
            "kind": group.kind,
            "heading": group.heading,
            "results": [
                {"label": result.label, "note": result.note, "address": address_of(site, result.place)}
                for result in group.results
            ],
        }
        for group in groups
    ]
