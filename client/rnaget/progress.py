"""A progress bar on standard error."""

from __future__ import annotations

import sys
import threading
import time
from typing import Self

_INTERVAL = 0.1
_WIDTH = 30


class Bar:
    """The bar; nothing is drawn where standard error is no terminal, unless `force`."""

    def __init__(self, label: str = "", force: bool = False) -> None:
        self._label, self._lock = label, threading.Lock()
        self._is_shown = force or (sys.stderr is not None and sys.stderr.isatty())
        self._began = time.monotonic()
        self._last = 0.0
        self._length = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._length:
            sys.stderr.write("\r" + " " * self._length + "\r")
            sys.stderr.flush()

    def show(self, done: int, total: int | None) -> None:
        """Draw the bar for so many bytes, at most ten times a second."""
        now = time.monotonic()
        if not self._is_shown or (now - self._last < _INTERVAL and done != total):
            return
        with self._lock:
            self._last = now
            speed = done / max(now - self._began, 1e-6)
            text = f"{sized(done)} at {sized(speed)}/s"
            if total:
                filled = min(_WIDTH, _WIDTH * done // total)
                left = max(0, total - done) / speed if speed else 0
                text = f"[{'#' * filled}{'.' * (_WIDTH - filled)}] {sized(done)} of {sized(total)}, {left:.0f} s left"
            text = f"{self._label} {text}".strip()[:118]
            sys.stderr.write("\r" + text.ljust(self._length))
            sys.stderr.flush()
            self._length = len(text)


def sized(count: float) -> str:
    """Return a number of bytes for people."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError
