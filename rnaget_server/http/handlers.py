"""The last layer of Connexion's stack: calls the function that the OpenAPI document names for a route.

Connexion's own last layer prepares arguments anew for each request, from query and body too. Here those are read by
`rnaget_server.query`, and only what stands in the path is an argument.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from connexion.decorators.parameter import pythonic
from connexion.middleware.abstract import RoutedAPI, RoutedMiddleware
from connexion.operations import AbstractOperation
from starlette.concurrency import run_in_threadpool
from starlette.types import Receive, Scope, Send

from rnaget_server.errors import CatalogChanged
from rnaget_server.http.request import entered


class Handler:
    """Answers one route by its function: a coroutine in the event loop, any other in a thread."""

    def __init__(self, function: Callable[..., Any], names: dict[str, str]) -> None:
        self._function = function
        self._names = names
        self._waits = inspect.iscoroutinefunction(function)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send what the function returns."""
        arguments = {self._names[name]: value for name, value in scope["path_params"].items()}
        entered(scope)
        try:
            response = await self._answered(arguments)
        except CatalogChanged:
            response = await self._answered(arguments)
        await response(scope, receive, send)

    async def _answered(self, arguments: dict[str, Any]) -> Any:
        if self._waits:
            return await self._function(**arguments)
        return await run_in_threadpool(self._function, **arguments)


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
