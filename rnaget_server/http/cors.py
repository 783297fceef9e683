"""The headers by which browsers let pages of other sites read replies (CORS)."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from typing import Any, Protocol

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rnaget_server.http.mount import path_below
from rnaget_server.http.observing.layer import REQUEST_ID_HEADER, Notes

_EXPOSED = (
    "Accept-Ranges",
    "Allow",
    "Content-Disposition",
    "Content-Length",
    "Content-Range",
    "ETag",
    "Link",
    "Repr-Digest",
    "Retry-After",
)
_METHODS = ("GET", "HEAD", "POST", "OPTIONS")
_SECONDS = 2592000
_ANY = "*"


class Direct(Protocol):
    """Replies that need no layer, since one to a request with the same headers has been through all of them.

    Attributes
    ----------
    begins
        The beginning of the query strings of the requests that it may know.
    """

    begins: bytes

    def reply(self, scope: Scope, notes: Notes | None) -> Sequence[Message] | None:
        """Return the reply to a request, with its id by these notes; None if it has to go through the layers."""

    def learning(self, scope: Scope, send: Send) -> tuple[Scope, Send]:
        """Return a request that goes through the layers, and what sees its reply, with the headers of all."""


class Cors(CORSMiddleware):
    """ASGI layer that adds these headers. It has to be outermost, or errors of inner layers would carry none.

    Parameters
    ----------
    app
        The server behind it.
    origins
        The sites that may read; ``*`` for all.
    exposed
        Headers that they may read, in addition to those of HTTP itself.
    echoing
        The prefixes of standards that want the origin named where any may read; a ``*`` suffices for the others.
    direct
        Answers requests that no layer has to see.
    notes
        Begins the notes of each request; None where a layer around this one does, for those who watch.
    """

    def __init__(
        self,
        app: ASGIApp,
        origins: Sequence[str],
        exposed: Sequence[str],
        echoing: Sequence[str],
        direct: Direct | None = None,
        notes: Notes | None = None,
    ) -> None:
        given: dict[str, Any] = {
            "allow_methods": _METHODS,
            "allow_headers": ("*",),
            "expose_headers": (*exposed, *_EXPOSED),
            "max_age": _SECONDS,
        }
        super().__init__(app, allow_origins=origins, **given)
        self._echoing = CORSMiddleware(app, allow_origin_regex=".*", **given) if _ANY in origins else None
        self._starts = tuple(f"{prefix}/" for prefix in echoing)
        self._direct = direct
        self._notes = notes

    def preflight_response(self, request_headers: Headers) -> Response:
        """Return the answer to a preflight, which names the origin: that is right for every standard."""
        echoing = self._echoing
        preflight = super().preflight_response if echoing is None else echoing.preflight_response
        response = preflight(request_headers)
        if self._notes is not None:
            response.headers[REQUEST_ID_HEADER] = self._notes.id_of(request_headers.raw)
        return response

    def at_once(self, scope: Scope, receive: Receive, send: Send) -> Coroutine[Any, Any, None]:
        """Answer a request, which no layer has to see, before its headers are read; any other as a call does.

        Servers that look whether an application is a coroutine call the object itself.
        """
        reply = self._known(scope)
        return self(scope, receive, send) if reply is None else _sent(reply, send)

    # Not a coroutine: what only passes a request on is left when it has.
    def simple_response(
        self, scope: Scope, receive: Receive, send: Send, request_headers: Headers
    ) -> Coroutine[Any, Any, None]:
        """Answer a request that is no preflight."""
        reply = self._known(scope)
        if reply is not None:
            return _sent(reply, send)
        if self._notes is not None:
            _, send = self._notes.begin(scope, send)
        if self._direct is not None and scope["query_string"].startswith(self._direct.begins):
            scope, send = self._direct.learning(scope, send)
        # Without an origin to name, all standards are answered alike.
        if self._echoing is not None and "origin" in request_headers and self._is_echoed(scope):
            return self._echoing.simple_response(scope, receive, send, request_headers)
        return super().simple_response(scope, receive, send, request_headers)

    def _known(self, scope: Scope) -> Sequence[Message] | None:
        """Return the reply to a request that no layer has to see, if it is such."""
        direct = self._direct
        if direct is None or not scope.get("query_string", b"").startswith(direct.begins):
            return None
        # Nobody watches where the notes begin here, so that of these an id is enough.
        return direct.reply(scope, self._notes)

    def _is_echoed(self, scope: Scope) -> bool:
        return path_below(scope["path"], scope.get("root_path", "")).startswith(self._starts)


async def _sent(reply: Sequence[Message], send: Send) -> None:
    for message in reply:
        await send(message)
