"""Small parts of sequences that were asked for a moment ago, sent in front of all layers.

Readers of a genome ask for thousands of parts of the same few sequences, with the same headers each time. What the
layers do with a request, to refuse it or to add headers to its reply, they do by its path and headers alone, of which
credentials are a part. So the next request that has the same ones, and is for another part, needs none of them: its
reply has the headers of the one before. All others, and all errors, are left to the routes, whose replies these are
byte for byte.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from time import monotonic, time
from typing import Any
from weakref import ref

from starlette.types import Message, Scope, Send

from rnaget_server.catalog import Catalog
from rnaget_server.datasets.repository import LocatedSequence, Repository
from rnaget_server.http.observing.layer import Notes
from rnaget_server.http.rate_limit import RateLimit
from rnaget_server.http.request import principal_of
from rnaget_server.http.written import WrittenHeaders
from rnaget_server.model.observation import CURRENT, OTHER, note_principal, note_reading, note_route
from rnaget_server.model.principal import Principal

MOST_BYTES = 64 << 10
"""A part of so many letters is read before any of it is sent."""

_FOUND_KEY = "rnaget_server.found_sequence"
_KEPT_SECONDS = 1.0
# One request asks again that much earlier, so that all others go on as before.
_AHEAD_SECONDS = 0.25
_MOST_KEPT = 4096
# As long as most tokens of a provider.
_LONGEST = 4096
_SPAN = re.compile(rb"start=([0-9]{1,10})&end=([0-9]{1,10})")
# Headers that ask for nothing. What CORS answers to an origin is kept for it alone, and for credentials as well.
_IGNORED = frozenset(
    (
        *(b"host", b"user-agent", b"accept-encoding", b"accept-language", b"connection", b"via", b"x-real-ip"),
        *(b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"x-forwarded-port", b"origin", b"referer"),
        *(b"authorization", b"cookie"),
    )
)
_Found = tuple[LocatedSequence, Catalog, Principal]


class _Kept:
    """A sequence that was found, by whom, the catalogue that has it, and the headers that a part of it has.

    It holds neither the catalogue nor the open files, so that those of a genome that was replaced are given back.
    """

    def __init__(self, found: _Found, headers: Sequence[tuple[bytes, bytes]]) -> None:
        located, catalog, self.principal = found
        self.genome, self.length = located.genome.id, located.sequence.length
        file, self.start = located.store.place(located.sequence)
        self.file, self.catalog = ref(file), ref(catalog)
        self.headers = WrittenHeaders.of(pair for pair in headers if pair[0] != b"content-length")
        self.until = monotonic() + _KEPT_SECONDS
        if self.principal.expires is not None:
            self.until = min(self.until, monotonic() + self.principal.expires - time())
        self.renewed = self.until - _AHEAD_SECONDS
        noted = CURRENT.get()
        self.route = (noted.standard, noted.route) if noted is not None else (OTHER, OTHER)

    def is_due(self) -> bool:
        """Return whether a request has to go through the layers; a little ahead of the end, the first one that asks."""
        now = monotonic()
        if now < self.renewed:
            return False
        self.renewed = self.until
        return True


class DirectParts:
    """The replies to requests for small parts of sequences that are in memory.

    Parameters
    ----------
    repository
        The data of the server.
    limit
        What counts requests; those of clients that it counts are left to it.
    """

    begins = b"start="
    """The beginning of the query strings of these requests."""

    def __init__(self, repository: Repository, limit: RateLimit | None) -> None:
        self._repository = repository
        self._limit = limit
        self._kept: dict[tuple[Any, ...], _Kept] = {}

    def reply(self, scope: Scope, notes: Notes | None) -> tuple[Message, Message] | None:
        """Return the reply to a request if another that differs in the part alone was answered a moment ago.

        It has the id of the request by these notes; None where a layer around this one gives it.
        """
        span, kept = _SPAN.fullmatch(scope["query_string"]), self._kept.get(_key(scope))
        if span is None or kept is None or kept.is_due() or not self._may_be_direct(scope):
            return None
        file, start, stop = kept.file(), int(span[1]), int(span[2])
        if file is None or kept.catalog() is not self._repository.loaded_catalog(kept.principal):
            return None
        if not start < stop <= kept.length or stop - start > MOST_BYTES:
            return None
        letters = file.read_at_once(kept.start + start, stop - start)
        if letters is None:
            return None
        note_route(*kept.route)
        note_principal(kept.principal)
        note_reading("genomes", kept.genome)
        headers = kept.headers.with_length(len(letters), notes.pair_of(scope) if notes is not None else None)
        begin = {"type": "http.response.start", "status": 200, "headers": headers}
        return begin, {"type": "http.response.body", "body": letters}

    def learning(self, scope: Scope, send: Send) -> tuple[Scope, Send]:
        """Return a request and its `send`, so that the reply to the next one like it is known."""
        key = _key(scope)
        if not self._may_be_direct(scope) or not _asks_for_nothing_else(scope) or _size(scope) > _LONGEST:
            return scope, send
        found: list[_Found] = []

        async def send_and_keep(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == 200 and found:
                if len(self._kept) >= _MOST_KEPT:
                    self._kept.clear()
                self._kept[key] = _Kept(found[0], message["headers"])
            await send(message)

        return {**scope, _FOUND_KEY: found}, send_and_keep

    def _may_be_direct(self, scope: Scope) -> bool:
        client = scope.get("client")
        return self._limit is None or (client is not None and client[0] in self._limit.exempt)


def keep_found(scope: Scope, located: LocatedSequence, catalog: Catalog) -> None:
    """Note what a small part was read from, in the scope of its request, for the next one like it."""
    found: list[_Found] | None = scope.get(_FOUND_KEY)
    if found is not None:
        found.append((located, catalog, principal_of(scope)))


def _key(scope: Scope) -> tuple[Any, ...]:
    """Return all of a request that may change its reply, but for the part that it is for."""
    return scope["method"], scope["path"], scope.get("root_path", ""), *map(tuple, scope["headers"])


def _size(scope: Scope) -> int:
    return len(scope["path"]) + sum(len(name) + len(value) for name, value in scope["headers"])


def _asks_for_nothing_else(scope: Scope) -> bool:
    named = (name for name, value in scope["headers"] if name != b"accept" or value != b"*/*")
    return scope["method"] == "GET" and _IGNORED.issuperset(named)
