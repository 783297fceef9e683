"""The memory that all large requests of one process may take together."""

from __future__ import annotations

import threading
import time

import anyio

from rnaget_server.errors import Busy

_TIMEOUT = 2.0
_RETRY_SECONDS = 0.02


class MemoryBudget:
    """Memory for large requests and what is selected for them.

    Parameters
    ----------
    max_bytes
        Most bytes of all of them. One alone may take more.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max = max_bytes
        self._reserved = 0
        self._lock = threading.Lock()

    @property
    def reserved(self) -> int:
        """Number of bytes that are taken."""
        return self._reserved

    def reservation(self) -> MemoryReservation:
        """Return memory for one piece of work: none as yet."""
        return MemoryReservation(self)

    def reserve(self, size: int, held: int = 0) -> bool:
        """Reserve so many bytes if there is room, also for work that holds some; a negative number gives them back."""
        with self._lock:
            if size > 0 and self._reserved > held and self._reserved + size > self._max:
                return False
            self._reserved += size
            return True


class MemoryReservation:
    """The memory of one piece of work. It has to be released."""

    def __init__(self, budget: MemoryBudget) -> None:
        self._budget = budget
        self._size = 0

    async def grow(self, size: int) -> None:
        """Make it that many bytes; wait a little for room.

        Raises
        ------
        Busy
            If there is none for a while.
        """
        until = time.monotonic() + _TIMEOUT
        while not self._grow_now(size, until):
            await anyio.sleep(_RETRY_SECONDS)

    def grow_in_thread(self, size: int) -> None:
        """Do the same as `grow`, in a thread."""
        until = time.monotonic() + _TIMEOUT
        while not self._grow_now(size, until):
            time.sleep(_RETRY_SECONDS)

    def release(self) -> None:
        """Give all back."""
        self._budget.reserve(-self._size)
        self._size = 0

    def _grow_now(self, size: int, until: float) -> bool:
        if size <= self._size:
            return True
        if self._budget.reserve(size - self._size, self._size):
            self._size = size
            return True
        if time.monotonic() > until:
            raise Busy("the server has many large requests at the moment: send this one again in some seconds")
        return False
