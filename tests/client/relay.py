"""A way to a server that ends after some bytes of its replies, as a connection does that is lost."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit


class Relay:
    """The bytes of replies that came through, and how many may still come (None: any number)."""

    def __init__(self) -> None:
        self.address, self.sent = "", 0
        self.left: int | None = None
        self.lock = threading.Lock()

    def taken(self, count: int) -> int:
        """Return how many of so many bytes may come through."""
        with self.lock:
            count = count if self.left is None else min(count, self.left)
            self.left = None if self.left is None else self.left - count
            self.sent += count
            return count


@contextmanager
def relaying(address: str) -> Iterator[Relay]:
    """Run a relay to a server until the block ends."""
    place = urlsplit(address)
    relay = Relay()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with socket.create_connection((place.hostname or "", place.port or 80)) as server:
                there = threading.Thread(target=self._ask, args=(server,), daemon=True)
                there.start()
                with suppress(OSError):
                    while piece := server.recv(1 << 16):
                        count = relay.taken(len(piece))
                        self.request.sendall(piece[:count])
                        if count < len(piece):
                            break
            with suppress(OSError):
                self.request.shutdown(socket.SHUT_RDWR)

        def _ask(self, server: socket.socket) -> None:
            with suppress(OSError):
                while piece := self.request.recv(1 << 16):
                    server.sendall(piece)
                server.shutdown(socket.SHUT_WR)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        relay.address = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield relay
        finally:
            server.shutdown()
            thread.join()
