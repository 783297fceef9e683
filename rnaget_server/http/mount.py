"""The standards of one server: where each is mounted, what is refused before it is asked, and what requests carry."""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from rnaget_server.errors import GroupSwitchedOff, InvalidQuery, MethodNotAllowed, MissingScope, RnagetError
from rnaget_server.http.dialect import Dialect, PagesDialect, wants_page
from rnaget_server.http.privacy import Privacy
from rnaget_server.http.pulse import PULSE_PATH, send_pulse
from rnaget_server.http.rate_limit import RateLimit, is_counted
from rnaget_server.http.received import ReceivedParameters
from rnaget_server.http.replies import DIALECT_KEY, error_response
from rnaget_server.http.request import BEGAN_KEY, HOUSE_KEY, PRINCIPAL_KEY, ROOT_KEY, ROUTE_PATH_KEY
from rnaget_server.http.workload import Workload
from rnaget_server.model.cancellation import Cancellation
from rnaget_server.model.observation import CURRENT, OTHER, note_route
from rnaget_server.model.principal import Principal
from rnaget_server.web import House

MOUNT_KEY = "rnaget_server.mount"
_PAGES = "pages"

PAGES_SCOPE = "read:pages"
"""The scope of the pages, which show of all data."""

SIGN_IN_PATHS = ("/signin", "/signin/callback", "/signout")
"""Where one comes with any credentials, and without."""

# A registered name or IPv4 address, or an IPv6 address in brackets, and a port (RFC 3986, 3.2.2).
_HOST = re.compile(rb"(?:[A-Za-z0-9._~-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])?(?::[0-9]{0,5})?")
_OF_PAGES = PagesDialect()
_PARAMETER = re.compile(r"\{[^}]*\}")

Handler = Callable[[Scope, Receive, Send], Awaitable[None]]


class Api(Protocol):
    """The parts of the server that the handlers of one standard need."""

    @property
    def context(self) -> Callable[[Request, ReceivedParameters, Cancellation], Any]:
        """The maker of the first argument of a handler."""

    @property
    def is_due(self) -> bool:
        """True if `look_for_changes` is to be called, in a thread, before a handler that runs in none."""

    def look_for_changes(self) -> None:
        """Take over what has changed on the disk."""


class Check(Protocol):
    """A check of requests before anything else is done with them.

    Attributes
    ----------
    marker
        A part of the query strings of the requests that are to be checked; empty for all.
    """

    marker: bytes

    def guards(self, scope: Scope) -> bool:
        """Return whether a request is to be checked."""

    async def check(self, scope: Scope) -> None:
        """Refuse the request by an error, or do nothing."""


@dataclass(frozen=True)
class RouteRules:
    """The methods that an address takes, and the scopes that credentials need which are limited to some."""

    methods: tuple[str, ...] = ()
    scopes: frozenset[str] = frozenset()


_NOTHING = RouteRules()


class Gate(Protocol):
    """The check of credentials."""

    def answer(self, handler: ASGIApp, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Have a request answered, with the one who asks in its scope, or refuse it."""


class Methods:
    """The methods and scopes of the routes of one OpenAPI document, which has the latter as ``x-scopes``.

    Parameters
    ----------
    paths
        What the document has under ``paths``.
    prefix
        The start of all of them.
    others
        Further addresses that take GET.
    with_slashes
        The parameters of paths whose values may have slashes.
    """

    def __init__(
        self,
        paths: Mapping[str, Mapping[str, Any]],
        prefix: str,
        others: Sequence[str] = (),
        with_slashes: Collection[str] = (),
    ) -> None:
        self._fixed = {f"{prefix}{path}": _rules_of({"get": {}}) for path in others}
        self._patterns: list[tuple[re.Pattern[str], RouteRules]] = []
        for path, operations in paths.items():
            if "{" in path:
                parts = _PARAMETER.split(prefix + path)
                names = [name[1:-1] for name in _PARAMETER.findall(path)]
                values = [".+" if name in with_slashes else "[^/]+" for name in names]
                pattern = "".join(map("".join, zip(map(re.escape, parts), [*values, ""], strict=True)))
                self._patterns.append((re.compile(pattern), _rules_of(operations)))
            else:
                self._fixed[prefix + path] = _rules_of(operations)

    def of(self, path: str) -> RouteRules:
        """Return what an address takes; nothing, if there is no such address."""
        if path in self._fixed:
            return self._fixed[path]
        return next((rules for pattern, rules in self._patterns if pattern.fullmatch(path)), _NOTHING)


@dataclass(frozen=True)
class Routes:
    """An application that answers the routes of a document, and the methods that they take."""

    app: ASGIApp
    methods: Methods


@dataclass(frozen=True)
class Mount:
    """One standard in this server.

    Attributes
    ----------
    prefix
        The start of its paths, such as ``/rnaget``.
    routes
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
    has_page
        Whether browsers find a page there.
    switched_off
        The groups of routes that are not offered: they answer 501 with any parameters.
    check
        Checks requests, if any are to be checked.
    """

    prefix: str
    routes: Routes
    dialect: Dialect
    api: Api
    workload: Workload
    example_body: str = "{}"
    slow_parameters: frozenset[str] = frozenset()
    has_root: bool = False
    has_page: bool = False
    switched_off: Collection[str] = ()
    check: Check | None = None


def dispatch(
    mounts: Sequence[Mount],
    pages: ASGIApp,
    lifespan: ASGIApp,
    root: str = "",
    limit: RateLimit | None = None,
    house: Callable[[], House] = House,
    gate: Gate | None = None,
    privacy: Privacy | None = None,
) -> Handler:
    """Return the application that sends a request to the standard whose prefix it has, else to the pages.

    Slashes at the end of a path are ignored. The address of a standard itself is a page. No layer is a coroutine: what
    only passes a request on is left when it has.

    Parameters
    ----------
    mounts, pages, lifespan
        The standards, all other addresses, and what takes the start and the end of the server.
    root
        The path under which clients see the server where a proxy takes it away.
    limit
        How much one client may ask for; None: any amount.
    house
        Returns the style of pages.
    gate, privacy
        The check of credentials, and what marks the replies that depend on them; None: none are looked at.
    """

    def application(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] == "lifespan":
            return lifespan(scope, receive, send) if limit is None else _begun(limit, lifespan, scope, receive, send)
        if not _has_valid_host(scope):
            refusal = InvalidQuery("the header Host is no host name: send the address of this server there")
            return error_response(Request({**scope, DIALECT_KEY: mounts[0].dialect}), refusal)(scope, receive, send)
        path = path_below(scope["path"], below := scope.get("root_path", ""))
        for mount in mounts:
            if path.startswith(f"{mount.prefix}/") or (path == mount.prefix and _takes_root(mount, scope)):
                inside = {**_inside(mount, scope, root or below, path), HOUSE_KEY: house}
                return _limited(limit, _behind(gate, partial(_guarded, mount, privacy)), inside, receive, send)
        if path == PULSE_PATH and scope["method"] in ("GET", "HEAD"):
            return _limited(limit, send_pulse, scope, receive, send)
        kept = {DIALECT_KEY: _OF_PAGES, HOUSE_KEY: house, ROOT_KEY: root or below}
        page = {**scope, **kept, "path": below + path}
        shown = partial(_page, pages, privacy)
        if not is_counted(path):
            return shown(page, receive, send)
        return _limited(limit, _behind(None if path in SIGN_IN_PATHS else gate, shown), page, receive, send)

    return application


def _takes_root(mount: Mount, scope: Scope) -> bool:
    """Return whether a standard answers at its prefix; where a page is there as well, browsers get that."""
    return mount.has_root and not (mount.has_page and wants_page(Request(scope), mount.dialect.media_types))


def _behind(gate: Gate | None, handler: ASGIApp) -> ASGIApp:
    """Return a handler of requests that have passed the check of credentials."""
    return handler if gate is None else partial(gate.answer, handler)


def _page(pages: ASGIApp, privacy: Privacy | None, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
    note_route(_PAGES, OTHER)
    refused = _missing_scopes(scope, frozenset((PAGES_SCOPE,)))
    marked = _marked(privacy, scope, send)
    return (pages if refused is None else error_response(Request(scope), refused))(scope, receive, marked)


def _inside(mount: Mount, scope: Scope, root: str, path: str) -> dict[str, Any]:
    """Return the scope of a request of a standard, which is noted."""
    noted = CURRENT.get()
    if noted is not None:
        noted.standard = mount.prefix
    return {
        **scope,
        MOUNT_KEY: mount,
        DIALECT_KEY: mount.dialect,
        BEGAN_KEY: time.time_ns(),
        ROOT_KEY: root,
        ROUTE_PATH_KEY: path,
        "root_path": root,
        "path": root + path,
    }


def _limited(limit: RateLimit | None, handler: ASGIApp, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
    """Have a request answered, or count it first; clients that are known not to be counted cost no look at the rest."""
    client = scope.get("client")
    if limit is None or (client is not None and client[0] in limit.exempt):
        return handler(scope, receive, send)
    return limit.answer(handler, scope, receive, send)


async def _begun(limit: RateLimit, lifespan: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    await limit.begin()
    await lifespan(scope, receive, send)


def _guarded(mount: Mount, privacy: Privacy | None, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
    """Answer a request of a standard, or refuse it."""
    if mount.switched_off:
        group = scope[ROUTE_PATH_KEY].removeprefix(f"{mount.prefix}/").split("/")[0]
        if group in mount.switched_off:
            offers = f"{mount.prefix}/service-info says what it offers"
            refusal = GroupSwitchedOff(f"this server does not offer {group}: {offers}")
            return error_response(Request(scope), refusal)(scope, receive, send)
    check = mount.check
    if check is not None and check.marker in scope["query_string"] and check.guards(scope):
        return _checked(mount, privacy, scope, receive, send)
    return _routed(mount.routes, scope, receive, _marked(privacy, scope, send))


async def _checked(mount: Mount, privacy: Privacy | None, scope: Scope, receive: Receive, send: Send) -> None:
    try:
        if mount.check is not None:
            await mount.check.check(scope)
    except RnagetError as refusal:
        await error_response(Request(scope), refusal)(scope, receive, send)
    else:
        await _routed(mount.routes, scope, receive, _marked(privacy, scope, send))


def _marked(privacy: Privacy | None, scope: Scope, send: Send) -> Send:
    """Return the `send` of a request that marks replies which depend on who asks."""
    # These looks take less time than a call.
    if privacy is None:
        return send
    if PRINCIPAL_KEY not in scope and not privacy.always and privacy.policy.unrestricted is not None:
        return send
    return privacy.marked(scope, send)


def _routed(routes: Routes, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
    """Answer a request whose address takes its method, and OPTIONS."""
    rules = routes.methods.of(scope[ROUTE_PATH_KEY])
    method, allowed = scope["method"], rules.methods
    if allowed and method == "OPTIONS":
        return Response(status_code=204, headers={"Allow": ", ".join(allowed)})(scope, receive, send)
    if allowed and method not in allowed:
        refusal = MethodNotAllowed(f"this address takes {', '.join(allowed)} only: /docs lists all", allowed)
        return error_response(Request(scope), refusal)(scope, receive, send)
    refused = _missing_scopes(scope, rules.scopes)
    if refused is not None:
        return error_response(Request(scope), refused)(scope, receive, send)
    return routes.app(scope, receive, send)


def _missing_scopes(scope: Scope, needed: frozenset[str]) -> MissingScope | None:
    """Return the refusal of a request whose credentials are limited to scopes, and lack one that is needed."""
    principal: Principal | None = scope.get(PRINCIPAL_KEY)
    if principal is None or principal.scopes is None or needed <= principal.scopes:
        return None
    lacking = sorted(needed - principal.scopes)
    return MissingScope(f"this token does not allow that: it needs the scope {' '.join(lacking)}", sorted(needed))


def _rules_of(operations: Mapping[str, Any]) -> RouteRules:
    has = {method for method in ("GET", "POST") if method.lower() in operations}
    scopes = frozenset(scope for method in has for scope in operations[method.lower()].get("x-scopes", ()))
    return RouteRules(tuple(sorted({*has, "OPTIONS", *(("HEAD",) if "GET" in has else ())})), scopes)


def path_below(path: str, root: str) -> str:
    """Return a path without its beginning `root` and without slashes at the end; ``/`` is left."""
    if root and (path == root or path.startswith(f"{root}/")):
        path = path[len(root) :]
    return path.rstrip("/") or "/"


def _is_host(value: bytes) -> bool:
    """Return whether a header Host has a name or address that may stand in a URL."""
    return _HOST.fullmatch(value) is not None


def _has_valid_host(scope: Scope) -> bool:
    """Return whether the headers Host are at most one, and that a name or address that may be in a URL."""
    hosts = [value for name, value in scope["headers"] if name == b"host"]
    return len(hosts) <= 1 and all(map(_is_host, hosts))
