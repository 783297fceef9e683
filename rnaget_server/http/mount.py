"""The standards of one server: where each is mounted, and what its requests carry with them."""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from rnaget_server.errors import InvalidQuery
from rnaget_server.http.dialect import Dialect
from rnaget_server.http.received import ReceivedParameters
from rnaget_server.http.replies import DIALECT_KEY, error_response
from rnaget_server.http.request import BEGAN_KEY, ROOT_KEY, ROUTE_PATH_KEY
from rnaget_server.http.workload import Workload
from rnaget_server.model.cancellation import Cancellation

MOUNT_KEY = "rnaget_server.mount"
# A registered name or IPv4 address, or an IPv6 address in brackets, and a port (RFC 3986, 3.2.2).
_HOST = re.compile(rb"(?:[A-Za-z0-9._~-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])?(?::[0-9]{0,5})?")

Handler = Callable[[Scope, Receive, Send], Awaitable[None]]


class Api(Protocol):
    """The parts of the server that the handlers of one standard need."""

    def context(self, request: Request, received: ReceivedParameters, cancellation: Cancellation) -> Any:
        """Return what a handler gets as its first argument."""


@dataclass(frozen=True)
class Mount:
    """One standard in this server.

    Attributes
    ----------
    prefix
        The start of its paths, such as ``/rnaget``.
    app
        Answers them.
    dialect
        How it speaks.
    api
        What its handlers answer from.
    workload
        What this worker does at once.
    example_body
        JSON that may be posted, for the messages of errors.
    slow_parameters
        Parameters by which very much is read before a reply begins.
    has_root
        Whether the prefix itself is a route.
    """

    prefix: str
    app: ASGIApp
    dialect: Dialect
    api: Api
    workload: Workload
    example_body: str = "{}"
    slow_parameters: frozenset[str] = frozenset()
    has_root: bool = False


def mount_of(scope: Scope) -> Mount:
    """Return the standard that a request is for."""
    return cast(Mount, scope[MOUNT_KEY])


def dispatch(mounts: Sequence[Mount], pages: ASGIApp, lifespan: ASGIApp, root: str = "") -> Handler:
    """Return the application that sends a request to the standard whose prefix it has, else to the pages.

    Slashes at the end of a path are ignored (``/projects/`` is ``/projects``, as some clients write it). The address
    of a standard itself, such as ``/rnaget``, is a page.

    Parameters
    ----------
    mounts
        The standards.
    pages
        All other addresses.
    lifespan
        Takes the start and the end of the server.
    root
        The path under which clients see the server where a proxy takes it away, such as ``/data``.
    """

    # Not a coroutine, nor are the next layers: what only passes a request on is left when it has.
    def application(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] == "lifespan":
            return lifespan(scope, receive, send)
        if not _has_valid_host(scope):
            refusal = InvalidQuery("the header Host is no host name: send the address of this server there")
            return error_response(Request({**scope, DIALECT_KEY: mounts[0].dialect}), refusal)(scope, receive, send)
        below = scope.get("root_path", "")
        path = _path_below(scope["path"], below)
        for mount in mounts:
            if path.startswith(f"{mount.prefix}/") or (mount.has_root and path == mount.prefix):
                outer = root or below
                inside: dict[str, Any] = {
                    **scope,
                    MOUNT_KEY: mount,
                    DIALECT_KEY: mount.dialect,
                    BEGAN_KEY: time.time_ns(),
                    ROOT_KEY: outer,
                    ROUTE_PATH_KEY: path,
                    "root_path": outer,
                    "path": outer + path,
                }
                return mount.app(inside, receive, send)
        return pages({**scope, "path": below + path}, receive, send)

    return application


def _path_below(path: str, root: str) -> str:
    """Return a path without its beginning `root` and without slashes at the end; ``/`` is left."""
    if root and (path == root or path.startswith(f"{root}/")):
        path = path[len(root) :]
    return path.rstrip("/") or "/"


def is_host(value: bytes) -> bool:
    """Return whether a header Host has a name or address that may stand in a URL."""
    return _HOST.fullmatch(value) is not None


def _has_valid_host(scope: Scope) -> bool:
    """Return whether the headers Host are at most one, and that a name or address that may stand in a URL."""
    hosts = [value for name, value in scope["headers"] if name == b"host"]
    return len(hosts) <= 1 and all(map(is_host, hosts))
