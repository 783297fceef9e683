"""A server that is reloaded or told to end: running replies finish, within a limit, and no request fails."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import requests
from click.testing import CliRunner

from benchmarks.servers import HOST, Server
from rnaget_server.cli.server import main
from rnaget_server.http.shared_state import SharedState
from tests.conftest import one_study
from tests.forked import rnaget

# More than the system holds for a client that takes nothing.
LETTERS = "".join(random.Random(7).choices("ACGT", k=1 << 20)) * 12
MD5 = hashlib.md5(LETTERS.encode()).hexdigest()
PATIENCE = 60.0


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalogue with a sequence that takes long to send to a slow client."""
    directory = tmp_path_factory.mktemp("ending")
    (directory / "one.fa").write_text(f">one\n{LETTERS}\n")
    data = one_study(directory / "data")
    imported = CliRunner().invoke(main, ["import", str(directory / "one.fa"), "--data", str(data), "--genome", "g"])
    assert imported.exit_code == 0, imported.output
    return data


def start(data: Path, directory: Path, **settings: object) -> Server:
    return rnaget(data, directory / "log", log_level="info", **settings)


def test_workers_that_were_there_before_a_reload_do_not_count_as_new_ones() -> None:
    state = SharedState()
    state.add_ready(1)
    assert state.ready == 1
    state.await_new(2)
    for age, ready in ((2, 0), (3, 1), (1, 1), (4, 2)):
        state.add_ready(age)
        assert state.ready == ready


class Download:
    """A download that takes some bytes, and the rest when it is asked to."""

    def __init__(self, port: int) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        self._socket.settimeout(PATIENCE)
        self._socket.connect((HOST, port))
        self._socket.sendall(f"GET /sequence/{MD5} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        self._received = self._socket.recv(1 << 12)
        assert self._received.startswith(b"HTTP/1.1 200")

    def finish(self) -> str:
        """Take the rest; return the letters."""
        with self._socket:
            while piece := self._socket.recv(1 << 20):
                self._received += piece
        return self._received.partition(b"\r\n\r\n")[2].decode()


class Asker(threading.Thread):
    """Asks a server again and again, on one connection and on new ones, and notes what goes wrong."""

    def __init__(self, root: str) -> None:
        super().__init__()
        self.root, self.done, self.problems, self.count = root, threading.Event(), [], 0

    def run(self) -> None:
        with requests.Session() as session:
            while not self.done.is_set():
                for get in (session.get, requests.get):
                    try:
                        status = get(f"{self.root}/rnaget/projects", timeout=PATIENCE).status_code
                    except requests.RequestException as error:
                        status = repr(error)
                    if status != 200:
                        self.problems.append(status)
                    self.count += 1
                self.done.wait(0.05)


def until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def test_no_request_fails_over_a_reload_and_downloads_finish_over_the_end(whole: Path, tmp_path: Path) -> None:
    file = whole / "catalog.yaml"
    before = file.read_text()
    try:
        with start(whole, tmp_path, drain_seconds=5, shutdown_timeout=50) as server:
            download, asker = Download(server.port), Asker(f"http://{HOST}:{server.port}")
            asker.start()
            refuse_wrong_settings(server, file, before, tmp_path / "log")
            take_over_settings(server, file, before, download)
            asker.done.set()
            asker.join()
            assert (asker.problems, asker.count > 10) == ([], True)
            end_gently(server)
    finally:
        file.write_text(before)


def refuse_wrong_settings(server: Server, file: Path, before: str, log: Path) -> None:
    workers = server.workers
    file.write_text(f"{before}\nsettings: {{max_cells: many}}\n")
    os.kill(server.pid, signal.SIGHUP)
    until(lambda: "goes on as it was" in log.read_text(), "wrong settings were not reported")
    assert "max_cells" in log.read_text() and server.workers == workers


def take_over_settings(server: Server, file: Path, before: str, download: Download) -> None:
    root, old = f"http://{HOST}:{server.port}", set(server.workers)
    file.write_text(f"{before}\nsettings: {{switched_off: [continuous]}}\n")
    os.kill(server.pid, signal.SIGHUP)
    url = f"{root}/rnaget/continuous/formats"
    until(lambda: requests.get(url, timeout=PATIENCE).status_code == 501, "new settings were not taken over")
    assert old < set(server.workers), "the old worker ended before its download"
    assert requests.get(f"{root}/readyz", timeout=PATIENCE).status_code == 200
    assert download.finish() == LETTERS
    until(lambda: not old & set(server.workers), "the old worker goes on")


def end_gently(server: Server) -> None:
    """End a server: it is not ready, serves on for some seconds, and then finishes a download without new clients."""
    root, download = f"http://{HOST}:{server.port}", Download(server.port)
    os.kill(server.pid, signal.SIGTERM)
    until(lambda: requests.get(f"{root}/readyz", timeout=PATIENCE).status_code == 503, "it still calls for clients")
    replies = [requests.get(f"{root}/{path}", timeout=PATIENCE) for path in ("readyz?verbose", "rnaget/projects")]
    assert [reply.status_code for reply in replies] == [503, 200]
    until(lambda: not listens(server.port), "it takes new clients for ever")
    assert download.finish() == LETTERS
    assert server.wait(PATIENCE) == 0


def test_what_does_not_finish_in_time_is_cut_off(whole: Path, tmp_path: Path) -> None:
    with start(whole, tmp_path, shutdown_timeout=1) as server:
        download = Download(server.port)
        os.kill(server.pid, signal.SIGTERM)
        assert server.wait(PATIENCE) == 0
        with pytest.raises(ConnectionResetError):
            download.finish()
    log = (tmp_path / "log").read_text()
    assert "connections cut off: 1" in log and "Traceback" not in log


@pytest.mark.long
def test_an_interrupt_waits_for_no_download(whole: Path, tmp_path: Path) -> None:
    with start(whole, tmp_path, shutdown_timeout=500, drain_seconds=500) as server:
        Download(server.port)
        os.kill(server.pid, signal.SIGINT)
        assert server.wait(PATIENCE) == 0


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0
