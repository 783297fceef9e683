"""The headers by which browsers let pages of other sites read replies (CORS)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from rnaget_server.http.mount import path_below

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


class Cors:
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
    """

    def __init__(self, app: ASGIApp, origins: Sequence[str], exposed: Sequence[str], echoing: Sequence[str]) -> None:
        layer = partial(
            CORSMiddleware,
            app,
            allow_methods=_METHODS,
            allow_headers=("*",),
            expose_headers=(*exposed, *_EXPOSED),
            max_age=_SECONDS,
        )
        self._usual = layer(allow_origins=origins)
        self._echoing = layer(allow_origin_regex=".*") if _ANY in origins else self._usual
        self._starts = tuple(f"{prefix}/" for prefix in echoing)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer a preflight."""
        path = path_below(scope["path"], scope.get("root_path", "")) if scope["type"] == "http" else ""
        await (self._echoing if path.startswith(self._starts) else self._usual)(scope, receive, send)
