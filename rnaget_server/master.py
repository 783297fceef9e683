"""The master process of gunicorn: how it takes over changed settings, and how it shuts down."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from rnaget_server.catalog.configuration import configuration
from rnaget_server.catalog.object_storage import look_for_changes
from rnaget_server.ending import end_with
from rnaget_server.errors import CatalogError
from rnaget_server.http.shared_state import SharedState
from rnaget_server.settings import Settings, settings_problem
from rnaget_server.storage.places import is_mirror

AT_ONCE = 2
"""Seconds that workers have to end when running replies are left: after SIGINT and SIGQUIT."""

# What a worker needs for itself once its replies have ended or were cut off.
_TO_END = 5


class _Look:
    """Another process that takes over the changes of a catalogue in object storage, while this one attends to the rest.

    Parameters
    ----------
    data
        The directory that stands for the catalogue.
    """

    def __init__(self, data: Path) -> None:
        self._answer, answer = os.pipe()
        parent = os.getpid()
        self._pid = os.fork()
        if self._pid == 0:
            try:
                end_with(parent)
                os.write(answer, _problem(data).encode())
            finally:
                os._exit(0)
        os.close(answer)

    @property
    def has_ended(self) -> bool:
        """True once the process has ended."""
        return bool(select.select([self._answer], [], [], 0)[0])

    def problem(self) -> str:
        """Return, once it has ended, why the changes could not be taken over; empty if they were."""
        with os.fdopen(self._answer, "rb") as answer:
            lines = answer.read().decode()
        return lines.rstrip("\n") if lines else "the process that asks the place took too long, or was killed"

    def end(self) -> None:
        """End the process; what was taken over before stays."""
        # One that has ended may have been waited for, and its number may be that of another.
        if not self.has_ended:
            os.kill(self._pid, signal.SIGKILL)
        os.close(self._answer)


def _problem(data: Path) -> str:
    """Return, in a new process, why changes could not be taken over, and a line break in any case."""
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    try:
        look_for_changes(data)
    except Exception as error:
        return f"{getattr(error, 'strerror', None) or error}\n"
    return "\n"


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
        self._look: _Look | None = None
        self._looks_again = False
        server.handle_term, server.handle_hup, server.manage_workers = self._stop, self._reload, self._attend
        self._manage_now = self._manage

    def _stop(self) -> None:
        """Shut down; for `drain_seconds` before, only say so on ``/readyz``. A second signal ends that wait."""
        seconds = 0.0 if self._state.stopping else self._settings.drain_seconds
        self._state.stop()
        self._end_look()
        if seconds:
            self._server.log.info("Requests are taken for %g more seconds, while /readyz answers 503", seconds)
            signal.signal(signal.SIGALRM, lambda *_: self._server.signal(signal.SIGTERM, None))
            signal.setitimer(signal.ITIMER_REAL, seconds)
            return
        self._server.cfg.set("graceful_timeout", self._settings.shutdown_timeout + _TO_END)
        self._end()

    def _reload(self) -> None:
        """Take over the settings of now, and of a catalogue in object storage its changes before."""
        if self._state.stopping:
            return
        if self._look is not None:  # else signals that come again and again would keep it from being done
            self._looks_again = True
            return
        if not is_mirror(self._settings.data):
            self._renew()
            return
        try:
            self._look = _Look(self._settings.data)
        except OSError as error:  # gunicorn would end
            self._renew(str(error))

    def _end_look(self) -> None:
        if self._look is not None:
            self._look.end()
            self._look = None

    def _attend(self) -> None:
        """Manage the workers, and go on with a reload once the changes were looked for."""
        look = self._look
        if look is not None and look.has_ended:
            self._look, again, self._looks_again = None, self._looks_again, False
            self._renew(look.problem())
            if again:
                self._reload()
        self._manage_now()

    def _renew(self, problem: str = "") -> None:
        """Start new workers with the settings of now, and end the old ones once the new ones take requests."""
        if problem:
            self._server.log.error("Changes of the catalogue cannot be looked for: %s", problem)
        try:
            self._settings = configuration()
        except (CatalogError, ValidationError) as error:
            problem = settings_problem(error) if isinstance(error, ValidationError) else str(error)
            self._server.log.error("The server goes on as it was, since it cannot be reloaded: %s", problem)
            return
        age = self._server.worker_age
        self._state.await_new(age)
        self._manage_now = lambda: self._wait_for_new(age)
        self._start_anew()

    def _wait_for_new(self, age: int) -> None:
        """Keep the old workers, which are those up to an age, until as many new ones as are wanted were ready."""
        server = self._server
        new = sum(worker.age > age for worker in server.WORKERS.values())
        if new < server.num_workers:
            server.spawn_worker()
        elif self._state.ready >= server.num_workers:
            self._manage_now = self._manage
            self._manage()
