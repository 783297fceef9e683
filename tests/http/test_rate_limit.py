"""Fair use in one process: who is counted as whom, and how a refusal looks in each standard."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from starlette.testclient import TestClient
from starlette.types import ASGIApp
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from rnaget_server.app import create_app
from rnaget_server.settings import Settings, load_settings
from tests.conftest import ROOT, import_matrix

INFO = "/rnaget/service-info"
FIELDS = ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")
CLIENT = ("198.51.100.7", 4000)
STANDARDS = ["/rnaget/projects", "/sequence/service-info", "/cram/md5/x", "/ena/cram/md5/x", "/service-info"]
STANDARDS += ["/collection/x", "/genomes", "/graphql", "/ena/sequence/service-info", "/", "/docs", "/no/such"]


def app_of(data: Path = ROOT / "data", **settings: object) -> ASGIApp:
    return create_app(Settings(data=data, **settings))  # type: ignore[arg-type]


def client_at(app: ASGIApp, host: str = CLIENT[0]) -> TestClient:
    return TestClient(app, raise_server_exceptions=False, client=(host, 4000))


def statuses(app: ASGIApp, count: int, host: str = CLIENT[0], **headers: str) -> list[int]:
    client = client_at(app, host)
    return [client.get(INFO, headers=headers).status_code for _ in range(count)]


def passed(*arguments: Any, **headers: str) -> int:
    return statuses(*arguments, **headers).count(200)


def test_fifty_requests_a_second_is_the_default(demo: Path) -> None:
    settings = Settings(data=demo)
    assert (settings.rate_limit, settings.rate_limit_cells) == ("50/second", 0)
    app = app_of(demo)

    async def ask() -> list[int]:
        return await asyncio.gather(*(status_of(app) for _ in range(60)))

    found = asyncio.run(ask())
    assert sorted(found) == [200] * 50 + [429] * 10


async def status_of(app: ASGIApp) -> int:
    found: list[int] = []
    asked = False

    async def receive() -> dict[str, Any]:
        nonlocal asked
        if asked:
            await asyncio.Event().wait()
        asked = True
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        if "status" in message:
            found.append(message["status"])

    scope = {"type": "http", "method": "GET", "scheme": "http", "path": INFO, "raw_path": INFO.encode()}
    scope |= {"query_string": b"", "root_path": "", "headers": [(b"host", b"x")], "client": CLIENT, "server": ("x", 80)}
    await app(scope | {"asgi": {"version": "3.0"}, "http_version": "1.1", "state": {}}, receive, send)
    return found[0]


def test_replies_say_how_much_is_left() -> None:
    client = client_at(app_of(rate_limit="3/minute; 10/hour"))
    replies = [client.get(INFO, headers={"Origin": "https://x.example"}) for _ in range(4)]
    assert [reply.headers["RateLimit-Remaining"] for reply in replies] == ["2", "1", "0", "0"]
    assert {reply.headers["RateLimit-Limit"] for reply in replies} == {"3"}
    assert all(0 < int(reply.headers["RateLimit-Reset"]) <= 61 for reply in replies)
    assert all("Retry-After" not in reply.headers for reply in replies[:3])
    assert replies[3].status_code == 429 and 55 < int(replies[3].headers["Retry-After"]) <= 61
    for reply in replies:
        assert reply.headers["Access-Control-Allow-Origin"] == "*"
        exposed = reply.headers["Access-Control-Expose-Headers"].split(", ")
        assert {*FIELDS, "Retry-After"} <= set(exposed)
    preflight = {"Origin": "https://x.example", "Access-Control-Request-Method": "GET"}
    assert client.options(INFO, headers=preflight).status_code == 200


def test_several_limits_hold_together() -> None:
    app = app_of(rate_limit="30/second;20/hour")
    found = [client_at(app).get(INFO) for _ in range(25)]
    assert [reply.status_code for reply in found] == [200] * 20 + [429] * 5
    assert found[-1].headers["RateLimit-Limit"] == "20" and "20 requests in an hour" in found[-1].text


@pytest.mark.parametrize("path", STANDARDS)
@pytest.mark.parametrize("accept", ["*/*", "text/html", "image/png"])
def test_each_standard_refuses_in_its_own_form(path: str, accept: str) -> None:
    app = app_of(rate_limit="1/hour")
    assert client_at(app).get(INFO).status_code == 200
    reply = client_at(app).get(path, headers={"Accept": accept})
    assert reply.status_code == 429 and int(reply.headers["Retry-After"]) > 3000
    assert [int(reply.headers[name]) for name in FIELDS][:2] == [1, 0]
    assert "Too Many Requests" in reply.text
    if "json" in reply.headers["content-type"]:
        error = reply.json()
        if path == "/graphql":
            assert error["errors"][0]["message"].startswith("Too Many Requests")
        else:
            assert error["message"].startswith("Too Many Requests")


def test_pages_refuse_by_a_page() -> None:
    client = client_at(app_of(rate_limit="1/hour"))
    assert client.get("/").status_code == 200
    reply = client.get("/genes/TP53", headers={"Accept": "text/html"})
    assert reply.status_code == 429 and reply.headers["content-type"] == "text/html; charset=utf-8"
    assert "<h1>Too many requests</h1>" in reply.text and '<p class="status">429</p>' in reply.text
    assert f"1 requests in an hour: try again after {int(reply.headers['Retry-After']):,} seconds" in reply.text
    assert "Content-Security-Policy" in reply.headers and "curl" not in reply.text
    assert list(client.get("/genes/TP53").json()) == ["message"]


def test_what_machines_and_pages_need_is_not_counted() -> None:
    client = client_at(app_of(rate_limit="1/hour"))
    assert client.get("/").status_code == 200
    free = ["/healthz", "/readyz", "/static/style.css", "/favicon.svg", "/robots.txt", "/assets/x.css"]
    for path in free:
        reply = client.get(path)
        assert reply.status_code in (200, 404) and "RateLimit-Limit" not in reply.headers, path
    assert client.get("/metrics").status_code != 429
    assert client.get("/").status_code == client.get("/statics").status_code == 429


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1", "10.1.2.3"])
def test_exempt_clients_are_never_counted(host: str) -> None:
    app = app_of(rate_limit="1/hour", rate_limit_exempt=("127.0.0.0/8", "::1", "10.1.0.0/16"))
    replies = [client_at(app, host).get(INFO) for _ in range(3)]
    assert [reply.status_code for reply in replies] == [200] * 3
    assert not any(name in reply.headers for reply in replies for name in FIELDS)


def test_nobody_is_exempt_where_nobody_is_named_and_nothing_limits_where_it_is_off() -> None:
    assert statuses(app_of(rate_limit="1/hour", rate_limit_exempt=()), 2, "127.0.0.1") == [200, 429]
    assert passed(app_of(rate_limit=""), 70) == 70


def test_addresses_of_one_network_of_ipv6_are_one_client() -> None:
    app = app_of(rate_limit="2/hour")
    hosts = ["2001:db8:1:2::1", "2001:db8:1:2:ffff::9", "2001:db8:1:2::1", "2001:db8:1:3::1", "198.51.100.8"]
    hosts += ["::ffff:198.51.100.8", "198.51.100.8"]
    assert [statuses(app, 1, host)[0] for host in hosts] == [200, 200, 429, 200, 200, 200, 429]


def test_a_token_is_counted_wherever_it_comes_from(caplog: pytest.LogCaptureFixture) -> None:
    app = app_of(rate_limit="2/hour")
    caplog.set_level(logging.DEBUG)
    mine, other = {"Authorization": "Bearer secret-of-mine"}, {"Authorization": "bearer another"}
    asked: Sequence[tuple[str, dict[str, str]]] = [
        *(("192.0.2.1", mine), ("192.0.2.2", mine), ("192.0.2.3", mine)),
        *(("192.0.2.1", other), ("192.0.2.1", {}), ("192.0.2.1", {"Authorization": "Basic eA=="})),
        *(("192.0.2.1", {"Authorization": "Bearer  "}), ("192.0.2.1", other)),
    ]
    found = [statuses(app, 1, host, **headers)[0] for host, headers in asked]
    assert found == [200, 200, 429, 200, 200, 200, 429, 200]
    assert "secret" not in caplog.text


def test_made_up_tokens_do_not_get_round_the_limit() -> None:
    app = app_of(rate_limit="2/hour")
    client = client_at(app)
    found = [client.get(INFO, headers={"Authorization": f"Bearer {number}"}).status_code for number in range(40)]
    assert found == [200] * 20 + [429] * 20


def behind(app: ASGIApp, trusted: str) -> Any:
    return ProxyHeadersMiddleware(app, trusted)  # type: ignore[arg-type]


def test_a_forwarded_address_is_believed_of_trusted_proxies_alone() -> None:
    trusted = "10.0.0.1, 10.0.0.2"
    app = behind(app_of(rate_limit="2/hour", forwarded_allow_ips=trusted), trusted)
    # From a client itself: its header is nothing, not even one that names an exempt address.
    for forged in ("192.0.2.1", "127.0.0.1", "192.0.2.3, 10.0.0.1"):
        last = statuses(app, 1, "203.0.113.9", **{"X-Forwarded-For": forged})
    assert last == [429]
    # By the proxies: the last address that is no proxy, for all that clients write before it.
    headers = ["192.0.2.1", "127.0.0.1, 192.0.2.1", "::1, 10.9.9.9, 192.0.2.1, 10.0.0.2", "192.0.2.2"]
    found = [statuses(app, 1, "10.0.0.1", **{"X-Forwarded-For": header})[0] for header in headers]
    assert found == [200, 200, 429, 200]


def test_the_last_address_counts_where_all_proxies_are_believed() -> None:
    app = behind(app_of(rate_limit="1/hour", forwarded_allow_ips="*"), "*")
    headers = ["127.0.0.1, 192.0.2.1", "192.0.2.7, 192.0.2.1:5000", "192.0.2.1, [2001:db8::1]:80", "2001:db8::2"]
    found = [statuses(app, 1, "10.0.0.1", **{"X-Forwarded-For": header})[0] for header in headers]
    assert found == [200, 429, 200, 429]


@pytest.mark.parametrize("host", ["fe80::zz", "198.51.100.7:x", "unix:", "_hidden"])
def test_what_is_no_address_is_not_taken_for_the_proxy_after_it(host: str) -> None:
    trusted = "10.0.0.1, 10.0.0.2"
    app = behind(app_of(rate_limit="1/hour", rate_limit_exempt=("10.0.0.0/8",), forwarded_allow_ips=trusted), trusted)
    found = [statuses(app, 1, "10.0.0.1", **{"X-Forwarded-For": f"{host}, 10.0.0.2"})[0] for _ in range(2)]
    assert found == [200, 429]


@pytest.mark.parametrize("host", ["unknown", "_hidden", "x" * 400, "é"])
def test_clients_without_an_address_are_counted_as_one(host: str) -> None:
    app = behind(app_of(rate_limit="1/hour", forwarded_allow_ips="10.0.0.1"), "10.0.0.1")
    found = [statuses(app, 1, "10.0.0.1", **{"X-Forwarded-For": name})[0] for name in (host.encode(), b"nobody")]  # type: ignore[arg-type]
    assert found == [200, 429]


def test_cells_are_counted_before_they_are_read(demo: Path) -> None:
    app = app_of(demo, rate_limit="", rate_limit_cells=100)
    client = client_at(app)
    url = "/rnaget/expressions/marioni_counts/bytes"
    names = client.get(f"{url}?format=json").json()
    assert names["message"].endswith("ask for fewer features or samples at once"), names
    assert client.get(f"{url}?format=json").status_code == 413
    whole = client_at(app, "127.0.0.1").get(f"{url}?format=tsv").text.splitlines()
    genes, samples = [line.split("\t")[0] for line in whole[1:]], len(whole[0].split("\t")) - 1
    most = 100 // samples
    assert 1 < most < len(genes)
    few = f"{url}?format=tsv&featureIDList={','.join(genes[:most])}"
    first = client.get(few)
    assert first.status_code == 200 and "RateLimit-Limit" not in first.headers
    again = client.get(few)
    assert again.status_code == 429 and 0 < int(again.headers["Retry-After"]) <= 61
    assert "100 cells in a minute" in again.json()["message"] and again.headers["RateLimit-Limit"] == "100"
    assert int(again.headers["RateLimit-Remaining"]) == 100 - most * samples
    # The client has it already: no cell is read, and none counted.
    tag = {"If-None-Match": first.headers["ETag"]}
    assert client.get(few, headers=tag).status_code == 304
    assert client.get("/rnaget/projects").status_code == 200
    assert client_at(app, "198.51.100.99").get(few).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/genes/ENSG00000187634?matrix=marioni_counts&format=json",
        "/genes.json?ids=ENSG00000187634&matrix=marioni_counts&group_by=Tissue",
    ],
)
def test_cells_of_pages_are_counted(path: str) -> None:
    client = client_at(app_of(rate_limit="", rate_limit_cells=25))
    found = [client.get(path) for _ in range(30)]
    assert found[0].status_code == 200
    assert found[-1].status_code == 429 and 0 < int(found[-1].headers["Retry-After"]) <= 61
    assert "25 cells in a minute" in found[-1].json()["message"]


def test_the_page_of_a_sample_counts_all_its_cells() -> None:
    client = client_at(app_of(rate_limit="", rate_limit_cells=25))
    sample = re.search(r'href="(/samples/[^"]+)"', client.get("/matrices/marioni_counts").text)
    assert sample is not None and client.get(sample[1]).status_code == 413


def test_cells_of_large_replies_are_counted(tmp_path: Path) -> None:
    source, samples = tmp_path / "large.tsv", range(100)
    row = "\t".join(str(sample) for sample in samples)
    lines = ["\t".join(["gene", *(f"s{sample}" for sample in samples)]), *(f"g{gene}\t{row}" for gene in range(3000))]
    source.write_text("\n".join(lines) + "\n")
    import_matrix(tmp_path / "data", source, "--id", "large", "--units", "TPM")
    url = "/rnaget/expressions/large/bytes?format=loom"
    app = app_of(tmp_path / "data", rate_limit="9/minute", rate_limit_cells=1_000_000)
    client = client_at(app)
    replies = [client.get(url) for _ in range(5)]
    first, last = replies[0], replies[-1]
    assert first.status_code == 200 and len(first.content) > 1 << 20 and last.status_code == 429
    # Each header once: those of the cells, which is what there are too few of.
    assert last.headers.get_list("RateLimit-Limit") == ["1000000"] and first.headers["RateLimit-Limit"] == "9"


@pytest.mark.parametrize(
    "text", ["50", "50/fortnight", "0/second", "1/0second", "x/second", "5/second; y", "-1/second"]
)
def test_limits_that_mean_nothing_end_the_start(text: str) -> None:
    with pytest.raises(ValidationError, match="such as 50/second; 10000/hour"):
        load_settings({"rate_limit": text})


@pytest.mark.parametrize("text", ["1/100000000000000000000second", "1/9999 year", "999999999999999/second"])
def test_limits_that_cannot_be_counted_end_the_start(text: str) -> None:
    with pytest.raises(ValidationError, match="at most ten years"):
        load_settings({"rate_limit": text})


def test_settings_of_fair_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RNAGET_RATE_LIMIT_EXEMPT", "192.0.2.7, 10.1.2.3/8")
    monkeypatch.setenv("RNAGET_RATE_LIMIT", " 5/second; 100/minute;")
    settings = load_settings()
    assert settings.rate_limit_exempt == ("192.0.2.7/32", "10.0.0.0/8")
    assert settings.rate_limit == "5/second; 100/minute"
    monkeypatch.setenv("RNAGET_RATE_LIMIT_EXEMPT", "")
    monkeypatch.setenv("RNAGET_RATE_LIMIT", "")
    assert (load_settings().rate_limit_exempt, load_settings().rate_limit) == ((), "")
    monkeypatch.delenv("RNAGET_RATE_LIMIT_EXEMPT")
    with pytest.raises(ValidationError, match="addresses and networks"):
        load_settings({"rate_limit_exempt": ["10.0.0.300"]})
    for address in ("redis", "http://x", "redis://", "redis://x:port", "redis:///1"):
        with pytest.raises(ValidationError, match="memory, or an address"):
            load_settings({"rate_limit_storage": address})
    kept = load_settings({"rate_limit_storage": "redis://:pass-word@127.0.0.1:6379/1"})
    assert "pass-word" not in f"{kept!r} {kept.model_dump_json()}"


def test_the_client_of_redis_is_needed_only_where_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    from rnaget_server import shared_settings

    monkeypatch.setattr(shared_settings, "find_spec", lambda name: None)
    assert load_settings().rate_limit_storage.get_secret_value() == "memory"
    with pytest.raises(ValidationError, match=r"rnaget-server\[redis\]"):
        load_settings({"rate_limit_storage": "redis://127.0.0.1"})
