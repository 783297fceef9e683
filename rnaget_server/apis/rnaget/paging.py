"""Long lists by pages: which part is asked for, and the addresses of those before and after it (RFC 8288)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from starlette.responses import Response

from rnaget_server.apis.rnaget.context import Context
from rnaget_server.http.request import ROUTE_PATH_KEY
from rnaget_server.query import Parameters
from rnaget_server.query.strings import Pair, query_string

PAGE_PARAMETERS = ("offset", "limit")
_DEFAULT_LIMIT = 100
_MOST = 2**31 - 1
# What proxies and clients take in one header, and in a URL.
_LONGEST_HEADER = 4000
_LONGEST_URL = 64 << 10


@dataclass(frozen=True)
class Paging:
    """A page of a list.

    Attributes
    ----------
    parameters
        All others that were given.
    offset, limit
        How many items are before it, and how many it has at most; 0: all.
    """

    parameters: Sequence[Pair]
    offset: int
    limit: int

    @property
    def items(self) -> slice:
        """The place of its items in the list."""
        return slice(self.offset, self.offset + self.limit if self.limit else None)


def paging_of(context: Context, known: Sequence[str]) -> Paging:
    """Return the page that a request is for.

    Raises
    ------
    InvalidQuery
        If it has other parameters than `known`, or an offset or limit that is none.
    """
    pairs = context.received.pairs
    parameters = Parameters(pairs, (*known, *PAGE_PARAMETERS))
    offset = parameters.whole_number("offset", 0, _MOST)
    limit = parameters.whole_number("limit", 0, _MOST)
    rest = [pair for pair in pairs if pair[0] not in PAGE_PARAMETERS]
    return Paging(rest, offset or 0, _DEFAULT_LIMIT if limit is None else limit)


def respond_page(
    context: Context,
    paging: Paging,
    payload: dict[str, Any],
    total: int,
    title: str,
    missing: Iterable[str] = (),
    omitted: Iterable[str] = (),
) -> Response:
    """Return a page as JSON; the address of the next one is in it, those of all neighbours in the header Link."""
    links = _links(context, paging, total)
    if "next" in links:
        payload = {**payload, "next": links["next"]}
    response = context.respond(payload, title, missing, omitted)
    header = ", ".join(f'<{url}>; rel="{relation}"' for relation, url in links.items())
    if 0 < len(header) <= _LONGEST_HEADER:
        response.headers["Link"] = header
    return response


def _links(context: Context, paging: Paging, total: int) -> dict[str, str]:
    """Return the addresses of pages by their relation to this one; none that are longer than a URL may be."""
    offsets = {}
    if paging.limit and paging.offset + paging.limit < total:
        offsets["next"] = paging.offset + paging.limit
    if paging.offset:
        offsets |= {"prev": _before(paging, total), "first": 0}
    if not offsets:
        return {}
    base = f"{context.root}{quote(context.request.scope[ROUTE_PATH_KEY])}?{query_string(paging.parameters)}"
    base += "&" if paging.parameters else ""
    if len(base) > _LONGEST_URL:
        return {}
    return {relation: f"{base}offset={offset}&limit={paging.limit}" for relation, offset in offsets.items()}


def _before(paging: Paging, total: int) -> int:
    """Return where the page before this one begins: the last that has items, if this one lies beyond the end."""
    if not paging.limit:
        return 0
    pages = -(-total // paging.limit)
    return max(0, min(paging.offset, pages * paging.limit) - paging.limit)
