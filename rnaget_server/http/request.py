"""The request at hand, and the services it is answered from."""

from __future__ import annotations

from typing import cast

import connexion
from starlette.requests import Request

from rnaget_server.service import Services

SCOPE_KEY = "rnaget_server.services"
BEGAN_KEY = "rnaget_server.began"


def current() -> tuple[Request, Services]:
    """Return the request that Connexion is routing, and this server's services out of its ASGI scope."""
    scope = connexion.request.scope
    return Request(scope), cast(Services, scope[SCOPE_KEY])


def public_root(request: Request, services: Services) -> str:
    """Return the address that the client sees, without a slash at the end."""
    return services.settings.public_url or f"{request.url.scheme}://{request.url.netloc}"
