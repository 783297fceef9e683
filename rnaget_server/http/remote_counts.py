"""Counts that several servers share through Redis or Valkey, which no request waits for long, and which may be away."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from limits import RateLimitItemPerSecond
from limits.aio.storage import RedisStorage
from limits.aio.strategies import MovingWindowRateLimiter, SlidingWindowCounterRateLimiter

from rnaget_server.http.shared_counts import Quota, SharedCounts, Taken
from rnaget_server.shared_settings import redis_address

_log = logging.getLogger(__name__)
_PREFIX = "rnaget"
_CONNECTIONS = 8
# A request waits 50 ms for all of its counts together, in turns: a process that is busy has as many to read a reply
# that has come, however long they take.
_TURN, _TURNS = 0.005, 10
_WAITS_AT_START = 2.0
_LOOKS_EVERY = 1.0
# One late reply is no reason to do without; so many are, each asked for after the last was late.
_MOST_LATE = 3
# Beyond it, each request is no longer kept by its time, which would take as much memory, but by two counts.
_MOST_TIMES = 1000

Wish = tuple[str, Quota, int]


class RemoteCounts:
    """The counts of all servers that name the same store.

    Parameters
    ----------
    address
        ``redis://…`` or ``valkey://…``, with ``s`` for TLS.
    local
        The counts of this server, by which its workers know who has noticed that the store is away.
    """

    def __init__(self, address: str, local: SharedCounts) -> None:
        # Not at the top: it is installed by an extra.
        from redis.asyncio import BlockingConnectionPool, Redis

        url = redis_address(address)
        pool = BlockingConnectionPool.from_url(
            url, max_connections=_CONNECTIONS, timeout=_WAITS_AT_START, socket_connect_timeout=_WAITS_AT_START
        )
        options: Any = {"connection_pool": pool}
        self._storage = RedisStorage(f"async+{url}", implementation="redispy", key_prefix=_PREFIX, **options)
        self._client: Any = Redis(connection_pool=pool)
        self._by_time = MovingWindowRateLimiter(self._storage)
        self._by_counts = SlidingWindowCounterRateLimiter(self._storage)
        self._local = local
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_away = True
        self._late = 0
        self._last_late = 0.0
        self._looking: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        """Open the connections of this worker, so that the first requests need not wait for them."""
        self._loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(_WAITS_AT_START):
                await asyncio.gather(*(self._client.ping() for _ in range(_CONNECTIONS)))
                for quota in (Quota(1, 1), Quota(_MOST_TIMES + 1, 1)):
                    await self._take((("begin", quota, 1),))
        except Exception as error:  # any reason is one to go on without
            self._leave(error)
        else:
            self._return()

    async def take(self, wishes: Sequence[Wish]) -> list[Taken] | None:
        """Take of several quotas until one is refused; None if the store is away, or does not answer in time.

        Parameters
        ----------
        wishes
            For each, the client, the quota, and how much of it is wanted.
        """
        if self._is_away:
            return None
        began = time.monotonic()
        answer = asyncio.ensure_future(self._take(wishes))
        try:
            for _ in range(_TURNS):
                if (await asyncio.wait((answer,), timeout=_TURN))[0]:
                    break
        finally:
            # Does nothing to what is done.
            answer.cancel()
        if not answer.done():
            self._note_late(began)
            return None
        self._late = 0
        try:
            return answer.result()
        except Exception as error:  # any reason is one to go on without
            self._leave(error)
            return None

    def _note_late(self, began: float) -> None:
        # Those that are late together are late for one reason, which may be this process.
        if began > self._last_late:
            self._late += 1
            self._last_late = time.monotonic()
        if self._late >= _MOST_LATE:
            self._leave(TimeoutError())

    def take_in_thread(self, wishes: Sequence[Wish]) -> list[Taken] | None:
        """Do the same from a thread that is not the event loop's."""
        if self._is_away or self._loop is None:
            return None
        waiting = asyncio.run_coroutine_threadsafe(self.take(wishes), self._loop)
        with suppress(TimeoutError):
            return waiting.result(2 * _TURN * _TURNS)
        waiting.cancel()
        return None

    async def _take(self, wishes: Sequence[Wish]) -> list[Taken]:
        taken: list[Taken] = []
        for client, quota, cost in wishes:
            taken.append(await self._take_one(client, quota, cost))
            if not taken[-1].allowed:
                break
        return taken

    async def _take_one(self, client: str, quota: Quota, cost: int) -> Taken:
        item = RateLimitItemPerSecond(quota.amount, quota.seconds, namespace=_PREFIX)
        if quota.amount <= _MOST_TIMES:
            allowed = await self._by_time.hit(item, client, cost=cost)
            stats = await self._by_time.get_window_stats(item, client)
            return Taken(quota, allowed, stats.remaining, max(0.0, stats.reset_time - time.time()))
        allowed = await self._by_counts.hit(item, client, cost=cost)
        counts = await self._storage.get_sliding_window(item.key_for(client), quota.seconds)
        before, before_ends, now, now_ends = counts
        used = int(before * before_ends / quota.seconds) + now
        seconds = _until_free(quota, 1 if allowed else cost, before, before_ends, now, now_ends)
        return Taken(quota, allowed, max(0, quota.amount - used), seconds)

    def _leave(self, error: Exception) -> None:
        """Do without the store from now on, until it is back."""
        self._late = 0
        self._is_away = True
        if self._local.set_away(True):
            # Not its words, which may have the address, and with it a password.
            _log.warning(
                "rate_limit_storage cannot be used (%s): each server counts for itself until it is back",
                type(error).__name__,
            )
        if self._looking is None or self._looking.done():
            self._looking = asyncio.ensure_future(self._look())

    async def _look(self) -> None:
        while self._is_away:
            await asyncio.sleep(_LOOKS_EVERY)
            with suppress(Exception):
                async with asyncio.timeout(_LOOKS_EVERY):
                    await self._take((("look", Quota(_MOST_TIMES, 1), 1),))
                    self._return()

    def _return(self) -> None:
        self._is_away = False
        if self._local.set_away(False):
            _log.info("rate_limit_storage is back: servers count together again")


def _until_free(quota: Quota, wanted: int, before: int, before_ends: float, now: int, now_ends: float) -> float:
    """Return the seconds until so much is free, where the count before counts less and less until it ends."""
    target = quota.amount - wanted
    ends = before_ends if before else max(0.0, now_ends - quota.seconds)
    if now <= target:
        return max(0.0, before_ends - (target - now) * quota.seconds / before) if before else 0.0
    return ends + quota.seconds * (1 - max(0, target) / now)
