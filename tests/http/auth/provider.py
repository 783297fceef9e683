"""A real OpenID Connect provider on this machine, whose private key tests know, and which can be made to fail."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

import flask
import pytest
import requests
from authlib.jose import RSAKey as ProviderKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc import jwt
from joserfc.jwk import RSAKey
from oidc_provider_mock import app as provider_app
from oidc_provider_mock._storage import AccessToken, Storage, User
from werkzeug.serving import WSGIRequestHandler, make_server

from tests.serving import in_thread

AUDIENCE = "https://rna.example.org"


def encoded(part: bytes) -> str:
    """Return a part of a token."""
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:
        pass


class Provider:
    """A running provider.

    Attributes
    ----------
    issuer
        Its address.
    storage
        What it knows: its key, users, and tokens.
    asked
        The paths that it was asked for.
    is_down
        Whether it answers nothing but 503.
    """

    def __init__(self) -> None:
        self._app = provider_app()
        self.issuer = ""
        self.storage: Storage
        self.asked: list[str] = []
        self.bodies: list[str] = []
        self.is_down = False
        self.replaced: dict[str, Any] = {}

        @self._app.before_request
        def remember() -> None:
            self.storage = flask.g.oidc_provider_mock_storage
            self.bodies.append(flask.request.get_data(as_text=True))

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        self.asked.append(environ["PATH_INFO"])
        if self.is_down:
            return flask.Response(status=503)(environ, start_response)
        if environ["PATH_INFO"] in self.replaced:
            reply = flask.Response(self.replaced[environ["PATH_INFO"]], mimetype="application/json")
            return reply(environ, start_response)
        return self._app(environ, start_response)

    @cached_property
    def key(self) -> RSAKey:
        jwk = self.storage.jwk
        # Newer versions of the provider have a key of joserfc already, older ones one of Authlib.
        return jwk if isinstance(jwk, RSAKey) else RSAKey.import_key(jwk.as_dict(is_private=True))

    @cached_property
    def kid(self) -> str:
        jwk = self.storage.jwk
        return str(jwk.thumbprint() if isinstance(jwk, RSAKey) else jwk.as_dict(add_kid=True)["kid"])

    def rotate(self) -> None:
        """Sign by another key from now on."""
        is_new = isinstance(self.storage.jwk, RSAKey)
        self.storage.jwk = RSAKey.generate_key(2048) if is_new else ProviderKey.generate_key(is_private=True)
        del self.key, self.kid

    def claims(self, **other: Any) -> dict[str, Any]:
        now = int(time.time())
        usual = {"iss": self.issuer, "sub": "anna", "aud": AUDIENCE, "iat": now, "nbf": now, "exp": now + 600}
        return {name: value for name, value in {**usual, **other}.items() if value is not None}

    def token(self, header: dict[str, Any] | None = None, **claims: Any) -> str:
        """Return a token that it has issued, of these claims; None leaves one out."""
        return jwt.encode({"alg": "RS256", "kid": self.kid, **(header or {})}, self.claims(**claims), self.key)

    def signed_by_hand(self, header: dict[str, Any], payload: str) -> str:
        """Return a token with its signature, of parts that no library would write."""
        text = f"{encoded(json.dumps(header).encode())}.{encoded(payload.encode())}"
        signature = self.key.private_key.sign(text.encode(), PKCS1v15(), SHA256())
        return f"{text}.{encoded(signature)}"

    def access_token(self, user: dict[str, Any], **claims: Any) -> str:
        """Return a token by which its userinfo says what it knows of the user ``anna``."""
        token = self.token(**claims)
        self.storage.store_user(User(sub="anna", claims=user))
        end = datetime.now(UTC) + timedelta(hours=1)
        self.storage.store_access_token(AccessToken(token=token, user_id="anna", scope="openid", expires_at=end))
        return token


@contextmanager
def running_provider() -> Iterator[Provider]:
    """Run a provider at an address without TLS, which older versions of Authlib allow by the name localhost alone."""
    provider = Provider()
    server = make_server("127.0.0.1", 0, provider, threaded=True, request_handler=_Quiet)  # type: ignore[arg-type]
    provider.issuer = f"http://127.0.0.1:{server.port}"
    with in_thread(server), pytest.MonkeyPatch.context() as patch:
        requests.get(f"{provider.issuer}/jwks", timeout=10)
        provider.asked.clear()
        patch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")
        yield provider
