"""A server of files, tickets and blocks, or a way to another server, that can be made to fail in any way."""

from __future__ import annotations

import base64
import hashlib
import json
import random
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.serving import in_thread

Headers = dict[str, str]
_OF_CONNECTIONS = ("connection", "content-length", "date", "keep-alive", "transfer-encoding")


@dataclass
class Asked:
    """A request as the server saw it."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: Headers
    body: bytes = b""


@dataclass
class Faults:
    """The failures of a server, in turns drawn by chance; without a generator, none."""

    chance: random.Random | None = None
    share: float = 0.4
    kinds: tuple[str, ...] = ("cut", "reset", "503", "429", "nothing", "early")

    def draw(self) -> str | None:
        if self.chance is None or self.chance.random() > self.share:
            return None
        return self.chance.choice(self.kinds)


@dataclass
class Site:
    """The files of a server, and what it was asked; with `upstream`, all is asked from there.

    After `left` bytes of bodies, if that is a number, connections end; `sent` counts those that were sent.
    """

    upstream: str = ""
    left: int | None = None
    sent: int = 0
    files: dict[str, bytes] = field(default_factory=dict)
    replies: dict[str, Callable[[Asked], tuple[int, Headers, bytes]]] = field(default_factory=dict)
    faults: Faults = field(default_factory=Faults)
    ranges: bool = True
    etags: bool = True
    chunked: bool = False
    latency: float = 0.0
    asked: list[Asked] = field(default_factory=list)
    address: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def paths(self) -> list[str]:
        return [one.path for one in self.asked]

    def taken(self, content: bytes) -> bytes:
        """Return what of a body may still be sent."""
        with self.lock:
            content = content if self.left is None else content[: self.left]
            self.left = None if self.left is None else self.left - len(content)
            self.sent += len(content)
        return content


@contextmanager
def serving(site: Site) -> Iterator[Site]:
    """Run the server until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length)
            parts = urlsplit(self.path)
            headers = {name.lower(): value for name, value in self.headers.items()}
            one = Asked(self.command, parts.path, parse_qs(parts.query), headers, body)
            with site.lock:
                site.asked.append(one)
                fault, where = site.faults.draw(), (site.faults.chance or random.Random(0)).random()
            if site.latency:
                time.sleep(site.latency)
            if fault == "nothing":
                return self._end(reset=where < 0.5)
            if fault in ("503", "429"):
                return self._send(int(fault), {"Retry-After": "0"}, b'{"message": "busy"}')
            status, said, content = self._forward(one) if site.upstream else self._answer(one)
            self._send(status, said, content, fault, where)

        do_POST = do_GET

        def _forward(self, one: Asked) -> tuple[int, Headers, bytes]:
            place = urlsplit(site.upstream)
            with closing(HTTPConnection(place.netloc)) as connection:
                connection.request(one.method, self.path, one.body or None, dict(self.headers.items()))
                reply = connection.getresponse()
                said = {name: value for name, value in reply.getheaders() if name.lower() not in _OF_CONNECTIONS}
                return reply.status, said, reply.read()

        def _answer(self, one: Asked) -> tuple[int, Headers, bytes]:
            if one.path in site.replies:
                return site.replies[one.path](one)
            if one.path not in site.files:
                return 404, {"Content-Type": "application/json"}, b'{"message": "nothing of that name"}'
            content = site.files[one.path]
            etag = f'"{hashlib.md5(content).hexdigest()}"'
            said = {"ETag": etag} if site.etags else {}
            if one.headers.get("if-none-match") == etag:
                return 304, said, b""
            match = re.fullmatch(r"bytes=(\d+)-(\d*)", one.headers.get("range", ""))
            if match and site.ranges and one.headers.get("if-range") in (None, etag):
                first, last = int(match[1]), min(int(match[2] or len(content)), len(content) - 1)
                if first >= len(content):
                    return 416, said, b""
                said["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
                return 206, said, content[first : last + 1]
            return 200, said, content

        def _send(self, status: int, said: Headers, content: bytes, fault: str | None = None, where: float = 0) -> None:
            self.send_response_only(status)
            if "Date" not in said:
                self.send_header("Date", self.date_time_string())
            for name, value in said.items():
                self.send_header(name, value)
            sent = site.taken(content[: int(len(content) * where)] if fault else content)
            if status != 304:
                if fault == "early":  # short, and nothing says so
                    self.send_header("Connection", "close")
                elif site.chunked:
                    self.send_header("Transfer-Encoding", "chunked")
                elif "Content-Length" not in said:
                    self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if site.chunked and fault != "early" and status != 304:
                for start in range(0, len(sent), 20_000):
                    part = sent[start : start + 20_000]
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
                if not fault:
                    self.wfile.write(b"0\r\n\r\n")
            else:
                self.wfile.write(sent)
            if fault:
                self._end(reset=fault == "reset")
            elif len(sent) < int(said.get("Content-Length", len(content))):
                self._end(reset=False)

        def _end(self, reset: bool) -> None:
            self.close_connection = True
            if reset:
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

        def handle(self) -> None:
            try:
                super().handle()
            except OSError:  # a client that has enough
                self.close_connection = True

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

        def shutdown_request(self, request: Any) -> None:
            self.close_request(request)  # without a shutdown, which would send the end before a reset

    with Server(("127.0.0.1", 0), Handler) as server:
        site.address = f"http://127.0.0.1:{server.server_address[1]}"
        with in_thread(server):
            yield site


def ticket(site: Site, blocks: list[Any], **fields: object) -> Callable[[Asked], tuple[int, Headers, bytes]]:
    """Return the answer of a ticket route of htsget: a block is a path, or bytes for a data: address."""

    def answer(_: Asked) -> tuple[int, Headers, bytes]:
        urls = [
            one
            if isinstance(one, dict)
            else {"url": f"{site.address}{one}", "class": "body"}
            if isinstance(one, str)
            else {"url": "data:;base64," + base64.b64encode(one).decode(), "class": "header"}
            for one in blocks
        ]
        body = json.dumps({"htsget": {"format": "BAM", "urls": urls, **fields}}).encode()
        return 200, {"Content-Type": "application/vnd.ga4gh.htsget.v1.3.0+json"}, body

    return answer
