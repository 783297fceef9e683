"""Replies in the media type that the client asked for, as the standard of the request wants them."""

from __future__ import annotations

import logging
import traceback
from typing import Any, cast

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from rnaget_server.errors import (
    Busy,
    MethodNotAllowed,
    MissingScope,
    NotAcceptable,
    NotAuthenticated,
    RangeBeyondEnd,
    RnagetError,
    TooManyRequests,
    UnsupportedCoding,
    http_status,
)
from rnaget_server.http.accept import preferred
from rnaget_server.http.dialect import Dialect
from rnaget_server.http.request import list_header
from rnaget_server.query.plus import with_hint

_log = logging.getLogger(__name__)
DIALECT_KEY = "rnaget_server.dialect"

CHALLENGE = 'Bearer realm="RNAget", error="invalid_token"'
"""The header WWW-Authenticate of a reply that refuses credentials (RFC 6750)."""


def json_response(request: Request, payload: Any, title: str) -> Response:
    """Return `payload` as JSON, or as a page where the client would rather have HTML.

    Raises
    ------
    NotAcceptable
        If the client accepts neither.
    """
    dialect = _dialect(request)
    media_type = preferred(list_header(request, "accept"), dialect.media_types)
    if media_type is None:
        raise NotAcceptable(f"available as {', '.join(dialect.media_types)}: name one of them in Accept")
    return _response(request, media_type, payload, 200, title)


def error_response(request: Request, error: Exception) -> Response:
    """Return the status and the message for an error; what was not foreseen is logged, without its trace."""
    status, message = _status_and_message(error)
    if status >= 500 and not isinstance(error, RnagetError):
        place = traceback.extract_tb(error.__traceback__)[-1:]
        where = ", ".join(f"{frame.name}:{frame.lineno}" for frame in place)
        _log.error("%s in %s for %s %s", type(error).__name__, where, request.method, request.url.path)
    if status in (400, 404):
        message = with_hint(request.scope["query_string"], message)
    dialect = _dialect(request)
    media_type = preferred(list_header(request, "accept"), dialect.media_types) or dialect.media_types[0]
    response = _response(request, media_type, dialect.error_payload(status, message, error), status, f"Error {status}")
    if isinstance(error, MethodNotAllowed):
        response.headers["Allow"] = ", ".join(error.methods)
    if isinstance(error, NotAuthenticated):
        response.headers["WWW-Authenticate"] = CHALLENGE
    if isinstance(error, MissingScope):
        needed = " ".join(error.scopes)
        response.headers["WWW-Authenticate"] = f'Bearer realm="RNAget", error="insufficient_scope", scope="{needed}"'
    if isinstance(error, UnsupportedCoding):
        response.headers["Accept-Encoding"] = "identity"
    if isinstance(error, RangeBeyondEnd):
        response.headers["Content-Range"] = f"bytes */{error.length}"
    if isinstance(error, TooManyRequests):
        response.headers.update(error.headers)
    if isinstance(error, Busy | TooManyRequests):
        response.headers["Retry-After"] = str(error.seconds)
    return response


def _dialect(request: Request) -> Dialect:
    return cast(Dialect, request.scope[DIALECT_KEY])


def _status_and_message(error: Exception) -> tuple[int, str]:
    if isinstance(error, RnagetError):
        return http_status(error), str(error)
    if isinstance(error, HTTPException):
        if error.status_code == 404:
            return 404, "there is no such route: the page /docs lists them all"
        return error.status_code, str(error.detail)
    return 500, "the server failed on this request; its log names the place"


def _response(request: Request, media_type: str, payload: Any, status: int, title: str) -> Response:
    dialect = _dialect(request)
    body = dialect.body(request, media_type, payload, title)
    # JSON of a client may hold halves of letters, which no encoding has.
    encoded = body.encode("utf-8", "replace")
    return Response(encoded, status, headers={"Vary": "Accept", **dialect.headers(media_type)})
