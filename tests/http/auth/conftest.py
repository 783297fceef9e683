from __future__ import annotations

from collections.abc import Iterator

import pytest

from rnaget_server.auth_settings import AuthSettings
from rnaget_server.http.auth.authenticator import Authenticator
from tests.http.auth.provider import AUDIENCE, Provider, running_provider


@pytest.fixture(scope="module")
def _running() -> Iterator[Provider]:
    with running_provider() as provider:
        yield provider


@pytest.fixture(scope="module")
def _running_visas() -> Iterator[Provider]:
    with running_provider() as provider:
        yield provider


@pytest.fixture
def provider(_running: Provider) -> Iterator[Provider]:
    """A provider in working order, shared by the tests of a module."""
    yield _running
    _running.is_down = False
    _running.replaced.clear()


@pytest.fixture
def visas(_running_visas: Provider) -> Iterator[Provider]:
    """Another one, which issues visas."""
    yield _running_visas
    _running_visas.is_down = False
    _running_visas.replaced.clear()


@pytest.fixture
def authenticator(provider: Provider, visas: Provider) -> Authenticator:
    """The check of tokens of a server that trusts both, which knows no keys yet."""
    client = {"client_id": "rnaget", "client_secret": "secret of the client"}
    entry = {"issuer": provider.issuer, "audience": AUDIENCE, "grants": "rna_grants", **client}
    passports = {"issuers": [visas.issuer], "jku": [f"{visas.issuer}/jwks"]}
    return Authenticator(AuthSettings.model_validate({"oidc": [entry], "passports": passports}))
