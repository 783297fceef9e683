"""The last layer of Connexion's stack: calls the function that the OpenAPI document names for a route.

Connexion's own last layer prepares arguments anew for each request, from query and body too. Here those are read by
`rnaget_server.query`, and only what stands in the path is an argument.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, cast

import anyio
from connexion.decorators.parameter import pythonic
from connexion.middleware.abstract import RoutedAPI, RoutedMiddleware
from connexion.operations import AbstractOperation
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from rnaget_server.cancellation import Cancellation, Cancelled
from rnaget_server.errors import CatalogChanged
from rnaget_server.http.posted import ParametersSent, parameters_sent
from rnaget_server.http.request import CANCELLATION_KEY, SCOPE_KEY, entered
from rnaget_server.http.wanted import run_while_wanted
from rnaget_server.http.workload import Workload


class Handler:
    """Answers one route by its function: a coroutine in the event loop, any other in a thread.

    Large requests are all answered in threads, of which they have few, so that the others never wait for them.
    """

    def __init__(self, function: Callable[..., Any], names: dict[str, str]) -> None:
        self._function = function
        self._names = names
        self._waits = inspect.iscoroutinefunction(function)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send what the function returns; nothing, if the client goes before."""
        arguments = {self._names[name]: value for name, value in scope["path_params"].items()}
        sent = parameters_sent(scope)
        scope[CANCELLATION_KEY] = cancellation = Cancellation()
        entered(scope)
        response: Response | None
        if self._waits and not sent.large:
            response = await self._function(**arguments)
        else:
            work = self._again_if_changed(partial(self._function, **arguments))
            response = await run_while_wanted(work, _threads(scope, sent), receive, cancellation)
        sent.forget()
        if response is not None:
            with suppress(Cancelled):
                await response(scope, receive, send)

    def _again_if_changed(self, function: Callable[[], Any]) -> Callable[[], Response]:
        """Return what calls the handler, and calls it again if a file is gone since the catalogue names another."""

        def work() -> Response:
            return cast(Response, asyncio.run(function()) if self._waits else function())

        def again_if_changed() -> Response:
            try:
                return work()
            except CatalogChanged:
                return work()

        return again_if_changed


def _threads(scope: Scope, sent: ParametersSent) -> anyio.CapacityLimiter | None:
    if not (sent.large or sent.reads_much):
        return None
    workload: Workload = scope[SCOPE_KEY].workload
    return workload.costly if sent.large else workload.reading


class _Api(RoutedAPI[Handler]):  # type: ignore[misc]
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.add_paths()

    def make_operation(self, operation: AbstractOperation) -> Handler:
        names = [parameter["name"] for parameter in operation.parameters if parameter["in"] == "path"]
        return Handler(operation.function, {name: pythonic(name) for name in names})


class Handlers(RoutedMiddleware[_Api]):  # type: ignore[misc]
    """ASGI layer that answers the routes of the document; what is no route goes to the next."""

    api_cls = _Api
