"""The memory that all replies of a worker may hold between them while they are sent."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor

import anyio

from rnaget_server.errors import Busy
from rnaget_server.http.heap import trim

# A chunk on its way into the socket, the next one in hand, and what the connection itself takes.
_LEAST = 1 << 20
_MOST_MAKING = 2
_MOST_MAKING_WHOLE = 8
_MOST_WAITING = 16
_PATIENCE = 2.0
_WORTH_TRIMMING = 16 << 20
# To get it from the system once more takes as long as to fill it: the next reply may be one that needs as much.
_TRIMMED_AFTER = 5.0
_MESSAGE = "as many large replies are being sent as this server holds in memory: ask again soon, or for less"


class ReplyBudget:
    """Counts what replies hold, lets no more of them begin than fit, and gives each a share.

    Parameters
    ----------
    most_bytes
        Most bytes of all replies. One alone may hold more, for it has to be sent somehow. 0: any number.
    patience
        Seconds that a reply waits until others have gone.
    """

    def __init__(self, most_bytes: int, patience: float = _PATIENCE) -> None:
        self._most = most_bytes
        self._patience = patience
        self._held = 0
        self._lock = threading.Lock()
        self._released = 0
        self.replies = 0
        """Number of replies that have a share."""
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        # Few, so that those who ask for little find the processor free; the interpreter runs one at a time anyway.
        self.making = anyio.CapacityLimiter(_MOST_MAKING)
        # They may wait for another that makes the same, and must not hold the threads of all others meanwhile.
        self.making_whole = anyio.CapacityLimiter(_MOST_MAKING_WHOLE)
        # The interpreter runs one thread at a time: with two here, each step of all others waits for both. A lower
        # priority is worse, since a thread that holds the interpreter then waits for other processes.
        self.threads = ThreadPoolExecutor(1, "chunk")

    @property
    def held(self) -> int:
        """Number of bytes held or set aside."""
        return self._held

    @property
    def in_making(self) -> int:
        """Number of threads that make large replies."""
        return self.making.borrowed_tokens + self.making_whole.borrowed_tokens

    def refuse_if_full(self) -> None:
        """Refuse a reply that would find no room, and more waiting than may.

        Raises
        ------
        Busy
            If it is so.
        """
        if len(self._waiting) >= _MOST_WAITING:
            raise Busy(_MESSAGE)

    async def share(self, held: int) -> ReplyShare:
        """Return the share of a reply that is about to begin, which has to be given back.

        Parameters
        ----------
        held
            How many bytes the reply holds in addition to its chunks.

        Raises
        ------
        Busy
            If there is no room, and none comes soon.
        """
        size = held + _LEAST
        if self._waiting or not self._taken(size):
            await self._wait(size)
        self.replies += 1
        return ReplyShare(self, held, size)

    def fits(self, more: int) -> bool:
        """Return whether there is room for so many bytes more."""
        return not self._most or self._held + more <= self._most

    def change(self, by: int) -> None:
        """Count bytes that a reply holds now and did not before, or no longer. Any thread may call it."""
        with self._lock:
            self._held += by
        if by < 0 and self._waiting and self._loop is not None:
            self._loop.call_soon_threadsafe(self._admit)

    def give_back(self, size: int) -> None:
        """Count a reply as gone, and let those begin that have waited for room."""
        self.change(-size)
        self._trim_soon(size)
        self._admit()

    def _admit(self) -> None:
        """Let those begin that have waited for room, as far as there is some."""
        while self._waiting and self._taken(self._waiting[0][0]):
            self._waiting.popleft()[1].set_result(None)

    def _trim_soon(self, size: int) -> None:
        """Give memory back to the system in a while, if much was freed since that was done last."""
        before, self._released = self._released, self._released + size
        if before < _WORTH_TRIMMING <= self._released:
            asyncio.get_running_loop().call_later(_TRIMMED_AFTER, self._trim)

    def _trim(self) -> None:
        self._released = 0
        asyncio.get_running_loop().run_in_executor(None, trim)

    def _taken(self, size: int) -> bool:
        with self._lock:
            if self._held and not self.fits(size):
                return False
            self._held += size
            return True

    async def _wait(self, size: int) -> None:
        self.refuse_if_full()
        self._loop = asyncio.get_running_loop()
        turn: asyncio.Future[None] = self._loop.create_future()
        self._waiting.append((size, turn))
        try:
            await asyncio.wait_for(asyncio.shield(turn), self._patience)
        except BaseException as error:
            if turn.done():
                self.give_back(size)
            else:
                self._waiting.remove((size, turn))
                # Those behind it may need less.
                self.give_back(0)
            if isinstance(error, TimeoutError):
                raise Busy(_MESSAGE) from None
            raise


class ReplyShare:
    """The share of one reply in the budget: what was set aside for it, and more while its chunks are large or many.

    Parameters
    ----------
    budget
        What it is a share of.
    held
        How many bytes the reply holds in addition to its chunks.
    size
        What was set aside.
    """

    def __init__(self, budget: ReplyBudget, held: int, size: int) -> None:
        self._budget = budget
        self._held = held
        self._least = size
        self._size = size
        self._chunks = 0
        self._lock = threading.Lock()
        self.threads = budget.threads
        """Where the chunks are made."""

    def has_room(self, chunk: int) -> bool:
        """Return whether one more chunk of that size may be made before it is asked for."""
        return self._budget.fits(max(0, self._held + self._chunks + chunk - self._size))

    def change(self, by: int) -> None:
        """Count bytes of chunks that were made, or that have gone. Any thread may call it."""
        with self._lock:
            self._chunks += by
            size = max(self._least, self._held + self._chunks)
            self._budget.change(size - self._size)
            self._size = size

    def give_back(self) -> None:
        """Count the reply as gone."""
        self._budget.replies -= 1
        self._budget.give_back(self._size)
