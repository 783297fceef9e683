"""The gunicorn worker: uvicorn's, which waits for no client endlessly, ends gently, and ends with its master."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import socket
import sys
from contextlib import suppress
from functools import partial
from typing import Any, ClassVar

from gunicorn.arbiter import Arbiter
from gunicorn.glogging import Logger
from uvicorn.config import Config
from uvicorn.server import Server
from uvicorn_worker import UvicornWorker

from rnaget_server.catalog.configuration import configuration
from rnaget_server.ending import end_with
from rnaget_server.http.connection import Connection, Connections, Patience
from rnaget_server.http.heap import keep_few_arenas
from rnaget_server.http.log_limit import limit_lines
from rnaget_server.http.observing.logs import format_lines
from rnaget_server.http.shared_state import shared_state

_TICK = 0.5
_MOST_OPEN = 1 << 16


class Log(Logger):  # type: ignore[misc]
    """The log of gunicorn, in the format of all others; ``gunicorn.conf.py`` names it."""

    def setup(self, cfg: Any) -> None:
        """Begin, or begin again with other settings."""
        super().setup(cfg)
        format_lines(self.error_log.handlers, configuration().log_format, self.error_fmt)


class _Server(Server):
    """A server that cuts off, after some time, the replies that still run when it shuts down.

    Parameters
    ----------
    config
        Uvicorn's.
    connections
        All that are open.
    seconds
        How long running replies have.
    age
        The number of the worker, of which later ones have higher ones.
    """

    def __init__(self, config: Config, connections: Connections, seconds: float, age: int) -> None:
        super().__init__(config)
        self._age = age
        self._connections = connections
        self._seconds = seconds

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to take requests, and let the master know."""
        await super().startup(sockets)
        shared_state().add_ready(self._age)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no new connections, and wait for the replies of the others."""
        self._connections.ending = True
        limit = asyncio.get_running_loop().call_later(self._seconds, self._connections.cut)
        await super().shutdown(sockets)
        limit.cancel()

    def leave(self) -> None:
        """End without a wait for running replies."""
        self.should_exit = self.force_exit = True


class Worker(UvicornWorker):  # type: ignore[misc]
    """The worker class that ``gunicorn.conf.py`` names."""

    CONFIG_KWARGS: ClassVar[dict[str, Any]] = {
        "interface": "asgi3",
        "loop": "auto",
        "http": Connection,
        "ws": "none",
        "server_header": False,
    }

    def init_process(self) -> None:
        """Begin, in the new process."""
        end_with(self.ppid)
        keep_few_arenas()
        _open_as_many_as_allowed()
        limit_lines(self.log.error_log.handlers)
        settings = configuration()
        patience = Patience(settings.send_timeout, settings.receive_timeout, settings.keep_alive)
        self._connections = Connections()
        self._shutdown_timeout = settings.shutdown_timeout
        self.config.http = partial(Connection, connections=self._connections, patience=patience)
        # Uvicorn ceases to call it when it shuts down, and the replies that still run need it as well.
        self.config.callback_notify = None
        super().init_process()

    async def _serve(self) -> None:
        self.config.app = getattr(self.wsgi, "at_once", self.wsgi)
        server = _Server(self.config, self._connections, self._shutdown_timeout, self.age)
        asyncio.get_running_loop().add_signal_handler(signal.SIGQUIT, server.leave)
        watch = asyncio.create_task(self._watch())
        try:
            await server.serve(sockets=self.sockets)
        finally:
            watch.cancel()
            with suppress(asyncio.CancelledError):
                await watch
        if not server.started:
            sys.exit(Arbiter.WORKER_BOOT_ERROR)

    async def _watch(self) -> None:
        """Notify the master that all is well, and look after the connections."""
        while True:
            self.notify()
            if os.getppid() != self.ppid:
                os.kill(os.getpid(), signal.SIGKILL)
            now = asyncio.get_running_loop().time()
            for connection in tuple(self._connections):
                connection.look(now)
            await asyncio.sleep(_TICK)


def _open_as_many_as_allowed() -> None:
    """Raise the soft limit of open files, often 1,024, so that idle connections keep nobody out."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _MOST_OPEN if hard == resource.RLIM_INFINITY else min(hard, _MOST_OPEN)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
