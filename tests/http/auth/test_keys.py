"""The keys of a provider: fetched once, again where they change, and kept for a while where it does not answer."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from joserfc.jwk import RSAKey

from rnaget_server.auth_settings import AuthSettings
from rnaget_server.errors import NotAuthenticated, Unavailable
from rnaget_server.http.auth import keys
from rnaget_server.http.auth.authenticator import Authenticator
from tests.conftest import free_port
from tests.http.auth.provider import AUDIENCE, Provider

DISCOVERY, KEYS = "/.well-known/openid-configuration", "/jwks"


@pytest.fixture(autouse=True)
def _counted(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    provider.asked.clear()
    # On a slow machine, the usual pause may be over before a test is.
    monkeypatch.setattr(keys, "PAUSE_SECONDS", 1000.0)


def test_keys_are_fetched_once(authenticator: Authenticator, provider: Provider) -> None:
    for _ in range(3):
        authenticator.identify(provider.token())
    assert provider.asked == [DISCOVERY, KEYS]


def test_many_at_once_fetch_once(authenticator: Authenticator, provider: Provider) -> None:
    together = threading.Barrier(8)
    token = provider.token()

    def identify(_: int) -> str:
        together.wait()
        return authenticator.identify(token).name

    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(identify, range(8))) == {f"{provider.issuer}#anna"}
    assert provider.asked == [DISCOVERY, KEYS]


def test_a_new_key_is_taken_and_the_old_one_no_longer(
    authenticator: Authenticator, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "PAUSE_SECONDS", 0.0)
    old = provider.token()
    authenticator.identify(old)
    provider.rotate()
    assert authenticator.identify(provider.token())
    with pytest.raises(NotAuthenticated, match="no key that its issuer publishes"):
        authenticator.identify(old)


def test_unknown_keys_do_not_have_the_provider_asked_again_and_again(
    authenticator: Authenticator, provider: Provider
) -> None:
    authenticator.identify(provider.token())
    for number in range(50):
        with pytest.raises(NotAuthenticated):
            authenticator.identify(provider.token({"kid": f"key {number}"}))
    assert provider.asked == [DISCOVERY, KEYS]


def test_keys_go_on_while_the_provider_is_down(
    authenticator: Authenticator, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "PAUSE_SECONDS", 0.0)
    authenticator.identify(provider.token())
    provider.is_down = True
    monkeypatch.setattr(keys, "FRESH_SECONDS", 0.0)
    assert authenticator.identify(provider.token())
    assert provider.asked == [DISCOVERY, KEYS, DISCOVERY]
    monkeypatch.setattr(keys, "KEPT_SECONDS", 0.0)
    with pytest.raises(Unavailable, match="cannot be asked"):
        authenticator.identify(provider.token())
    provider.is_down = False
    monkeypatch.undo()
    monkeypatch.setattr(keys, "PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(keys, "FRESH_SECONDS", 0.0)
    assert authenticator.identify(provider.token())


def test_a_provider_that_is_down_from_the_start(
    authenticator: Authenticator, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider.is_down = True
    for message in ("status 503", "a moment ago"):
        with pytest.raises(Unavailable, match=message):
            authenticator.identify(provider.token())
    assert provider.asked == [DISCOVERY]
    provider.is_down = False
    monkeypatch.setattr(keys, "PAUSE_SECONDS", 0.0)
    assert authenticator.identify(provider.token())


def test_nobody_listens(provider: Provider) -> None:
    issuer = f"http://127.0.0.1:{free_port()}"
    entry = {"issuer": issuer, "audience": AUDIENCE}
    with pytest.raises(Unavailable, match="ConnectError"):
        Authenticator(AuthSettings.model_validate({"oidc": [entry]})).identify(provider.token(iss=issuer))


WRONG = {
    "another issuer": (DISCOVERY, {"issuer": "https://evil.example.org"}, "another issuer"),
    "no object": (DISCOVERY, ["a"], "no JSON object"),
    "no address of keys": (DISCOVERY, {"issuer": None}, "names no jwks_uri"),
    "keys in a file": (DISCOVERY, {"issuer": None, "jwks_uri": "file:///etc/passwd"}, "names no jwks_uri"),
    "keys without TLS": (DISCOVERY, {"issuer": None, "jwks_uri": "http://example.org/jwks"}, "names no jwks_uri"),
    "too long": (DISCOVERY, {"issuer": None, "x": "y" * (2 << 20)}, "too long"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_document_that_is_wrong(name: str, authenticator: Authenticator, provider: Provider) -> None:
    path, document, message = WRONG[name]
    if isinstance(document, dict) and document["issuer"] is None:
        document = {**document, "issuer": provider.issuer}
    provider.replaced[path] = json.dumps(document)
    with pytest.raises(Unavailable, match=message):
        authenticator.identify(provider.token())


def test_keys_that_do_not_count(authenticator: Authenticator, provider: Provider) -> None:
    """Secrets, keys for encryption, weak and broken ones, beside a good one."""
    good = {**provider.key.as_dict(private=False), "kid": provider.kid}
    weak = {**RSAKey.generate_key(1024).as_dict(private=False), "kid": "weak"}
    listed = [
        {"kty": "oct", "kid": "secret", "k": "c2VjcmV0"},
        {**good, "kid": "for encryption", "use": "enc"},
        weak,
        {"kty": "RSA", "kid": "broken", "e": 5},
        {"kty": "EC", "kid": "no point", "crv": "P-256", "x": "AA", "y": "AA"},
        "no key",
        {"kty": "new kind"},
        good,
    ]
    provider.replaced[KEYS] = json.dumps({"keys": listed})
    assert authenticator.identify(provider.token())
    for kid in ("secret", "for encryption", "weak", "broken", "no point"):
        with pytest.raises(NotAuthenticated, match="no key that its issuer publishes"):
            authenticator.identify(provider.token({"kid": kid}))


@pytest.mark.parametrize("keys", [{}, {"keys": None}, {"keys": "x"}, {"keys": []}])
def test_a_key_set_without_keys(keys: object, authenticator: Authenticator, provider: Provider) -> None:
    provider.replaced[KEYS] = json.dumps(keys)
    with pytest.raises(NotAuthenticated, match="no key that its issuer publishes"):
        authenticator.identify(provider.token())
