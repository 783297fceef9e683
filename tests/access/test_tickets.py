"""The URL of a ticket shows, to whoever has it, what the one who asked for it may see, and no more."""

from __future__ import annotations

import base64
import json
import time
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from rnaget_server.app import create_app
from rnaget_server.delivery.ticket_rights import principal_in, rights_text
from rnaget_server.http.auth.token_file import change_tokens, new_token
from rnaget_server.model.principal import ANYONE, OPERATOR, Principal
from rnaget_server.settings import Settings
from tests.access.marked import PEOPLE, PLACES, Client, hidden_from

ANN = PEOPLE["one grant"]
REGION = "chr=chr1&start=0&end=9"
BY_ID = (
    "/rnaget/expressions/m-zqax/ticket?format=tsv",
    f"/rnaget/continuous/t-zqax/ticket?{REGION}&format=tsv",
    "/reads/r-zqax/1",
    "/variants/r-zqax/1",
)
SEARCHES = ("/rnaget/expressions/ticket?format=tsv", f"/rnaget/continuous/ticket?{REGION}&format=tsv")


def as_(client: Client, principal: Principal) -> Client:
    client.principal = principal
    return client


def urls_in(client: Client, principal: Principal, path: str) -> list[str]:
    reply = as_(client, principal).get(path)
    assert reply.status_code == 200, (path, reply.text)
    content = reply.json()
    urls = [content["url"]] if "url" in content else [part["url"] for part in content["htsget"]["urls"]]
    return [url for url in urls if not url.startswith("data:")]


@pytest.mark.parametrize("path", BY_ID)
def test_a_ticket_works_without_credentials(client: Client, path: str) -> None:
    assert as_(client, ANYONE).get(path).status_code == 404
    for url in urls_in(client, ANN, path):
        reply = as_(client, ANYONE).get(url)
        assert reply.status_code == 200
        assert reply.content == as_(client, ANN).get(url).content
        assert reply.headers["Cache-Control"].startswith("private")
        assert ANN.name not in url and all(place.mark in url for place in PLACES if place.mark == "zqax")


@pytest.mark.parametrize("path", SEARCHES)
@pytest.mark.parametrize("who", PEOPLE)
def test_the_ticket_of_a_search_shows_what_the_one_who_asked_may_see(client: Client, who: str, path: str) -> None:
    principal = PEOPLE[who]
    plain = as_(client, principal).get(path.replace("ticket", "bytes"))
    (url,) = urls_in(client, principal, path)
    for other in (ANYONE, PEOPLE["both grants"]) if principal != ANYONE else (ANYONE,):
        reply = as_(client, other).get(url)
        assert reply.content == plain.content
        assert reply.headers["ETag"] == plain.headers["ETag"]
    marks = {place.mark for place in PLACES if f"-{place.mark}-" in reply.text}
    assert marks and marks.isdisjoint(place.mark for place in hidden_from(principal))


def test_the_addresses_of_files_work_without_credentials(client: Client) -> None:
    """Those of the report, of DRS and of the archive."""
    reports = as_(client, ANN).get("/files?study=s-zqax").json()["files"]
    found = {file["file_id"]: file["url"] for file in reports}
    assert len(found) == 6
    for id, url in found.items():
        drs = as_(client, ANN).get(f"/ga4gh/drs/v1/objects/{id}").json()
        for address in (url, drs["access_methods"][0]["access_url"]["url"]):
            content = as_(client, ANYONE).get(address)
            assert content.status_code == 200
            assert content.content == as_(client, ANN).get(f"/files/{id}").content
        assert as_(client, ANYONE).get(f"/files/{id}").status_code == 404
    query = "accession=s-zqax&result=read_run&fields=bam_ftp&format=json"
    (run,) = as_(client, ANN).get(f"/ena/portal/api/filereport?{query}").json()
    for address in filter(None, run["bam_ftp"].split(";")):
        assert as_(client, ANYONE).get(f"http://{address}").status_code == 200


@pytest.mark.parametrize("path", [*BY_ID, *SEARCHES])
def test_rights_cannot_be_changed(client: Client, path: str) -> None:
    url = urls_in(client, ANN, path)[0]
    (rights,) = parse_qs(urlsplit(url).query)["_rights"]
    other = str(rights_text(PEOPLE["both grants"]))
    changes = [
        url.replace(rights, other),
        url.replace(rights, rights[:-1]),
        f"{url}&_rights={other}",
        f"{url}&_rights={rights}",
        url.replace("_signature=", "_s="),
        url.replace("_expires=1", "_expires=2"),
        f"{url.partition('?')[0]}?_rights={other}",
    ]
    for changed in changes:
        for principal in (ANYONE, ANN):
            assert as_(client, principal).get(changed).status_code == 403, changed
    without = as_(client, ANYONE).get(url.replace(f"_rights={rights}&", ""))
    assert without.status_code in (200, 403, 404)
    assert "zqax" not in without.text.replace("m-zqax", "").replace("t-zqax", "").replace("r-zqax", "")


def carried(url: str) -> dict[str, object]:
    (text,) = parse_qs(urlsplit(url).query)["_rights"]
    content: dict[str, object] = json.loads(zlib.decompress(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))))
    return content


def test_only_what_the_catalogue_asks_for_is_carried(client: Client) -> None:
    many = frozenset(f"https://example.org/data-sets/{number}" for number in range(5_000))
    projects, scopes = frozenset(("p-zqax", "p-other")), frozenset(("read:expression",))
    held = replace(ANN, grants=ANN.grants | many, scopes=scopes, projects=projects)
    (url,) = urls_in(client, held, BY_ID[0])
    assert len(url) < 500
    content = carried(url)
    # The id of the request for the ticket, by which the log of readers knows who asked for it.
    assert len(str(content.pop("of"))) == 32
    assert content == {
        "signed_in": True,
        "grants": ["grant-a"],
        "scopes": ["read:expression"],
        "projects": ["p-zqax"],
    }
    assert all("_" not in urlsplit(url).query for url in urls_in(client, ANYONE, SEARCHES[0]))


def test_a_ticket_ends_with_the_credentials(client: Client) -> None:
    for path in BY_ID:
        (url, *_) = urls_in(client, replace(ANN, expires=time.time() + 7.9), path)
        assert int(parse_qs(urlsplit(url).query)["_expires"][0]) - time.time() <= 7.9
    (url, *_) = urls_in(client, replace(ANN, expires=time.time() - 1), BY_ID[0])
    assert as_(client, ANYONE).get(url).status_code == 403


@pytest.fixture(scope="module")
def keyed(marked: Path) -> Iterator[Client]:
    """A client of a server that signs all tickets."""
    settings = Settings(data=marked, reload_seconds=0, ticket_keys=("k" * 32,), require_tickets=True)
    with Client(create_app(settings)) as client:
        yield client


def test_a_ticket_for_everybody_shows_no_more_to_one_who_has_signed_in(keyed: Client) -> None:
    (url,) = urls_in(keyed, ANYONE, SEARCHES[0])
    seen = as_(keyed, ANYONE).get(url)
    assert seen.status_code == 200
    for principal in (ANN, OPERATOR):
        assert as_(keyed, principal).get(url).content == seen.content
    (own,) = urls_in(keyed, ANN, SEARCHES[0])
    assert as_(keyed, ANYONE).get(own).content != seen.content
    assert as_(keyed, ANN).get("/rnaget/expressions/m-zqax/bytes").status_code == 403


@pytest.mark.parametrize("principal", [*PEOPLE.values(), Principal("x", projects=frozenset(), scopes=frozenset())])
def test_rights_as_a_text(principal: Principal) -> None:
    text = rights_text(principal)
    if principal == ANYONE:
        assert text is None
    else:
        assert text is not None
        held = principal_in(text, 9.0)
        assert held == replace(principal, name=held.name, expires=9.0)
        assert held.has_signed_in == principal.has_signed_in
        assert held.name in (None, "ticket")


def test_a_ticket_outlives_the_token_by_which_it_was_asked_for(marked: Path, tmp_path: Path) -> None:
    """It is no key to anything else: who has it gets these bytes until it ends, and no new ticket."""
    token, record = new_token("ann", grants=("grant-a",))
    change_tokens(tmp_path / "tokens.json", lambda _: [record])
    options = Settings(data=marked, auth={"tokens": tmp_path / "tokens.json"}, reload_seconds=60, max_inline_bytes=0)
    with Client(create_app(options)) as client:
        client.headers["Authorization"] = f"Bearer {token}"
        urls = [urls_in(client, ANYONE, path)[0] for path in BY_ID]
        change_tokens(tmp_path / "tokens.json", lambda _: [])
        deadline = time.monotonic() + 10
        while client.get(BY_ID[0]).status_code != 401 and time.monotonic() < deadline:
            time.sleep(0.1)
        assert {client.get(path).status_code for path in BY_ID} == {401}
        # A token that does not count is refused with a ticket, too; without any, the ticket counts.
        assert {client.get(url).status_code for url in urls} == {401}
        del client.headers["Authorization"]
        assert {client.get(url).status_code for url in urls} == {200}
        assert {client.get(url.partition("?")[0]).status_code for url in urls} <= {403, 404}
