"""The sessions of browsers: a signed cookie says who has signed in, and until when. It holds no token."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from itsdangerous import BadData, URLSafeSerializer
from pydantic import SecretStr
from starlette.types import Scope

from rnaget_server.errors import NotAuthenticated, ResultTooLarge
from rnaget_server.http.auth.identity import Identity

_NAME = "rnaget-session"
_SALT = "rnaget-server session"
_MOST_BYTES = 3800
"""Browsers keep 4096 with the name and what follows."""


class CookieSessions:
    """The sessions of one server.

    Parameters
    ----------
    keys
        The secrets that are believed; the first one signs.
    seconds
        How long a session holds.
    public_url
        The address that clients see, if it is not the one they ask.
    """

    def __init__(self, keys: Sequence[SecretStr], seconds: int, public_url: str) -> None:
        # Of several, itsdangerous signs by the last.
        self.keys = [key.get_secret_value() for key in reversed(keys)]
        self.seconds = seconds
        self._serializer = URLSafeSerializer(self.keys, salt=_SALT)
        self._public = urlsplit(public_url)

    def is_secure(self, scheme: str) -> bool:
        """Return whether clients see this server by TLS."""
        return "https" in (self._public.scheme, scheme)

    def cookie_name(self, scheme: str) -> str:
        """Return the name of the cookie; browsers take it by TLS only, where it says so."""
        return f"__Secure-{_NAME}" if self.is_secure(scheme) else _NAME

    def cookie_of(self, scope: Scope) -> str | None:
        """Return the session that a request comes with."""
        name = self.cookie_name(scope.get("scheme", "http")).encode()
        for line in (value for header, value in scope["headers"] if header == b"cookie"):
            for part in line.split(b";"):
                key, _, value = part.strip().partition(b"=")
                if key == name and value:
                    return str(value, "latin-1")
        return None

    def new_cookie(self, identity: Identity) -> str:
        """Return the session of somebody who has signed in.

        Raises
        ------
        ResultTooLarge
            If it would be larger than browsers keep.
        """
        state = [identity.name, identity.label, identity.expires, dict(identity.grants)]
        cookie = self._serializer.dumps(state)
        text = cookie if isinstance(cookie, str) else cookie.decode()
        if len(text) > _MOST_BYTES:
            raise ResultTooLarge(
                f"you have {len(identity.grants):,} grants, more than the session of a browser holds: send your token "
                "as the header `Authorization: Bearer TOKEN` instead, as `curl -H` does"
            )
        return text

    def identity(self, cookie: str) -> Identity:
        """Return who has a session.

        Raises
        ------
        NotAuthenticated
            If it has ended, or is none of this server.
        """
        ended = NotAuthenticated("your sign-in has ended: sign in again by /signin, or ask again to go on without")
        try:
            name, label, expires, grants = self._serializer.loads(cookie)
        except (BadData, ValueError, TypeError):
            raise ended from None
        if expires <= time.time():
            raise ended
        return Identity(name, label, expires, grants)

    def forget(self, scope: Scope) -> bytes:
        """Return the header by which a browser forgets its session."""
        scheme = scope.get("scheme", "http")
        given = self.attributes(scheme, scope.get("root_path", ""), 0)
        secure = "; Secure" if given["secure"] else ""
        return f"{self.cookie_name(scheme)}=; Path={given['path']}; Max-Age=0; HttpOnly; SameSite=Lax{secure}".encode()

    def attributes(self, scheme: str, root: str, seconds: int) -> dict[str, Any]:
        """Return what a cookie of this server says to browsers."""
        return {
            "max_age": seconds,
            "path": self._public.path or root or "/",
            "secure": self.is_secure(scheme),
            "httponly": True,
            "samesite": "Lax",
        }
