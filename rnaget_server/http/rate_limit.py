"""Fair use: how many requests, and cells, one client may ask for in a time, counted in front of all standards."""

from __future__ import annotations

import hashlib
import ipaddress
import math
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from limits import parse_many
from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send

from rnaget_server.errors import TooManyRequests
from rnaget_server.http.remote_counts import RemoteCounts, Wish
from rnaget_server.http.replies import error_response
from rnaget_server.http.request import CELLS_KEY, bearer_token
from rnaget_server.http.shared_counts import Quota, SharedCounts, Taken, shared_counts
from rnaget_server.model.limits import check_client_cells
from rnaget_server.settings import Settings

LIMIT_HEADERS = ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", "Retry-After")
"""The headers of limited replies, which scripts of other sites may read."""

_MINUTE = 60
_PERIODS = {1: "a second", _MINUTE: "a minute", 3600: "an hour", 86_400: "a day"}
# Nothing says that a token is one that somebody was given, and a client could make up one for each request. So all
# tokens of an address have together so many times what one has.
_TOKENS_OF_ADDRESS = 10
_MOST_KNOWN = 4096
_LONGEST_ADDRESS = 64
_NETWORK_BITS = 64
_LOCAL = "127.0.0.1"
_UNCOUNTED = frozenset(("/healthz", "/readyz", "/metrics", "/robots.txt", "/favicon.ico", "/favicon.svg"))
_UNCOUNTED_BELOW = ("/static/", "/assets/")

Handler = Callable[[Scope, Receive, Send], Awaitable[None]]
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class RateLimit:
    """Counts requests, and the cells that they ask for, by client.

    Parameters
    ----------
    settings
        Those of the server.
    counts
        Where this server counts; None: where its workers share it.

    Attributes
    ----------
    exempt
        Addresses of clients that are known not to be counted.
    """

    def __init__(self, settings: Settings, counts: SharedCounts | None = None) -> None:
        quotas = (Quota(item.amount, item.get_expiry()) for item in _parsed(settings.rate_limit))
        # A request that the shortest refuses takes nothing of the others.
        self._quotas = sorted(quotas, key=lambda quota: quota.seconds)
        self._cells = Quota(settings.rate_limit_cells, _MINUTE) if settings.rate_limit_cells else None
        self._networks = tuple(ipaddress.ip_network(network) for network in settings.rate_limit_exempt)
        self._believes_all = settings.forwarded_allow_ips.strip() == "*"
        self._local = counts or shared_counts()
        storage = settings.rate_limit_storage.get_secret_value()
        self._remote = None if storage == "memory" else RemoteCounts(storage, self._local)
        self.exempt: set[str] = set()
        self._places: dict[str, str] = {}

    async def begin(self) -> None:
        """Make ready, before the first request."""
        if self._remote is not None:
            await self._remote.begin()

    async def answer(self, handler: Handler, scope: Scope, receive: Receive, send: Send) -> None:
        """Have a request answered, or refuse it by 429."""
        client = self._client(scope)
        if not client:
            await handler(scope, receive, send)
            return
        taken = await self._take(self._wishes(client, self._quotas, 1)) if self._quotas else []
        refused = next((one for one in taken if not one.allowed), None)
        if refused is not None:
            await error_response(Request(scope), _refusal(refused, "requests"))(scope, receive, send)
            return
        if self._cells is not None:
            scope[CELLS_KEY] = lambda cells: self._charge(client, cells)
        await handler(scope, receive, _with_headers(send, taken) if taken else send)

    def _client(self, scope: Scope) -> tuple[str, ...]:
        """Return the names by which a client is counted, its own one first; none if it is not counted."""
        client = scope.get("client")
        host = client[0] if client else ""
        if self._believes_all or host not in self._places:
            host = _host(scope, self._believes_all)[:_LONGEST_ADDRESS]
        if host not in self._places:
            if len(self._places) >= _MOST_KNOWN:
                self._places.clear()
                self.exempt.clear()
            self._places[host] = place = self._place(host)
            # Where all are believed, what is a client's address depends on its headers.
            if not place and not self._believes_all:
                self.exempt.add(host)
        place = self._places[host]
        token = _token(scope) if place else ""
        return (f"token {token}", f"tokens of {place}") if token else (place,) if place else ()

    def _place(self, host: str) -> str:
        """Return the name of an address; empty if it is not counted."""
        address = _address(host)
        if address is None:
            return "unknown"
        return "" if any(address in network for network in self._networks) else _network(address)

    def _wishes(self, client: Sequence[str], quotas: Sequence[Quota], cost: int) -> list[Wish]:
        own = [(client[0], quota, cost) for quota in quotas]
        return own + [
            (name, Quota(quota.amount * _TOKENS_OF_ADDRESS, quota.seconds), cost)
            for name in client[1:]
            for quota in quotas
        ]

    async def _take(self, wishes: Sequence[Wish]) -> list[Taken]:
        """Take from the counts of this server and, if it grants all, from those that servers share."""
        taken = self._take_here(wishes)
        if self._remote is not None and taken[-1].allowed:
            taken = self._settle(wishes, taken, await self._remote.take(wishes))
        return taken

    def _charge(self, client: Sequence[str], cells: int) -> None:
        """Count the cells of a slice, in the thread that is to read them.

        Raises
        ------
        TooManyRequests
            If the client has asked for too many.
        ResultTooLarge
            If they are more than it may ask for in all of the time.
        """
        assert self._cells is not None
        check_client_cells(cells, self._cells.amount)
        wishes = self._wishes(client, (self._cells,), cells)
        taken = self._take_here(wishes)
        if self._remote is not None and taken[-1].allowed:
            taken = self._settle(wishes, taken, self._remote.take_in_thread(wishes))
        if not taken[-1].allowed:
            raise _refusal(taken[-1], "cells")

    def _take_here(self, wishes: Sequence[Wish]) -> list[Taken]:
        taken: list[Taken] = []
        for client, quota, cost in wishes:
            taken.append(self._local.take(client, quota, cost))
            if not taken[-1].allowed:
                break
        return taken

    def _settle(self, wishes: Sequence[Wish], taken: list[Taken], together: list[Taken] | None) -> list[Taken]:
        """Return what was taken from the shared counts, or here if those are away."""
        if together is None:
            return taken
        if not together[-1].allowed:
            for client, quota, cost in wishes:
                self._local.give_back(client, quota, cost)
        return together


def rate_limit(settings: Settings) -> RateLimit | None:
    """Return what counts the requests of a server; None if nothing is limited."""
    return RateLimit(settings) if settings.rate_limit or settings.rate_limit_cells else None


def is_counted(path: str) -> bool:
    """Return whether requests for a page count: not those for files of pages, nor those by which machines look."""
    return path not in _UNCOUNTED and not path.startswith(_UNCOUNTED_BELOW)


def _parsed(text: str) -> list[Any]:
    return parse_many(text) if text else []


def _host(scope: Scope, believes_all: bool) -> str:
    """Return the address of the one who asks, as far as it is known.

    The server below has replaced that of a proxy it believes by the last one in X-Forwarded-For that is no such proxy.
    """
    client = scope.get("client")
    host: str = client[0] if client else ""
    forwarded = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
    if forwarded and (believes_all or not host):
        # Where all are believed, the first of the header was taken, which clients choose; the last is the proxy's word.
        return _without_port(forwarded[-1].decode("latin-1").rpartition(",")[2].strip())
    # A socket of this machine has no address.
    return host if _address(host) is not None or forwarded else _LOCAL


def _address(host: str) -> Address | None:
    """Return what a text is as an address, IPv4 where that is written as IPv6; None if it is none."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, ipaddress.IPv6Address) else address


def _without_port(host: str) -> str:
    """Return an address without its port, as some proxies write it, and without brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0] if host.count(":") == 1 else host


def _network(address: Address) -> str:
    """Return the name of an address; of IPv6, that of the network, in which one client has any number of addresses."""
    if isinstance(address, ipaddress.IPv6Address):
        return f"{ipaddress.IPv6Address(int(address) >> _NETWORK_BITS << _NETWORK_BITS)}/{_NETWORK_BITS}"
    return str(address)


def _token(scope: Scope) -> str:
    """Return the digest of the token of a request; empty if it has none."""
    for name, value in scope["headers"]:
        token = bearer_token(value) if name == b"authorization" else None
        if token is not None:
            return hashlib.sha256(token).hexdigest()[:32] if token else ""
    return ""


def _refusal(taken: Taken, things: str) -> TooManyRequests:
    quota, seconds = taken.quota, max(1, math.ceil(taken.seconds))
    period = _PERIODS.get(quota.seconds, f"{quota.seconds:,} seconds")
    return TooManyRequests(
        f"Too Many Requests: this server gives one client {quota.amount:,} {things} in {period}: "
        f"try again after {seconds:,} second{'s' if seconds > 1 else ''}",
        seconds,
        _fields(taken),
    )


def _fields(taken: Taken) -> dict[str, str]:
    values = (taken.quota.amount, taken.remaining, math.ceil(taken.seconds))
    return dict(zip(LIMIT_HEADERS, map(str, values), strict=False))


def _with_headers(send: Send, taken: Sequence[Taken]) -> Send:
    """Return what sends a reply with the headers of the quota of which least is left."""
    least = min(taken, key=lambda one: one.remaining)
    fields = [(name.lower().encode(), value.encode()) for name, value in _fields(least).items()]

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = message.get("headers", ())
            # A reply that was refused for its cells has its own.
            if not any(name == fields[0][0] for name, _ in headers):
                message = {**message, "headers": [*headers, *fields]}
        await send(message)

    return send_with_headers
