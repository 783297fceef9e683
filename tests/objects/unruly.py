"""A proxy in front of an object store that delays, cuts and refuses, and can change what passes through it."""

from __future__ import annotations

import http.client
import random
import socketserver
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from rnaget_server.storage.objects.client import Client

Mood = str
CALM: Mood = "calm"
BAD: tuple[Mood, ...] = ("delay", "cut", "503", "429", "500", "drop")


@dataclass
class Answer:
    """The answer to a request: as the store has it, until something is changed in it."""

    method: str
    path: str
    status: int
    headers: dict[str, str]
    body: bytes

    def refuse(self, status: int, code: str) -> None:
        """Make it a refusal, as S3 has them."""
        self.status = status
        self.body = f"<Error><Code>{code}</Code><Message>No.</Message></Error>".encode()
        self.headers = {"Content-Type": "application/xml", "Content-Length": str(len(self.body))}


@dataclass
class Unruly:
    """The proxy: its address, its mood for each request, and what it has done."""

    address: str
    mood: Callable[[str, str], Mood] = lambda method, path: CALM
    done: Counter[str] = field(default_factory=Counter)
    requests: list[tuple[str, str, str]] = field(default_factory=list)
    delay: float = 0.02
    change: Callable[[Answer], None] = lambda answer: None


def by_chance(seed: int, share: float) -> Callable[[str, str], Mood]:
    """Return moods of which a share is bad."""
    chance = random.Random(seed)
    return lambda method, path: chance.choice(BAD) if chance.random() < share else CALM


def give_up_after(client: Client, seconds: float) -> Client:
    """Have a client ask again for so many seconds alone; for an answer it waits as long as before.

    One that is made with so few seconds would give up as well where the machine is slow.
    """
    client._seconds = seconds + client._silence
    return client


@contextmanager
def unruly(upstream: str) -> Iterator[Unruly]:
    """Give a proxy in front of a store."""
    target = urlsplit(upstream).netloc

    class Handler(socketserver.StreamRequestHandler):
        disable_nagle_algorithm = True

        def handle(self) -> None:
            while self._one():
                pass

        def _one(self) -> bool:
            line = self.rfile.readline().decode("latin-1").split()
            if len(line) < 2:
                return False
            method, path = line[0], line[1]
            headers = http.client.parse_headers(self.rfile)
            body = self.rfile.read(int(headers.get("content-length", 0)))
            mood = proxy.mood(method, path)
            proxy.done[mood] += 1
            proxy.requests.append((method, path, headers.get("range", "")))
            if mood == "drop":
                return False
            if mood == "delay":
                time.sleep(proxy.delay)
            if mood.isdigit():
                self.wfile.write(f"HTTP/1.1 {mood} No\r\nContent-Length: 0\r\n\r\n".encode())
                return True
            asked = http.client.HTTPConnection(target, timeout=30)
            asked.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in headers.items():
                asked.putheader(name, value)
            asked.endheaders(body)
            reply = asked.getresponse()
            data = reply.read()
            asked.close()
            if mood == "cut-all":  # what was asked for was done, and nobody hears of it
                return False
            kept = {name: value for name, value in reply.getheaders() if name.lower() not in _OF_CONNECTION}
            # Of a reply to HEAD, the length is that of what is not sent.
            kept["Content-Length"] = (reply.getheader("content-length") or "0") if method == "HEAD" else str(len(data))
            answer = Answer(method, path, reply.status, kept, data)
            proxy.change(answer)
            head = "".join(f"{name}: {value}\r\n" for name, value in answer.headers.items())
            self.wfile.write(f"HTTP/1.1 {answer.status} As-It-Is\r\n{head}\r\n".encode("latin-1"))
            if mood == "cut":
                self.wfile.write(answer.body[: len(answer.body) // 2])
                return False
            if mood == "drip":
                for byte in answer.body:
                    self.wfile.write(bytes((byte,)))
                    time.sleep(proxy.delay)
                return True
            self.wfile.write(answer.body)
            return True

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            """Say nothing: who has enough of a delay goes."""

    with Server(("127.0.0.1", 0), Handler) as server:
        proxy = Unruly(f"http://127.0.0.1:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield proxy
        finally:
            server.shutdown()
            thread.join()


_OF_CONNECTION = ("content-length", "transfer-encoding", "connection")
