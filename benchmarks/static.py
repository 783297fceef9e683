"""A server of the files in a directory, and of tickets for them, which sends each reply after a given time.

It is a program of its own: ``python -m benchmarks.static PORT DIRECTORY SECONDS``.
"""

from __future__ import annotations

import json
import os
import sys
import time
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

TICKET = "/ticket"
"""The address of a ticket for all files but the largest, in the order of their names."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def __init__(self, directory: Path, seconds: float, *rest: object) -> None:
        self._directory, self._seconds = directory, seconds
        super().__init__(*rest)  # type: ignore[arg-type]

    def log_message(self, *_: object) -> None:
        """Write no log."""

    def do_GET(self) -> None:
        """Send a file, or the ticket."""
        time.sleep(self._seconds)
        if self.path == TICKET:
            host = self.headers["Host"]
            names = sorted(path.name for path in self._directory.glob("block-*"))
            ticket = {"format": "BAM", "urls": [{"url": f"http://{host}/{name}"} for name in names]}
            body = json.dumps({"htsget": ticket}).encode()
            self._head(len(body), "application/json")
            self.wfile.write(body)
            return
        with (self._directory / self.path.strip("/")).open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            self._head(size, "application/octet-stream")
            self.wfile.flush()
            sent = 0
            while sent < size:
                sent += os.sendfile(self.connection.fileno(), file.fileno(), sent, size - sent)

    def _head(self, size: int, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(size))
        self.end_headers()


def main() -> None:
    """Serve until the program is ended."""
    port, directory, seconds = int(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])
    ThreadingHTTPServer(("127.0.0.1", port), partial(_Handler, directory, seconds)).serve_forever()


if __name__ == "__main__":
    main()
