"""Replies in the media type that the client asked for."""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from rnaget_server.errors import STATUS, Busy, NotAcceptable, RangeBeyondEnd, RnagetError
from rnaget_server.http.accept import preferred
from rnaget_server.web import PAGE_HEADERS, json_page

_log = logging.getLogger(__name__)
_NEWEST = "application/vnd.ga4gh.rnaget.v1.2.0+json"
JSON_TYPES = (
    _NEWEST,
    "application/json",
    "application/vnd.ga4gh.rnaget.v1.1.0+json",
    "application/vnd.ga4gh.rnaget.v1.0.0+json",
    "text/html",
)
_HEADER_BYTES = 4000


def json_reply(request: Request, payload: Any, title: str = "RNAget") -> Response:
    """Return `payload` as ASCII JSON, or as a page where the client would rather have HTML.

    Raises
    ------
    NotAcceptable
        If the client accepts neither.
    """
    type = preferred(request.headers.get("accept"), JSON_TYPES)
    if type is None:
        raise NotAcceptable(f"this is to be had as {', '.join(JSON_TYPES)}: name one of them in Accept")
    return _as(type, request, payload, 200, title)


def error_reply(request: Request, error: Exception) -> Response:
    """Return the status and the message for an error; what was not foreseen is logged, without its trace."""
    status, message = _told(error)
    if status >= 500 and not isinstance(error, RnagetError):
        place = traceback.extract_tb(error.__traceback__)[-1:]
        where = ", ".join(f"{frame.name}:{frame.lineno}" for frame in place)
        _log.error("%s in %s for %s %s", type(error).__name__, where, request.method, request.url.path)
    media_type = preferred(request.headers.get("accept"), JSON_TYPES) or _NEWEST
    reply = _as(media_type, request, {"message": message}, status, f"Error {status}")
    if status == 405:
        reply.headers["Allow"] = "GET, HEAD" if request.method == "POST" else "GET, HEAD, POST"
    if isinstance(error, RangeBeyondEnd):
        reply.headers["Content-Range"] = f"bytes */{error.length}"
    if isinstance(error, Busy):
        reply.headers["Retry-After"] = str(error.seconds)
    return reply


def listed(values: Sequence[str]) -> str:
    """Return ids fit for a header: percent-encoded where needed, joined by commas, with a count when cut."""
    told: list[str] = []
    size = 0
    for number, value in enumerate(values):
        one = quote(value, safe=" !#$&'()*+-./:;<=>?@[]^_`{|}~")
        size += len(one) + 1
        if size > _HEADER_BYTES:
            return ",".join([*told, f"... and {len(values) - number} more"])
        told.append(one)
    return ",".join(told)


def id_headers(missing: Iterable[str], omitted: Iterable[str], ungrouped: int = 0) -> dict[str, str]:
    """Return the headers that tell which ids were not found, what was left out, and how many samples have no group."""
    told = {
        "RNAget-Missing": listed(tuple(missing)),
        "RNAget-Omitted": listed(tuple(omitted)),
        "RNAget-Ungrouped": str(ungrouped or ""),
    }
    return {name: value for name, value in told.items() if value}


def _told(error: Exception) -> tuple[int, str]:
    for kind, status in STATUS.items():
        if isinstance(error, kind):
            return status, str(error)
    if isinstance(error, HTTPException):
        if error.status_code == 404:
            return 404, "there is no such route: the page /docs lists them all"
        if error.status_code == 405:
            return 405, "this route does not take that method: /docs lists which take POST beside GET and HEAD"
        return error.status_code, str(error.detail)
    return 500, "the server failed on this request; its log names the place"


def _as(type: str, request: Request, payload: Any, status: int, title: str) -> Response:
    headers = {"Vary": "Accept"}
    if type == "text/html":
        url = request.url
        path = f"{url.path}?{url.query}" if url.query else url.path
        page = json_page(payload, title, path, address=f"{url.scheme}://{url.netloc}")
        return Response(page, status, media_type=type, headers={**headers, **PAGE_HEADERS})
    # Starlette adds a charset to text types only.
    charset = "; charset=us-ascii" if type == _NEWEST else ""
    return Response(json.dumps(payload), status, headers={**headers, "Content-Type": type + charset})
