"""Values that take long to find out and seldom change, kept for a while."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from typing import Any

from starlette.concurrency import run_in_threadpool


class TTLCache:
    """Values by key.

    Parameters
    ----------
    seconds
        How long a value is kept. 0: not at all.
    most
        How many are kept: those that were made last.
    """

    def __init__(self, seconds: float, most: int = 1_000) -> None:
        self._seconds = seconds
        self._most = most
        self._values: dict[Hashable, tuple[object, float, Any]] = {}

    async def get(self, key: Hashable, basis: object, make: Callable[[], Any]) -> Any:
        """Return the value of `key`, made in a thread if there is none, or one that is too old or of another basis.

        Parameters
        ----------
        key
            All that the value depends on, in addition to the basis.
        basis
            The object that the value is made from, such as the catalogue in service.
        make
            Makes the value.
        """
        kept_basis, until, value = self._values.get(key, (None, 0.0, None))
        if kept_basis is basis and time.monotonic() < until:
            return value
        until = time.monotonic() + self._seconds
        value = await run_in_threadpool(make)
        self._values.pop(key, None)
        self._values[key] = basis, until, value
        if len(self._values) > self._most:
            self._values.pop(next(iter(self._values)))
        return value
