"""The check in front of all routes: who asks is in the scope; who may not is refused in the form of the standard."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from rnaget_server.app import create_app
from rnaget_server.errors import NotAuthenticated
from rnaget_server.http.auth import sign_in as module
from rnaget_server.http.auth.authenticator import Authenticator
from rnaget_server.http.auth.identity import Identity
from rnaget_server.http.auth.sign_in import SignIn
from rnaget_server.http.auth.token_file import change_tokens, new_token
from rnaget_server.http.dialect import JsonDialect
from rnaget_server.http.replies import DIALECT_KEY
from rnaget_server.http.request import PRINCIPAL_KEY
from rnaget_server.model.principal import Principal
from rnaget_server.settings import Settings
from tests.conftest import ROOT, one_study
from tests.http.auth.provider import AUDIENCE, Provider

DOCUMENTS = {
    path.stem: yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader)
    for path in (ROOT / "openapi").glob("*.yaml")
}
# Some documents are served under several prefixes.
PREFIXES = {
    "cram": ["/ena/cram", "/cram"],
    "refget": ["/sequence", "/ena/cram/sequence"],
    "htsget": ["/reads", "/variants"],
    "ena": ["/ena/portal/api", "/ena/portal/api/v2.0"],
}


def operations() -> Iterator[tuple[str, str, frozenset[str]]]:
    """Yield the method, an address, and the scopes of every operation of every document."""
    for name, document in DOCUMENTS.items():
        for prefix in PREFIXES.get(name, [document["servers"][0]["url"].rstrip("/")]):
            for path, item in document["paths"].items():
                for method in item.keys() & {"get", "post"}:
                    yield method, prefix + re.sub(r"\{\w+\}", "x", path), frozenset(item[method]["x-scopes"])


# Blocks of htsget come by signed URLs only, which is looked at first.
OPERATIONS = sorted((one for one in operations() if "/_block/" not in one[1]), key=lambda one: one[:2])


class Server:
    def __init__(self, directory: Path, **settings: Any) -> None:
        self.tokens = directory / "tokens.json"
        given = Settings(data=one_study(directory / "demo"), auth={"tokens": str(self.tokens)}, **settings)  # type: ignore[arg-type]
        self.client = TestClient(create_app(given), raise_server_exceptions=False)

    def headers(self, *scopes: str, **fields: Any) -> dict[str, str]:
        token, record = new_token("x", scopes=scopes, **fields)
        change_tokens(self.tokens, lambda old: [*old, record])
        return {"Authorization": f"Bearer {token}"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rnaget_server.http.auth.token_file._LOOKED_AT_EVERY", 0.0)
        made = Server(tmp_path_factory.mktemp("server"))
        with made.client:
            yield made


def test_every_operation_needs_its_scopes_and_no_others(server: Server) -> None:
    assert len(OPERATIONS) > 70 and len({scopes for _, _, scopes in OPERATIONS}) > 7
    nothing = server.headers()
    with_scopes = {scopes: server.headers(*scopes) for _, _, scopes in OPERATIONS}
    for method, address, scopes in OPERATIONS:
        refused = server.client.request(method, address, headers=nothing)
        if scopes:
            assert refused.status_code == 403, (method, address)
            challenge = f'Bearer realm="RNAget", error="insufficient_scope", scope="{" ".join(sorted(scopes))}"'
            assert refused.headers["WWW-Authenticate"] == challenge
            assert next(iter(scopes)) in refused.text
        else:
            assert refused.status_code not in (401, 403), (method, address)
        allowed = server.client.request(method, address, headers=with_scopes[scopes])
        assert allowed.status_code not in (401, 403), (method, address)


def test_no_way_to_write_a_path_leads_around_its_scopes(server: Server) -> None:
    nothing = {**server.headers(), "X-Original-URL": "/healthz", "X-HTTP-Method-Override": "OPTIONS"}
    paths = ("/rnaget/studies", "/rnaget/expressions/marioni_counts/bytes", "/files", "/matrices/marioni_counts", "/")
    for path in paths:
        first = path[1:2]
        others = [path.replace("/", "//"), path.upper(), f"/.{path}", f"{path}/", f"{path};x=1", f"{path}?"]
        others += [f"/healthz/..{path}", f"/healthz/%2e%2e{path}", f"/static/..%2f{path[1:]}"]
        others += [f"{path}%00", f"{path}%2f"]
        for other in (path, *others, path.replace(first, f"%{ord(first or '/'):02x}", 1)):
            for method in ("GET", "HEAD", "POST", "PUT"):
                reply = server.client.request(method, other, headers=nothing, follow_redirects=False)
                assert reply.status_code in (*range(301, 309), 400, 403, 404, 405), (method, other, reply.status_code)
                assert "marioni" not in reply.text.replace("marioni_counts", "") or reply.status_code == 404


def test_every_operation_refuses_wrong_credentials_in_its_own_form(server: Server) -> None:
    for method, address, _ in OPERATIONS:
        refused = server.client.request(method, address, headers={"Authorization": "Bearer wrong"})
        assert (refused.status_code, refused.headers["WWW-Authenticate"]) == (
            401,
            'Bearer realm="RNAget", error="invalid_token"',
        ), (method, address)
        assert "no token that this server takes" in refused.text and "wrong" not in refused.text


def test_errors_have_the_names_of_the_standards(server: Server) -> None:
    wrong = {"Authorization": "Bearer wrong"}
    assert server.client.get("/reads/x", headers=wrong).json()["htsget"]["error"] == "InvalidAuthentication"
    assert server.client.get("/reads/x", headers=server.headers()).json()["htsget"]["error"] == "PermissionDenied"
    assert server.client.get("/ga4gh/drs/v1/objects/x", headers=wrong).json()["status_code"] == 401
    assert server.client.get("/graphql?query=x", headers=wrong).json().keys() == {"errors"}
    assert server.client.get("/ena/portal/api/results", headers=wrong).headers["Content-Type"].startswith("text/plain")
    assert server.client.get("/rnaget/projects", headers=wrong).json().keys() == {"message"}


def test_anyone_is_let_through(server: Server) -> None:
    reply = server.client.get("/rnaget/projects")
    assert reply.status_code == 200 and "private" not in reply.headers.get("Cache-Control", "")
    assert {"authorization", "cookie"} <= {name.strip().lower() for name in reply.headers["Vary"].split(",")}


def test_replies_to_one_who_has_signed_in_are_private(server: Server) -> None:
    headers = server.headers("read:project", "read:sequence")
    for address in ("/rnaget/projects", "/rnaget/projects/none", "/sequence/service-info"):
        reply = server.client.get(address, headers=headers)
        assert "private" in reply.headers["Cache-Control"] and "public" not in reply.headers["Cache-Control"]
        assert "authorization" in reply.headers["Vary"].lower()


def test_pages_need_their_scope_and_checks_of_the_server_none(server: Server) -> None:
    for address in ("/", "/search?q=x", "/no/such/page", "/rnaget"):
        assert server.client.get(address, headers=server.headers("read:project")).status_code == 403, address
    shown = server.client.get("/", headers=server.headers("read:pages"))
    assert shown.status_code == 200 and shown.headers["Cache-Control"] == "private"
    for address in ("/healthz", "/static/site.css"):
        assert server.client.get(address, headers={"Authorization": "Bearer wrong"}).status_code == 200, address
    page = server.client.get("/", headers={"Authorization": "Bearer wrong", "Accept": "text/html"})
    assert page.status_code == 401 and page.headers["Content-Type"].startswith("text/html")


@pytest.mark.parametrize("query", ["access_token=x", "a=b&access_token=", "access%5Ftoken=x", "id_token=x"])
@pytest.mark.parametrize("address", ["/rnaget/projects", "/", "/reads/x", "/ena/portal/api/results"])
def test_a_token_in_the_address_is_refused(query: str, address: str, server: Server) -> None:
    reply = server.client.get(f"{address}?{query}")
    assert reply.status_code == 400
    assert "send it as the header `Authorization: Bearer TOKEN`" in reply.text


@pytest.mark.parametrize(
    "values", [["Basic YTpi"], ["Bearer"], ["Bearer "], ["token x"], [""], ["Bearer a", "Bearer b"], ["Bearer \xe9"]]
)
def test_credentials_of_another_kind(values: list[str], server: Server) -> None:
    reply = server.client.get(
        "/rnaget/projects", headers=[(b"Authorization", each.encode("latin-1")) for each in values]
    )
    assert reply.status_code == 401


def test_the_word_bearer_may_be_in_any_letters(server: Server) -> None:
    token = server.headers("read:project")["Authorization"].split()[1]
    for scheme in ("bearer", "BEARER", "Bearer  "):
        assert server.client.get("/rnaget/projects", headers={"Authorization": f"{scheme} {token}"}).status_code == 200


def test_a_token_of_a_megabyte(server: Server) -> None:
    """A server that listens refuses it by 431 before that."""
    began = time.perf_counter()
    reply = server.client.get("/rnaget/projects", headers={"Authorization": "Bearer " + "x" * (1 << 20)})
    assert reply.status_code == 401 and len(reply.content) < 1000
    assert time.perf_counter() - began < 5


def test_the_secret_is_asked_for_by_no_browser_of_another_site(server: Server) -> None:
    """Scripts elsewhere may send a token that they have, and never cookies."""
    wanted = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}
    for address in ("/rnaget/projects", "/reads/x"):
        preflight = server.client.options(address, headers={"Origin": "https://a.example", **wanted})
        assert preflight.status_code == 200
        assert "authorization" in preflight.headers["Access-Control-Allow-Headers"].lower()
        refused = server.client.get(address, headers={"Origin": "https://a.example", "Authorization": "Bearer wrong"})
        assert refused.headers["Access-Control-Allow-Origin"] in ("*", "https://a.example")
        assert "Access-Control-Allow-Credentials" not in refused.headers


class Counted(Authenticator):
    """Knows one token, and counts how often it is asked."""

    def __init__(self, expires: float | None) -> None:
        self.asked = 0
        self.expires = expires

    def is_own(self, token: str) -> bool:
        return False

    def identify(self, token: str) -> Identity:
        self.asked += 1
        if token != "good":
            raise NotAuthenticated("no")
        return Identity("anna", "Anna", self.expires, {"EGAD1": 1e12})


def asked(gate: SignIn, token: str | None) -> tuple[int, Principal | None]:
    """Return the status and the principal of a request."""
    seen: list[Principal | None] = []
    statuses: list[int] = []

    async def handler(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope.get(PRINCIPAL_KEY))
        await PlainTextResponse("")(scope, receive, send)

    async def receive() -> Any:
        raise AssertionError

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    headers = [(b"authorization", f"Bearer {token}".encode())] if token else []
    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": headers}

    async def answer() -> None:
        await gate.answer(handler, {**scope, DIALECT_KEY: JsonDialect()}, receive, send)

    asyncio.run(answer())
    return statuses[0], seen[0] if seen else None


def test_a_token_is_verified_once_and_again_when_it_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    authenticator = Counted(expires=None)
    gate = SignIn(authenticator, None)
    for _ in range(3):
        status, principal = asked(gate, "good")
        assert status == 200 and principal is not None and principal.grants == {"EGAD1"}
    assert authenticator.asked == 1
    assert asked(gate, None) == (200, None)
    monkeypatch.setattr(module, "_KEPT_SECONDS", -1.0)
    other = SignIn(authenticator, None)
    asked(other, "good"), asked(other, "good")
    assert authenticator.asked == 3
    ended = Counted(expires=time.time() - 1)
    monkeypatch.undo()
    gate = SignIn(ended, None)
    asked(gate, "good"), asked(gate, "good")
    assert ended.asked == 2


def test_wrong_tokens_are_not_kept_and_right_ones_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    gate = SignIn(Counted(expires=None), None)
    for number in range(5):
        assert asked(gate, f"bad{number}") == (401, None)
    assert not gate._known
    monkeypatch.setattr(module, "_MOST_KEPT", 4)
    for number in range(50):
        gate._keep(b"%d" % number, Identity("a", "A"))
    assert len(gate._known) <= 4 and b"49" in gate._known


def test_a_provider_that_is_slow_keeps_others_out_only_of_the_check(monkeypatch: pytest.MonkeyPatch) -> None:
    """More tokens than may wait are refused for now."""
    monkeypatch.setattr(module, "_MOST_WAITING", 0)
    assert asked(SignIn(Counted(expires=None), None), "good") == (503, None)


def test_a_controlled_study_is_for_those_with_the_grant(provider: Provider, tmp_path: Path) -> None:
    """By a token of the server, one of a provider, and a ticket, which needs neither."""
    data, file = one_study(tmp_path / "demo"), tmp_path / "tokens.json"
    with (data / "demo" / "marioni" / "study.yaml").open("a") as study:
        study.write("access: {controlled: [EGAD1]}\n")
    tokens = [new_token("x", grants=("EGAD1",)), new_token("y", grants=("EGAD2",)), new_token("z", projects=("other",))]
    change_tokens(file, lambda _: [record for _, record in tokens])
    entry = {"issuer": provider.issuer, "audience": AUDIENCE, "grants": "rna_grants"}
    settings = Settings(data=data, auth={"tokens": str(file), "oidc": [entry]})  # type: ignore[arg-type]
    granted = [tokens[0][0], provider.token(rna_grants=["EGAD1"])]
    others = [tokens[1][0], tokens[2][0], provider.token(rna_grants=["EGAD10"]), provider.token(jti="no grants")]
    with TestClient(create_app(settings), raise_server_exceptions=False) as client:
        never = client.get("/rnaget/studies/nothing-of-that-name").status_code
        for token, sees in [*((token, True) for token in granted), *((token, False) for token in others), ("", False)]:
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            assert len(client.get("/rnaget/studies", headers=headers).json()) == sees
            for address in ("/rnaget/studies/marioni", "/rnaget/expressions/marioni_counts/ticket", "/studies/marioni"):
                assert client.get(address, headers=headers).status_code == (200 if sees else never), address
            assert ("marioni" in client.get("/", headers=headers).text) == sees
        ticket = client.get(
            "/rnaget/expressions/marioni_counts/ticket", headers={"Authorization": f"Bearer {granted[1]}"}
        )
        assert granted[1] not in ticket.text
        url = ticket.json()["url"].removeprefix("http://testserver")
        assert client.get(url).status_code == 200
        assert client.get(url.partition("?")[0]).status_code == never


def test_a_token_of_a_provider_on_a_whole_server(provider: Provider, tmp_path: Path) -> None:
    entry = {"issuer": provider.issuer, "audience": AUDIENCE}
    settings = Settings(data=one_study(tmp_path / "demo"), auth={"oidc": [entry]})  # type: ignore[arg-type]
    client = TestClient(create_app(settings), raise_server_exceptions=False)

    def status(token: str, address: str = "/rnaget/projects") -> int:
        return client.get(address, headers={"Authorization": f"Bearer {token}"}).status_code

    assert status(provider.token()) == 200
    assert status(provider.token(scope="read:study")) == 403
    assert status(provider.token(scope="read:study"), "/rnaget/studies") == 200
    assert status(provider.token(exp=int(time.time()) - 90)) == 401
    provider.is_down = True
    assert status(provider.token(jti="new")) == 200
