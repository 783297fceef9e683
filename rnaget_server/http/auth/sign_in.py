"""The check of credentials in front of all routes: it puts the one who asks into the scope, or refuses the request."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import parse_qsl

import anyio
from anyio.to_thread import run_sync
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from rnaget_server.errors import Busy, InvalidQuery, NotAuthenticated, RnagetError
from rnaget_server.http.auth.authenticator import Authenticator
from rnaget_server.http.auth.identity import LONGEST_TOKEN, Identity
from rnaget_server.http.replies import error_response
from rnaget_server.http.request import LABEL_KEY, PRINCIPAL_KEY, bearer_token
from rnaget_server.model.principal import Principal

_IN_QUERY = ("access_token", "id_token", "bearer_token")
_KEPT_SECONDS = 300.0
"""So long a token is believed that was verified, so that keys which were taken back are noticed."""

_MOST_KEPT = 10_000
_AT_ONCE = 4
_MOST_WAITING = 64


class Sessions(Protocol):
    """The sessions of browsers that have signed in."""

    def cookie_of(self, scope: Scope) -> str | None:
        """Return the session that a request comes with."""

    def identity(self, cookie: str) -> Identity:
        """Return who has a session, or raise `NotAuthenticated`."""

    def forget(self, scope: Scope) -> bytes:
        """Return the header by which a browser forgets its session."""


@dataclass(frozen=True)
class _Known:
    identity: Identity
    principal: Principal
    until: float


class SignIn:
    """The check of credentials of one server.

    Parameters
    ----------
    authenticator
        Knows tokens.
    sessions
        Knows browsers; None if nobody can sign in by one.
    """

    def __init__(self, authenticator: Authenticator, sessions: Sessions | None) -> None:
        self._authenticator = authenticator
        self._sessions = sessions
        self._known: dict[bytes | str, _Known] = {}
        self._threads = anyio.CapacityLimiter(_AT_ONCE)
        self._waiting = 0

    def answer(self, handler: ASGIApp, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Have a request answered for whoever has sent it, or refuse it by 401."""
        headers = [value for name, value in scope["headers"] if name == b"authorization"]
        cookie = self._sessions.cookie_of(scope) if self._sessions is not None and not headers else None
        try:
            _refuse_token_in_query(scope["query_string"])
            if not headers and cookie is None:
                return handler(self._without_principal(scope), receive, send)
            known = self._known_by(cookie) if cookie is not None else self._known_token(headers)
        except RnagetError as refusal:
            return self._refused(refusal, cookie, scope, receive, send)
        if known is None:
            return self._verified(_token(headers), handler, scope, receive, send)
        return handler(self._with_principal(scope, known), receive, send)

    async def _verified(self, token: str, handler: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer after a look at a token that is not known."""
        try:
            if self._waiting >= _MOST_WAITING:
                raise Busy("too many tokens are being checked at the moment: try again in a moment")
            self._waiting += 1
            try:
                identity = await run_sync(self._authenticator.identify, token, limiter=self._threads)
            finally:
                self._waiting -= 1
        except RnagetError as refusal:
            await self._refused(refusal, None, scope, receive, send)
            return
        known = self._keep(_digest(token), identity)
        await handler(self._with_principal(scope, known), receive, send)

    def _known_token(self, headers: list[bytes]) -> _Known | None:
        """Return who has a token, None if it has to be verified first."""
        token = _token(headers)
        if self._authenticator.is_own(token):
            identity = self._authenticator.identify(token)
            known = self._known.get(identity.name)
            is_same = known is not None and known.identity is identity and time.time() < known.until
            return known if is_same else self._keep(identity.name, identity)
        known = self._known.get(_digest(token))
        return known if known is not None and time.time() < known.until else None

    def _known_by(self, cookie: str) -> _Known:
        assert self._sessions is not None
        # Apart from tokens: neither counts in the place of the other.
        key = f"session:{_digest(cookie).hex()}"
        known = self._known.get(key)
        if known is None or time.time() >= known.until:
            identity = self._sessions.identity(cookie)
            if not self._authenticator.trusts(identity):
                raise NotAuthenticated("your sign-in was at a provider that no longer counts here: sign in again")
            known = self._keep(key, identity)
        return known

    def _keep(self, key: bytes | str, identity: Identity) -> _Known:
        if len(self._known) >= _MOST_KEPT:
            # The oldest half, which are few for each new one.
            for old in list(self._known)[: _MOST_KEPT // 2]:
                del self._known[old]
        self._known.pop(key, None)
        self._known[key] = known = _as_known(identity)
        return known

    def _with_principal(self, scope: Scope, known: _Known) -> dict[str, Any]:
        return {**scope, PRINCIPAL_KEY: known.principal, LABEL_KEY: known.identity.label}

    def _without_principal(self, scope: Scope) -> Scope:
        return scope if self._sessions is None else {**scope, LABEL_KEY: None}

    async def _refused(
        self, refusal: RnagetError, cookie: str | None, scope: Scope, receive: Receive, send: Send
    ) -> None:
        response = error_response(Request(self._without_principal(scope)), refusal)
        if cookie is not None and self._sessions is not None:
            response.raw_headers.append((b"set-cookie", self._sessions.forget(scope)))
        await response(scope, receive, send)


def _as_known(identity: Identity) -> _Known:
    now = time.time()
    principal = identity.principal(now)
    end = now + _KEPT_SECONDS
    return _Known(identity, principal, end if principal.expires is None else min(end, principal.expires))


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _token(headers: list[bytes]) -> str:
    """Return the token of a request.

    Raises
    ------
    NotAuthenticated
        If it has none, or several.
    """
    token = bearer_token(headers[0]) if len(headers) == 1 and len(headers[0]) <= LONGEST_TOKEN else None
    if token is None or not token.isascii():
        raise NotAuthenticated("this server takes one header `Authorization: Bearer TOKEN`, and no other credentials")
    return token.decode()


def _refuse_token_in_query(query: bytes) -> None:
    """Refuse a token in an address, which logs and histories keep."""
    if b"token" not in query and b"%" not in query:
        return
    if any(name in _IN_QUERY for name, _ in parse_qsl(query.decode("latin-1"), keep_blank_values=True)):
        raise InvalidQuery(
            "a token in an address is seen by logs and histories: send it as the header `Authorization: Bearer TOKEN`; "
            "have this one revoked"
        )
