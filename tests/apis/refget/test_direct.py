"""Small parts that are sent in front of all layers: the bytes and headers are those of the route."""

from __future__ import annotations

import gc
import random
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner
from starlette.testclient import TestClient

from rnaget_server.apis.refget import direct
from rnaget_server.catalog import LiveCatalog
from rnaget_server.cli.new import write_new_catalog
from rnaget_server.cli.server import main
from rnaget_server.datasets.repository import open_repository
from rnaget_server.http.auth.token_file import change_tokens, new_token
from rnaget_server.model.principal import ANYONE, Principal
from rnaget_server.sequences.store import SequenceStore
from rnaget_server.settings import Settings
from tests.conftest import client_of, headers_but_id

LETTERS = "ACGTTGCAAC" * 20_000
LENGTH = len(LETTERS)
BY_ROUTE = {"X-Other": "1"}


@pytest.fixture(scope="module")
def genome(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("direct") / "data"
    write_new_catalog(data)
    source = data / "g.fa"
    source.write_text(f">chr1\n{LETTERS}\n>circle\nACGTTGCA\n")
    arguments = ["import", str(source), "--data", str(data), "--genome", "g", "--circular", "circle"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    return data


@pytest.fixture
def data(genome: Path, tmp_path: Path) -> Path:
    """Give a copy, which may be changed."""
    return Path(shutil.copytree(genome, tmp_path / "data"))


def _client(data: Path) -> Iterator[TestClient]:
    for client in client_of(data, reload_seconds=0.1, rate_limit=""):
        client.headers = {"User-Agent": "test"}
        yield client


@pytest.fixture(scope="module")
def client(genome: Path) -> Iterator[TestClient]:
    yield from _client(genome)


@pytest.fixture(scope="module")
def root(genome: Path, serve: Callable[..., str]) -> str:
    """Give the address of a server."""
    return serve(genome)


@pytest.fixture
def own_client(data: Path) -> Iterator[TestClient]:
    """Give one of a copy."""
    yield from _client(data)


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Give the ids that are looked up in a store: what is sent past the route is not, on a slow machine either."""
    monkeypatch.setattr(direct, "_KEPT_SECONDS", 1000.0)
    ids: list[str] = []
    find = SequenceStore.find

    def counted(self: SequenceStore, id: str) -> Any:
        ids.append(id)
        return find(self, id)

    monkeypatch.setattr(SequenceStore, "find", counted)
    return ids


def digest(client: TestClient, name: str = "chr1") -> str:
    return str(client.get(f"/sequence/g:{name}/metadata").json()["metadata"]["id"])


def can_be_direct(data: Path) -> bool:
    store = SequenceStore(data / "genomes" / "g")
    ((_, sequence),) = store.members(0, 1)
    file, start = store.place(sequence)
    return file.read_at_once(start, 4) is not None


@pytest.mark.parametrize("id", ["digest", "g:chr1"])
def test_same_reply_as_by_the_route(client: TestClient, genome: Path, found: list[str], id: str) -> None:
    id = digest(client) if id == "digest" else id
    client.get(f"/sequence/{id}?start=0&end=1")
    before = len(found)
    for start, stop in ((0, 10), (7, 8), (199_990, 200_000), (5, 5 + direct.MOST_BYTES), (0, 100_000)):
        address = f"/sequence/{id}?start={start}&end={stop}"
        small = stop - start <= direct.MOST_BYTES
        reply = client.get(address)
        if can_be_direct(genome):
            assert len(found) == before + (not small)
        by_route = client.get(address, headers=BY_ROUTE)
        before = len(found)
        assert (reply.status_code, reply.text) == (200, LETTERS[start:stop])
        assert headers_but_id(reply) == headers_but_id(by_route) and reply.headers["content-length"] == str(
            stop - start
        )


@pytest.mark.parametrize(
    ("query", "headers", "status"),
    [
        ("start=5&end=4", {}, 416),
        ("start=0&end=200001", {}, 416),
        ("start=200000&end=200000", {}, 416),
        ("start=0&end=10", {"Range": "bytes=0-1"}, 400),
        ("start=0&end=10", {"Accept": "application/pdf"}, 406),
        ("start=0&end=10", {"Host": "a b"}, 400),
        ("start=0&end=10&other=1", {}, 400),
        ("start=0&end=10", {"If-Match": '"other"'}, 412),
        ("start=3&end=3", {}, 200),
        ("end=10", {}, 200),
    ],
)
def test_all_else_is_for_the_route(client: TestClient, query: str, headers: dict[str, str], status: int) -> None:
    id = digest(client)
    assert client.get(f"/sequence/{id}?start=0&end=10").status_code == 200
    assert client.get(f"/sequence/{id}?{query}", headers=headers).status_code == status
    tag = client.get(f"/sequence/{id}?start=0&end=10").headers["etag"]
    assert client.get(f"/sequence/{id}?start=0&end=10", headers={"If-None-Match": tag}).status_code == 304
    fasta = client.get(f"/sequence/{id}?start=0&end=10", headers={"Accept": "text/x-fasta"})
    assert fasta.text == f">{id}:0-10\nACGTTGCAAC\n"
    head = client.head(f"/sequence/{id}?start=0&end=10")
    assert head.status_code == 200 and head.content == b""
    over_the_end = client.get(f"/sequence/{digest(client, 'circle')}?start=6&end=2")
    assert over_the_end.text == "CAAC"


def _any_request(choose: random.Random, id: str, tag: str) -> tuple[str, str, dict[str, str]]:
    """Return method, address and headers of a request, of which most are plain ones for a part."""
    prefix = choose.choice(("/sequence", "/sequence", "/ena/cram/sequence"))
    start, size = choose.randrange(LENGTH + 10), choose.choice((0, 1, 10, 1000, direct.MOST_BYTES, 70_000, -3))
    plain = f"start={start}&end={start + size}"
    others = (f"start=00{start}&end={start + 5}", "start=5", "start=1&end=2&start=1", "start=+1&end=2", "start=1&end=x")
    query = (
        plain if choose.random() < 0.7 else choose.choice((*others, f"end=3&start={start}", "start=1&end=4294967296"))
    )
    choices: tuple[dict[str, str], ...] = (
        *({"Origin": "https://a.org"}, {"Origin": "https://b.org"}, {"X-Forwarded-Proto": "https"}, {"Host": "b:80"}),
        *({"If-None-Match": tag}, {"If-None-Match": "*"}, {"If-Match": '"x"'}, {"If-Range": tag}, {"If-Range": "x"}),
        *({"Range": "bytes=0-3"}, {"Accept": "*/*"}, {"Accept": "text/x-fasta"}, {"Accept": "text/plain"}),
        *({"Accept": "image/png"}, {"Accept": "*/*;q=0"}, {"Accept-Encoding": "gzip"}, {"Authorization": "Bearer x"}),
    )
    headers = (
        {} if choose.random() < 0.5 else dict(pair for one in choose.choices(choices, k=2) for pair in one.items())
    )
    method = choose.choices(("GET", "HEAD", "POST", "OPTIONS"), (20, 1, 1, 1))[0]
    return method, f"{prefix}/{choose.choice((id, id, 'g:chr1', 'g:none'))}?{query}", headers


def test_any_request_is_answered_as_by_the_route(client: TestClient, genome: Path, found: list[str]) -> None:
    choose, id = random.Random(5), digest(client)
    directly = 0
    for _ in range(120):
        method, address, headers = _any_request(choose, id, f'"{id}"')
        before = len(found)
        reply = client.request(method, address, headers=headers)
        directly += reply.status_code == 200 and method == "GET" and len(found) == before
        by_route = client.request(method, address, headers={**headers, **BY_ROUTE})
        asked = (method, address, headers)
        assert (asked, reply.status_code, reply.content) == (asked, by_route.status_code, by_route.content)
        assert (asked, headers_but_id(reply)) == (asked, headers_but_id(by_route))
    assert directly > 10 or not can_be_direct(genome)


def _replies(address: tuple[str, int], request: bytes) -> list[tuple[list[bytes], bytes]]:
    """Return the replies to requests on one connection: the lines of each head, sorted, without id and date; the body.

    What ends it is a request whose reply closes the connection.
    """
    received = b""
    with socket.create_connection(address, timeout=60) as connection:
        connection.sendall(request)
        while piece := connection.recv(1 << 16):
            received += piece
    replies = []
    while received:
        head, _, received = received.partition(b"\r\n\r\n")
        lines = sorted(line for line in head.split(b"\r\n") if not line.startswith((b"x-request-id:", b"date:")))
        assert len(lines) == head.count(b"\r\n") - 1
        length = next(int(line.split(b": ")[1]) for line in lines if line.startswith(b"content-length"))
        replies.append((lines, received[:length]))
        received = received[length:]
    return replies


@pytest.mark.parametrize("size", [1, 10, 10_000, direct.MOST_BYTES])
def test_over_a_connection_the_bytes_are_those_of_the_route(root: str, client: TestClient, size: int) -> None:
    server = urlsplit(root)
    address = (str(server.hostname), int(server.port or 0))
    path = f"/sequence/{digest(client)}".encode()

    def get(start: int, more: bytes = b"", version: bytes = b"1.1") -> bytes:
        asked = (path, start, start + size, version, more)
        return b"GET %b?start=%d&end=%d HTTP/%b\r\nHost: x\r\n%b\r\n" % asked

    close = b"Connection: close\r\n"
    for version, last in ((b"1.1", close), (b"1.0", b"")):
        several = b"".join(map(get, range(20)))
        direct_ones = _replies(address, several + get(20, last, version))
        by_route = _replies(address, b"".join(get(n, b"X-Other: 1\r\n") for n in range(20)) + get(20, last, version))
        assert direct_ones == by_route
        assert [body.decode() for _, body in direct_ones] == [LETTERS[n : n + size] for n in range(21)]
        assert [b"connection: close" in lines for lines, _ in direct_ones] == [False] * 20 + [True]


def test_scripts_of_other_sites_read_it(client: TestClient) -> None:
    address = f"/sequence/{digest(client)}?start=0&end=10"
    for _ in range(2):
        assert client.get(address).status_code == 200
        assert client.get(address, headers={"Origin": "https://example.org"}).headers["access-control-allow-origin"]
        assert "access-control-allow-origin" not in client.get(address).headers


@pytest.mark.parametrize(
    "headers", [{"X-Other": "1"}, {"X-Forwarded-Prefix": "/a"}, {"Host": "b", "Authorization": "x" * 5000}]
)
def test_requests_that_may_ask_for_more_are_for_the_route(
    client: TestClient, found: list[str], headers: dict[str, str]
) -> None:
    address = f"/sequence/{digest(client)}?start=0&end=10"
    for _ in range(3):
        before = len(found)
        assert client.get(address, headers=headers).status_code == 200
        assert len(found) > before


def test_one_who_has_signed_in_gets_what_he_may_see_and_nobody_else(
    data: Path, tmp_path: Path, found: list[str]
) -> None:
    file = tmp_path / "tokens.json"
    with (data / "genomes" / "g" / "genome.yaml").open("a") as record:
        record.write("access: {controlled: [G1]}\n")
    tokens = [new_token("x", grants=("G1",)), new_token("y")]
    change_tokens(file, lambda _: [record for _, record in tokens])
    granted, other = ({"Authorization": f"Bearer {token}"} for token, _ in tokens)
    for client in client_of(data, rate_limit="", auth={"tokens": str(file)}):
        address = "/sequence/g:chr1?start=0&end=10"
        by_route = client.get(address, headers={**granted, **BY_ROUTE})
        before = len(found)
        for headers, status in ((granted, 200), (other, 404), ({}, 404)) * 2:
            reply = client.get(address, headers=headers)
            assert (reply.status_code, reply.text == LETTERS[:10]) == (status, status == 200)
            if headers == granted:
                assert headers_but_id(reply) == headers_but_id(by_route) and "private" in reply.headers["Cache-Control"]
        assert len(found) == before + (1 if can_be_direct(data) else 2)


def test_nothing_is_sent_after_credentials_have_ended(genome: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(direct, "monotonic", lambda: 50.0)
    monkeypatch.setattr(direct, "time", lambda: 1000.0)
    view = open_repository(Settings(data=genome, reload_seconds=0)).visible_to()
    located = view.find_sequence("g:chr1")
    assert located is not None
    left = [
        direct._Kept((located, view.catalog, Principal("anna", expires=end)), []).until - 50.0
        for end in (999.0, 1000.5, 1060.0, None)
    ]
    assert left == [-1.0, 0.5, direct._KEPT_SECONDS, direct._KEPT_SECONDS]


def test_each_origin_has_its_own_headers(genome: Path, found: list[str]) -> None:
    known, address = "https://known.org", "/sequence/g:chr1?start=0&end=10"
    for client in client_of(genome, rate_limit="", cors_origins=(known,)):
        client.headers = {"User-Agent": "test"}
        for origin, allowed in ((known, known), ("https://other.org", None)) * 2:
            reply = client.get(address, headers={"Origin": origin})
            assert (reply.headers.get("access-control-allow-origin"), reply.headers["vary"]) == (
                allowed,
                "Accept, Origin",
            )
        assert client.get(address, headers={"Host": "a b"}).status_code == 400
        assert len(found) == (2 if can_be_direct(genome) else 4)


def test_clients_that_are_counted_are_refused_as_ever(genome: Path) -> None:
    address = "/sequence/g:chr1?start=0&end=10"
    for client in client_of(genome, rate_limit="3/minute", rate_limit_exempt=()):
        replies = [client.get(address) for _ in range(5)]
        assert [reply.status_code for reply in replies] == [200, 200, 200, 429, 429]
        assert [reply.headers["ratelimit-remaining"] for reply in replies] == ["2", "1", "0", "0", "0"]


def test_one_request_asks_again_before_what_is_kept_ends(
    client: TestClient, genome: Path, found: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept_seconds = 1000.0
    monkeypatch.setattr(direct, "_KEPT_SECONDS", kept_seconds)
    monkeypatch.setattr(direct, "_AHEAD_SECONDS", kept_seconds)
    address = f"/sequence/{digest(client)}?start=0&end=10"
    headers = {"User-Agent": "ahead"}
    looked_up = []
    for _ in range(4):
        before = len(found)
        assert client.get(address, headers=headers).text == LETTERS[:10]
        looked_up.append(len(found) - before)
    # Each that asks again is kept anew, and so is due again at once.
    assert looked_up == [1, 1, 1, 1]
    located = open_repository(Settings(data=genome)).visible_to()
    sequence = located.find_sequence("g:chr1")
    assert sequence is not None
    kept = direct._Kept((sequence, located.catalog, ANYONE), [])
    assert [kept.is_due() for _ in range(3)] == [True, False, False]
    kept.until = kept.renewed = 0.0
    assert kept.is_due() and kept.is_due()


def test_what_is_kept_is_bounded(client: TestClient, found: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(direct, "_MOST_KEPT", 2)
    address = f"/sequence/{digest(client)}?start=0&end=10"
    for number in (*range(5), 4):
        assert client.get(address, headers={"User-Agent": str(number)}).text == LETTERS[:10]


def test_what_is_gone_is_not_sent_for_long(own_client: TestClient, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(direct, "_KEPT_SECONDS", 0.0)
    address = f"/sequence/{digest(own_client)}?start=0&end=10"
    assert own_client.get(address).status_code == own_client.get(address).status_code == 200
    shutil.rmtree(data / "genomes" / "g")
    assert own_client.get(address).status_code in (404, 503)


def test_neither_open_files_nor_the_catalogue_are_held(genome: Path) -> None:
    """Letters of a genome that was replaced would keep their place on the disk."""
    repository = open_repository(Settings(data=genome))
    view = repository.visible_to()
    located = view.find_sequence("g:chr1")
    assert located is not None
    kept = direct._Kept((located, view.catalog, ANYONE), [])
    held = {id(one) for one in gc.get_referents(kept, vars(kept))}
    file, start = located.store.place(located.sequence)
    assert not held & {id(located), id(located.store), id(view.catalog), id(file)}
    assert (kept.file(), kept.start) == (file, start) and kept.catalog() is repository.loaded_catalog()


def test_no_file_is_looked_at_in_the_event_loop(genome: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked_in: list[str] = []
    refresh = LiveCatalog._refresh

    def noted(self: LiveCatalog) -> None:
        looked_in.append(threading.current_thread().name)
        refresh(self)

    monkeypatch.setattr(LiveCatalog, "_refresh", noted)
    for client in client_of(genome, reload_seconds=1e-9, rate_limit=""):
        for start in range(3):
            assert client.get(f"/sequence/g:chr1?start={start}&end=10").text == LETTERS[start:10]
    assert looked_in and all("worker" in name for name in looked_in)


def test_letters_that_are_cut_off_are_an_error(own_client: TestClient, data: Path) -> None:
    address = f"/sequence/{digest(own_client)}?start=100000&end=100010"
    assert own_client.get(address).status_code == 200
    with (data / "genomes" / "g" / "letters").open("r+b") as file:
        file.truncate(1000)
    assert own_client.get(address).status_code == 503
