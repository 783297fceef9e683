"""Chunks of a reply that a thread makes while those before them are on their way."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from contextvars import copy_context
from typing import Self

from rnaget_server.delivery.reply_budget import ReplyShare

# With one, the thread and the event loop would wait for each other's hand-over all the time.
_MAX_AHEAD = 2
# Then the thread is let go, for other replies wait for one too.
_MAX_IN_A_TASK = 8
# One is in the connection's buffer, and the next waits until that has room.
_IN_FLIGHT = 2


class Prefetcher:
    """An asynchronous iterator over chunks that are made in threads, at most two before they are asked for.

    A client that does not read holds no thread, and where memory is short nothing is made before it is needed.

    Parameters
    ----------
    chunks
        Makes the chunks; what it raises comes after those that were made before.
    share
        Where their bytes are counted, until they have left the process.
    """

    def __init__(self, chunks: Iterator[bytes | memoryview], share: ReplyShare) -> None:
        self._chunks = chunks
        self._share = share
        self._made: deque[bytes | memoryview] = deque()
        self._in_flight: deque[int] = deque()
        self._likely_size = 0
        self._asked = False
        self._ended = False
        self._stopped = False
        self._changed = asyncio.Event()
        self._task: asyncio.Future[None] | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes | memoryview:
        while not self._made:
            if self._task is not None and self._task.done():
                self._task.result()
                if self._ended and not self._made:
                    raise StopAsyncIteration
            self._asked = True
            self._changed.clear()
            self._schedule()
            await self._changed.wait()
        self._asked = False
        chunk = self._made.popleft()
        self._in_flight.append(len(chunk))
        if len(self._in_flight) > _IN_FLIGHT:
            self._share.change(-self._in_flight.popleft())
        self._schedule()
        return chunk

    async def stop(self) -> None:
        """Return when no thread is at it any more, and none will be."""
        self._stopped = True
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)

    def _schedule(self) -> None:
        """See to it that a thread makes chunks, if there is room for one and none is at it."""
        at_it = self._task is not None and not (self._task.done() and self._task.exception() is None)
        if not (at_it or self._ended or self._stopped) and self._wanted():
            loop = asyncio.get_running_loop()
            # In the context of the request, whose id is in the lines of the log.
            self._task = loop.run_in_executor(self._share.threads, copy_context().run, self._make, loop)
            self._task.add_done_callback(self._end_task)

    def _end_task(self, task: asyncio.Future[None]) -> None:
        if not task.cancelled():
            self._schedule()
        self._changed.set()

    def _wanted(self) -> bool:
        """Return whether a chunk may be made: one that is waited for, or one for which there is room ahead."""
        if self._asked and not self._made:
            return True
        return len(self._made) < _MAX_AHEAD and self._share.has_room(self._likely_size)

    def _make(self, loop: asyncio.AbstractEventLoop) -> None:
        for _ in range(_MAX_IN_A_TASK):
            if self._stopped or not self._wanted():
                return
            try:
                chunk = next(self._chunks)
            except StopIteration:
                self._ended = True
                return
            self._likely_size = len(chunk)
            self._share.change(len(chunk))
            self._made.append(chunk)
            # Or the last chunk of a task would be held by two.
            del chunk
            loop.call_soon_threadsafe(self._changed.set)
