"""JSON replies with an entity tag, so that a client that has the bytes does not get them again."""

from __future__ import annotations

import hashlib

from starlette.requests import Request
from starlette.responses import Response

from rnaget_server.http.preconditions import check_preconditions, is_not_modified

FOR_A_WHILE = "public, max-age=3600"
ASKED_EACH_TIME = "no-cache"


def with_tag(request: Request, response: Response, caching: str) -> Response:
    """Return a reply that is in memory with the tag of its bytes, or 304 if the client has them.

    Parameters
    ----------
    request
        What asks for it.
    response
        The whole reply.
    caching
        The header Cache-Control.

    Raises
    ------
    PreconditionFailed
        If the client wants another.
    """
    content = response.headers["content-type"].encode() + b"\n" + bytes(response.body)
    tag = f'"{hashlib.sha256(content).hexdigest()[:40]}"'
    check_preconditions(request, tag)
    if is_not_modified(request, tag):
        response = Response(status_code=304, headers={"Vary": response.headers.get("vary", "Accept")})
    response.headers["ETag"] = tag
    response.headers["Cache-Control"] = caching
    return response
