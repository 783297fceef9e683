"""Tokens of a provider: what holds is believed, and nothing else is, however it is made."""

from __future__ import annotations

import base64
import hmac
import json
import time
from collections.abc import Callable

import pytest
from joserfc import jwe, jwt
from joserfc.jwk import ECKey, RSAKey

from rnaget_server.errors import NotAuthenticated
from rnaget_server.http.auth.authenticator import Authenticator
from tests.http.auth.provider import AUDIENCE, Provider, encoded

OTHER_KEY = RSAKey.generate_key(2048, private=True)


def now() -> int:
    return int(time.time())


def test_a_token_that_holds(authenticator: Authenticator, provider: Provider) -> None:
    end = now() + 500
    token = provider.token(rna_grants=["EGAD1", "", 5, "EGAD2"], name="Anna Ek", exp=end)
    identity = authenticator.identify(token)
    principal = identity.principal(time.time())
    assert (principal.name, identity.label) == (f"{provider.issuer}#anna", "Anna Ek")
    assert (principal.grants, principal.scopes, principal.projects) == (frozenset(("EGAD1", "EGAD2")), None, None)
    assert principal.expires == end
    assert principal.has_signed_in and not principal.is_operator


@pytest.mark.parametrize("claim", ["scope", "scp"])
def test_scopes_of_this_server_limit_a_token(claim: str, authenticator: Authenticator, provider: Provider) -> None:
    def scopes(value: object) -> frozenset[str] | None:
        return authenticator.identify(provider.token(**{claim: value})).scopes

    assert scopes("openid read:project read:study") == {"read:project", "read:study"}
    assert scopes(["read:files", "email"]) == {"read:files"}
    assert scopes("openid profile") is None
    assert scopes(f"{'x' * 3000} read:study") == {"read:study"}


def test_scopes_in_one_claim_hold_beside_another_claim(authenticator: Authenticator, provider: Provider) -> None:
    for one, other in (("scope", "scp"), ("scp", "scope")):
        token = provider.token(**{one: "openid", other: ["read:study"]})
        assert authenticator.identify(token).scopes == {"read:study"}


@pytest.mark.parametrize("audience", [AUDIENCE, ["https://other.example.org", AUDIENCE]])
def test_one_audience_of_several_suffices(audience: object, authenticator: Authenticator, provider: Provider) -> None:
    assert authenticator.identify(provider.token(aud=audience)).name.endswith("#anna")


def test_clocks_may_differ_by_half_a_minute(authenticator: Authenticator, provider: Provider) -> None:
    for claims in ({"exp": now() - 15}, {"nbf": now() + 15}, {"iat": now() + 15}):
        assert authenticator.identify(provider.token(**claims))
    # A token that ended a moment ago grants nothing more.
    late = authenticator.identify(provider.token(exp=now() - 15, rna_grants=["EGAD1"]))
    assert late.principal(time.time()).grants == frozenset()


def unsigned(provider: Provider) -> str:
    return f"{part({'alg': 'none', 'typ': 'JWT'})}.{part(provider.claims())}."


def part(value: object) -> str:
    return encoded(json.dumps(value).encode())


def signed_by_public_key_as_secret(provider: Provider) -> str:
    text = f"{part({'alg': 'HS256', 'kid': provider.kid})}.{part(provider.claims())}"
    signature = hmac.digest(provider.key.as_pem(private=False), text.encode(), "sha256")
    return f"{text}.{encoded(signature)}"


def with_other_claims(provider: Provider) -> str:
    header, _, signature = provider.token().split(".")
    return f"{header}.{part(provider.claims(sub='root'))}.{signature}"


def encrypted(provider: Provider) -> str:
    protected = {"alg": "RSA-OAEP", "enc": "A128GCM"}
    return jwe.encrypt_compact(protected, json.dumps(provider.claims()), provider.key)


def of_elliptic_key_with_the_same_name(provider: Provider) -> str:
    return jwt.encode({"alg": "ES256", "kid": provider.kid}, provider.claims(), ECKey.generate_key("P-256"))


def with_key_in_header(provider: Provider) -> str:
    header = {"alg": "RS256", "jwk": OTHER_KEY.as_dict(private=False), "kid": provider.kid}
    return jwt.encode(header, provider.claims(), OTHER_KEY)


def with_keys_elsewhere(provider: Provider) -> str:
    header = {"alg": "RS256", "jku": "http://127.0.0.1:9/jwks", "x5u": "http://127.0.0.1:9/x", "kid": provider.kid}
    return jwt.encode(header, provider.claims(), OTHER_KEY)


def with_exp(text: str) -> Callable[[Provider], str]:
    """Return a maker of tokens whose end is a text that no honest encoder writes."""

    def token(provider: Provider) -> str:
        payload = json.dumps(provider.claims(exp="END")).replace('"END"', text)
        return provider.signed_by_hand({"alg": "RS256", "kid": provider.kid}, payload)

    return token


def signed(provider: Provider, header: dict[str, object]) -> str:
    return provider.signed_by_hand({**header, "kid": provider.kid}, json.dumps(provider.claims()))


def with_critical_header(provider: Provider) -> str:
    header = {"alg": "RS256", "kid": provider.kid, "crit": ["exp"], "exp": 1}
    return provider.signed_by_hand(header, json.dumps(provider.claims()))


HOSTILE: dict[str, tuple[Callable[[Provider], str], str]] = {
    "expired": (lambda provider: provider.token(exp=now() - 90), "has expired"),
    "not yet valid": (lambda provider: provider.token(nbf=now() + 90), "does not hold yet"),
    "of tomorrow": (lambda provider: provider.token(iat=now() + 90), "in the future"),
    "without end": (lambda provider: provider.token(exp=None), "when it ends"),
    "end is text": (lambda provider: provider.token(exp="9999999999"), "when it ends"),
    "end is true": (lambda provider: provider.token(exp=True), "when it ends"),
    "end is no number": (with_exp("NaN"), "when it ends"),
    "end is infinite": (with_exp("Infinity"), "when it ends"),
    "end is too large": (with_exp("1" + "0" * 400), "form is wrong"),
    "other audience": (lambda provider: provider.token(aud="https://other.example.org"), "another audience"),
    "no audience": (lambda provider: provider.token(aud=None), "another audience"),
    "audience is a part": (lambda provider: provider.token(aud=AUDIENCE[:-1]), "another audience"),
    "other issuer": (lambda provider: provider.token(iss="https://evil.example.org"), "none that this server trusts"),
    "issuer with slash": (lambda provider: provider.token(iss=f"{provider.issuer}/"), "none that this server trusts"),
    "issuer is a list": (lambda provider: provider.token(iss=[provider.issuer]), "who has issued it"),
    "no subject": (lambda provider: provider.token(sub=None), "who has it"),
    "empty subject": (lambda provider: provider.token(sub=""), "who has it"),
    "subject of two lines": (lambda provider: provider.token(sub="a\nb"), "no name of somebody"),
    "long subject": (lambda provider: provider.token(sub="a" * 300), "no name of somebody"),
    "unsigned": (unsigned, "none of those that count here"),
    "public key as secret": (signed_by_public_key_as_secret, "none of those that count here"),
    "algorithm in other letters": (
        lambda provider: unsigned(provider).replace("none", "None"),
        "no token|none of those",
    ),
    "other claims": (with_other_claims, "signature or form is wrong"),
    "encrypted": (encrypted, "no token that this server takes"),
    "other kind of key": (of_elliptic_key_with_the_same_name, "no key that its issuer publishes"),
    "key in header": (with_key_in_header, "signature or form is wrong"),
    "keys elsewhere": (with_keys_elsewhere, "signature or form is wrong"),
    "key is a path": (lambda provider: provider.token({"kid": "../../../dev/null"}), "no key that its issuer"),
    "key is a query": (lambda provider: provider.token({"kid": "x' UNION SELECT 'y"}), "no key that its issuer"),
    "critical header": (with_critical_header, "critical headers"),
    "a visa": (lambda provider: provider.token(ga4gh_visa_v1={"type": "ControlledAccessGrants"}), "a visa is no token"),
    "cut": (lambda provider: provider.token()[:-20], "signature or form is wrong"),
    "two parts": (lambda provider: provider.token().rpartition(".")[0], "no token that this server takes"),
    "long": (lambda provider: provider.token(x="y" * 100_000), "no token that this server takes"),
    "of a megabyte": (lambda provider: "a" * (1 << 20), "no token that this server takes"),
    "dots": (lambda provider: "." * 60_000, "no token that this server takes"),
    "nested": (lambda provider: ".".join([base64.b64encode(b"[" * 3000).decode()] * 3), "no token that this server"),
    "no letters": (lambda provider: "…", "no token that this server takes"),
    "empty": (lambda provider: "", "no token that this server takes"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_token_that_does_not_hold(name: str, authenticator: Authenticator, provider: Provider) -> None:
    make, message = HOSTILE[name]
    token = make(provider)
    began = time.perf_counter()
    with pytest.raises(NotAuthenticated, match=message) as refusal:
        authenticator.identify(token)
    assert time.perf_counter() - began < 5
    # Neither a token nor a claim is in what logs and clients get.
    assert "anna" not in str(refusal.value) and (not token or token not in str(refusal.value))


def test_key_names_that_are_no_text(authenticator: Authenticator, provider: Provider) -> None:
    _, claims, signature = provider.token().split(".")
    for kid in ([provider.kid], {"a": 1}, 5, True):
        with pytest.raises(NotAuthenticated):
            authenticator.identify(f"{part({'alg': 'RS256', 'kid': kid})}.{claims}.{signature}")


def test_a_token_without_the_name_of_its_key(authenticator: Authenticator, provider: Provider) -> None:
    """It is taken where there is one key only."""
    token = jwt.encode({"alg": "RS256"}, provider.claims(), provider.key)
    assert authenticator.identify(token)
    with pytest.raises(NotAuthenticated):
        authenticator.identify(jwt.encode({"alg": "RS256"}, provider.claims(), OTHER_KEY))


def test_no_address_in_a_token_is_asked(authenticator: Authenticator, provider: Provider, visas: Provider) -> None:
    """Another provider has the key that the token names, at the address that it names, in the forms that there are."""
    elsewhere = f"{visas.issuer}/jwks"
    visas.asked.clear()
    for name in ("jku", "x5u", "jwks_uri", "iss", "url"):
        header = {"alg": "RS256", "kid": visas.kid, name: elsewhere}
        forged = visas.signed_by_hand(header, json.dumps(provider.claims(jku=elsewhere, jwks_uri=elsewhere)))
        with pytest.raises(NotAuthenticated, match="no key that its issuer"):
            authenticator.identify(forged)
    assert visas.asked == []


def test_names_of_keys_are_nothing_but_names(authenticator: Authenticator, provider: Provider) -> None:
    """They are compared with those that the issuer publishes, and lead to no file, no query and no address."""
    provider.asked.clear()
    named = ("/proc/self/environ", "file:///etc/passwd", "http://127.0.0.1:9/jwks", "' OR 1=1 --", "| id", "a\0b", "")
    for kid in (*named, f"{provider.kid}\0", f" {provider.kid}", provider.kid.swapcase(), "k" * 3000):
        with pytest.raises(NotAuthenticated, match="no key that its issuer"):
            authenticator.identify(provider.signed_by_hand({"alg": "RS256", "kid": kid}, json.dumps(provider.claims())))
    assert provider.asked == ["/.well-known/openid-configuration", "/jwks"]
