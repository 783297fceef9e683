"""The values that this server adds to the ASGI scope of a request, and the end of a reply that cannot go on."""

from __future__ import annotations

from urllib.parse import quote

from starlette.requests import Request
from starlette.types import Scope

from rnaget_server.model.principal import ANYONE, Principal
from rnaget_server.web import House, Visitor

BEGAN_KEY = "rnaget_server.began"
CANCELLATION_KEY = "rnaget_server.cancellation"
CELLS_KEY = "rnaget_server.cells"
"""The key of the function that counts the cells of a slice, or refuses it, where the cells of a client are limited."""

HOUSE_KEY = "rnaget_server.house"
"""The key of the function that returns the style of the pages."""

LABEL_KEY = "rnaget_server.label"
"""The key of the name for people of the one who asks, None for anyone, where one can sign in by a browser."""

PRINCIPAL_KEY = "rnaget_server.principal"
"""The key of the one who asks; a sign-in check puts it into the scope, a signed URL the one whom it was given to."""

ROOT_KEY = "rnaget_server.root"
"""The key of the path under which clients see the whole server; routers change the scope's own ``root_path``."""

ROUTE_PATH_KEY = "rnaget_server.route_path"
"""The key of the path without that."""


def house_of(request: Request) -> House:
    """Return the style of the pages of this server."""
    made: House = request.scope.get(HOUSE_KEY, House)()
    return made


def principal_of(scope: Scope) -> Principal:
    """Return the one who asks."""
    principal: Principal = scope.get(PRINCIPAL_KEY, ANYONE)
    return principal


def visitor_of(scope: Scope) -> Visitor:
    """Return the one who looks at a page, as its header shows it."""
    if LABEL_KEY not in scope:
        return Visitor()
    path = scope["path"].removeprefix(scope.get("root_path", "")) or "/"
    query = scope["query_string"].decode("latin-1")
    return Visitor(scope[LABEL_KEY], f"/signin?next={quote(f'{path}?{query}' if query else path, safe='/')}")


def bearer_token(credentials: bytes) -> bytes | None:
    """Return the token of a header ``Authorization``; None if it has credentials of another kind."""
    kind, _, token = credentials.partition(b" ")
    return token.strip() if kind.lower() == b"bearer" else None


def list_header(request: Request, name: str) -> str | None:
    """Return a header that is a list, the lines of it joined; None if there is none."""
    return ", ".join(request.headers.getlist(name)) if name in request.headers else None


class BrokenReplyError(BaseException):
    """The rest of a reply cannot be made: its connection has to be cut, so that nobody takes a part for the whole.

    Not an Exception, for those become replies, which it is too late for, and logged with their trace.
    """
