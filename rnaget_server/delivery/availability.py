"""The state of a store that a server can do without: in use, or away until it answers."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from rnaget_server.http.log_once import ONCE

_log = logging.getLogger(__name__)
# One late reply is no reason to do without; so many are, each asked for after the last was late.
_MOST_LATE = 3
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0


class Availability:
    """The state of one store, which any thread may ask for and change.

    Parameters
    ----------
    setting
        The setting that names the store, for the log.
    meanwhile
        The words of the log for what is done without it.
    """

    def __init__(self, setting: str, meanwhile: str) -> None:
        self._setting = setting
        self._meanwhile = meanwhile
        self._lock = threading.Lock()
        self._is_away = False
        self._times_away = 0
        self._late = 0
        self._last_late = 0.0
        self._pause = _FIRST_PAUSE
        self._next_look = 0.0
        self._back_since = -_LONGEST_PAUSE

    def is_usable(self, look: Callable[[], None]) -> bool:
        """Return whether the store is in use; if it is away, begin to look from time to time whether it is back.

        Parameters
        ----------
        look
            Begins a look, and does not wait for it.
        """
        if not self._is_away:
            return True
        with self._lock:
            now = time.monotonic()
            is_due = self._is_away and now >= self._next_look
            if is_due:
                self._next_look = now + self._pause
        if is_due:
            look()
        return False

    def note_answer(self) -> None:
        """Note that the store has answered in time."""
        self._late = 0

    def note_late(self, began: float) -> None:
        """Note that an answer was late that was asked for at that time of `time.monotonic`."""
        with self._lock:
            # Those that are late together are late for one reason, which may be this process.
            if began > self._last_late:
                self._late += 1
                self._last_late = time.monotonic()
            is_enough = self._late >= _MOST_LATE
        if is_enough:
            self.leave("late")

    def leave(self, reason: str) -> None:
        """Do without the store from now on, until it is back; the reason is written to the log, so has no address."""
        with self._lock:
            if self._is_away:
                return
            now = time.monotonic()
            # One that comes and goes is asked less and less.
            was_short = now - self._back_since < _LONGEST_PAUSE
            self._pause = min(_LONGEST_PAUSE, 2 * self._pause) if was_short else _FIRST_PAUSE
            self._is_away, self._late, self._next_look = True, 0, now + self._pause
            self._times_away += 1
            state = f"{self._setting} away {self._times_away}"
        _log.warning("%s cannot be used (%s): %s", self._setting, reason, self._meanwhile, extra={ONCE: state})

    def return_(self) -> None:
        """Use the store again."""
        with self._lock:
            if not self._is_away:
                return
            self._is_away, self._back_since = False, time.monotonic()
            state = f"{self._setting} back {self._times_away}"
        _log.info("%s is back", self._setting, extra={ONCE: state})
