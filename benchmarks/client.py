"""A client that costs next to nothing, so that it is the server that is measured: sockets and a look for line ends."""

from __future__ import annotations

import selectors
import socket
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter
from types import TracebackType
from typing import Self

from benchmarks.servers import HOST

_PIECE = 1 << 20
_PATIENCE = 300.0
_CUT = "the server has cut the connection"


@dataclass(frozen=True)
class Reply:
    """Status, headers (names in lower case) and body."""

    status: int
    headers: dict[str, str]
    body: bytes | bytearray


class Client:
    """One connection that is kept open, for replies that fit in memory."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket = connected(port)
        self._replies = self._socket.makefile("rb", _PIECE)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._replies.close()
        self._socket.close()

    def get(self, target: str, expect: int | None = 200, **headers: str) -> Reply:
        """Return the reply to GET.

        Raises
        ------
        RuntimeError
            If the status is not the one expected, or the reply ends early.
        """
        return self.ask("GET", target, b"", expect, headers)

    def post(self, target: str, body: bytes, expect: int | None = 200) -> Reply:
        """Return the reply to POST of a JSON body; see `get`."""
        headers = {"Content-Type": "application/json", "Content-Length": str(len(body))}
        return self.ask("POST", target, body, expect, headers)

    def ask(self, method: str, target: str, body: bytes, expect: int | None, headers: dict[str, str]) -> Reply:
        """Return the reply to any request; see `get`."""
        self._socket.sendall(_request(method, target, self._port, headers) + body)
        status, reply_headers = self._head()
        chunked = reply_headers.get("transfer-encoding") == "chunked"
        data = b"".join(self._chunks()) if chunked else self._exactly(0 if status == 304 else _length(reply_headers))
        if expect is not None and status != expect:
            raise RuntimeError(f"{status} for {target[:200]}: {data[:300]!r}")
        return Reply(status, reply_headers, data)

    def _head(self) -> tuple[int, dict[str, str]]:
        lines = list(iter(self._line, b""))
        return _parsed(b"\r\n".join(lines))

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self._line(), 16):
            yield self._exactly(size)
            self._line()
        self._line()

    def _line(self) -> bytes:
        line = self._replies.readline()
        if not line.endswith(b"\r\n"):
            raise RuntimeError(_CUT)
        return line[:-2]

    def _exactly(self, size: int) -> bytes:
        data: bytes = self._replies.read(size)
        if len(data) != size:
            raise RuntimeError(_CUT)
        return data


def connected(port: int, buffer: int | None = None) -> socket.socket:
    """Return a new connection to this machine; `buffer` is how many bytes the system may take in for the client."""
    one = socket.socket()
    if buffer is not None:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    one.settimeout(_PATIENCE)
    one.connect((HOST, port))
    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return one


def drained(port: int, target: str, body: bytes | None = None) -> int:
    """Download a reply to GET, or to POST of a JSON body, and forget it.

    Returns how many bytes of it there were, framing included.

    Raises
    ------
    RuntimeError
        If the status is not 200, or the reply ends early.
    """
    buffer = bytearray(_PIECE)
    with connected(port) as one:
        headers = {"Connection": "close"}
        if body is not None:
            headers |= {"Content-Type": "application/json", "Content-Length": str(len(body))}
        one.sendall(_request("GET" if body is None else "POST", target, port, headers) + (body or b""))
        head = b""
        while b"\r\n\r\n" not in head:
            if not (piece := one.recv(1 << 16)):
                raise RuntimeError(_CUT)
            head += piece
        head, _, tail = head.partition(b"\r\n\r\n")
        status, reply_headers = _parsed(head)
        if status != 200:
            raise RuntimeError(f"{status}: {(tail + one.recv(1 << 16)).decode(errors='replace')[:300]}")
        size = len(tail)
        last = tail[-5:]
        while read := one.recv_into(buffer):
            size += read
            last = (last + buffer[max(0, read - 5) : read])[-5:]
    if last != b"0\r\n\r\n" if reply_headers.get("transfer-encoding") == "chunked" else size != _length(reply_headers):
        raise RuntimeError(f"the reply to {target} ended early, after {size:,} bytes")
    return size


def flood(
    port: int,
    targets: Sequence[str],
    requests: int,
    connections: int = 8,
    headers: dict[str, str] | None = None,
) -> float:
    """Send so many requests, in turns of the targets, over some connections at once; return seconds for each.

    Raises
    ------
    RuntimeError
        If a status is not 200.
    """
    asked = [_request("GET", target, port, headers or {}) for target in targets]
    sent = done = 0
    waiting = {connected(port): _Arriving() for _ in range(min(connections, requests))}
    with selectors.DefaultSelector() as ready:
        for one in waiting:
            ready.register(one, selectors.EVENT_READ)
        began = perf_counter()
        for one in waiting:
            one.sendall(asked[sent % len(asked)])
            sent += 1
        while done < requests:
            for key, _ in ready.select():
                one = key.fileobj  # type: ignore[assignment]
                if not waiting[one].complete(one.recv(_PIECE)):
                    continue
                done += 1
                waiting[one] = _Arriving()
                if sent < requests:
                    one.sendall(asked[sent % len(asked)])
                    sent += 1
        taken = perf_counter() - began
    for one in waiting:
        one.close()
    return taken / requests


class _Arriving:
    """A reply of which nothing is kept but how much is still to come."""

    def __init__(self) -> None:
        self._head = b""
        self._left: int | None = None
        self._last = b""

    def complete(self, data: bytes) -> bool:
        """Take what has arrived; return whether that was the end."""
        if not data:
            raise RuntimeError(_CUT)
        if self._left is None and not self._last:
            self._head += data
            if b"\r\n\r\n" not in self._head:
                return False
            head, _, data = self._head.partition(b"\r\n\r\n")
            status, reply_headers = _parsed(head)
            if status != 200:
                raise RuntimeError(f"{status}: {data[:300]!r}")
            if "content-length" in reply_headers:
                self._left = _length(reply_headers)
        if self._left is not None:
            self._left -= len(data)
            return self._left <= 0
        self._last = (self._last + data[-5:])[-5:] or b" "
        return self._last == b"0\r\n\r\n"


def latencies(client: Client, targets: Sequence[str]) -> list[float]:
    """Return the seconds that each request takes, one after the other over one connection."""
    taken = []
    for target in targets:
        began = perf_counter()
        client.get(target)
        taken.append(perf_counter() - began)
    return taken


def p99(seconds: Sequence[float]) -> float:
    """Return the value that 99 of 100 stay below."""
    return statistics.quantiles(seconds, n=100, method="inclusive")[98]


def _request(method: str, target: str, port: int, headers: dict[str, str]) -> bytes:
    more = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return f"{method} {target} HTTP/1.1\r\nHost: {HOST}:{port}\r\n{more}\r\n".encode()


def _parsed(head: bytes) -> tuple[int, dict[str, str]]:
    first, *lines = head.decode("latin-1").split("\r\n")
    pairs = (line.split(":", 1) for line in lines)
    return int(first.split()[1]), {name.lower(): value.strip() for name, value in pairs}


def _length(reply_headers: dict[str, str]) -> int:
    return int(reply_headers["content-length"])
