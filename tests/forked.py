"""Servers and commands by a fork of a process that has imported what they import, which is most of what a start costs.

All else is as ``rnaget-server`` does it: for a server its checks, gunicorn with its configuration, and workers.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import partial
from importlib import resources
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path

from benchmarks import servers
from rnaget_server.cli.server import main

CONFIGURATION = str(resources.files("rnaget_server") / "gunicorn.conf.py")
"""The file by which gunicorn is configured."""


def server(arguments: Sequence[str], environment: Mapping[str, str], log: Path, here: bool = True) -> BaseProcess:
    """Start ``rnaget-server serve`` with these variables; gunicorn begins in a new Python unless `here` is true."""
    return _started(_serve, arguments, dict(environment), log, here)


def gunicorn(environment: Mapping[str, str], log: Path) -> Process:
    """Start gunicorn itself with these variables, its configuration and the app, as a provider may."""
    return Process(_started(_gunicorn, dict(environment), log))


def command(arguments: Sequence[str], most_memory: int, environment: Mapping[str, str]) -> tuple[int, str]:
    """Return the code with which ``rnaget-server`` ends, and what it says; it gets no more memory than that."""
    with tempfile.NamedTemporaryFile() as said:
        process = _started(_run, arguments, dict(environment), said.name, most_memory)
        process.join(120)
        if process.exitcode is None:
            process.kill()
            raise subprocess.TimeoutExpired(list(arguments), 120)
        return process.exitcode, said.read().decode()


def heed_signals() -> None:
    """Let signals end a process that is about to start: what a shell starts in the background ignores some of them."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


class Server(servers.Server):
    """A server that is told of as those are that benchmarks start."""

    def begin(self) -> Process:
        """Start the process."""
        return start(self.command, self.environment, self.log)


rnaget = partial(servers.rnaget_by, Server)


def start(command: Sequence[str | Path], environment: Mapping[str, str], log: Path) -> Process:
    """Start the server of a whole command."""
    return Process(server(list(map(str, command[2:])), environment, log))


class Process:
    """A process with the methods of those of `subprocess`, as far as a server needs them."""

    def __init__(self, process: BaseProcess) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired("serve", timeout or 0)
        return self._process.exitcode

    def terminate(self) -> None:
        # The number of one that has ended may be another's by now.
        if self._process.is_alive():
            self._process.terminate()

    def kill(self) -> None:
        if self._process.is_alive():
            self._process.kill()


def forks(method: str | None = None) -> ForkServerContext:
    """Return how processes are started here, in place of any other `method`: of those that work on parts, too."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.preloaded"])
    return context


def _started(target: object, *arguments: object) -> BaseProcess:
    process = forks().Process(target=target, args=arguments)  # type: ignore[arg-type]
    process.start()
    return process


def _become(environment: Mapping[str, str], output: str | Path, errors: str | Path) -> None:
    """Take over variables, and write what is said to files."""
    with open(output, "ab") as out, open(errors, "ab") as err:
        os.dup2(out.fileno(), 1)
        os.dup2(err.fileno(), 2)
    os.environ.clear()
    os.environ.update(environment)


def _serve(arguments: Sequence[str], environment: Mapping[str, str], log: Path, here: bool) -> None:
    _become(environment, os.devnull, log)
    if here:
        os.execve = _go_on
    main(["serve", *arguments])


def _gunicorn(environment: Mapping[str, str], log: Path) -> None:
    _become(environment, os.devnull, log)
    _go_on("", [sys.executable, "-m", "gunicorn", "-c", CONFIGURATION, "rnaget_server.asgi:app"], environment)


def _run(arguments: Sequence[str], environment: Mapping[str, str], said: str, most_memory: int) -> None:
    _become(environment, said, said)
    resource.setrlimit(resource.RLIMIT_DATA, (most_memory, most_memory))
    main(list(arguments), prog_name="rnaget-server")


def _go_on(path: str, command: Sequence[str], environment: Mapping[str, str]) -> None:
    """Run gunicorn in this process, where the command would become another one."""
    os.environ.update(environment)
    sys.argv = list(command[2:])
    from gunicorn.app import wsgiapp

    wsgiapp.run(prog="gunicorn")
