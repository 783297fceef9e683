"""The headers by which browsers let pages of other sites read replies (CORS)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from rnaget_server.http.mount import path_below

_EXPOSED = ("Accept-Ranges", "Allow", "Content-Disposition", "Content-Length", "Content-Range", "ETag", "Link")
_METHODS = ("GET", "HEAD", "POST", "OPTIONS")
_SECONDS = 2592000
_ANY = "*"


def with_cors(
    app: ASGIApp, origins: Sequence[str], exposed: Sequence[str], echoing: Sequence[str] = ()
) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    """Return `app` with these headers. It has to be outermost, or errors of inner layers would carry none.

    Parameters
    ----------
    origins
        The sites that may read; ``*`` for all.
    exposed
        Headers that they may read, beside those of HTTP itself.
    echoing
        The prefixes of standards that want the origin named where any may read; a ``*`` suffices for the others.
    """
    layer = partial(
        CORSMiddleware,
        app,
        allow_methods=_METHODS,
        allow_headers=("*",),
        expose_headers=(*exposed, *_EXPOSED),
        max_age=_SECONDS,
    )
    usual = layer(allow_origins=origins)
    named = layer(allow_origin_regex=".*") if _ANY in origins else usual
    starts = tuple(f"{prefix}/" for prefix in echoing)

    def application(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        is_named = scope["type"] == "http" and path_below(scope["path"], scope.get("root_path", "")).startswith(starts)
        return (named if is_named else usual)(scope, receive, send)

    return application
