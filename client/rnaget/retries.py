"""Waiting before a request is tried again."""

from __future__ import annotations

import random
import threading

from rnaget.errors import ClientError
from rnaget.transport import BrokenError, StatusError

LONGEST_WAIT = 60.0
"""Seconds that a wait grows to, where the server asks for no other."""

LONGEST_ASKED = 900.0
"""Seconds that a server may ask to wait; one that asks for more is not waited for."""

_TEMPORARY = frozenset({408, 429, *range(500, 600)} - {501, 505})


def is_temporary(error: ClientError) -> bool:
    """Return whether the same request may succeed later."""
    if isinstance(error, StatusError):
        return error.code in _TEMPORARY
    return isinstance(error, BrokenError)


class Attempts:
    """The tries of one transfer; each failure in succession is followed by a longer wait.

    Parameters
    ----------
    limit
        Failures in succession that are allowed.
    wait
        Seconds of the first wait; each wait is between half of its length and the whole, drawn by chance.
    stopped
        Ends a wait at once.
    """

    def __init__(self, limit: int, wait: float, stopped: threading.Event | None = None) -> None:
        self._limit, self._wait = limit, wait
        self._stopped = stopped or threading.Event()
        self._failures = 0

    def progress(self) -> None:
        """Count failures from the beginning, since something arrived."""
        self._failures = 0

    def after(self, error: ClientError) -> None:
        """Wait; raise `error` if trying again cannot help, or was done often enough."""
        if not is_temporary(error) or self._failures >= self._limit or self._stopped.is_set():
            raise error
        asked = error.retry_after if isinstance(error, StatusError) else None
        if asked is not None and asked > LONGEST_ASKED:
            raise ClientError(f"{error} (the server asks to wait {asked:,.0f} seconds: try again then)")
        wait = min(self._wait * 2.0**self._failures, LONGEST_WAIT) * random.uniform(0.5, 1)
        if asked is not None:  # a little later, so that not all clients come back at once
            wait = asked + min(wait, 0.1 * asked)
        self._failures += 1
        self._stopped.wait(wait)
