"""The rules of refget 2.0 and 1.x, one by one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from starlette.testclient import TestClient

from rnaget_server.cli.server import main
from tests.conftest import client_of, headers_but_id

LINE = "ACGTTGCAAC" * 70_000  # more than one piece
RING = "GATTACACAT"
MD5 = hashlib.md5(LINE.encode()).hexdigest()
RING_MD5 = hashlib.md5(RING.encode()).hexdigest()
V2 = "text/vnd.ga4gh.refget.v2.0.0+plain"


@pytest.fixture
def client(demo: Path, tmp_path: Path) -> Iterator[TestClient]:
    source = tmp_path / "g.fa"
    source.write_text(f">line\n{LINE}\n>ring\n{RING.lower()}\n")
    names = tmp_path / "names.tsv"
    names.write_text("sequence\talias\tauthority\nline\tBK006935.2\tinsdc\n")
    options = ["--genome", "g", "--circular", "ring", "--aliases", str(names)]
    result = CliRunner().invoke(main, ["import", str(source), "--data", str(demo), *options])
    assert result.exit_code == 0, result.output
    yield from client_of(demo)


def ids() -> list[str]:
    data = LINE.encode()
    sha1, sha512 = hashlib.sha1(data).hexdigest(), hashlib.sha512(data).hexdigest()[:48]
    return [
        *(MD5, MD5.upper(), f"md5:{MD5}", sha1, f"sha1:{sha1}", sha512, f"trunc512:{sha512}"),
        *("insdc:BK006935.2", "BK006935.2", "g:line"),
    ]


@pytest.mark.parametrize("id", ids())
def test_every_id_gives_the_letters(client: TestClient, id: str) -> None:
    reply = client.get(f"/sequence/{id}")
    assert reply.status_code == 200
    assert reply.text == LINE
    assert reply.headers["content-type"] == f"{V2}; charset=us-ascii"
    assert reply.headers["content-length"] == str(len(LINE))
    assert "content-encoding" not in reply.headers


def test_the_ga4gh_digest_is_an_id_and_the_entity_tag(client: TestClient) -> None:
    digest = client.get(f"/sequence/{MD5}/metadata").json()["metadata"]["ga4gh"]
    for id in (digest, f"ga4gh:{digest}"):
        reply = client.get(f"/sequence/{id}", headers={"Accept": "text/plain"})
        assert reply.text == LINE
        assert reply.headers["content-type"] == "text/plain; charset=us-ascii"
        assert reply.headers["etag"] == f'"{digest}"'
    assert client.get(f"/sequence/{MD5}", headers={"If-None-Match": f'"{digest}"'}).status_code == 304


@pytest.mark.parametrize(
    ("query", "status", "letters"),
    [
        ("start=10&end=20", 200, LINE[10:20]),
        ("start=10&end=10", 200, ""),
        ("end=0", 200, ""),
        (f"start={len(LINE) - 3}", 200, LINE[-3:]),
        (f"start=0&end={len(LINE)}", 200, LINE),
        (f"start={len(LINE)}", 416, None),
        (f"end={len(LINE) + 1}", 416, None),
        ("start=5&end=3", 416, None),
        ("start=abc", 400, None),
        ("start=-1", 400, None),
        ("end=1.5", 400, None),
        ("stop=5", 400, None),
    ],
)
def test_parts_by_start_and_end(client: TestClient, query: str, status: int, letters: str | None) -> None:
    reply = client.get(f"/sequence/{MD5}?{query}")
    assert reply.status_code == status
    if letters is not None:
        assert reply.text == letters
        assert reply.headers["accept-ranges"] == "none"
        assert reply.headers["content-length"] == str(len(letters))


@pytest.mark.parametrize(
    ("header", "status", "letters"),
    [
        ("bytes=10-19", 206, LINE[10:20]),
        ("bytes=0-0", 206, LINE[:1]),
        (f"bytes=10-{10**9}", 206, LINE[10:]),
        ("bytes=19-10", 416, None),
        (f"bytes={len(LINE)}-{10**9}", 416, None),
        ("units=1-2", 400, None),
        ("bytes=a-2", 400, None),
        ("bytes=0-1,3-4", 400, None),
    ],
)
def test_parts_by_range(client: TestClient, header: str, status: int, letters: str | None) -> None:
    reply = client.get(f"/sequence/{MD5}", headers={"Range": header})
    assert reply.status_code == status
    if letters is not None:
        assert reply.text == letters
        first = int(header[6:].split("-")[0])
        assert reply.headers["content-range"] == f"bytes {first}-{first + len(letters) - 1}/{len(LINE)}"


@pytest.mark.parametrize(("start", "end"), [(8, 3), (9, 0), (3, 8), (0, 10), (5, 4)])
def test_a_circular_sequence_goes_over_its_end(client: TestClient, start: int, end: int) -> None:
    reply = client.get(f"/sequence/{RING_MD5}?start={start}&end={end}")
    assert reply.status_code == 200
    assert reply.text == (RING[start:end] if start <= end else RING[start:] + RING[:end])


def test_the_order_of_checks(client: TestClient) -> None:
    unknown, wrong, both = "0" * 32, {"Accept": "embl/json"}, {"Range": "bytes=0-1"}
    assert client.get(f"/sequence/{unknown}?start=x", headers=wrong).status_code == 406
    assert client.get(f"/sequence/{unknown}?start=x", headers=both).status_code == 404
    assert client.get(f"/sequence/{MD5}?start=1", headers=both).status_code == 400
    assert client.get(f"/sequence/{MD5}?start={10**8}&end=x").status_code == 400
    assert client.get(f"/sequence/{MD5}?start={10**8}&end=1").status_code == 416


def test_a_browser_and_earlier_versions_are_answered(client: TestClient) -> None:
    browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
    for accept in (browser, "*/*", "text/vnd.ga4gh.refget.v1.0.0+plain", "plain/text"):
        assert client.get(f"/sequence/{RING_MD5}", headers={"Accept": accept}).text == RING


def test_fasta_has_its_length_and_its_lines(client: TestClient) -> None:
    reply = client.get(f"/sequence/{MD5}?start=5&end=130", headers={"Accept": "text/x-fasta"})
    head, *lines = reply.text.splitlines()
    assert head.startswith(">SQ.") and head.endswith(":5-130")
    assert "".join(lines) == LINE[5:130]
    assert [len(line) for line in lines] == [60, 60, 5]
    assert reply.headers["content-length"] == str(len(reply.content))
    whole = client.get(f"/sequence/{MD5}", headers={"Accept": "text/x-fasta"})
    assert "".join(whole.text.splitlines()[1:]) == LINE


def test_head_says_what_get_does(client: TestClient) -> None:
    for headers in ({}, {"Range": "bytes=0-9"}):
        got, head = (getattr(client, method)(f"/sequence/{MD5}", headers=headers) for method in ("get", "head"))
        assert head.status_code == got.status_code
        assert head.content == b""
        assert headers_but_id(head) == headers_but_id(got)


def test_metadata_has_all_digests_and_names(client: TestClient) -> None:
    found = client.get(f"/sequence/{MD5}/metadata").json()["metadata"]
    assert found["md5"] == MD5
    assert found["trunc512"] == hashlib.sha512(LINE.encode()).hexdigest()[:48]
    assert found["length"] == len(LINE)
    assert {"naming_authority": "insdc", "alias": "BK006935.2"} in found["aliases"]
    assert {"naming_authority": "g", "alias": "line"} in found["aliases"]
    assert client.get(f"/sequence/{MD5}/metadata", headers={"Accept": "embl/json"}).status_code == 406
    assert client.get("/sequence/garbage/metadata").status_code == 404


def test_service_info_speaks_both_versions(client: TestClient) -> None:
    info = client.get("/sequence/service-info").json()
    assert info["type"]["artifact"] == "refget"
    for part in ("refget", "service"):
        assert info[part]["circular_supported"] is True
        assert "md5" in info[part]["algorithms"]


@pytest.mark.parametrize("prefix", ["/cram", "/ena/cram"])
def test_the_registry_knows_digests_alone(client: TestClient, prefix: str) -> None:
    sha1 = hashlib.sha1(LINE.encode()).hexdigest()
    assert client.get(f"{prefix}/md5/{MD5}").text == LINE
    assert client.get(f"{prefix}/sha1/{sha1}").text == LINE
    assert client.get(f"{prefix}/md5/BK006935.2").status_code == 404
    assert client.get(f"/ena/cram/sequence/{MD5}").text == LINE


def test_a_genome_that_cannot_be_read_is_503(client: TestClient, demo: Path) -> None:
    assert client.get(f"/sequence/{MD5}").text == LINE
    with (demo / "genomes" / "g" / "letters").open("r+b") as file:
        file.truncate(10)
    assert client.get(f"/sequence/{MD5}?start=0&end=5").status_code == 200
    assert client.get(f"/sequence/{MD5}").status_code == 503
    (demo / "genomes" / "g" / "index").write_bytes(b"damaged")
    reply = client.get(f"/sequence/{MD5}")
    assert reply.status_code == 503
    assert "message" in reply.json()
