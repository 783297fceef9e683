"""The notes of a request, which begin with its id, and the outermost layer, by which watchers see all of them."""

from __future__ import annotations

import os
import re
import time
from collections import deque
from collections.abc import Awaitable, Iterable, Sequence

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rnaget_server.model.observation import CURRENT, Observation

REQUEST_ID_HEADER = "X-Request-Id"
"""The header of each reply that has the id of its request."""

_NAME = REQUEST_ID_HEADER.lower().encode()
_ID = re.compile(rb"[A-Za-z0-9._:-]{1,64}")
_ID_BYTES = 16
_DRAWN = 64
_SERVER_ERROR = 500
CLIENT_GONE = 499
"""The status that is noted where the client went before the reply began."""


class Watcher:
    """Sees requests begin and end. What it does is done for each of them, in the event loop: it must be quick."""

    def opened(self) -> None:
        """Prepare, in the event loop, before the first request."""

    def closed(self) -> None:
        """End, after the last request."""

    def began(self, observation: Observation, scope: Scope) -> None:
        """See a request that is to be answered."""

    def ended(self, observation: Observation) -> None:
        """See a request whose reply was handed on to be sent, or has broken off."""


class Notes:
    """Begins the notes of requests.

    Parameters
    ----------
    trusted
        The header in which a proxy gives the id of a request; empty: every id is made here.
    """

    def __init__(self, trusted: str = "") -> None:
        self._trusted = trusted.lower().encode("latin-1")
        self._drawn: deque[str] = deque()

    def begin(self, scope: Scope, send: Send) -> tuple[Observation, Send]:
        """Return the notes of a request, which are `CURRENT` from then on, and what sends its reply, which is noted."""
        observation = Observation(self.id_of(scope["headers"]), scope["method"], scope["path"])
        CURRENT.set(observation)
        return observation, _noting(observation, send)

    def pair_of(self, scope: Scope) -> tuple[bytes, bytes]:
        """Return the header with the id of a request."""
        return _NAME, self.id_of(scope["headers"]).encode()

    def id_of(self, headers: Iterable[tuple[bytes, bytes]]) -> str:
        """Return the id of a request: that of the proxy, if it is one that may stand in a log, or a new one."""
        if self._trusted:
            given = [value for name, value in headers if name == self._trusted]
            if len(given) == 1 and _ID.fullmatch(given[0]):
                return str(given[0].decode("ascii"))
        return self._drawn.pop() if self._drawn else self._draw()

    # One call to the system for many: it takes as long as all else that is done for an id.
    def _draw(self) -> str:
        text = os.urandom(_ID_BYTES * _DRAWN).hex()
        width = 2 * _ID_BYTES
        self._drawn.extend(text[at : at + width] for at in range(width, len(text), width))
        return text[:width]


class Observed:
    """ASGI layer around all others.

    Parameters
    ----------
    app
        The server behind it.
    watchers
        See all requests.
    notes
        Begins the notes of each.
    """

    def __init__(self, app: ASGIApp, watchers: Sequence[Watcher], notes: Notes) -> None:
        self._app = app
        self._watchers = tuple(watchers)
        self._notes = notes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, and note how."""
        if scope["type"] != "http":
            await self._living(scope, receive, send)
            return
        observation, send = self._notes.begin(scope, send)
        for watcher in self._watchers:
            watcher.began(observation, scope)
        try:
            await self._app(scope, receive, send)
        except Exception:
            observation.status = observation.status or _SERVER_ERROR
            raise
        finally:
            observation.status = observation.status or CLIENT_GONE
            for watcher in self._watchers:
                watcher.ended(observation)

    async def _living(self, scope: Scope, receive: Receive, send: Send) -> None:
        for watcher in self._watchers:
            watcher.opened()
        try:
            await self._app(scope, receive, send)
        finally:
            for watcher in self._watchers:
                watcher.closed()


def _noting(observation: Observation, send: Send) -> Send:
    """Return what sends a reply with the id of its request, and counts what it has."""
    has_body = observation.method != "HEAD"

    def send_noted(message: Message) -> Awaitable[None]:
        if message["type"] == "http.response.start":
            observation.status, observation.answered = message["status"], time.time_ns()
            pair = (_NAME, observation.request_id.encode())
            message = {**message, "headers": [*message.get("headers", ()), pair]}
        elif has_body:
            observation.sent += len(message.get("body", b""))
        return send(message)

    return send_noted
