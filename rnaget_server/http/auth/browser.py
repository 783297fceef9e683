"""Signing in by a browser: the authorization code flow of OpenID Connect, with PKCE, state and nonce."""

from __future__ import annotations

import hmac
import re
import secrets
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx
from itsdangerous import BadData, URLSafeTimedSerializer

from rnaget_server.errors import InvalidQuery, NotAuthenticated, Unavailable
from rnaget_server.http.auth.authenticator import Authenticator
from rnaget_server.http.auth.identity import Identity
from rnaget_server.http.auth.sessions import CookieSessions

if TYPE_CHECKING:
    from authlib.integrations.httpx_client import OAuth2Client

    from rnaget_server.http.auth.providers import Provider

SECONDS = 600
"""So long one may take at the provider."""

_SALT = "rnaget-server sign-in"
_LONGEST_TARGET = 1500
_TIMEOUT = 5.0
_ERROR = re.compile("[a-z_]{1,40}")


@dataclass(frozen=True)
class Begun:
    """A sign-in that has begun: the address at the provider, and what the browser keeps until it comes back."""

    url: str
    cookie: str


class BrowserSignIn:
    """The providers where one can sign in by a browser.

    Parameters
    ----------
    authenticator
        Knows the providers.
    sessions
        What comes of a sign-in.
    """

    def __init__(self, authenticator: Authenticator, sessions: CookieSessions) -> None:
        self.sessions = sessions
        self._passports = authenticator.passports
        self._providers = [each for each in authenticator.providers.values() if each.entry.client_id]
        self._serializer = URLSafeTimedSerializer(sessions.keys, salt=_SALT)

    @property
    def titles(self) -> list[str]:
        """The names of the providers."""
        return [provider.entry.title for provider in self._providers]

    def begin(self, number: int, callback: str, target: str) -> Begun:
        """Return the way to a provider.

        Parameters
        ----------
        number
            The place of the provider in `titles`.
        callback
            The address of this server to come back to.
        target
            The path of this server that is asked for after that.

        Raises
        ------
        InvalidQuery
            If there is no such provider.
        Unavailable
            If it does not answer.
        """
        if not 0 <= number < len(self._providers):
            raise InvalidQuery("there is no such provider: /signin lists them")
        provider = self._providers[number]
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        with _client(provider, callback) as client:
            url, _ = client.create_authorization_url(
                provider.endpoint("authorization_endpoint"), state=state, nonce=nonce, code_verifier=verifier
            )
        kept = self._serializer.dumps([provider.entry.issuer, state, nonce, verifier, safe_target(target)])
        return Begun(str(url), kept if isinstance(kept, str) else kept.decode())

    def finish(self, cookie: str, answer: Mapping[str, str], callback: str) -> tuple[Identity, str]:
        """Return who has signed in, and the path to go on with.

        Parameters
        ----------
        cookie
            What the browser has kept.
        answer
            The parameters with which the provider has sent it back.
        callback
            The address that it was sent back to.

        Raises
        ------
        NotAuthenticated
            If it was not begun by this browser, or the provider refuses it.
        Unavailable
            If the provider does not answer.
        """
        try:
            issuer, state, nonce, verifier, target = self._serializer.loads(cookie, max_age=SECONDS)
        except (BadData, ValueError, TypeError):
            raise _refused("it was not begun by this browser, or too long ago") from None
        provider = next((each for each in self._providers if each.entry.issuer == issuer), None)
        if provider is None or answer.get("iss", issuer) != issuer:
            raise _refused("it is of another provider")
        if not hmac.compare_digest(answer.get("state", "").encode(), state.encode()):
            raise _refused("it is not the one that this browser has begun")
        if "error" in answer:
            reason = answer["error"] if _ERROR.fullmatch(answer["error"]) else "an error"
            raise _refused(f"{provider.entry.title} says {reason}")
        tokens = _tokens(provider, callback, answer.get("code", ""), verifier)
        return self._identity(provider, tokens, nonce), target

    def _identity(self, provider: Provider, tokens: Mapping[str, Any], nonce: str) -> Identity:
        from rnaget_server.http.auth.passports import CLAIM

        claims = _verified(provider, tokens.get("id_token"), nonce)
        visas = self._passports.grants if self._passports is not None else None
        wanted = [provider.entry.grants] if provider.entry.grants else []
        wanted += [CLAIM] if visas is not None else []
        if any(name not in claims for name in wanted) and isinstance(tokens.get("access_token"), str):
            claims = {**provider.user_info(tokens["access_token"], claims["sub"]), **claims}
        # Tokens for signing in end within minutes; what they say holds as long as the session.
        held = {**claims, "exp": int(time.time()) + self.sessions.seconds}
        held = {name: value for name, value in held.items() if name not in ("scope", "scp")}
        return provider.identity(held, visas, claims.get(CLAIM))


def safe_target(target: str) -> str:
    """Return a path of this server with its query; the first page for anything that leads elsewhere."""
    is_path = target.startswith("/") and not target.startswith(("//", "/\\")) and len(target) <= _LONGEST_TARGET
    if not is_path or "\\" in target or not target.isascii() or not target.isprintable() or " " in target:
        return "/"
    parts = urlsplit(target)
    is_own = not parts.scheme and not parts.netloc and not parts.path.startswith(("//", "/signin", "/signout"))
    return target if is_own else "/"


def _client(provider: Provider, callback: str) -> OAuth2Client:
    with warnings.catch_warnings():
        # It would rather have a successor of httpx.
        warnings.simplefilter("ignore")
        from authlib.integrations.httpx_client import OAuth2Client

    entry = provider.entry
    return OAuth2Client(
        client_id=entry.client_id,
        client_secret=entry.client_secret.get_secret_value() or None,
        scope=entry.scope,
        redirect_uri=callback,
        code_challenge_method="S256",
        timeout=_TIMEOUT,
        follow_redirects=False,
    )


def _tokens(provider: Provider, callback: str, code: str, verifier: str) -> Mapping[str, Any]:
    """Return the tokens that a provider gives for a code."""
    from authlib.common.errors import AuthlibBaseError

    try:
        with _client(provider, callback) as client:
            tokens: Mapping[str, Any] = client.fetch_token(
                provider.endpoint("token_endpoint"),
                grant_type="authorization_code",
                code=code,
                code_verifier=verifier,
            )
    except AuthlibBaseError:
        raise _refused(f"{provider.entry.title} does not take the code that it has sent") from None
    except (httpx.HTTPError, ValueError):
        raise Unavailable("the provider of the sign-in cannot be asked at the moment: try again later") from None
    return tokens


def _verified(provider: Provider, id_token: object, nonce: str) -> dict[str, Any]:
    """Return the claims of the token that says who has signed in."""
    from rnaget_server.http.auth.web_tokens import Trust, WebToken, claims_of

    def trust(token: WebToken) -> Trust:
        if token.issuer != provider.entry.issuer:
            raise _refused("it is of another issuer")
        return Trust(provider.keys, [provider.entry.client_id])

    if not isinstance(id_token, str):
        raise _refused(f"{provider.entry.title} does not say who has signed in")
    claims = claims_of(id_token, trust)
    if not hmac.compare_digest(str(claims.get("nonce", "")).encode(), nonce.encode()):
        raise _refused("it is not the one that this browser has begun")
    if claims.get("azp", provider.entry.client_id) != provider.entry.client_id:
        raise _refused("it is for another client")
    return claims


def _refused(reason: str) -> NotAuthenticated:
    return NotAuthenticated(f"this sign-in did not succeed: {reason}; begin again at /signin")
