"""The bare application that the server is compared with: Connexion's `AsyncApp`, which answers a small JSON object.

It also sends a file (``BENCH_FILE``), read in pieces of 1 MiB. ``plain`` is the same without Connexion; parts of the
file it sends out of memory.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from connexion import AsyncApp
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

_PIECE = 1 << 20
_SMALL = {"id": "made", "version": "1.0"}


async def small() -> dict[str, str]:
    """Return a small JSON object."""
    return _SMALL


async def whole_file() -> StreamingResponse:
    """Return the file."""
    path = os.environ["BENCH_FILE"]
    return StreamingResponse(_pieces(path), headers={"Content-Length": str(os.path.getsize(path))})


def _pieces(path: str) -> Iterator[bytes]:
    with open(path, "rb", buffering=0) as file:
        while piece := file.read(_PIECE):
            yield piece


def _route(name: str, type: str) -> dict[str, Any]:
    reply = {"description": "It.", "content": {type: {}}}
    return {"get": {"operationId": f"benchmarks.bare.{name}", "responses": {"200": reply}}}


_SPECIFICATION = {
    "openapi": "3.0.3",
    "info": {"title": "Bare", "version": "1"},
    "paths": {
        "/small": _route("small", "application/json"),
        "/file": _route("whole_file", "application/octet-stream"),
    },
}

app = AsyncApp(__name__)
app.add_api(_SPECIFICATION)


_HEADERS_OF_A_PART = [
    (b"etag", b'"SQ.pa146aG-kzF5yjf85p6YAjW5TmsgiUOe"'),
    (b"cache-control", b"public, max-age=31536000, immutable"),
    (b"vary", b"Accept, Origin"),
    (b"accept-ranges", b"none"),
    (b"content-type", b"text/vnd.ga4gh.refget.v2.0.0+plain; charset=us-ascii"),
]


_PART = re.compile(rb"start=([0-9]+)&end=([0-9]+)")
_held: list[bytes] = []


async def plain(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer ``/small``, ``/large?size=N`` and ``/part?start=N&end=N``, with no framework at all.

    A part of the file has refget's headers.
    """
    if scope["type"] != "http":
        await receive()
        if os.environ.get("BENCH_FILE"):
            _held.append(Path(os.environ["BENCH_FILE"]).read_bytes())
        await send({"type": "lifespan.startup.complete"})
        return
    part = _PART.fullmatch(scope["query_string"])
    if part is not None:
        body = _held[0][int(part[1]) : int(part[2])]
        headers = [*_HEADERS_OF_A_PART, (b"content-length", b"%d" % len(body))]
    else:
        size = scope["query_string"].partition(b"size=")[2]
        body = bytes(int(size)) if size else b'{"id":"made","version":"1.0"}'
        headers = [(b"content-type", b"application/octet-stream"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
