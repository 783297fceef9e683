"""The bounds of what a worker does at once: memory for large requests, and threads for what takes long."""

from __future__ import annotations

import threading
import time
from functools import cached_property

import anyio

from rnaget_server.errors import Busy

LARGE_BYTES = 64 << 10
"""A request of more bytes is a large one."""

MOST_VALUES = 500_000
"""A request may have no more values, names of parameters included."""

# More threads would only wait for the interpreter, and keep others from it.
_COSTLY_AT_ONCE = 2
_READING_AT_ONCE = 8
_PATIENCE = 2.0
_LOOK_EVERY = 0.02


class Workload:
    """What one worker has to do at the moment.

    Parameters
    ----------
    most_bytes
        The most memory that large requests and what is selected for them may take together.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._taken = 0
        self._lock = threading.Lock()

    @cached_property
    def costly(self) -> anyio.CapacityLimiter:
        """The threads for requests that are large, so that those of small ones always find one."""
        return anyio.CapacityLimiter(_COSTLY_AT_ONCE)

    @cached_property
    def reading(self) -> anyio.CapacityLimiter:
        """The threads for requests that read very many cells before their reply begins."""
        return anyio.CapacityLimiter(_READING_AT_ONCE)

    def share(self) -> Share:
        """Return memory for one piece of work: none as yet."""
        return Share(self)

    def take(self, size: int) -> bool:
        """Take so many bytes if there is room; less than none gives them back."""
        with self._lock:
            if size > 0 and self._taken and self._taken + size > self._most:
                return False
            self._taken += size
            return True


class Share:
    """The memory of one piece of work. It has to be freed."""

    def __init__(self, workload: Workload) -> None:
        self._workload = workload
        self._size = 0

    async def grow(self, size: int) -> None:
        """Make it that many bytes; wait a little for room.

        Raises
        ------
        Busy
            If there is none for a while.
        """
        until = time.monotonic() + _PATIENCE
        while not self._grown(size, until):
            await anyio.sleep(_LOOK_EVERY)

    def grow_in_thread(self, size: int) -> None:
        """Do the same as `grow`, in a thread."""
        until = time.monotonic() + _PATIENCE
        while not self._grown(size, until):
            time.sleep(_LOOK_EVERY)

    def free(self) -> None:
        """Give all back."""
        self._workload.take(-self._size)
        self._size = 0

    def _grown(self, size: int, until: float) -> bool:
        if size <= self._size:
            return True
        if self._workload.take(size - self._size):
            self._size = size
            return True
        if time.monotonic() > until:
            raise Busy("the server has many large requests at the moment: send this one again in some seconds")
        return False
