"""A reply in two pieces with a pause between them, by which an operator sees if a proxy keeps replies back."""

from __future__ import annotations

import asyncio

from starlette.types import Receive, Scope, Send

PULSE_PATH = "/healthz/stream"
PAUSE = 1.0
"""Seconds between the pieces."""

_FIRST, _LAST = b"first\n", b"last\n"


async def send_pulse(scope: Scope, receive: Receive, send: Send) -> None:
    """Send the reply."""
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"cache-control", b"no-store"),
        # With a length, nginx keeps a reply back; pieces of one without it pass even where it buffers.
        (b"content-length", b"%d" % len(_FIRST + _LAST)),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": _FIRST, "more_body": True})
    await asyncio.sleep(PAUSE)
    await send({"type": "http.response.body", "body": _LAST})
