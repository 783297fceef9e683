"""Few lines in the log for what happens often, so that nobody fills a disk by requests that fail."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable

from rnaget_server.http.log_once import ONCE

_MINUTE = 60.0
_MOST_KINDS = 1000
_SHOWN = 40


class Seldom(logging.Filter):
    """Lets one warning or error of a kind pass in a minute; the next one says how many were left out.

    Lines are of a kind if they have the same text, before anything is put into it, and the same first value in it: what
    comes first is what failed, and a provider has few of those.

    Parameters
    ----------
    clock
        Gives the time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._lock = threading.Lock()
        self._kinds: dict[tuple[str, str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a line is written, with the number of those before it if some were left out."""
        # A line about a state is written once for each already, and few states come and go.
        if record.levelno < logging.WARNING or hasattr(record, ONCE):
            return True
        first = record.args[0] if isinstance(record.args, tuple) and record.args else ""
        kind = (record.name, str(record.msg)[:_SHOWN], str(first)[:_SHOWN])
        now = self._clock()
        with self._lock:
            if kind not in self._kinds and len(self._kinds) >= _MOST_KINDS:
                self._kinds = {kind: seen for kind, seen in self._kinds.items() if now - seen[0] < _MINUTE}
            if kind not in self._kinds and len(self._kinds) >= _MOST_KINDS:
                # Somebody makes up kinds: they are all one.
                kind = (record.name, "", "")
            last, left_out = self._kinds.get(kind, (-_MINUTE, 0))
            if now - last < _MINUTE:
                self._kinds[kind] = (last, left_out + 1)
                return False
            self._kinds[kind] = (now, 0)
        if left_out:
            record.msg = f"{str(record.msg).rstrip()} (and {left_out:,} more like it before)"
        return True


def limit_lines(handlers: Iterable[logging.Handler]) -> None:
    """Have handlers write few lines of a kind."""
    for handler in handlers:
        handler.addFilter(Seldom())
