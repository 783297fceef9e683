"""Work in threads for as long as its client is there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

import anyio
from anyio.to_thread import run_sync
from starlette.types import Receive

from rnaget_server.model.cancellation import Cancellation, Cancelled

Result = TypeVar("Result")
# Most work is done by then, and costs no look at its client.
_BEGINS = 0.05


async def run_while_wanted(
    function: Callable[[], Result],
    limiter: anyio.CapacityLimiter | None,
    receive: Receive,
    cancellation: Cancellation,
) -> Result | None:
    """Return what a function returns in a thread; None if the client goes before.

    Parameters
    ----------
    function
        Raises `Cancelled` soon after it was cancelled.
    limiter
        The threads to wait for; None: those of all requests.
    receive
        Gives the messages of a request whose body was taken.
    cancellation
        Is cancelled when the client goes.
    """
    watching: list[asyncio.Task[None]] = []
    with anyio.CancelScope() as waiting:
        watch = _watch(receive, cancellation, waiting)
        timer = asyncio.get_running_loop().call_later(_BEGINS, lambda: watching.append(asyncio.ensure_future(watch)))
        try:
            return await run_sync(function, limiter=limiter)
        except Cancelled:
            return None
        finally:
            timer.cancel()
            for task in watching:
                task.cancel()
            if not watching:
                watch.close()
    return None


async def _watch(receive: Receive, cancellation: Cancellation, waiting: anyio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    cancellation.cancel()
    # What waits for a thread does no more; what runs in one ends by itself.
    waiting.cancel()
