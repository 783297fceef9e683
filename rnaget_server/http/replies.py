"""Replies in the media type that the client asked for."""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from rnaget_server.errors import STATUS, NotAcceptable, RnagetError, Unavailable
from rnaget_server.http.accept import preferred
from rnaget_server.web import PAGE_HEADERS, json_page
from rnaget_server.writers.base import Body

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
        reply.headers["Allow"] = "GET, HEAD"
    return reply


def stream_reply(request: Request, body: Body, media_type: str, filename: str, headers: Mapping[str, str]) -> Response:
    """Return a download. The first bytes are made before the status is, so that a broken file is an error."""
    told = {**headers, "Content-Disposition": f'attachment; filename="{filename}"', "Vary": "Accept"}
    if body.length is not None:
        told["Content-Length"] = str(body.length)
    if request.method == "HEAD":
        body.close()
        reply = Response(media_type=media_type, headers=told)
        if body.length is None:
            del reply.headers["Content-Length"]
        return reply
    chunks = iter(body.chunks)
    try:
        first = next(chunks, b"")
    except OSError as error:
        body.close()
        _log.error("reading %s failed: %s", filename, type(error).__name__)
        raise Unavailable("the data cannot be read at the moment; the provider has been told in the log") from None
    return StreamingResponse(_guarded(first, chunks, filename), media_type=media_type, headers=told)


class BrokenReplyError(BaseException):
    """The rest of a reply cannot be made: its connection has to be cut, so that nobody takes a part for the whole.

    Not an Exception, for those are turned into replies, which it is too late for, and logged with their trace.
    """


def _guarded(first: bytes, chunks: Iterator[bytes], filename: str) -> Iterator[bytes]:
    yield first
    try:
        yield from chunks
    except Exception as error:
        _log.error("reading %s failed in mid-reply: %s", filename, type(error).__name__)
        raise BrokenReplyError from None


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


def id_headers(missing: Iterable[str], omitted: Iterable[str]) -> dict[str, str]:
    """Return the headers that tell which ids were not found and which matrices were left out."""
    told = {"RNAget-Missing": listed(tuple(missing)), "RNAget-Omitted": listed(tuple(omitted))}
    return {name: value for name, value in told.items() if value}


def _told(error: Exception) -> tuple[int, str]:
    for kind, status in STATUS.items():
        if isinstance(error, kind):
            return status, str(error)
    if isinstance(error, HTTPException):
        if error.status_code == 404:
            return 404, "there is no such route: the page /docs lists them all"
        if error.status_code == 405:
            return 405, "this route takes GET and HEAD only"
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
