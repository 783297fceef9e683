"""Servers between a client and a server of ours, which count what is asked and may spoil what is sent."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import requests

HOP = ("connection", "transfer-encoding", "keep-alive", "date", "server")


@dataclass
class Reply:
    """The bytes sent in place of a reply of the server behind; `pieces` one after the other, `pause` seconds apart."""

    pieces: list[bytes]
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    pause: float = 0
    """Seconds before each piece."""

    before: float = 0
    """Seconds before the status."""

    sized: bool = True
    """Whether there is a Content-Length, of all pieces unless `headers` has another."""


@dataclass
class Relay:
    """A server that passes requests on to `behind`, or answers by `instead`."""

    address: str
    behind: str
    asked: list[str] = field(default_factory=list)
    instead: Callable[[str], Reply | None] = lambda path: None
    seen: list[dict[str, str]] = field(default_factory=list)
    delay: float = 0


@contextmanager
def relay(behind: str = "") -> Iterator[Relay]:
    """Run a relay in threads of this process."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            made.asked.append(f"{self.command} {self.path}")
            made.seen.append({name.lower(): value for name, value in self.headers.items()})
            time.sleep(made.delay)
            self.close_connection = True
            with suppress(OSError):  # the client has gone
                self._send(made.instead(self.path) or self._behind())

        do_HEAD = do_GET

        def _behind(self) -> Reply:
            sent = {name: value for name, value in self.headers.items() if name.lower() not in HOP}
            with requests.Session() as session:
                session.trust_env = False
                reply = session.request(
                    self.command, made.behind + self.path, headers=sent, timeout=60, allow_redirects=False
                )
                headers = {name: value for name, value in reply.headers.items() if name.lower() not in HOP}
                return Reply([reply.content], reply.status_code, headers)

        def _send(self, reply: Reply) -> None:
            time.sleep(reply.before)
            self.send_response(reply.status)
            headers = {name.lower(): value for name, value in reply.headers.items()}
            if reply.sized:
                headers.setdefault("content-length", str(sum(map(len, reply.pieces))))
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Connection", "close")
            self.end_headers()
            if self.command != "HEAD":
                for piece in reply.pieces:
                    time.sleep(reply.pause)
                    self.wfile.write(piece)
                    self.wfile.flush()

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    made = Relay(f"http://127.0.0.1:{server.server_port}", behind)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
