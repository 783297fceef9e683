"""HTTP/1.1 on one connection, with limits of time and size that uvicorn lacks."""

from __future__ import annotations

import fcntl
import logging
import os
import socket
import struct
import termios
from asyncio import Transport
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from rnaget_server.http.written import WrittenHeaders

_LONGEST_URL = 4 << 20
_LONGEST_HEADERS = 64 << 10
_LONGEST_HEAD = _LONGEST_URL + _LONGEST_HEADERS
# More than that is waited for as long as it comes at this rate, in bytes a second.
_LEAST_RATE = 1024
# How long a client is listened to after the notice that the connection ends, and how long without a byte from it.
_LINGERS = 30.0
_LINGERS_SILENT = 5.0
# How long an idle client may still send a request when the server shuts down: one that is under way is not lost.
_LAST_CALL = 1.0
# So many requests may wait on one connection: each is a few letters to send, and takes kilobytes here.
_MOST_WAITING = 100
# A head and so many bytes are copied together, which costs less than to send them one after the other.
_GATHERED = 64 << 10
_INVALID = "Invalid HTTP request received."
_HEADERS_TOO_LONG = f"The headers are longer than {_LONGEST_HEADERS >> 10} KiB."
_URL_TOO_LONG = f"The URL is longer than {_LONGEST_URL >> 20} MiB: send the parameters as JSON by POST."
_UPGRADE = "A request with the header Upgrade can have no body here: leave it out, this server speaks HTTP/1.1 only."
_TOO_MANY = f"More than {_MOST_WAITING} requests wait on one connection."


@dataclass(frozen=True)
class Patience:
    """Seconds that a client is given, 0 meaning any number: see the settings of the same names."""

    send_timeout: float = 0
    receive_timeout: float = 0
    keep_alive: float = 0


class _Gathered:
    """A transport that takes the head and the beginning of a reply, to send both by one call of the system."""

    def __init__(self, transport: Any) -> None:
        self.transport = transport
        self._parts: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.transport, name)

    def write(self, data: bytes) -> None:
        """Take the next bytes."""
        self._parts.append(data)

    def flush(self) -> None:
        """Send what was taken."""
        parts, self._parts = self._parts, []
        if parts:
            self.transport.write(b"".join(parts))

    def close(self) -> None:
        """Send what was taken, and end the connection."""
        self.flush()
        self.transport.close()


class _Cycle(RequestResponseCycle):
    """A request and its reply, whose head is sent with the first piece of the body.

    A reply that begins before all of its request has come ends the connection: what a client sends next might be the
    rest of the body, or another request where the reply asked to keep the body.
    """

    connection: Connection
    _head: Any = None

    async def send(self, message: Any) -> None:
        """Send a part of the reply."""
        if message["type"] == "http.response.start":
            if self.connection.is_last:
                self.keep_alive = False
            if not self.more_body:
                self._head = message
                return
            self.keep_alive = False
            await super().send(message)
            # To close it at once would reset it, and the client would lose the reply: see `Connection.linger`.
            self.keep_alive = True
            self.connection.linger()
            return
        head, self._head = self._head, None
        if head is None:
            await super().send(message)
        elif type(head["headers"]) is WrittenHeaders and self._may_send_at_once(message):
            self._send_at_once(head, message["body"])
        elif len(message.get("body", b"")) > _GATHERED:
            await super().send(head)
            await super().send(message)
        else:
            gathered = _Gathered(self.transport)
            self.transport = gathered  # type: ignore[assignment]
            try:
                await super().send(head)
                await super().send(message)
            finally:
                self.transport = gathered.transport
                gathered.flush()

    def _may_send_at_once(self, message: Any) -> bool:
        """Return whether a body, which has the length in the head, ends a reply of which nothing is to be looked at."""
        is_usual = self.keep_alive and not self.access_log and self.scope["method"] != "HEAD"
        return is_usual and not (message.get("more_body") or self.disconnected or self.flow.write_paused)

    def _send_at_once(self, head: Any, body: bytes | bytearray) -> None:
        """Send a whole reply whose headers are written, and go on with the next request."""
        own = [b"%b: %b\r\n" % pair for pair in self.default_headers]
        self.transport.write(b"".join((STATUS_LINE[head["status"]], *own, head["headers"].lines, b"\r\n", body)))
        self.response_started = self.response_complete = True
        self.waiting_for_100_continue = False
        self.message_event.set()
        self.on_response()


class Connections(set["Connection"]):
    """All connections of a worker. Once it is `ending`, each of them ends with the reply that it has or waits for."""

    ending = False

    def cut(self) -> None:
        """End all of them without waiting for their replies."""
        if self:
            logging.getLogger("uvicorn.error").warning(
                "connections cut off: %d; shutdown_timeout gives replies more time", len(self)
            )
        for connection in tuple(self):
            connection.reset()


class Connection(HttpToolsProtocol):
    """HTTP/1.1 whose query strings may be longer than 64 KiB, for clients that are not waited for endlessly.

    httptools splits a URL by 16-bit offsets and calls a longer one invalid, so that it gets only the path.

    Parameters
    ----------
    connections
        All that are open; `look` is to be called of each, about once a second.
    patience
        How long its client is waited for.
    """

    def __init__(self, *args: Any, connections: Connections, patience: Patience, **others: Any) -> None:
        super().__init__(*args, **others)
        self._all = connections
        self._patience = patience
        self._idle_since: float | None = self.loop.time()
        self._head_began: float | None = None
        self._body_began: float | None = None
        self._received = self._header_bytes = 0
        self._last_received = 0.0
        self._unsent: tuple[int, int] | None = None
        self._last_sent = 0.0
        self._refusal = (400, _INVALID)
        self._lingers = self._is_deaf = False
        self._lingers_since: float | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Begin."""
        super().connection_made(transport)
        self._all.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._all.discard(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what the client has sent; too long a head ends the connection with 431."""
        self._received += len(data)
        self._last_received = self.loop.time()
        if self._is_deaf:
            return
        super().data_received(data)
        if self._head_began is not None and self._received > _LONGEST_HEAD and not self.transport.is_closing():
            self._refuse(431, _HEADERS_TOO_LONG)

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self._idle_since = None
        self._head_began = self._last_received
        self._received = self._header_bytes = 0

    def on_url(self, url: bytes) -> None:
        """Gather the URL; too long a one ends the connection with 414."""
        if len(self.url) + len(url) > _LONGEST_URL:
            self._refusal = (414, _URL_TOO_LONG)
            raise ValueError(_URL_TOO_LONG)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Gather a header; too long ones end the connection with 431."""
        self._header_bytes += len(name) + len(value)
        if self._header_bytes > _LONGEST_HEADERS:
            self._refusal = (431, _HEADERS_TOO_LONG)
            raise ValueError(_HEADERS_TOO_LONG)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Start the request, or let it wait; its task runs only after this, and finds the query string in place.

        One too many ends the connection once those before it are answered.
        """
        if len(self.pipeline) >= _MOST_WAITING:
            raise ValueError(_TOO_MANY)
        # The parser would skip the body, and take it for the next request.
        if self.parser.should_upgrade() and any(map(_announces_body, self.headers)):
            self._refusal = (400, _UPGRADE)
            raise ValueError(_UPGRADE)
        self._head_began = None
        self._body_began = self._last_received
        self._received = 0
        self.url, _, query = self.url.partition(b"?")
        super().on_headers_complete()
        self.cycle.__class__ = _Cycle
        self.cycle.connection = self  # type: ignore[attr-defined]
        self.scope["query_string"] = query.partition(b"#")[0]

    def on_message_complete(self) -> None:
        """End the body."""
        self._body_began = None
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Wait for the next request, or for the end of the connection."""
        super().on_response_complete()
        if self._lingers and not self.transport.is_closing():
            self._end_sending()
            return
        if self._head_began is None and not self.pipeline:
            self._idle_since = self.loop.time()

    @property
    def is_last(self) -> bool:
        """True if the reply that begins is the last of its connection, since the server shuts down."""
        return self._all.ending and not self.pipeline

    def shutdown(self) -> None:
        """Leave it to the next reply, or to `look`, to end: a request may be on its way."""

    def linger(self) -> None:
        """Take no more requests. What is still sent is thrown away, until the client has read the reply and ends."""
        self._lingers = self._is_deaf = True
        self._head_began = self._body_began = None
        self.flow.resume_reading()

    def _end_sending(self) -> None:
        self._lingers_since = self._last_received = self.loop.time()
        self.transport.write_eof()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP, or the URL."""
        self._refuse(*self._refusal)

    def look(self, now: float) -> None:
        """End the connection if its client has had its time."""
        if self._stuck(now):
            self.reset()
        elif self.transport.is_closing():
            return
        elif self._lingers:
            if self._lingers_since is not None and (
                now - self._lingers_since > _LINGERS or now - self._last_received > _LINGERS_SILENT
            ):
                self.transport.close()
        elif self.flow.read_paused:
            # What the client may have sent is not looked at, so that nothing can be said of it.
            self._head_began = self._head_began and now
            self._body_began = self._body_began and now
            self._last_received = now
        elif self._late(self._head_began, now):
            self._refuse(408, "The head of the request took too long.")
        elif self._late(self._body_began, now) or (self._body_began is not None and self._silent(now)):
            self._refuse(408, "The body of the request took too long.")
        elif self._idle_since and 0 < self._keep_alive < now - self._idle_since:
            self.transport.close()

    @property
    def _keep_alive(self) -> float:
        return _LAST_CALL if self._all.ending else self._patience.keep_alive

    def _stuck(self, now: float) -> bool:
        """Return whether the client has taken nothing for too long of what waits to be sent."""
        waiting = self.transport.get_write_buffer_size()
        # The system may hold megabytes for the client: they count, or a slow one would seem to stand still.
        unsent = (waiting, self._in_system()) if waiting and self._patience.send_timeout else None
        if unsent is None or unsent != self._unsent:
            self._unsent = unsent
            self._last_sent = now
        return now - self._last_sent > self._patience.send_timeout > 0

    def _in_system(self) -> int:
        """Return how many bytes the system has taken that the client's has not."""
        try:
            found = fcntl.ioctl(self.transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, bytes(4))
        except OSError:
            return 0
        count: int = struct.unpack("i", found)[0]
        return count

    def reset(self) -> None:
        """End the connection without waiting, here or in the system, for the client to take what is left."""
        with (
            suppress(OSError),
            socket.socket(fileno=os.dup(self.transport.get_extra_info("socket").fileno())) as own_socket,
        ):
            own_socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    def _late(self, began: float | None, now: float) -> bool:
        given = self._patience.receive_timeout
        return began is not None and given > 0 and now - began > given + self._received / _LEAST_RATE

    def _silent(self, now: float) -> bool:
        return now - self._last_received > self._patience.receive_timeout > 0

    def _refuse(self, status: int, message: str) -> None:
        """Answer, unless an answer is under way, and close; requests that came whole before are answered first."""
        self._head_began = self._body_began = None
        if self.cycle is not None and not self.cycle.response_complete and not self.cycle.more_body:
            self._is_deaf = True
            self.cycle.keep_alive = False
            return
        idle = self.cycle is None or not self.cycle.response_started or self.cycle.response_complete
        if idle and not self.pipeline:
            head = b"content-type: text/plain; charset=utf-8\r\nconnection: close\r\ncontent-length: %d\r\n\r\n"
            self.transport.write(STATUS_LINE[status] + head % len(message) + message.encode())
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if status == 408 or self.transport.is_closing():
            self.transport.close()
            return
        self.logger.warning(message)
        self.linger()
        self._end_sending()


def _announces_body(header: tuple[bytes, bytes]) -> bool:
    name, value = header
    return name == b"transfer-encoding" or (name == b"content-length" and value.strip(b" 0") != b"")
