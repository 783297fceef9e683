"""Real servers on the loopback interface, each a process of its own that is ended by its process id."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

HOST = "127.0.0.1"
_PATIENCE = 180.0
_WATCHED_EVERY = 0.01
READY = "/rnaget/service-info"
PRIVATE, RESIDENT = ("RssAnon:", "RssShmem:"), ("VmRSS:",)
"""Kinds of memory: what is mapped from files is not private."""

_PREPARED, _REMOVED = "/prepared", " (deleted)"


class Server:
    """A gunicorn with its workers; use it with ``with``.

    Parameters
    ----------
    command
        What starts it; it listens on `port`.
    log
        Where its words go.
    environment
        Variables on top of this process's.
    ready
        A path that it answers as soon as it can.
    """

    def __init__(
        self, command: list[str], port: int, log: Path, environment: dict[str, str] | None = None, ready: str = READY
    ) -> None:
        self.port = port
        self.command = command
        self.log = log
        self.environment = {**os.environ, **(environment or {})}
        self._ready = ready
        self.started_in = 0.0
        """Seconds from the start of the process to its first answer."""

    def __enter__(self) -> Self:
        began = time.perf_counter()
        self._process = self.begin()
        while not answers(self.port, self._ready):
            if self._process.poll() is not None or time.perf_counter() - began > _PATIENCE:
                self.__exit__(None, None, None)
                raise RuntimeError(f"a server did not start: see {self.log}")
            time.sleep(0.005)
        self.started_in = time.perf_counter() - began
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def begin(self) -> subprocess.Popen[bytes]:
        """Start the process."""
        with self.log.open("ab") as log:
            return subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment
            )

    @property
    def pid(self) -> int:
        """The process that was started."""
        return self._process.pid

    def wait(self, seconds: float) -> int:
        """Return the exit code, once it has ended by itself or by a signal."""
        return self._process.wait(seconds)

    @property
    def workers(self) -> list[int]:
        """The processes that answer."""
        return children(self.pid)

    def memory(self) -> float:
        """Return the memory that the workers have for themselves, in MB: what is mapped from files is not theirs."""
        return sum(memory_of(pid) for pid in self.workers)

    def descriptors(self) -> int:
        """Return how many files and sockets the workers have open, those of `prepared` left out."""
        return sum(not _is_prepared(name) for name in self._open_files())

    def prepared(self) -> int:
        """Return how many beginnings of files the workers hold open for later replies: the longer they run, the more.

        `PreparedFiles` has a bound for them.
        """
        return sum(map(_is_prepared, self._open_files()))

    def _open_files(self) -> list[str]:
        return [name for pid in self.workers for name in open_files(pid)]

    def busy(self) -> float:
        """Return how many seconds of processor time the workers have taken."""
        return sum(_processor_time(pid) for pid in self.workers)

    def watched(self) -> AbstractContextManager[Peak]:
        """Watch the memory of the workers; see `watched`."""
        return watched(self.memory)


class Peak:
    """The most memory seen, and what there was at the start, in MB."""

    def __init__(self, start: float) -> None:
        self.start = self.highest = start

    def see(self, value: float) -> None:
        """Take a look."""
        self.highest = max(self.highest, value)

    @property
    def growth(self) -> float:
        """By how much it grew."""
        return self.highest - self.start


@contextmanager
def watched(memory: Callable[[], float]) -> Iterator[Peak]:
    """Watch some memory in a thread; the highest is reported as growth over what it was at the start."""
    peak = Peak(memory())
    done = threading.Event()

    def watch() -> None:
        while not done.wait(_WATCHED_EVERY):
            peak.see(memory())

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        done.set()
        thread.join()
        peak.see(memory())


def rnaget(data: Path, log: Path, workers: int = 1, **settings: object) -> Server:
    """Return the server as providers start it; nothing is kept between requests, unless `settings` say otherwise."""
    return rnaget_by(Server, data, log, workers, **settings)


def rnaget_by(kind: type[Server], data: Path, log: Path, workers: int = 1, **settings: object) -> Server:
    """Return such a server, which is started as one of this kind is."""
    port = free_port()
    tool = Path(sys.executable).with_name("rnaget-server")
    command = [str(tool), "serve", str(data), "--host", HOST, "--port", str(port), "--workers", str(workers)]
    given = {"cache_bytes": 0, "log_level": "warning", **settings}
    return kind(command, port, log, {f"RNAGET_{name.upper()}": str(value) for name, value in given.items()})


def bare(
    log: Path,
    file: Path | None = None,
    application: str = "benchmarks.bare:app",
    worker: str = "uvicorn_worker.UvicornWorker",
) -> Server:
    """Return a server of the same kind that runs nothing but `benchmarks.bare`, which can send `file`."""
    port = free_port()
    command = [sys.executable, "-W", "ignore", "-m", "gunicorn", "-k", worker, "-w", "1"]
    command += ["-b", f"{HOST}:{port}", "--log-level", "warning", "--no-control-socket", application]
    return Server(command, port, log, {"BENCH_FILE": str(file or "")}, "/small")


def free_port() -> int:
    """Return a port that nobody listens on."""
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    """Return several ports that nobody listens on, no two of them the same."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind((HOST, 0))
        return [one.getsockname()[1] for one in sockets]


def answers(port: int, path: str) -> bool:
    """Return whether a server answers a path with 200."""
    try:
        with socket.create_connection((HOST, port), timeout=_PATIENCE) as one:
            one.sendall(f"GET {path} HTTP/1.0\r\nHost: {HOST}:{port}\r\n\r\n".encode())
            return one.recv(12)[9:12] == b"200"
    except OSError:
        return False


def children(pid: int) -> list[int]:
    """Return the processes that a process has started, by any of its threads."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(OSError):  # a thread may end meanwhile
            found += [int(one) for one in (task / "children").read_text().split()]
    return found


def open_files(pid: int) -> list[str]:
    """Return what Linux calls each file and socket that a process has open."""
    found = []
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):  # it may be closed meanwhile
            found.append(os.readlink(descriptor))
    return found


def _is_prepared(name: str) -> bool:
    return name.removesuffix(_REMOVED).endswith(_PREPARED)


def memory_of(pid: int, kinds: tuple[str, ...] = PRIVATE) -> float:
    """Return the memory of these kinds that a process has, in MB; 0 if it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith(kinds)) / 1024


def _processor_time(pid: int) -> float:
    """Return what a process has taken to the nanosecond, by the number that Linux gives to its clock."""
    return time.clock_gettime((~pid << 3) | 2)
