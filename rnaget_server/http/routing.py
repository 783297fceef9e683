"""The last layer of Connexion's stack: calls the function that the OpenAPI document names for a route.

Connexion's own last layer prepares arguments again for each request, from query and body too. Here those are read by
`rnaget_server.query`, and only what is in the path is an argument.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar, cast

import anyio
from anyio.to_thread import run_sync
from connexion.middleware.abstract import RoutedAPI, RoutedMiddleware
from connexion.operations import AbstractOperation
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from rnaget_server.errors import CatalogChanged
from rnaget_server.http.mount import MOUNT_KEY, Mount
from rnaget_server.http.post_body import receive_parameters
from rnaget_server.http.received import ReceivedParameters
from rnaget_server.http.request import CANCELLATION_KEY, BrokenReplyError
from rnaget_server.http.workload import LARGE_BYTES
from rnaget_server.model.cancellation import Cancellation, Cancelled
from rnaget_server.model.observation import CURRENT, OTHER

Result = TypeVar("Result")
AtOnce = Callable[..., Response | None]
_AT_ONCE = "answers_at_once"
# Most work is done by then, and costs no look at its client.
_BEGINS = 0.05


def answered_at_once(answer: AtOnce) -> Callable[[Callable[..., Response]], Callable[..., Response]]:
    """Return a decorator of a handler whose answers are asked of another function first, without a thread.

    Parameters
    ----------
    answer
        Takes the same arguments, looks at nothing that may have to be waited for, and returns None where it must.
    """

    def decorated(function: Callable[..., Response]) -> Callable[..., Response]:
        setattr(function, _AT_ONCE, answer)
        return function

    return decorated


class Handler:
    """Answers one route by its function: a coroutine in the event loop, any other in a thread.

    Large requests are all answered in threads, of which they have few, so that the others never wait for them.

    Parameters
    ----------
    function
        Answers.
    route
        The template of the path, by which requests are counted.
    """

    def __init__(self, function: Callable[..., Any], route: str = OTHER) -> None:
        self._function = function
        self._route = route
        self._is_coroutine = inspect.iscoroutinefunction(function)
        self._at_once: AtOnce | None = getattr(function, _AT_ONCE, None)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send what the function returns; nothing, if the client goes before."""
        mount: Mount = scope[MOUNT_KEY]
        noted = CURRENT.get()
        if noted is not None:
            noted.standard, noted.route = mount.prefix, self._route
        if scope["method"] == "POST" or len(scope["query_string"]) > LARGE_BYTES:
            received = await receive_parameters(scope, receive, mount)
            if received is not None:
                try:
                    await self._answer(scope, receive, send, mount, received, received.is_large)
                finally:
                    received.forget()
        else:
            await self._answer(scope, receive, send, mount, ReceivedParameters(scope["query_string"]), False)

    async def _answer(
        self, scope: Scope, receive: Receive, send: Send, mount: Mount, received: ReceivedParameters, is_large: bool
    ) -> None:
        scope[CANCELLATION_KEY] = cancellation = Cancellation()

        def call(function: Callable[..., Any] = self._function) -> Any:
            # By their order in the path, not by their names.
            return function(mount.api.context(Request(scope), received, cancellation), *scope["path_params"].values())

        response: Response | None = None
        if (self._at_once is not None or self._is_coroutine) and not is_large and mount.api.is_due:
            await run_sync(mount.api.look_for_changes, limiter=mount.workload.looking)
        if self._at_once is not None and not is_large:
            response = call(self._at_once)
        if response is None and self._is_coroutine and not is_large:
            response = await call()
        elif response is None:
            work = partial(self._work, call)
            response = await run_while_wanted(work, _threads(mount, received, is_large), receive, cancellation)
        if is_large:
            received.forget()
        if response is not None:
            # Without a last piece of the body, the server below cuts the connection.
            with suppress(Cancelled, BrokenReplyError):
                await response(scope, receive, send)

    def _work(self, call: Callable[[], Any]) -> Response:
        """Return the response; the handler is called again if a file is gone since the catalogue names another."""
        try:
            return self._respond(call)
        except CatalogChanged:
            return self._respond(call)

    def _respond(self, call: Callable[[], Any]) -> Response:
        return cast(Response, asyncio.run(call()) if self._is_coroutine else call())


def _threads(mount: Mount, received: ReceivedParameters, is_large: bool) -> anyio.CapacityLimiter | None:
    if is_large:
        return mount.workload.costly
    return mount.workload.reading if received.names_any_of(mount.slow_parameters) else None


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


class _Api(RoutedAPI[Handler]):  # type: ignore[misc]
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.add_paths()

    def make_operation(self, operation: AbstractOperation) -> Handler:
        return Handler(operation.function, (self.base_path or "") + operation.path)


class HandlerMiddleware(RoutedMiddleware[_Api]):  # type: ignore[misc]
    """ASGI layer that answers the routes of the document; what is no route goes to the next."""

    api_cls = _Api
