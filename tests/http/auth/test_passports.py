"""GA4GH Passports: each visa that is signed by somebody who may grant here gives its grant, for its own time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from joserfc import jwt

from rnaget_server.auth_settings import AuthSettings
from rnaget_server.errors import NotAuthenticated, Unavailable
from rnaget_server.http.auth import keys
from rnaget_server.http.auth.authenticator import Authenticator
from rnaget_server.http.auth.identity import Identity
from tests.http.auth.provider import AUDIENCE, Provider


def now() -> int:
    return int(time.time())


SCOPED = {"scope": "openid ga4gh_passport_v1"}


def visa(issuer: Provider, grant: Any = "EGAD1", header: dict[str, Any] | None = None, **claims: Any) -> str:
    """Return a visa as AAI 1.2.1 has it: with the address of its keys, and for no audience."""
    content = {"type": "ControlledAccessGrants", "value": grant, "source": "https://dac.example.org", "asserted": now()}
    given = {"ga4gh_visa_v1": content, "aud": None, "sub": "anna at the committee", **claims}
    return issuer.token({"jku": f"{issuer.issuer}/jwks", **(header or {})}, **given)


def passport(broker: Provider, *visas: object, **claims: Any) -> str:
    return broker.token({"typ": "vnd.ga4gh.passport+jwt"}, ga4gh_passport_v1=list(visas), **claims)


def grants(identity: Identity) -> frozenset[str]:
    return identity.principal(time.time()).grants


def test_visas_give_their_grants_until_they_end(
    authenticator: Authenticator, provider: Provider, visas: Provider
) -> None:
    at = now()
    long, short = visa(visas, "EGAD1", exp=at + 5000), visa(visas, "EGAD2", exp=at + 60)
    identity = authenticator.identify(passport(provider, long, short, exp=at + 600))
    first = identity.principal(at)
    assert (first.name, first.grants, first.expires) == (f"{provider.issuer}#anna", {"EGAD1", "EGAD2"}, at + 60)
    later = identity.principal(at + 100)
    assert (later.grants, later.expires) == ({"EGAD1"}, at + 600)
    assert identity.remarks == ()


def test_a_broker_gives_the_visas_for_its_token(
    authenticator: Authenticator, provider: Provider, visas: Provider
) -> None:
    token = provider.access_token({"ga4gh_passport_v1": [visa(visas, "EGAD7")]}, **SCOPED)
    assert grants(authenticator.identify(token)) == {"EGAD7"}


def test_a_token_without_the_scope_is_not_asked_about(
    authenticator: Authenticator, provider: Provider, visas: Provider
) -> None:
    token = provider.access_token({"ga4gh_passport_v1": [visa(visas)]}, scope="openid")
    provider.asked.clear()
    assert grants(authenticator.identify(token)) == frozenset()
    assert "/userinfo" not in provider.asked


def test_the_broker_no_longer_takes_its_token(authenticator: Authenticator, provider: Provider) -> None:
    with pytest.raises(NotAuthenticated, match="no longer takes it"):
        authenticator.identify(provider.token(jti="not one that it has stored", **SCOPED))


def test_the_broker_speaks_of_somebody_else(authenticator: Authenticator, provider: Provider) -> None:
    token = provider.access_token({}, sub="eve", **SCOPED)
    with pytest.raises(NotAuthenticated, match="somebody else"):
        authenticator.identify(token)


def of_broker(broker: Provider, visas: Provider) -> str:
    """Return a visa that the broker has signed in the name of the issuer."""
    claims = visas.claims(ga4gh_visa_v1={"type": "ControlledAccessGrants", "value": "EGAD1"})
    return jwt.encode({"alg": "RS256", "kid": visas.kid, "jku": f"{visas.issuer}/jwks"}, claims, broker.key)


Make = Callable[[Provider, Provider], object]
USELESS: dict[str, tuple[Make, str]] = {
    "ended": (lambda broker, own: visa(own, exp=now() - 90), "expired"),
    "not yet": (lambda broker, own: visa(own, nbf=now() + 900), "does not hold yet"),
    "without end": (lambda broker, own: visa(own, exp=None), "when it ends"),
    "issuer not listed": (lambda broker, own: visa(broker), "none that may grant"),
    "keys elsewhere": (
        lambda broker, own: visa(own, header={"jku": "https://evil.example.org/jwks"}),
        "not allowed",
    ),
    "keys of the broker": (lambda broker, own: visa(own, header={"jku": f"{broker.issuer}/jwks"}), "not allowed"),
    "keys at another path": (lambda broker, own: visa(own, header={"jku": f"{own.issuer}/jwks/"}), "not allowed"),
    "signed by another": (of_broker, "signature or form is wrong"),
    "unknown key": (lambda broker, own: visa(own, header={"kid": "other"}), "no key that its issuer"),
    "other type": (
        lambda broker, own: visa(own, ga4gh_visa_v1={"type": "ResearcherStatus"}),
        "no visa of the type",
    ),
    "no visa": (lambda broker, own: visa(own, ga4gh_visa_v1=None), "no visa of the type"),
    "empty value": (lambda broker, own: visa(own, ""), "what it grants"),
    "value is a list": (lambda broker, own: visa(own, ["EGAD1"]), "what it grants"),
    "long value": (lambda broker, own: visa(own, "x" * 3000), "what it grants"),
    "long visa": (lambda broker, own: visa(own, more="x" * 20_000), "usual size"),
    "no text": (lambda broker, own: {"iss": own.issuer}, "usual size"),
    "no token": (lambda broker, own: "visa", "no token"),
    "conditional": (
        lambda broker, own: visa(
            own,
            ga4gh_visa_v1={"type": "ControlledAccessGrants", "value": "EGAD1", "conditions": [[{"type": "A"}]]},
        ),
        "conditions",
    ),
}


@pytest.mark.parametrize("name", USELESS)
def test_a_visa_that_does_not_count(
    name: str, authenticator: Authenticator, provider: Provider, visas: Provider
) -> None:
    make, reason = USELESS[name]
    identity = authenticator.identify(passport(provider, make(provider, visas), visa(visas, "EGAD9")))
    assert grants(identity) == {"EGAD9"}
    (remark,) = identity.remarks
    assert remark.startswith("visa 1 does not count: ") and reason in remark


def test_a_visa_without_the_address_of_its_keys(
    authenticator: Authenticator, provider: Provider, visas: Provider
) -> None:
    """It counts only where the settings name none for its issuer, whose discovery document has it then."""
    bare = passport(provider, visas.token(ga4gh_visa_v1={"type": "ControlledAccessGrants", "value": "EGAD1"}))
    assert grants(authenticator.identify(bare)) == frozenset()
    entry = {"issuer": provider.issuer, "audience": AUDIENCE}
    settings = AuthSettings.model_validate({"oidc": [entry], "passports": {"issuers": [visas.issuer]}})
    discovering = Authenticator(settings)
    assert grants(discovering.identify(bare)) == {"EGAD1"}
    assert grants(discovering.identify(passport(provider, visa(visas)))) == frozenset()


def test_an_issuer_may_have_keys_of_its_own(provider: Provider, visas: Provider) -> None:
    """So that one who holds the keys at another's address cannot sign in its name."""
    passports = {"issuers": [{"issuer": visas.issuer, "jku": f"{visas.issuer}/jwks"}], "jku": f"{provider.issuer}/jwks"}
    entry = {"issuer": provider.issuer, "audience": AUDIENCE}
    authenticator = Authenticator(AuthSettings.model_validate({"oidc": [entry], "passports": passports}))
    claims = visas.claims(ga4gh_visa_v1={"type": "ControlledAccessGrants", "value": "EGAD1"})
    header = {"alg": "RS256", "kid": provider.kid, "jku": f"{provider.issuer}/jwks"}
    forged = jwt.encode(header, claims, provider.key)
    assert grants(authenticator.identify(passport(provider, forged))) == frozenset()
    assert grants(authenticator.identify(passport(provider, visa(visas)))) == {"EGAD1"}


def test_thousands_of_visas(authenticator: Authenticator, provider: Provider) -> None:
    token = provider.access_token({"ga4gh_passport_v1": ["a.b.c"] * 5000}, **SCOPED)
    with pytest.raises(NotAuthenticated, match=r"5,000 visas, and at most 256"):
        authenticator.identify(token)


def test_as_many_visas_as_are_looked_at(
    authenticator: Authenticator, provider: Provider, visas: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many name keys that nobody has, keys are fetched once, and the work is that of some signatures."""
    unknown = [visa(visas, f"EGAD{number}", header={"kid": f"key {number}"}) for number in range(254)]
    token = provider.access_token(
        {"ga4gh_passport_v1": [visa(visas, "FIRST"), *unknown, visa(visas, "LAST")]}, **SCOPED
    )
    visas.asked.clear()
    monkeypatch.setattr(keys, "PAUSE_SECONDS", 1000.0)
    began = time.thread_time()
    identity = authenticator.identify(token)
    assert time.thread_time() - began < 2
    assert grants(identity) == {"FIRST", "LAST"}
    assert len(identity.remarks) == 254
    assert visas.asked.count("/jwks") == 1


@pytest.mark.parametrize("claim", ["visa", 5, {"a": "b"}])
def test_a_passport_that_is_no_list(claim: object, authenticator: Authenticator, provider: Provider) -> None:
    with pytest.raises(NotAuthenticated, match="no list of visas"):
        authenticator.identify(provider.token(ga4gh_passport_v1=claim))


def test_a_passport_for_somebody_else_or_for_anybody(
    authenticator: Authenticator, provider: Provider, visas: Provider
) -> None:
    for audience in ("https://other.example.org", None):
        with pytest.raises(NotAuthenticated, match="another audience"):
            authenticator.identify(passport(provider, visa(visas), aud=audience))


def test_visas_that_cannot_be_checked_now(authenticator: Authenticator, provider: Provider, visas: Provider) -> None:
    """Without them one would see less, and not know why."""
    visas.is_down = True
    with pytest.raises(Unavailable):
        authenticator.identify(passport(provider, visa(visas)))


def test_without_passports_visas_count_for_nothing(provider: Provider, visas: Provider) -> None:
    entry = {"issuer": provider.issuer, "audience": AUDIENCE}
    authenticator = Authenticator(AuthSettings.model_validate({"oidc": [entry]}))
    assert grants(authenticator.identify(passport(provider, visa(visas)))) == frozenset()
