"""Signing in by a browser at a real provider: who comes back is who went, and nothing leads elsewhere."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
import requests
from httpx import Response
from joserfc import jwt
from oidc_provider_mock._storage import User
from pydantic import SecretStr
from starlette.testclient import TestClient

from rnaget_server.app import create_app
from rnaget_server.auth_settings import AuthSettings
from rnaget_server.errors import NotAuthenticated, ResultTooLarge
from rnaget_server.http.auth.authenticator import Authenticator
from rnaget_server.http.auth.browser import BrowserSignIn, safe_target
from rnaget_server.http.auth.identity import Identity
from rnaget_server.http.auth.sessions import CookieSessions
from rnaget_server.settings import Settings
from tests.conftest import one_study
from tests.http.auth.provider import AUDIENCE, Provider, running_provider

KEYS = ["a key for the sessions of tests"]
SECRET = "secret of the client"
SESSION, BEGUN = "rnaget-session", "rnaget-sign-in"


def entry(provider: Provider, **more: Any) -> dict[str, Any]:
    client = {"client_id": "rnaget", "client_secret": SECRET}
    return {"issuer": provider.issuer, "audience": AUDIENCE, "grants": "rna_grants", **client, **more}


def server(data: Path, *providers: dict[str, Any], **settings: Any) -> TestClient:
    given = Settings(data=data, auth={"oidc": providers}, ticket_keys=KEYS, **settings)  # type: ignore[arg-type]
    return TestClient(create_app(given), raise_server_exceptions=False, follow_redirects=False)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return one_study(tmp_path_factory.mktemp("pages") / "demo")


@pytest.fixture(scope="module")
def _shared(_running: Provider, demo: Path) -> Iterator[TestClient]:
    with server(demo, entry(_running)) as shared:
        yield shared


@pytest.fixture
def client(_shared: TestClient) -> Iterator[TestClient]:
    """A browser that has been nowhere yet."""
    _shared.cookies.clear()
    yield _shared
    _shared.cookies.clear()


def at_provider(url: str, person: str = "anna") -> str:
    """Return the address that the provider sends a person back to."""
    reply = requests.post(url, data={"sub": person}, allow_redirects=False, timeout=10)
    assert reply.status_code == 302, reply.text
    return reply.headers["Location"]


def signed_in(client: TestClient, target: str = "/") -> Response:
    begun = client.get("/signin", params={"next": target})
    assert begun.status_code == 303, begun.text
    return client.get(at_provider(begun.headers["Location"]))


def cookie_lines(reply: Response) -> dict[str, str]:
    lines = reply.headers.get_list("Set-Cookie")
    return {line.partition("=")[0]: line for line in lines}


def test_from_the_page_to_the_provider_and_back(client: TestClient, provider: Provider) -> None:
    provider.storage.store_user(User(sub="anna", claims={"name": "Anna <Ek>"}))
    link = re.search(r'href="([^"]*)">Sign in<', client.get("/search?q=a%26b").text)
    assert link is not None
    begun = client.get(link[1].replace("&amp;", "&"))
    asked = parse_qs(urlsplit(begun.headers["Location"]).query)
    assert begun.status_code == 303 and begun.headers["Location"].startswith(f"{provider.issuer}/oauth2/authorize?")
    assert (asked["response_type"], asked["client_id"], asked["code_challenge_method"]) == (
        ["code"],
        ["rnaget"],
        ["S256"],
    )
    assert asked["redirect_uri"] == ["http://testserver/signin/callback"]
    assert len(asked["state"][0]) >= 43 and len(asked["nonce"][0]) >= 43 and len(asked["code_challenge"][0]) == 43
    provider.bodies.clear()
    finished = client.get(at_provider(begun.headers["Location"]))
    assert (finished.status_code, finished.headers["Location"]) == (303, "/search?q=a%26b")
    assert finished.headers["Cache-Control"] == "no-store"
    (exchange,) = (body for body in provider.bodies if "grant_type" in body)
    assert "code_verifier=" in exchange and "secret" not in exchange
    page = client.get("/").text
    assert "Anna &lt;Ek&gt;" in page and ">Sign in<" not in page and ">Sign out<" in page
    out = client.post("/signout")
    assert (out.status_code, out.headers["Location"]) == (303, "/")
    assert ">Sign in<" in client.get("/").text


def test_the_cookie_holds_no_token_and_no_script_reads_it(client: TestClient) -> None:
    lines = cookie_lines(signed_in(client))
    assert set(lines) == {SESSION, BEGUN}
    for attribute in ("HttpOnly", "SameSite=Lax", "Path=/"):
        assert attribute in lines[SESSION]
    assert "Secure" not in lines[SESSION] and "eyJ" not in lines[SESSION]
    assert re.search("Max-Age=287[0-9]{2}|Max-Age=28800", lines[SESSION]) and "Max-Age=0" in lines[BEGUN]


def test_by_tls_the_cookie_goes_by_tls_alone(demo: Path, provider: Provider) -> None:
    browser = server(demo, entry(provider), public_url="https://rna.example.org/data")
    begun = browser.get("/signin?next=/search")
    assert parse_qs(urlsplit(begun.headers["Location"]).query)["redirect_uri"] == [
        "https://rna.example.org/data/signin/callback"
    ]
    assert "Secure" in cookie_lines(begun)[BEGUN]
    kept = cookie_lines(begun)[BEGUN].partition("=")[2].partition(";")[0]
    back = urlsplit(at_provider(begun.headers["Location"]))
    finished = browser.get(f"/signin/callback?{back.query}", headers={"Cookie": f"{BEGUN}={kept}"})
    assert finished.headers["Location"] == "/data/search"
    line = cookie_lines(finished)[f"__Secure-{SESSION}"]
    assert "Secure" in line.split("; ") and "Path=/data" in line
    value = line.partition("=")[2].partition(";")[0]
    assert ">Sign out<" in browser.get("/", headers={"Cookie": f"__Secure-{SESSION}={value}"}).text


def test_a_session_counts_for_the_apis_too(client: TestClient) -> None:
    signed_in(client)
    reply = client.get("/rnaget/projects")
    assert reply.status_code == 200 and reply.headers["Cache-Control"] == "private"
    assert ">Sign out<" in client.get("/rnaget/projects", headers={"Accept": "text/html"}).text


def test_a_token_goes_before_a_session(client: TestClient) -> None:
    signed_in(client)
    assert client.get("/rnaget/projects", headers={"Authorization": "Bearer wrong"}).status_code == 401


def test_a_session_is_no_token_and_a_token_no_session(client: TestClient, provider: Provider) -> None:
    """Nor is one that was believed a moment ago, in its own place."""
    signed_in(client)
    session, token = str(client.cookies[SESSION]), provider.token()
    assert client.get("/rnaget/projects").status_code == 200
    client.cookies.clear()
    assert client.get("/rnaget/projects", headers={"Authorization": f"Bearer {token}"}).status_code == 200
    assert client.get("/rnaget/projects", headers={"Authorization": f"Bearer {session}"}).status_code == 401
    assert client.get("/rnaget/projects", headers={"Cookie": f"{SESSION}={token}"}).status_code == 401


def test_a_session_ends_with_the_trust_in_its_provider(client: TestClient, demo: Path) -> None:
    """Also where the keys that have signed it are still believed."""
    signed_in(client)
    cookie = {"Cookie": f"{SESSION}={client.cookies[SESSION]}"}
    with running_provider() as other, server(demo, entry(other)) as changed:
        reply = changed.get("/rnaget/projects", headers=cookie)
    assert reply.status_code == 401 and "no longer counts" in reply.text
    assert cookie_lines(reply)[SESSION].startswith(f"{SESSION}=; Path=/; Max-Age=0")


@pytest.mark.parametrize("value", ["x", "eyJ.x.y", "a" * 5000, "\xe9", '"'])
def test_a_session_that_is_none_is_refused_and_forgotten(value: str, client: TestClient) -> None:
    cookie = {"Cookie": f"{SESSION}={value}".encode("latin-1")}
    for address in ("/", "/rnaget/projects"):
        reply = client.get(address, headers=cookie)  # type: ignore[arg-type]
        assert reply.status_code == 401 and "your sign-in has ended" in reply.text
        assert cookie_lines(reply)[SESSION].startswith(f"{SESSION}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax")
    assert client.get("/signin", headers=cookie).status_code == 303  # type: ignore[arg-type]
    assert client.get("/rnaget/projects", headers={"Cookie": "other=x"}).status_code == 200


def sessions(key: str = KEYS[0]) -> CookieSessions:
    return CookieSessions([SecretStr(key)], 3600, "")


def test_sessions_end_and_cannot_be_made_up(client: TestClient, provider: Provider) -> None:
    now, anna = time.time(), f"{provider.issuer}#anna"
    good = sessions().new_cookie(Identity(anna, "Anna", now + 60, {"EGAD1": now + 60}))
    ended = sessions().new_cookie(Identity(anna, "Anna", now - 1))
    forged = sessions("a key that is another one").new_cookie(Identity(anna, "Anna", now + 60))
    # The last letter of a signature has bits that mean nothing.
    changed = ("A" if good[0] != "A" else "B") + good[1:]
    statuses = [
        client.get("/rnaget/projects", headers={"Cookie": f"{SESSION}={cookie}"}).status_code
        for cookie in (good, ended, forged, changed)
    ]
    assert statuses == [200, 401, 401, 401]
    # What a sign-in that has begun keeps is signed for that alone.
    begun = cookie_lines(client.get("/signin"))[BEGUN].partition("=")[2].partition(";")[0]
    with pytest.raises(NotAuthenticated):
        sessions().identity(begun)


def test_keys_may_be_exchanged() -> None:
    """The first signs; sessions by the others go on."""
    old = sessions().new_cookie(Identity("i#anna", "Anna", time.time() + 60))
    both = CookieSessions([SecretStr("a new key, which signs"), SecretStr(KEYS[0])], 3600, "")
    assert both.identity(old).name == "i#anna"
    new = both.new_cookie(Identity("i#anna", "Anna", time.time() + 60))
    assert sessions("a new key, which signs").identity(new)
    with pytest.raises(NotAuthenticated):
        sessions().identity(new)


def test_more_grants_than_a_cookie_holds() -> None:
    from secrets import token_hex

    grants = {token_hex(20): time.time() + 60 for _ in range(200)}
    with pytest.raises(ResultTooLarge, match="200 grants, more than"):
        sessions().new_cookie(Identity("i#anna", "Anna", time.time() + 60, grants))


def test_another_browser_cannot_finish_a_sign_in(client: TestClient) -> None:
    """Nor can somebody be signed in as another by a link."""
    back = at_provider(client.get("/signin").headers["Location"], "mallory")
    client.cookies.clear()
    reply = client.get(back)
    assert reply.status_code == 401 and "not begun by this browser" in reply.text and SESSION not in cookie_lines(reply)
    client.get("/signin")
    reply = client.get(back)
    assert reply.status_code == 401 and "not the one that this browser has begun" in reply.text


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("", "not the one that this browser has begun"),
        ("state=x&code=y", "not the one that this browser has begun"),
        ("state=STATE&error=access_denied", "127.0.0.1 says access_denied"),
        ("state=STATE&error=%3Cscript%3E", "127.0.0.1 says an error"),
        ("state=STATE&code=made+up", "does not take the code"),
        ("state=STATE", "does not take the code"),
        ("state=STATE&code=x&iss=https://evil.example.org", "of another provider"),
    ],
)
def test_answers_that_the_provider_has_not_given(query: str, message: str, client: TestClient) -> None:
    begun = client.get("/signin")
    state = parse_qs(urlsplit(begun.headers["Location"]).query)["state"][0]
    reply = client.get(f"/signin/callback?{query.replace('STATE', state)}")
    assert reply.status_code == 401 and message in reply.text and SESSION not in cookie_lines(reply)
    assert reply.headers["WWW-Authenticate"].startswith("Bearer ")


ELSEWHERE = [
    *("https://evil.example.org", "//evil.example.org", "///evil.example.org", "/\\evil.example.org", "\\\\evil"),
    *(
        "javascript:alert(1)",
        "evil.example.org",
        "",
        "/a\nLocation: x",
        "/\t/evil",
        "/a b",
        "/é",
        "/signin",
        "/signout",
    ),
    *("/" + "a" * 2000, "/a\\b", "http:/x", "/signin/callback?x=y"),
]


@pytest.mark.parametrize("target", ELSEWHERE)
def test_nothing_leads_elsewhere(target: str, client: TestClient) -> None:
    assert safe_target(target) == "/"
    assert signed_in(client, target).headers["Location"] == "/"


@pytest.mark.parametrize("target", ["/", "/genes/TP53?by=Tissue&x=https://a.example", "/rnaget/projects", "/a%2F%2Fb"])
def test_paths_of_this_server_are_kept(target: str, client: TestClient) -> None:
    assert signed_in(client, quote(target, safe="/?&=%:")).headers["Location"] == quote(target, safe="/?&=%:")


def test_signing_out_is_no_link_and_no_form_of_another_site(client: TestClient) -> None:
    signed_in(client)
    assert client.get("/signout").status_code == 405
    for site in ("cross-site", "same-site"):
        assert client.post("/signout", headers={"Sec-Fetch-Site": site}).status_code == 403
    assert ">Sign out<" in client.get("/").text
    assert client.post("/signout", headers={"Sec-Fetch-Site": "same-origin"}).status_code == 303
    assert ">Sign in<" in client.get("/").text


def test_without_a_client_nobody_is_asked_to_sign_in(demo: Path, provider: Provider) -> None:
    without = {name: value for name, value in entry(provider).items() if not name.startswith("client_")}
    for browser in (server(demo, without), server(demo)):
        assert ">Sign in<" not in browser.get("/").text
        assert browser.get("/signin").status_code == 404
        assert browser.get("/signin/callback?code=x").status_code == 404
        assert browser.post("/signout").status_code == 404


def test_several_providers_are_chosen_between(demo: Path, provider: Provider, visas: Provider) -> None:
    browser = server(demo, entry(provider, name="The <lab>"), entry(visas))
    page = browser.get("/signin?next=/search%3Fq%3Da").text
    links = re.findall(r'href="(/signin\?provider=[^"]*)">([^<]*)<', page)
    assert [title for _, title in links] == ["The &lt;lab&gt;", "127.0.0.1"]
    for (link, _), chosen in zip(links, (provider, visas), strict=True):
        begun = browser.get(link.replace("&amp;", "&"))
        assert begun.headers["Location"].startswith(chosen.issuer)
        assert browser.get(at_provider(begun.headers["Location"])).headers["Location"] == "/search?q=a"
    for wrong in ("2", "-1", "x", "0 ", "\u0660"):
        assert browser.get("/signin", params={"provider": wrong}).status_code == 400


def test_a_provider_that_is_down(demo: Path) -> None:
    with running_provider() as provider:
        provider.is_down = True
        browser = server(demo, entry(provider))
        for _ in range(2):
            reply = browser.get("/signin")
            assert reply.status_code == 503 and "Retry-After" in reply.headers
        assert len(provider.asked) == 1
        assert browser.get("/").status_code == 200


@pytest.fixture
def browser_sign_in(authenticator: Authenticator) -> BrowserSignIn:
    return BrowserSignIn(authenticator, sessions())


CALLBACK = "http://testserver/signin/callback"


def finished(sign_in: BrowserSignIn, provider: Provider, **claims: Any) -> Identity:
    """Return who has signed in where the provider gives this token; without claims, its own."""
    begun = sign_in.begin(0, CALLBACK, "/")
    answer = {name: value for name, (value,) in parse_qs(urlsplit(at_provider(begun.url)).query).items()}
    if claims:
        nonce = parse_qs(urlsplit(begun.url).query)["nonce"][0]
        given = provider.claims(**{"aud": "rnaget", "nonce": nonce, **claims})
        token = jwt.encode({"alg": "RS256", "kid": provider.kid}, given, provider.key)
        provider.replaced["/oauth2/token"] = f'{{"access_token": "x", "token_type": "Bearer", "id_token": "{token}"}}'
    return sign_in.finish(begun.cookie, answer, CALLBACK)[0]


def test_grants_come_with_the_sign_in(browser_sign_in: BrowserSignIn, provider: Provider, visas: Provider) -> None:
    """By the claim of the provider for the session, by visas for their own time, and from its userinfo."""
    now = int(time.time())
    visa = visas.token(
        {"jku": f"{visas.issuer}/jwks"},
        exp=now + 100,
        ga4gh_visa_v1={"type": "ControlledAccessGrants", "value": "EGAD2"},
    )
    provider.storage.store_user(User(sub="anna", claims={"rna_grants": ["EGAD1"], "ga4gh_passport_v1": [visa]}))
    identity = finished(browser_sign_in, provider)
    assert identity.name == f"{provider.issuer}#anna" and identity.scopes is None
    assert identity.grants == {"EGAD1": pytest.approx(now + 3600, abs=60), "EGAD2": now + 100}
    assert identity.principal(now + 200).grants == {"EGAD1"}


@pytest.mark.parametrize(
    ("claims", "message"),
    [
        ({"nonce": "of another sign-in"}, "not the one that this browser has begun"),
        ({"nonce": None}, "not the one that this browser has begun"),
        ({"aud": AUDIENCE}, "another audience"),
        ({"iss": "https://evil.example.org"}, "another issuer"),
        ({"exp": 1}, "expired"),
        ({"azp": "another client"}, "another client"),
    ],
)
def test_who_has_signed_in_is_verified(
    claims: dict[str, Any], message: str, browser_sign_in: BrowserSignIn, provider: Provider
) -> None:
    with pytest.raises(NotAuthenticated, match=message):
        finished(browser_sign_in, provider, **claims)


def test_a_provider_that_gives_no_identity(browser_sign_in: BrowserSignIn, provider: Provider) -> None:
    provider.replaced["/oauth2/token"] = '{"access_token": "x", "token_type": "Bearer"}'
    with pytest.raises(NotAuthenticated, match="does not say who has signed in"):
        finished(browser_sign_in, provider)


def test_a_sign_in_has_to_be_finished_within_minutes(
    browser_sign_in: BrowserSignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = browser_sign_in.begin(0, CALLBACK, "/")
    monkeypatch.setattr("rnaget_server.http.auth.browser.SECONDS", -1)
    with pytest.raises(NotAuthenticated, match="too long ago"):
        browser_sign_in.finish(begun.cookie, {}, CALLBACK)


def test_a_public_client_names_itself_without_a_secret(authenticator: Authenticator, provider: Provider) -> None:
    """Older versions of the provider here take no such clients; what it is sent is what RFC 6749 wants."""
    public = AuthSettings.model_validate({"oidc": [entry(provider, client_secret="")]})
    with suppress(NotAuthenticated):
        finished(BrowserSignIn(Authenticator(public), sessions()), provider)
    exchange = parse_qs(next(body for body in reversed(provider.bodies) if "grant_type" in body))
    assert exchange["client_id"] == ["rnaget"] and "client_secret" not in exchange
    assert exchange["grant_type"] == ["authorization_code"] and exchange["redirect_uri"] == [CALLBACK]


def test_settings_need_what_a_client_needs() -> None:
    given = {"issuer": "https://a.example", "audience": "x", "client_secret": "y"}
    with pytest.raises(ValueError, match="needs the client_id"):
        AuthSettings.model_validate({"oidc": [given]})
