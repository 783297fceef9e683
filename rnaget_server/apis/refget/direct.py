"""Small parts of sequences that were asked for a moment ago, sent without a look at the routes.

Readers of a genome ask for thousands of parts of the same few sequences. Their requests say nothing but the id, start
and end; all others, and all errors, are left to the routes, whose replies these are byte for byte.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from time import monotonic

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rnaget_server.apis.refget import BASE_PATH
from rnaget_server.catalog import Catalog
from rnaget_server.datasets.repository import LocatedSequence, Repository
from rnaget_server.errors import StoreFailure
from rnaget_server.http.request import PRINCIPAL_KEY, ROUTE_PATH_KEY

MOST_BYTES = 64 << 10
"""A part of so many letters is read before any of it is sent."""

_KEPT_SECONDS = 1.0
_MOST_KEPT = 4096
_SPAN = re.compile(rb"start=([0-9]{1,10})&end=([0-9]{1,10})")
_BEGIN = f"{BASE_PATH}/"
# Headers that ask for nothing.
_IGNORED = frozenset(
    (
        *(b"host", b"user-agent", b"accept-encoding", b"accept-language", b"connection", b"via", b"x-real-ip"),
        *(b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"x-forwarded-port"),
    )
)
_Headers = Sequence[tuple[bytes, bytes]]


class _Kept:
    """A sequence that was found, and the headers that a part of it has, once one was sent."""

    def __init__(self, located: LocatedSequence, catalog: Catalog) -> None:
        self.located = located
        self.catalog = catalog
        self.until = monotonic() + _KEPT_SECONDS
        self.headers: _Headers | None = None


class RecentSequences:
    """The sequences that everybody may see and that were found within the last second, by the ids asked for."""

    def __init__(self) -> None:
        self._kept: dict[str, _Kept] = {}

    def keep(self, id: str, located: LocatedSequence, catalog: Catalog) -> None:
        """Keep what was found."""
        if len(self._kept) >= _MOST_KEPT:
            self._kept.clear()
        before, kept = self.get(id, catalog), _Kept(located, catalog)
        if before is not None and before.located.sequence == located.sequence:
            kept.headers = before.headers
        self._kept[id] = kept

    def get(self, id: str, catalog: Catalog) -> _Kept | None:
        """Return what was found a moment ago, in this catalogue."""
        kept = self._kept.get(id)
        return kept if kept is not None and kept.catalog is catalog and monotonic() < kept.until else None


def with_direct_parts(
    app: ASGIApp, repository: Repository, recent: RecentSequences
) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    """Return the routes of refget, with small parts of recent sequences sent past them, if they are in memory.

    Parameters
    ----------
    app
        The routes, which answer all else; the headers of their last reply are those of the parts.
    repository
        The data of the server.
    recent
        Where `app` keeps what it has found.
    """

    # A coroutine, by which the server below knows the interface.
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "GET" and scope[ROUTE_PATH_KEY].startswith(_BEGIN):
            span = _SPAN.fullmatch(scope["query_string"])
            if span is not None and _asks_for_nothing_else(scope):
                id, catalog = scope[ROUTE_PATH_KEY][len(_BEGIN) :], repository.visible_to().catalog
                kept = recent.get(id, catalog)
                if kept is None or kept.headers is None:
                    send = _learning(send, partial(recent.get, id, catalog))
                else:
                    letters = _letters(kept, int(span[1]), int(span[2]))
                    if letters is not None:
                        headers = [*kept.headers, (b"content-length", b"%d" % len(letters))]
                        await send({"type": "http.response.start", "status": 200, "headers": headers})
                        await send({"type": "http.response.body", "body": letters})
                        return
        await app(scope, receive, send)

    return application


def _asks_for_nothing_else(scope: Scope) -> bool:
    for name, value in scope["headers"]:
        if name not in _IGNORED and not (name == b"accept" and value == b"*/*"):
            return False
    return PRINCIPAL_KEY not in scope


def _learning(send: Send, kept: Callable[[], _Kept | None]) -> Send:
    """Return `send`, which remembers the headers of a part that it sends."""

    async def learning(message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] == 200:
            found = kept()
            if found is not None:
                found.headers = [pair for pair in message["headers"] if pair[0] != b"content-length"]
        await send(message)

    return learning


def _letters(kept: _Kept, start: int, stop: int) -> bytes | None:
    sequence = kept.located.sequence
    if not start < stop <= min(sequence.length, start + MOST_BYTES):
        return None
    try:
        return kept.located.store.read_at_once(sequence, start, stop)
    except StoreFailure:  # the route says so
        return None
