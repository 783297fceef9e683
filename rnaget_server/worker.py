"""The gunicorn worker: uvicorn's, which waits for no client endlessly and ends with its master."""

from __future__ import annotations

import asyncio
import ctypes
import os
import resource
import signal
import sys
from functools import partial
from typing import Any, ClassVar

from gunicorn.glogging import Logger
from uvicorn_worker import UvicornWorker

from rnaget_server.catalog.configuration import configuration
from rnaget_server.http.connection import Connection, Patience
from rnaget_server.http.heap import keep_few_arenas
from rnaget_server.http.log_limit import limit_lines
from rnaget_server.http.observing.logs import format_lines

_DIE_WITH_PARENT = 1
_TICK = 0.5
_MOST_OPEN = 1 << 16


class Log(Logger):  # type: ignore[misc]
    """The log of gunicorn, in the format of all others; ``gunicorn.conf.py`` names it."""

    def setup(self, cfg: Any) -> None:
        """Begin, or begin again with other settings."""
        super().setup(cfg)
        format_lines(self.error_log.handlers, configuration().log_format, self.error_fmt)


class Worker(UvicornWorker):  # type: ignore[misc]
    """The worker class that ``gunicorn.conf.py`` names."""

    CONFIG_KWARGS: ClassVar[dict[str, Any]] = {
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
        self._connections: set[Connection] = set()
        self.config.http = partial(Connection, connections=self._connections, patience=patience)
        self.config.timeout_notify = _TICK
        super().init_process()

    async def callback_notify(self) -> None:
        """Notify the master that all is well, and look after the connections; about once a second."""
        self.notify()
        if os.getppid() != self.ppid:
            os.kill(os.getpid(), signal.SIGKILL)
        now = asyncio.get_running_loop().time()
        for connection in tuple(self._connections):
            connection.look(now)


def end_with(parent: int) -> None:
    """End this process when its parent ends, for any reason and at any moment; only Linux can."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
    # It may have ended before.
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def _open_as_many_as_allowed() -> None:
    """Raise the soft limit of open files, often 1,024, so that idle connections keep nobody out."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _MOST_OPEN if hard == resource.RLIM_INFINITY else min(hard, _MOST_OPEN)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
