"""The master process of gunicorn: how it takes over changed settings, and how it shuts down."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

from pydantic import ValidationError

from rnaget_server.catalog.configuration import configuration
from rnaget_server.catalog.object_storage import look_for_changes
from rnaget_server.errors import CatalogError
from rnaget_server.http.shared_state import SharedState
from rnaget_server.settings import Settings, settings_problem

AT_ONCE = 2
"""Seconds that workers have to end when running replies are left: after SIGINT and SIGQUIT."""

# What a worker needs for itself once its replies have ended or were cut off.
_TO_END = 5


class Master:
    """The answers to SIGHUP and SIGTERM in place of gunicorn's own, which would let requests fail or wait.

    Parameters
    ----------
    server
        The arbiter of gunicorn, whose handlers of the two signals are replaced.
    settings
        Those of the server, as of its start.
    state
        What its workers know of it.
    """

    def __init__(self, server: Any, settings: Settings, state: SharedState) -> None:
        self._server = server
        self._settings = settings
        self._state = state
        self._end: Callable[[], None] = server.handle_term
        self._start_anew: Callable[[], None] = server.handle_hup
        self._manage: Callable[[], None] = server.manage_workers
        server.handle_term, server.handle_hup = self._stop, self._reload

    def _stop(self) -> None:
        """Shut down; for `drain_seconds` before, only say so on ``/readyz``. A second signal ends that wait."""
        seconds = 0.0 if self._state.stopping else self._settings.drain_seconds
        self._state.stop()
        if seconds:
            self._server.log.info("Requests are taken for %g more seconds, while /readyz answers 503", seconds)
            signal.signal(signal.SIGALRM, lambda *_: self._server.signal(signal.SIGTERM, None))
            signal.setitimer(signal.ITIMER_REAL, seconds)
            return
        self._server.cfg.set("graceful_timeout", self._settings.shutdown_timeout + _TO_END)
        self._end()

    def _reload(self) -> None:
        """Start new workers with the settings of now, and end the old ones once the new ones take requests."""
        if self._state.stopping:
            return
        try:
            look_for_changes(self._settings.data)
        except Exception as error:  # gunicorn would end
            why = getattr(error, "strerror", None) or error
            self._server.log.error("Changes of the catalogue cannot be looked for: %s", why)
        try:
            self._settings = configuration()
        except (CatalogError, ValidationError) as error:
            problem = settings_problem(error) if isinstance(error, ValidationError) else str(error)
            self._server.log.error("The server goes on as it was, since it cannot be reloaded: %s", problem)
            return
        ready, age = self._state.ready, self._server.worker_age
        self._server.manage_workers = lambda: self._wait_for_new(ready, age)
        self._start_anew()

    def _wait_for_new(self, ready: int, age: int) -> None:
        """Keep the old workers, which are those up to an age, until as many new ones as are wanted were ready."""
        server = self._server
        new = sum(worker.age > age for worker in server.WORKERS.values())
        if new < server.num_workers:
            server.spawn_worker()
        elif self._state.ready - ready >= server.num_workers:
            server.manage_workers = self._manage
            self._manage()
