"""Small parts of sequences that were asked for a moment ago, sent past all layers that a request goes through else.

Readers of a genome ask for thousands of parts of the same few sequences. Their requests say nothing but the id, start
and end; all others, and all errors, are left to the routes, whose replies these are byte for byte.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import NamedTuple

from starlette.types import ASGIApp, Receive, Scope, Send

from rnaget_server.catalog import Catalog
from rnaget_server.datasets.repository import LocatedSequence, Repository
from rnaget_server.errors import StoreFailure
from rnaget_server.http.request import PRINCIPAL_KEY, ROUTE_PATH_KEY

MOST_BYTES = 64 << 10
"""A part of so many letters is read before any of it is sent."""

_KEPT_SECONDS = 1.0
_MOST_KEPT = 4096
_SPAN = re.compile(rb"start=([0-9]{1,10})&end=([0-9]{1,10})")
# Headers that ask for nothing; of Accept, a value that takes everything.
_ANYTHING = b"*/*"
_IGNORED = frozenset(
    (b"host", b"user-agent", b"accept-encoding", b"connection", b"accept-language", b"x-forwarded-for", b"x-real-ip")
)


class _Kept(NamedTuple):
    located: LocatedSequence
    catalog: Catalog
    until: float
    headers: tuple[tuple[bytes, bytes], ...]


class RecentSequences:
    """The sequences that everybody may see and that were found within the last second, by the ids asked for."""

    def __init__(self) -> None:
        self._kept: dict[str, _Kept] = {}

    def keep(self, id: str, located: LocatedSequence, catalog: Catalog, headers: dict[str, str]) -> None:
        """Keep what was found, with the headers that a part of it has."""
        if len(self._kept) >= _MOST_KEPT:
            self._kept.clear()
        pairs = tuple((name.lower().encode(), value.encode()) for name, value in headers.items())
        self._kept[id] = _Kept(located, catalog, monotonic() + _KEPT_SECONDS, pairs)

    def get(self, id: str, catalog: Catalog) -> _Kept | None:
        """Return what was found a moment ago, in this catalogue."""
        kept = self._kept.get(id)
        return kept if kept is not None and kept.catalog is catalog and monotonic() < kept.until else None


def with_direct_parts(
    prefix: str, app: ASGIApp, repository: Repository, recent: RecentSequences
) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    """Return `app` with small parts of recent sequences sent past it, where no disk has to be waited for."""
    begin = len(prefix) + 1

    def application(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] == "http" and scope["method"] == "GET" and _asks_for_nothing_else(scope):
            span = _SPAN.fullmatch(scope["query_string"])
            kept = span and recent.get(scope[ROUTE_PATH_KEY][begin:], repository.visible_to().catalog)
            if span and kept:
                letters = _letters(kept, int(span[1]), int(span[2]))
                if letters is not None:
                    return _send(kept, letters, send)
        return app(scope, receive, send)

    return application


def _asks_for_nothing_else(scope: Scope) -> bool:
    for name, value in scope["headers"]:
        if name not in _IGNORED and not (name == b"accept" and value == _ANYTHING):
            return False
    return PRINCIPAL_KEY not in scope


def _letters(kept: _Kept, start: int, stop: int) -> bytes | None:
    sequence = kept.located.sequence
    if not start < stop <= min(sequence.length, start + MOST_BYTES):
        return None
    try:
        return kept.located.store.read_at_once(sequence, start, stop)
    except StoreFailure:  # the route says so
        return None


async def _send(kept: _Kept, letters: bytes, send: Send) -> None:
    headers = [*kept.headers, (b"content-length", b"%d" % len(letters))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": letters})
