"""ASGI layers in front of the APIs."""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from rnaget_server.errors import GroupSwitchedOff, InvalidQuery
from rnaget_server.http.replies import error_reply
from rnaget_server.http.request import BEGAN_KEY, SCOPE_KEY
from rnaget_server.http.sending import BrokenReplyError
from rnaget_server.service import Services

# A registered name or IPv4 address, or an IPv6 address in brackets, and a port (RFC 3986, 3.2.2).
_HOST = re.compile(rb"(?:[A-Za-z0-9._~-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])?(?::[0-9]{0,5})?")

Handler = Callable[[Scope, Receive, Send], Awaitable[None]]


def dispatch(services: Services, apis: dict[str, ASGIApp], pages: ASGIApp, lifespan: ASGIApp) -> Handler:
    """Return the application that sends a request to the API whose prefix it has, else to the pages.

    APIs get this server's services in the scope, and paths without a slash at the end (``/projects/`` is
    ``/projects``, as some clients write it).
    """

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await lifespan(scope, receive, send)
            return
        path = scope["path"]
        if not _has_sound_host(scope):
            refusal = InvalidQuery("the header Host is no host name: send the address of this server there")
            await error_reply(Request(scope), refusal)(scope, receive, send)
            return
        for prefix, api in apis.items():
            if path.startswith(f"{prefix}/"):
                inside: dict[str, Any] = {**scope, SCOPE_KEY: services, BEGAN_KEY: time.time_ns()}
                if path.endswith("/"):
                    inside |= {"path": path.rstrip("/"), "raw_path": scope["raw_path"].rstrip(b"/")}
                # Without a last piece of the body, the server below cuts the connection.
                with suppress(BrokenReplyError):
                    await api(inside, receive, send)
                return
        await pages(scope, receive, send)

    return application


def _has_sound_host(scope: Scope) -> bool:
    """Return whether the headers Host are at most one, and that a name or address that may stand in a URL."""
    hosts = [value for name, value in scope["headers"] if name == b"host"]
    return len(hosts) <= 1 and all(_HOST.fullmatch(host) for host in hosts)


def switchable(prefix: str, switched_off: frozenset[str], api: ASGIApp) -> Handler:
    """Return `api` with the groups of routes in `switched_off` answering 501, whatever their parameters."""

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        group = scope["path"].removeprefix(f"{prefix}/").split("/")[0] if scope["type"] == "http" else ""
        if group in switched_off:
            refusal = GroupSwitchedOff(f"this server does not offer {group}: {prefix}/service-info says what it offers")
            await error_reply(Request(scope), refusal)(scope, receive, send)
            return
        await api(scope, receive, send)

    return application
