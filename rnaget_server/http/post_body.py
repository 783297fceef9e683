"""The body of a request, taken before its handler runs."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import Receive, Scope

from rnaget_server.errors import UnsupportedCoding
from rnaget_server.http.mount import Mount
from rnaget_server.http.received import ReceivedParameters
from rnaget_server.http.workload import LARGE_BYTES
from rnaget_server.model.limits import MAX_VALUES, Limits
from rnaget_server.model.memory import MemoryReservation

# What a large request takes while it is read and looked up, for each of its bytes: two dozen for ids, more for shorter
# values, of which there are not so many. As many values as a request may have take no more if they are longer than ids.
_TIMES = 24
_OF_ID = 20


async def receive_parameters(scope: Scope, receive: Receive, mount: Mount) -> ReceivedParameters | None:
    """Return the parameters of a request with a body or a long query string; None if the client goes before.

    Raises
    ------
    ResultTooLarge
        If the body is too long.
    UnsupportedCoding
        If the body is compressed.
    Busy
        If there is no memory for a large request at the moment.
    """
    if scope["method"] == "POST":
        _check_coding(scope)
    memory = mount.workload.memory.reservation()
    try:
        body = await _body(scope, receive, mount.workload.limits, memory) if scope["method"] == "POST" else b""
        if body is None:
            memory.release()
            return None
        received = ReceivedParameters(scope["query_string"], body, memory, mount.example_body)
        del body
        if received.is_large:
            await memory.grow(_TIMES * min(received.size, _OF_ID * MAX_VALUES))
        return received
    except BaseException:
        memory.release()
        raise


def _check_coding(scope: Scope) -> None:
    codings = ",".join(Headers(scope=scope).getlist("content-encoding"))
    if any(coding.strip().lower() not in ("", "identity") for coding in codings.split(",")):
        raise UnsupportedCoding("the body is compressed: send it as it is, without Content-Encoding")


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
