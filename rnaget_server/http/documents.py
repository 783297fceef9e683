"""The layer of Connexion's stack that sends the OpenAPI document of a standard, as JSON and as YAML."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import anyio
from connexion.jsonifier import Jsonifier
from connexion.middleware.abstract import SpecMiddleware
from connexion.spec import Specification
from connexion.utils import yamldumper
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Router
from starlette.types import ASGIApp

# For the addresses that a server has: one, where a proxy does not make more of them.
_MOST_KEPT = 4


class DocumentMiddleware(Router, SpecMiddleware):  # type: ignore[misc]
    """Sends each document as Connexion writes it, but written once for each address: YAML of RNAget takes seconds."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__(default=app, redirect_slashes=False)
        # What is not kept yet is written for one request at a time, in a thread.
        self._writing = anyio.Lock()

    def add_api(self, specification: Specification, *, base_path: str, document: str, **_: Any) -> None:
        """Take a document, to be sent at `document` with the ends .json and .yaml."""
        self._add(specification, base_path, f"{document}.json", "application/json", Jsonifier().dumps)
        self._add(specification, base_path, f"{document}.yaml", "text/yaml", yamldumper)

    def _add(
        self, specification: Specification, base_path: str, path: str, media_type: str, write: Callable[[Any], str]
    ) -> None:
        @lru_cache(_MOST_KEPT)
        def written(base: str) -> bytes:
            return write(specification.with_base_path(base).spec).encode()

        async def send(request: Request) -> Response:
            async with self._writing:
                content = await run_in_threadpool(written, request.scope["root_path"] + base_path)
            return Response(content, media_type=media_type)

        self.add_route(base_path + path, send, ["GET"])
