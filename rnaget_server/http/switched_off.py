"""Groups of routes that the provider does not offer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from rnaget_server.errors import GroupSwitchedOff
from rnaget_server.http.replies import error_response
from rnaget_server.http.request import ROUTE_PATH_KEY


def without_groups(
    prefix: str, groups: Collection[str], api: ASGIApp
) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    """Return `api` with the groups of routes in `groups` answering 501, with any parameters."""

    def application(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        group = scope[ROUTE_PATH_KEY].removeprefix(f"{prefix}/").split("/")[0] if scope["type"] == "http" else ""
        if group in groups:
            refusal = GroupSwitchedOff(f"this server does not offer {group}: {prefix}/service-info says what it offers")
            return error_response(Request(scope), refusal)(scope, receive, send)
        return api(scope, receive, send)

    return application
