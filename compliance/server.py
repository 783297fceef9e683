"""The real server, started for as long as it is needed."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

COMMAND = Path(sys.executable).with_name("rnaget-server")
_START_SECONDS = 60


@contextmanager
def serving(data: Path, switched_off: tuple[str, ...] = ()) -> Iterator[str]:
    """Serve the catalogue `data` on a free port of 127.0.0.1 and give the address; end the server after use.

    Raises
    ------
    RuntimeError
        If the server does not start, with the end of its log.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    # What is set where this runs must not change what is measured.
    environment = {key: value for key, value in os.environ.items() if not key.startswith("RNAGET_")}
    environment["RNAGET_SWITCHED_OFF"] = ",".join(switched_off)
    command: list[str | Path] = [COMMAND, "serve", data, "--host", "127.0.0.1", "--port", str(port)]
    with tempfile.NamedTemporaryFile() as log:
        server = start(command, environment, Path(log.name))
        try:
            _wait_for(server, address, log)
            yield address
        finally:
            _end(server)


def run(arguments: Sequence[str | Path]) -> tuple[int, str]:
    """Return the code with which ``rnaget-server`` ends, and what it says."""
    done = subprocess.run(
        [COMMAND, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    return done.returncode, done.stdout


def start(command: list[str | Path], environment: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    """Start a server that writes to a log."""
    with log.open("ab") as file:
        return subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT
        )


def _wait_for(server: subprocess.Popen[bytes], address: str, log: IO[bytes]) -> None:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + _START_SECONDS
    while server.poll() is None and time.monotonic() < deadline:
        try:
            with direct.open(f"{address}/healthz", timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    log.seek(0)
    raise RuntimeError(f"the server did not start:\n{log.read().decode(errors='replace')[-4000:]}")


def _end(server: subprocess.Popen[bytes]) -> None:
    server.terminate()
    try:
        server.wait(timeout=30)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
