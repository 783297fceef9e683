"""Web servers in threads of this process."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import BaseServer


class Quiet(SimpleHTTPRequestHandler):
    """Sends files, and says nothing of it."""

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@contextmanager
def in_thread(server: BaseServer) -> Iterator[None]:
    """Have a server answer in a thread until the block ends."""
    thread = threading.Thread(target=lambda: server.serve_forever(0.02))
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def files_served(directory: Path) -> Iterator[str]:
    """Give the address of a server of the files in a directory."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(directory)))
    with in_thread(server):
        yield f"http://127.0.0.1:{server.server_port}"
