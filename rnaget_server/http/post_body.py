"""The ASGI layer that takes the body of a request before its handler runs."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from rnaget_server.http.mount import mount_of
from rnaget_server.http.received import PARAMETERS_KEY, ReceivedParameters
from rnaget_server.http.workload import LARGE_BYTES
from rnaget_server.model.limits import Limits
from rnaget_server.model.memory import MemoryReservation

# What a large request takes while it is read and looked up, for each of its bytes: two dozen for ids, more for shorter
# values, of which there are not so many.
_TIMES = 24


class PostBody:
    """ASGI layer that takes the body of a POST before the handler runs; it stands behind the routing.

    Parameters
    ----------
    app
        What comes next.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with its parameters in the scope.

        Raises
        ------
        ResultTooLarge
            If the body is too long.
        Busy
            If there is no memory for a large request at the moment.
        """
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif scope["method"] != "POST" and len(scope["query_string"]) <= LARGE_BYTES:
            scope[PARAMETERS_KEY] = ReceivedParameters(scope["query_string"])
            await self._app(scope, receive, send)
        else:
            await self._receive(scope, receive, send)

    async def _receive(self, scope: Scope, receive: Receive, send: Send) -> None:
        mount = mount_of(scope)
        workload = mount.workload
        memory = workload.memory.reservation()
        try:
            body: bytes | None = b""
            if scope["method"] == "POST":
                body = await _body(scope, receive, workload.limits, memory)
            if body is None:
                return
            received = ReceivedParameters(scope["query_string"], body, memory, mount.example_body)
            del body
            if received.is_large:
                await memory.grow(_TIMES * received.size)
            scope[PARAMETERS_KEY] = received
            await self._app(scope, receive, send)
        finally:
            memory.release()


async def _body(scope: Scope, receive: Receive, limits: Limits, memory: MemoryReservation) -> bytes | None:
    """Return the body, None if the client goes before all has come. What is refused is left unread."""
    length = Headers(scope=scope).get("content-length", "")
    if length.isdecimal():
        limits.check_body(int(length[:19]))
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        limits.check_body(len(body))
        if len(body) > LARGE_BYTES:
            await memory.grow(len(body))
        if not message.get("more_body", False):
            return bytes(body)
