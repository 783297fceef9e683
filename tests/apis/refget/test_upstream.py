"""The registry as a cache of another one: fetched once, verified, bounded, and nothing wrong is kept."""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
from click.testing import CliRunner
from pydantic import ValidationError
from starlette.testclient import TestClient

from rnaget_server.apis.refget import upstream
from rnaget_server.cli.server import main
from rnaget_server.settings import Settings
from tests.apis.refget.registry import Relay, Reply, relay
from tests.conftest import ROOT, client_of

LETTERS = "GATTACA*NNRYKM" * 60_000  # more than one piece, in the file and on the way
MD5 = hashlib.md5(LETTERS.encode()).hexdigest()
SHA1 = hashlib.sha1(LETTERS.encode()).hexdigest()
TRUNC512 = hashlib.sha512(LETTERS.encode()).hexdigest()[:48]
GA4GH = "SQ." + base64.urlsafe_b64encode(bytes.fromhex(TRUNC512)).decode()


@pytest.fixture
def registry() -> Iterator[Relay]:
    """Another registry, which has one sequence."""

    def instead(path: str) -> Reply:
        if path in (f"/cram/md5/{MD5}", f"/cram/sha1/{SHA1}"):
            return Reply([LETTERS.encode()])
        return Reply([b"not found"], 404)

    with relay() as made:
        made.instead = instead
        yield made


@contextmanager
def caching(demo: Path, registry: Relay, **settings: object) -> Iterator[TestClient]:
    """A server that asks the other registry."""
    given = {"cram_upstream": f"{registry.address}/cram", "cache_directory": demo.parent / "cache", **settings}
    yield from client_of(demo, **given)


def kept(demo: Path) -> list[Path]:
    """The files that hold something fetched, or part of it."""
    files = (demo.parent / "cache" / "references").iterdir()
    return [path for path in files if not path.name.startswith(("lock", "place", "boot"))]


def test_nothing_is_asked_unless_it_is_set(demo: Path, registry: Relay) -> None:
    with caching(demo, registry, cram_upstream="") as client:
        assert client.get(f"/cram/md5/{MD5}").status_code == 404
    assert registry.asked == []
    assert not (demo.parent / "cache" / "references").exists()


@pytest.mark.parametrize("path", [f"/cram/md5/{MD5}", f"/ena/cram/md5/{MD5.upper()}", f"/cram/sha1/{SHA1}"])
def test_what_is_not_here_is_fetched_once(demo: Path, registry: Relay, path: str) -> None:
    with caching(demo, registry) as client:
        for _ in range(3):
            reply = client.get(path)
            assert (reply.status_code, reply.text) == (200, LETTERS)
            assert reply.headers["ETag"] == f'"{GA4GH}"'
            assert "immutable" in reply.headers["Cache-Control"]
            assert reply.headers["Content-Length"] == str(len(LETTERS))
    # It is found by another server too, and by all of its digests.
    with caching(demo, registry) as client:
        for id in (MD5, SHA1, TRUNC512, GA4GH, f"md5:{MD5}", f"ga4gh:{GA4GH}"):
            assert client.get(f"/sequence/{id}").text == LETTERS, id
        for id in (f"/cram/md5/{MD5}", f"/cram/sha1/{SHA1}", f"/ena/cram/sequence/{MD5}"):
            assert client.get(id).text == LETTERS
        metadata = client.get(f"/sequence/{MD5}/metadata").json()["metadata"]
        assert metadata == {
            **{"id": GA4GH, "md5": MD5, "ga4gh": GA4GH, "trunc512": TRUNC512, "length": len(LETTERS), "aliases": []}
        }
        part = client.get(f"/cram/md5/{MD5}", headers={"Range": "bytes=300000-600000"})
        assert (part.status_code, part.text) == (206, LETTERS[300_000:600_001])
        assert client.get(f"/sequence/{MD5}?start=10&end=5").status_code == 416
        assert client.head(f"/cram/md5/{MD5}").headers["Content-Length"] == str(len(LETTERS))
    assert registry.asked == [f"GET /cram{path.split('cram')[1].lower()}"]


def test_refget_alone_fetches_nothing(demo: Path, registry: Relay) -> None:
    with caching(demo, registry) as client:
        assert client.get(f"/sequence/{MD5}").status_code == 404
    assert registry.asked == []


def test_head_fetches_too(demo: Path, registry: Relay) -> None:
    with caching(demo, registry) as client:
        assert client.head(f"/cram/md5/{MD5}").headers["Content-Length"] == str(len(LETTERS))
        assert client.get(f"/cram/md5/{MD5}").text == LETTERS
    assert len(registry.asked) == 1


def test_checks_come_before_fetching(demo: Path, registry: Relay) -> None:
    with caching(demo, registry) as client:
        assert client.get(f"/cram/md5/{MD5}", headers={"Accept": "embl/json"}).status_code == 406
        assert client.get(f"/cram/md5/{SHA1}").status_code == 404
        assert client.get("/cram/md5/..%2f..%2fsecret").status_code == 404
    assert registry.asked == []


def test_an_address_with_its_place_for_the_digest(demo: Path, registry: Relay) -> None:
    with caching(demo, registry, cram_upstream=f"{registry.address}/cram/md5/%s") as client:
        assert client.get(f"/cram/sha1/{SHA1}").status_code == 404
        assert client.get(f"/cram/md5/{MD5}").text == LETTERS
        assert client.get(f"/cram/sha1/{SHA1}").text == LETTERS
    assert registry.asked == [f"GET /cram/md5/{MD5}"]


def test_letters_are_normalised_before_they_are_verified(demo: Path, registry: Relay) -> None:
    lines = "\r\n".join(LETTERS[at : at + 60] for at in range(0, len(LETTERS), 60)).lower()
    registry.instead = lambda path: Reply([lines.encode() + b"\n"], sized=False)
    with caching(demo, registry) as client:
        assert client.get(f"/cram/md5/{MD5}").text == LETTERS


def test_what_the_other_registry_has_not_is_remembered_for_a_while(demo: Path, registry: Relay) -> None:
    with caching(demo, registry) as client:
        for _ in range(3):
            reply = client.get(f"/cram/md5/{'0' * 32}")
            assert reply.status_code == 404
            assert "message" in reply.json()
    assert len(registry.asked) == 1
    assert kept(demo) == []


WRONG = {
    "other letters": Reply([LETTERS[:-1].encode() + b"A"]),
    "too few": Reply([LETTERS[:-1].encode()]),
    "cut off": Reply([LETTERS[:1000].encode()], headers={"Content-Length": str(len(LETTERS))}),
    "nothing": Reply([b""]),
    "a page": Reply([b"<!DOCTYPE html><title>Sign in</title>"], headers={"Content-Type": "text/html"}),
    "fasta": Reply([b">chr1\n" + LETTERS.encode()]),
    "binary": Reply([bytes(range(256)) * 100]),
    "failure": Reply([b"failed"], 500),
    "busy": Reply([b""], 503),
    "forbidden": Reply([b""], 403),
    "part": Reply([LETTERS.encode()], 206),
    "no content": Reply([], 204),
    "compressed": Reply([LETTERS.encode()], headers={"Content-Encoding": "gzip"}),
    "too long": Reply([LETTERS.encode()], headers={"Content-Length": str(10**12)}),
    "endless": Reply([b"A" * 100_000] * 20, sized=False),
    "endless line ends": Reply([b"\n" * 100_000] * 20, sized=False),
    "elsewhere": Reply([], 302, headers={"Location": "http://localhost:9/cram"}),
    "a file": Reply([], 302, headers={"Location": "file:///etc/passwd"}),
    "nowhere": Reply([], 302, headers={"Location": "http://["}),
    "round and round": Reply([], 302, headers={"Location": "/cram"}),
    "no answer": Reply([LETTERS.encode()], before=8),
    "stalled": Reply([LETTERS[:1000].encode(), LETTERS[1000:].encode()], pause=8),
    "trickling": Reply(
        [LETTERS[at : at + 1].encode() for at in range(100)], pause=0.1, headers={"Content-Length": "100"}
    ),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_wrong_is_neither_kept_nor_sent(
    demo: Path, registry: Relay, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upstream, "_FAILED_SECONDS", 0.1)
    right, registry.instead = registry.instead, lambda path: WRONG[kind]
    slow = WRONG[kind].before or WRONG[kind].pause
    with caching(demo, registry, cram_timeout=1 if slow else 60, cram_cache_bytes=6 << 20) as client:
        began = time.monotonic()
        reply = client.get(f"/cram/md5/{MD5}")
        assert not slow or time.monotonic() - began < 7
        assert reply.status_code == 502
        assert reply.headers["Content-Type"].startswith("application/vnd.ga4gh.refget.v2.0.0+json")
        assert set(reply.json()) == {"message"}
        assert registry.address not in reply.text and str(demo.parent) not in reply.text
        assert kept(demo) == []
        assert client.get(f"/sequence/{MD5}").status_code == 404
        # A failure is not remembered for long.
        registry.instead = right
        time.sleep(0.1)
        assert client.get(f"/cram/md5/{MD5}").text == LETTERS


def test_a_registry_that_fails_is_not_asked_by_each_of_many(
    demo: Path, registry: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upstream, "_FAILED_SECONDS", 600)
    registry.instead = lambda path: Reply([], 503)
    with caching(demo, registry) as client:
        replies = [client.get(f"/cram/md5/{MD5}") for _ in range(10)]
        assert {(reply.status_code, reply.text) for reply in replies} == {(502, replies[0].text)}
        assert registry.asked == [f"GET /cram/md5/{MD5}"]
        # Another sequence may be there.
        assert client.get(f"/cram/md5/{'0' * 32}").status_code == 502
        assert len(registry.asked) == 2


def test_who_claims_to_come_through_others_makes_nobody_else_fail(demo: Path, registry: Relay) -> None:
    right, registry.instead = registry.instead, lambda path: Reply([], 503)
    with caching(demo, registry) as client:
        assert client.get(f"/cram/md5/{MD5}", headers={"CDN-Loop": "someone"}).status_code == 502
        registry.instead = right
        assert client.get(f"/cram/md5/{MD5}").text == LETTERS


def test_a_registry_that_is_not_there(demo: Path, registry: Relay) -> None:
    with caching(demo, registry, cram_upstream="http://127.0.0.1:9/cram") as client:
        assert client.get(f"/cram/md5/{MD5}").status_code == 502


def test_another_place_on_the_same_server_is_followed(demo: Path, registry: Relay) -> None:
    right = registry.instead
    moved = f"{registry.address}/cram/md5/{MD5}"
    registry.instead = lambda path: Reply([], 301, {"Location": moved}) if path.startswith("/old") else right(path)
    with caching(demo, registry, cram_upstream=f"{registry.address}/old") as client:
        assert client.get(f"/cram/md5/{MD5}").text == LETTERS


def test_the_directory_is_bounded_and_the_one_used_longest_ago_goes(demo: Path, registry: Relay) -> None:
    letters = {}
    for base in "ACGTN":
        text = base * 250_000
        letters[hashlib.md5(text.encode()).hexdigest()] = text
    registry.instead = lambda path: Reply([letters[path.rpartition("/")[2]].encode()])
    first, second, third, fourth, fifth = letters
    with caching(demo, registry, cram_cache_bytes=1 << 20) as client:
        for digest in (first, second, third, first, fourth, first, fifth, first):
            assert client.get(f"/cram/md5/{digest}").text == letters[digest]
            time.sleep(0.02)
        assert sum(path.stat().st_size for path in kept(demo)) <= 1 << 20
        asked = len(registry.asked)
        assert asked == 5
        assert client.get(f"/cram/md5/{second}").text == letters[second]
        assert len(registry.asked) == asked + 1


def test_a_file_that_was_damaged_is_fetched_anew(demo: Path, registry: Relay) -> None:
    with caching(demo, registry) as client:
        assert client.get(f"/cram/md5/{MD5}").text == LETTERS
        file = demo.parent / "cache" / "references" / MD5
        content = file.read_bytes()
        file.write_bytes(content[:-100])
        assert client.get(f"/cram/md5/{MD5}").text == LETTERS
        file.write_bytes(b"X" + content[1:])
        assert client.get(f"/cram/md5/{MD5}").text == LETTERS
        assert len(registry.asked) == 3


def test_a_directory_that_is_gone_is_made_anew(demo: Path, registry: Relay) -> None:
    with caching(demo, registry) as client:
        assert client.get(f"/cram/md5/{MD5}").text == LETTERS
        for path in (demo.parent / "cache" / "references").iterdir():
            path.unlink()
        (demo.parent / "cache" / "references").rmdir()
        assert client.get(f"/cram/md5/{MD5}").text == LETTERS


def test_a_directory_that_cannot_be_used_is_said(demo: Path, registry: Relay) -> None:
    (demo.parent / "cache").mkdir(mode=0o777)
    (demo.parent / "cache").chmod(0o777)
    with caching(demo, registry) as client:
        reply = client.get(f"/cram/md5/{MD5}")
        assert reply.status_code == 503
        assert str(demo.parent) not in reply.text


def test_a_server_that_asks_itself_says_so(demo: Path, registry: Relay, serve: Callable[..., str]) -> None:
    registry.instead = lambda path: None
    variables = {"RNAGET_CRAM_UPSTREAM": f"{registry.address}/cram", "RNAGET_CACHE_DIRECTORY": str(demo.parent / "c")}
    registry.behind = serve(demo, **variables)
    reply = requests.get(f"{registry.behind}/cram/md5/{MD5}", timeout=30)
    assert reply.status_code == 502
    assert len(registry.asked) == 1


@pytest.mark.parametrize(
    "address",
    ["ftp://x.example/cram", "x.example", "file:///etc", "http://", "http://me:secret@x.example/cram", "http://x/?a=1"],
)
def test_addresses_that_are_none_are_refused(address: str) -> None:
    with pytest.raises(ValidationError) as error:
        Settings(cram_upstream=address)
    assert "secret" not in str(error.value)


def test_ten_clients_of_two_processes_make_one_request(
    demo: Path, tmp_path: Path, registry: Relay, serve: Callable[..., str]
) -> None:
    source, first = tmp_path / "g.fa", tmp_path / "first"
    source.write_text(f">one\n{LETTERS}\n")
    first.mkdir()
    (first / "catalog.yaml").write_text("id: org.example.first\nname: First\n")
    result = CliRunner().invoke(main, ["import", str(source), "--data", str(first), "--genome", "g"])
    assert result.exit_code == 0, result.output
    registry.behind, registry.instead, registry.delay = serve(first), lambda path: None, 1
    cache = {"RNAGET_CACHE_DIRECTORY": str(tmp_path / "cache"), "RNAGET_CRAM_UPSTREAM": f"{registry.address}/cram/"}
    root = serve(ROOT / "data", workers=2, **cache)
    with ThreadPoolExecutor(10) as pool:
        replies = list(pool.map(lambda _: requests.get(f"{root}/cram/md5/{MD5}", timeout=60), range(10)))
    assert [reply.status_code for reply in replies] == [200] * 10
    assert {reply.text for reply in replies} == {LETTERS}
    assert registry.asked == [f"GET /cram/md5/{MD5}"]
