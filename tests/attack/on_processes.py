"""Processes that are killed, and logs that requests would fill."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

import requests

from benchmarks.servers import HOST
from tests.attack.base import Attacks
from tests.attack.on_foreign_files import catalogue
from tests.forked import rnaget

ATTACKS = Attacks("processes")
_ENDED_WITHIN = 5.0
_PATIENCE = 180.0
_READY = "Application startup complete"


@ATTACKS("kill -9 of the master, while one worker has a request and one cannot run")
def killed_master(directory: Path, short: bool) -> str:
    allowed = 60 if short else _ENDED_WITHIN
    catalogue(directory, "m")
    log = directory / "log"
    with rnaget(directory / "data", log, workers=2, log_level="info") as server:
        _until(lambda: log.read_text().count(_READY) == 2, _PATIENCE, "two workers did not start")
        workers, port = server.workers, server.port
        # Only the system ends one that gets no time to look for its master, as in a long calculation.
        os.kill(workers[0], signal.SIGSTOP)
        try:
            _until(lambda: _state(workers[0]) == "T", _PATIENCE, "a worker runs on after SIGSTOP")
            # The other is at work on a request whose body never comes.
            with socket.create_connection((HOST, port)) as client:
                client.sendall(b"POST /rnaget/expressions/m/bytes HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{")
                os.kill(server.pid, signal.SIGKILL)
                seconds = _until(lambda: not _left(workers) and _free(port), allowed, "workers go on without a master")
        finally:
            for pid in _left(workers):
                os.kill(pid, signal.SIGKILL)
    return f"both workers ended after {seconds:.1f} s, the port is free"


def _until(holds: Callable[[], bool], allowed: float, otherwise: str) -> float:
    """Return after how many seconds it holds."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < allowed, otherwise
        time.sleep(0.05)
    return time.monotonic() - began


def _free(port: int) -> bool:
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind((HOST, port))
        except OSError:
            return False
    return True


def _left(workers: list[int]) -> list[int]:
    return [pid for pid in workers if _state(pid) not in ("", "Z")]


def _state(pid: int) -> str:
    """Return the letter by which the system names the state of a process; nothing if there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


@ATTACKS("a thousand requests that fail, to fill the log")
def flooded_log(directory: Path, short: bool) -> str:
    count = 50 if short else 1000
    study = catalogue(directory, "m", "bad")
    (study / "bad.loom").write_bytes(b"no loom")
    with rnaget(directory / "data", directory / "log") as server:
        base = f"http://{HOST}:{server.port}"
        with requests.Session() as session:
            for number in range(count):
                session.get(f"{base}/rnaget/expressions/bad/bytes?format=tsv", timeout=30)
                session.get(f"{base}/rnaget/expressions/{number}/bytes?format=tsv&x={number}", timeout=30)
        for number in range(20 if short else 200):
            with socket.create_connection((HOST, server.port)) as client:
                client.sendall(f"NONSENSE{number}\r\n\r\n".encode())
                client.recv(100)
    log = (directory / "log").read_text()
    lines = log.count("\n")
    assert "Traceback" not in log, "a trace in the log"
    assert str(directory) not in log.replace(str(directory / "data"), "", 1), "a path in the log"
    assert lines <= 12, f"{lines} lines"
    return f"{lines} lines in the log"
