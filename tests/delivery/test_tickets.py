"""Signed tickets hold as they were given, for their time, and not otherwise."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, parse_qsl, quote, urlencode, urlsplit

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import SecretStr
from starlette.testclient import TestClient

from rnaget_server.delivery.tickets import TicketSigner
from rnaget_server.errors import Forbidden
from tests.conftest import ROOT, client_of

KEYS = (SecretStr("an old enough secret"), SecretStr("another, older secret"))
PATH = "/rnaget/expressions/marioni_counts"
ASKED = "featureIDList=ENSG00000187634,ENSG00000188976&Tissue=Liver&format=tsv"
_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
_pairs = st.lists(st.tuples(_texts.filter(lambda name: name[:1] != "_"), _texts), max_size=5)


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    yield from client_of(ROOT / "data", ticket_keys="the key that signs, the key before it", ticket_seconds=1000)


def ticket(client: TestClient, asked: str = ASKED) -> str:
    reply = client.get(f"{PATH}/ticket?{asked}")
    assert reply.status_code == 200, reply.text
    return str(reply.json()["url"])


def test_a_ticket_gives_what_the_query_gives(client: TestClient) -> None:
    began = time.time()
    url = ticket(client)
    ended = time.time()
    plain = client.get(f"{PATH}/bytes?{ASKED}")
    reply = client.get(url)
    assert (reply.status_code, reply.content) == (200, plain.content)
    assert reply.headers["ETag"] == plain.headers["ETag"]
    assert client.head(url).status_code == 200
    limit = int(dict(parse_qsl(urlsplit(url).query))["_expires"])
    assert began + 999 <= limit <= ended + 1000


def test_a_ticket_for_a_posted_query_is_one_to_get(client: TestClient) -> None:
    asked = {"featureIDList": ["ENSG00000187634", "ENSG00000188976"], "Tissue": "Liver", "format": "tsv"}
    url = client.post(f"{PATH}/ticket", json=asked).json()["url"]
    assert client.get(url).content == client.get(f"{PATH}/bytes?{ASKED}").content


@pytest.mark.parametrize(
    "change",
    [
        ("Tissue=Liver", "Tissue=Kidney"),
        ("Tissue=Liver&", ""),
        ("Tissue=Liver", "Tissue=Liver&Tissue=Kidney"),
        ("Tissue=Liver", "Tissue=Liver&_=7"),
        ("ENSG00000187634,ENSG00000188976", "ENSG00000187634%2CENSG00000188976"),
        ("_expires=1", "_expires=2"),
        ("_expires=", "_expires=x"),
        ("_signature=", "_signature=0"),
        ("_signature=", "_other="),
        ("_expires=", "_other="),
        ("&_signature=", "&_signature=x&_signature="),
        ("marioni_counts/bytes", "bytes"),
    ],
)
def test_a_changed_ticket_is_refused(client: TestClient, change: tuple[str, str]) -> None:
    url = ticket(client)
    assert change[0] in url
    for method in ("GET", "HEAD"):
        reply = client.request(method, url.replace(*change))
        assert reply.status_code == 403
        assert method == "HEAD" or "was changed" in reply.json()["message"]


def test_that_a_ticket_is_checked_comes_before_all_else(client: TestClient) -> None:
    for path in ("expressions/nothing/bytes?nonsense=1", "continuous/bytes?start=9&end=1"):
        reply = client.get(f"/rnaget/{path}&_signature=0")
        assert (reply.status_code, "was changed" in reply.json()["message"]) == (403, True)


def test_a_body_beside_a_ticket_is_refused(client: TestClient) -> None:
    assert client.post(ticket(client), json={"featureIDList": ["ENSG00000177757"]}).status_code == 400


def test_nothing_is_copied_of_the_signature_that_somebody_gives(client: TestClient) -> None:
    given = parse_qs(urlsplit(ticket(client, f"{ASKED}&_expires=9999999999&_signature=x&_other=1")).query)
    assert "_other" not in given and [len(given[name]) for name in ("_expires", "_signature")] == [1, 1]
    assert int(given["_expires"][0]) <= time.time() + 1000


def test_an_expired_ticket_is_refused_and_says_so(demo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for client in client_of(demo, ticket_keys="the key that signs", ticket_seconds=600):
        url, ends = ticket(client), time.time() + 600
        assert client.get(url).status_code == 200
        with monkeypatch.context() as later:
            later.setattr(time, "time", lambda ends=ends: ends + 1)
            reply = client.get(url)
        assert reply.status_code == 403
        assert "expired" in reply.json()["message"] and "new one" in reply.json()["message"]


def test_keys_rotate(demo: Path) -> None:
    old, new = "the key of last year", "the key of this year"
    for client in client_of(demo, ticket_keys=old):
        first = ticket(client)
    for client in client_of(demo, ticket_keys=f"{new},{old}"):
        assert client.get(first).status_code == 200
        second = ticket(client)
    for client in client_of(demo, ticket_keys=new):
        assert (client.get(first).status_code, client.get(second).status_code) == (403, 200)


def test_without_keys_nothing_is_signed_and_nothing_checked(demo: Path) -> None:
    for client in client_of(demo):
        url = ticket(client)
        assert "_" not in urlsplit(url).query
        assert client.get(f"{url}&_signature=forged&_expires=1").status_code == 200


@given(pairs=_pairs)
def test_any_encoding_of_the_same_parameters_holds(pairs: list[tuple[str, str]]) -> None:
    limited = TicketSigner(KEYS, 100).sign("/x/bytes", pairs)
    for query in (urlencode(limited), urlencode(limited, quote_via=quote), urlencode(limited[::-1])):
        TicketSigner(KEYS, 100).check("GET", "/x/bytes", query)
        TicketSigner(KEYS[::-1], 100).check("GET", "/x/bytes", query.replace("%3A", ":").replace("%2A", "*"))


@given(pairs=_pairs, others=_pairs, seconds=st.integers(-5, 5))
def test_no_other_parameters_hold(pairs: list[tuple[str, str]], others: list[tuple[str, str]], seconds: int) -> None:
    assume(sorted(pairs) != sorted(others))
    *_, limit, signature = TicketSigner(KEYS, 100).sign("/x/bytes", pairs)
    for path, pair_list in (("/x/bytes", others), ("/y/bytes", pairs)):
        with pytest.raises(Forbidden, match="was changed"):
            TicketSigner(KEYS, 100).check("GET", path, urlencode([*pair_list, limit, signature]))
    later = ("_expires", str(int(limit[1]) + 1 + abs(seconds)))
    with pytest.raises(Forbidden, match="was changed"):
        TicketSigner(KEYS, 100).check("GET", "/x/bytes", urlencode([*pairs, later, signature]))
    with pytest.raises(Forbidden, match="was changed"):
        TicketSigner(KEYS[:1], 100).check(
            "GET", "/x/bytes", urlencode(TicketSigner(KEYS[1:], 100).sign("/x/bytes", pairs))
        )
