"""The same for programs with an event loop: each request runs in a thread, by the same code."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from types import TracebackType
from typing import Any, Self

from rnaget.errors import ClientError
from rnaget.getting import Progress, Received, get, shown_progress
from rnaget.items import Item
from rnaget.listing import Listing
from rnaget.server import Server, connect

_ASKING = {"obs", "var", "lengths", "formats", "filters", "info", "root", "site"}
"""Attributes that may ask the server: here they are awaited."""


async def _in_thread(function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    import asyncio  # only those who have an event loop pay for it

    return _wrapped(await asyncio.to_thread(function, *arguments, **named))


def _wrapped(value: Any) -> Any:
    if isinstance(value, Listing):
        return AsyncListing(value)
    return AsyncItem(value) if isinstance(value, Item) else value


async def get_async(*arguments: Any, progress: bool | Progress = False, **named: Any) -> Received:
    """Download a file; see `get`. Of a task that is cancelled the download ends with the next bytes that arrive."""
    ended = threading.Event()

    def run() -> Received:
        with shown_progress(progress) as shown:

            def report(done: int, total: int | None) -> None:
                if ended.is_set():
                    raise ClientError("the download was cancelled")
                if shown is not None:
                    shown(done, total)

            return get(*arguments, progress=report, **named)

    try:
        received: Received = await _in_thread(run)
        return received
    finally:
        ended.set()


async def connect_async(url: str, token: str | None = None, **options: Any) -> AsyncServer:
    """Return a server whose methods are awaited; see `connect`."""
    return AsyncServer(connect(url, token, **options))


class _Proxy:
    """Something whose methods, and attributes that ask the server, are awaited; all others are as they are."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if name in _ASKING:
            return _in_thread(getattr, self._inner, name)
        value = getattr(self._inner, name)
        if callable(value):
            return lambda *arguments, **named: _in_thread(value, *arguments, **named)
        return _wrapped(value)

    def __repr__(self) -> str:
        return f"async {self._inner!r}" if isinstance(self._inner, Item | Server) else object.__repr__(self)


class AsyncItem(_Proxy):
    """A project, study, matrix or other thing: ``await matrix.fetch(…)``, ``await matrix.obs``."""


class AsyncListing:
    """A list of things: ``async for``, ``await listing[id]``, ``await listing.get(id)``, ``await listing.all()``."""

    def __init__(self, inner: Listing[Any]) -> None:
        self._inner = inner

    async def __aiter__(self) -> AsyncIterator[Any]:
        number = 0
        while True:
            page = await _in_thread(self._page, number)
            for item in page:
                yield _wrapped(item)
            if not page:
                return
            number += len(page)

    def _page(self, start: int) -> list[Any]:
        """Return some things from a number on, of which all but the first are known already."""
        found = []
        for number in range(start, start + 100):
            try:
                found.append(self._inner[number])
            except IndexError:
                break
        return found

    # Python would ask `__getitem__` for one number after another, without end.
    __iter__ = None
    __contains__ = None

    def __getitem__(self, key: int | str) -> Coroutine[Any, Any, Any]:
        return _in_thread(self._inner.__getitem__, key)

    async def get(self, id: str, default: Any = None) -> Any:
        """Return the thing of an id, or `default`."""
        return await _in_thread(self._inner.get, id, default)

    async def all(self) -> list[Any]:
        """Return all of them."""
        return [item async for item in self]

    async def count(self) -> int:
        """Return how many there are."""
        count: int = await _in_thread(len, self._inner)
        return count


class AsyncServer(_Proxy):
    """A server: ``server.matrices`` and the like are lists to go through by ``async for``."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
