"""The request at hand, and the services it is answered from."""

from __future__ import annotations

from contextvars import ContextVar
from typing import cast

from starlette.requests import Request
from starlette.types import Scope

from rnaget_server.cancellation import Cancellation
from rnaget_server.service import Services

SCOPE_KEY = "rnaget_server.services"
BEGAN_KEY = "rnaget_server.began"
CANCELLATION_KEY = "rnaget_server.cancellation"

_scope: ContextVar[Scope] = ContextVar("rnaget_server.scope")


def entered(scope: Scope) -> None:
    """Make this the request at hand for all that is done for it."""
    _scope.set(scope)


def current() -> tuple[Request, Services]:
    """Return the request that is being answered, and this server's services out of its ASGI scope."""
    request = Request(_scope.get())
    return request, services_of(request)


def services_of(request: Request) -> Services:
    """Return the services that a request is answered from."""
    return cast(Services, request.scope[SCOPE_KEY])


def cancellation_of(request: Request) -> Cancellation:
    """Return what tells whether the client still waits for the reply."""
    return cast(Cancellation, request.scope[CANCELLATION_KEY])


def public_root(request: Request, services: Services) -> str:
    """Return the address that the client sees, without a slash at the end."""
    return services.settings.public_url or f"{request.url.scheme}://{request.url.netloc}"
