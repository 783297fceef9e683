"""Each rule of refget 2.0 by itself, in the order of the specification's topics."""

from __future__ import annotations

import base64
import hashlib
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from click.testing import CliRunner
from starlette.testclient import TestClient

from rnaget_server.cli.server import main
from tests.conftest import client_of, headers_but_id

CHROMOSOME = "".join(random.Random(2).choices("ACGTN", k=1201))
PLASMID = "".join(random.Random(3).choices("ACGT", k=77))
PROTEIN = "MKLVUXBZ*"
V2, V101, V100 = (f"vnd.ga4gh.refget.v{version}" for version in ("2.0.0", "1.0.1", "1.0.0"))
FOREVER = "public, max-age=31536000, immutable"


def md5(letters: str) -> str:
    return hashlib.md5(letters.encode()).hexdigest()


def sha1(letters: str) -> str:
    return hashlib.sha1(letters.encode()).hexdigest()


def trunc512(letters: str) -> str:
    return hashlib.sha512(letters.encode()).hexdigest()[:48]


def ga4gh(letters: str) -> str:
    return "SQ." + base64.urlsafe_b64encode(hashlib.sha512(letters.encode()).digest()[:24]).decode()


CHR = md5(CHROMOSOME)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalogue with three sequences, one of them circular and one under two names."""
    directory = tmp_path_factory.mktemp("rules")
    demo, source, names = directory / "data", directory / "g.fa", directory / "names.tsv"
    demo.mkdir()
    (demo / "catalog.yaml").write_text("id: org.example.rules\nname: Rules\n")
    twice = "\n".join(CHROMOSOME[at : at + 61] for at in range(0, len(CHROMOSOME), 61))
    source.write_text(f">chr\n{twice}\n>again\n{CHROMOSOME.lower()}\n>plasmid\n{PLASMID}\n>protein\n{PROTEIN}\n")
    names.write_text("sequence\talias\tauthority\nchr\tBK006935.2\tinsdc\nprotein\tENSP00000254958.4\tensembl\n")
    options = ["--genome", "g", "--circular", "plasmid", "--aliases", str(names)]
    result = CliRunner().invoke(main, ["import", str(source), "--data", str(demo), *options])
    assert result.exit_code == 0, result.output
    return demo


@pytest.fixture(scope="module")
def client(data: Path) -> Iterator[TestClient]:
    yield from client_of(data)


# --- ids


@pytest.mark.parametrize("letters", [CHROMOSOME, PLASMID, PROTEIN], ids=["chromosome", "plasmid", "protein"])
@pytest.mark.parametrize(
    ("namespace", "digest"), [("md5", md5), ("sha1", sha1), ("trunc512", trunc512), ("ga4gh", ga4gh)]
)
def test_a_digest_with_and_without_its_namespace(
    client: TestClient, letters: str, namespace: str, digest: object
) -> None:
    id = digest(letters)  # type: ignore[operator]
    for asked in (id, f"{namespace}:{id}", f"{namespace.upper()}:{id}"):
        assert client.get(f"/sequence/{asked}").text == letters


@pytest.mark.parametrize("digest", [md5, sha1, trunc512])
def test_hexadecimal_digests_in_any_case(client: TestClient, digest: object) -> None:
    id: str = digest(CHROMOSOME)  # type: ignore[operator]
    for asked in (id.upper(), id[:9].upper() + id[9:]):
        assert client.get(f"/sequence/{asked}").text == CHROMOSOME
        assert client.get(f"/sequence/{asked}/metadata").json()["metadata"]["md5"] == CHR


def test_ga4gh_digests_in_their_own_case_alone(client: TestClient) -> None:
    assert client.get(f"/sequence/{ga4gh(CHROMOSOME).swapcase()}").status_code == 404


@pytest.mark.parametrize("id", ["insdc:BK006935.2", "BK006935.2", "g:chr", "g:again"])
def test_names_with_and_without_their_authority(client: TestClient, id: str) -> None:
    assert client.get(f"/sequence/{id}").text == CHROMOSOME


@pytest.mark.parametrize("id", ["ensembl:BK006935.2", "BK006935", f"sha1:{CHR}", f"other:{CHR}", CHR[:-1], "0" * 48])
def test_what_is_no_id_is_not_found(client: TestClient, id: str) -> None:
    for path in (f"/sequence/{id}", f"/sequence/{id}/metadata"):
        reply = client.get(path)
        assert reply.status_code == 404
        assert "message" in reply.json()


def test_letters_are_upper_case_and_stored_once(data: Path, client: TestClient) -> None:
    assert client.get("/sequence/g:again").text == CHROMOSOME
    assert (data / "genomes" / "g" / "letters").stat().st_size == len(CHROMOSOME + PLASMID + PROTEIN)


# --- media types


@pytest.mark.parametrize(
    ("accept", "sent"),
    [
        (None, f"text/{V2}+plain"),
        ("*/*", f"text/{V2}+plain"),
        (f"text/{V2}+plain", f"text/{V2}+plain"),
        (f"text/{V2}+plain; charset=us-ascii", f"text/{V2}+plain"),
        (f"text/{V101}+plain", f"text/{V101}+plain"),
        (f"text/{V100}+plain", f"text/{V100}+plain"),
        ("text/plain", "text/plain"),
        ("plain/text", "plain/text"),
        ("text/x-fasta", "text/x-fasta"),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", f"text/{V2}+plain"),
    ],
)
def test_types_of_letters(client: TestClient, accept: str | None, sent: str) -> None:
    reply = client.get(f"/sequence/{CHR}", headers={"Accept": accept} if accept else {})
    assert (reply.status_code, reply.headers["Content-Type"]) == (200, f"{sent}; charset=us-ascii")


@pytest.mark.parametrize("path", [f"/sequence/{CHR}/metadata", "/sequence/service-info", "/service-info"])
@pytest.mark.parametrize(
    ("accept", "sent"),
    [
        (None, f"application/{V2}+json; charset=us-ascii"),
        ("*/*", f"application/{V2}+json; charset=us-ascii"),
        (f"application/{V2}+json", f"application/{V2}+json; charset=us-ascii"),
        (f"application/{V101}+json", f"application/{V101}+json; charset=us-ascii"),
        (f"application/{V100}+json", f"application/{V100}+json; charset=us-ascii"),
        ("application/json", "application/json"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", f"application/{V2}+json; charset=us-ascii"),
    ],
)
def test_types_of_json(client: TestClient, path: str, accept: str | None, sent: str) -> None:
    reply = client.get(path, headers={"Accept": accept} if accept else {})
    assert (reply.status_code, reply.headers["Content-Type"]) == (200, sent)


@pytest.mark.parametrize("path", ["", "/metadata"])
def test_types_that_are_not_sent(client: TestClient, path: str) -> None:
    for accept in ("embl/some_json", "text/vnd.ga4gh.refget.v9.0.0+plain", "image/png"):
        assert client.get(f"/sequence/{CHR}{path}", headers={"Accept": accept}).status_code == 406


# --- parts


def test_a_whole_sequence_offers_ranges(client: TestClient) -> None:
    assert client.get(f"/sequence/{CHR}").headers["Accept-Ranges"] == "bytes"


def test_parts_by_start_and_end_are_200_and_offer_none(client: TestClient) -> None:
    for query, letters in (
        ("start=3&end=9", CHROMOSOME[3:9]),
        ("start=1200", CHROMOSOME[1200:]),
        ("end=1", CHROMOSOME[:1]),
    ):
        reply = client.get(f"/sequence/{CHR}?{query}")
        assert (reply.status_code, reply.headers["Accept-Ranges"]) == (200, "none")
        assert "Content-Range" not in reply.headers
        assert reply.text == letters


def test_parts_by_range_are_206_with_their_place(client: TestClient) -> None:
    for header, first, last in (("bytes=5-9", 5, 9), ("bytes=0-0", 0, 0), ("bytes=1190-", 1190, 1200)):
        reply = client.get(f"/sequence/{CHR}", headers={"Range": header})
        assert (reply.status_code, reply.text) == (206, CHROMOSOME[first : last + 1])
        assert reply.headers["Content-Range"] == f"bytes {first}-{last}/1201"
        assert reply.headers["Content-Length"] == str(last - first + 1)


def test_the_last_byte_of_a_range_is_clipped(client: TestClient) -> None:
    reply = client.get(f"/sequence/{CHR}", headers={"Range": "bytes=1000-99999"})
    assert (reply.status_code, reply.headers["Content-Range"]) == (206, "bytes 1000-1200/1201")


@pytest.mark.parametrize("query", ["start=1201", "start=1201&end=1201", "end=1202", "start=5000&end=6000"])
def test_bounds_of_start_and_end(client: TestClient, query: str) -> None:
    assert client.get(f"/sequence/{CHR}?{query}").status_code == 416


@pytest.mark.parametrize("header", ["bytes=9-5", "bytes=1201-", "bytes=1201-1300", "bytes=9999-99999"])
def test_bounds_of_range(client: TestClient, header: str) -> None:
    reply = client.get(f"/sequence/{CHR}", headers={"Range": header})
    assert (reply.status_code, reply.headers["Content-Range"]) == (416, "bytes */1201")


@pytest.mark.parametrize("query", ["start=a", "end=b", "start=-1", "end=-2", "start=1.0", "start=%2B1", f"end={2**32}"])
def test_syntax_of_start_and_end(client: TestClient, query: str) -> None:
    assert client.get(f"/sequence/{CHR}?{query}").status_code == 400


@pytest.mark.parametrize("header", ["bytes", "units=0-5", "bytes=a-b", "bytes=-", "bytes=5", "bytes=0-1,4-5"])
def test_syntax_of_range(client: TestClient, header: str) -> None:
    assert client.get(f"/sequence/{CHR}", headers={"Range": header}).status_code == 400


def test_zero_letters_have_their_length(client: TestClient) -> None:
    for query in ("start=4&end=4", "end=0", "start=0&end=0"):
        reply = client.get(f"/sequence/{CHR}?{query}")
        assert (reply.status_code, reply.content, reply.headers["Content-Length"]) == (200, b"", "0")


def test_a_part_over_the_end_of_a_circular_sequence(client: TestClient) -> None:
    for start, end in ((70, 7), (76, 1), (1, 0)):
        reply = client.get(f"/sequence/{md5(PLASMID)}?start={start}&end={end}")
        assert (reply.status_code, reply.text) == (200, PLASMID[start:] + PLASMID[:end])
        assert reply.headers["Content-Length"] == str(len(PLASMID) - start + end)


def test_a_part_over_the_end_of_a_linear_sequence(client: TestClient) -> None:
    assert client.get(f"/sequence/{CHR}?start=9&end=5").status_code == 416


def test_a_server_without_circular_support(data: Path) -> None:
    for client in client_of(data, refget_circular=False):
        for id in (CHR, md5(PLASMID)):
            reply = client.get(f"/sequence/{id}?start=9&end=5")
            assert reply.status_code == 501
            assert "message" in reply.json()
            assert client.get(f"/sequence/{id}?start=5&end=9").status_code == 200
            assert client.get(f"/sequence/{id}?start=9999&end=5").status_code == 416
        assert client.get(f"/cram/md5/{md5(PLASMID)}?start=9&end=5").status_code == 501
        info = client.get("/sequence/service-info").json()
        assert [info[part]["circular_supported"] for part in ("refget", "service")] == [False, False]


# --- the order of checks: the first that fails answers, whatever else is wrong


@pytest.mark.parametrize(
    ("id", "query", "headers", "status"),
    [
        ("0" * 32, "?start=9&end=x", {"Accept": "image/png", "Range": "bytes=9-5"}, 406),
        ("0" * 32, "?start=9&end=x", {"Range": "bytes=9-5"}, 404),
        (CHR, "?start=9999", {"Range": "bytes=0-5"}, 400),
        (CHR, "?start=0&end=5", {"Range": "bytes=9-5"}, 400),
        (CHR, "?start=9999&end=x", {}, 400),
        (CHR, "?start=9999&end=5", {}, 416),
        (md5(PLASMID), "?start=77&end=5", {}, 416),
        (md5(PLASMID), "?start=76&end=5", {}, 200),
    ],
)
def test_the_order_of_checks(client: TestClient, id: str, query: str, headers: dict[str, str], status: int) -> None:
    assert client.get(f"/sequence/{id}{query}", headers=headers).status_code == status


# --- lengths and codings


def test_letters_are_never_content_coded(data: Path) -> None:
    for client in client_of(data, content_coding=True):
        for path in (f"/sequence/{CHR}", f"/sequence/{CHR}?start=1&end=1100", f"/cram/md5/{CHR}"):
            for accept in ("*/*", "text/x-fasta"):
                reply = client.get(path, headers={"Accept-Encoding": "gzip, br, zstd", "Accept": accept})
                assert "Content-Encoding" not in reply.headers
                assert reply.headers["Content-Length"] == str(len(reply.content))


def test_fasta(client: TestClient) -> None:
    reply = client.get(f"/sequence/{CHR}", headers={"Accept": "text/x-fasta"})
    lines = [CHROMOSOME[at : at + 60] for at in range(0, 1201, 60)]
    assert reply.text == "\n".join([f">{ga4gh(CHROMOSOME)}", *lines, ""])
    assert reply.headers["Content-Length"] == str(len(reply.content))


# --- metadata and service-info


def test_metadata_has_what_both_versions_name(client: TestClient) -> None:
    assert client.get(f"/sequence/{md5(PROTEIN)}/metadata").json() == {
        "metadata": {
            "id": ga4gh(PROTEIN),
            "md5": md5(PROTEIN),
            "ga4gh": ga4gh(PROTEIN),
            "trunc512": trunc512(PROTEIN),
            "length": len(PROTEIN),
            "aliases": [
                {"naming_authority": "ensembl", "alias": "ENSP00000254958.4"},
                {"naming_authority": "g", "alias": "protein"},
            ],
        }
    }


@pytest.mark.parametrize("path", ["/sequence/service-info", "/ena/cram/sequence/service-info", "/service-info"])
def test_service_info_has_the_objects_of_both_versions(client: TestClient, path: str) -> None:
    info = client.get(path).json()
    assert info["type"] == {"group": "org.ga4gh", "artifact": "refget", "version": "2.0.0"}
    assert {"id", "name", "organization", "version"} <= info.keys()
    assert {"circular_supported", "subsequence_limit", "algorithms", "identifier_types"} <= info["refget"].keys()
    assert {"circular_supported", "subsequence_limit", "algorithms", "supported_api_versions"} <= info["service"].keys()
    assert {"md5", "ga4gh", "trunc512"} <= set(info["refget"]["algorithms"])
    assert {"insdc", "ensembl"} <= set(info["refget"]["identifier_types"])
    assert "2.0.0" in info["service"]["supported_api_versions"]


def test_the_service_info_at_the_root_is_not_that_of_rnaget(client: TestClient) -> None:
    assert client.get("/rnaget/service-info").json()["type"]["artifact"] == "rnaget"


# --- caching


def test_what_a_digest_gives_is_kept_for_ever(client: TestClient) -> None:
    for path in (f"/sequence/{CHR}", f"/sequence/{CHR}?start=1&end=4", f"/cram/md5/{CHR}", f"/sequence/md5:{CHR}"):
        reply = client.get(path)
        assert reply.headers["Cache-Control"] == FOREVER
        assert reply.headers["ETag"] == f'"{ga4gh(CHROMOSOME)}"'


@pytest.mark.parametrize("path", [f"/sequence/{CHR}", f"/cram/md5/{CHR}", f"/sequence/{CHR}/metadata"])
def test_304_for_what_the_client_has(client: TestClient, path: str) -> None:
    reply = client.get(path)
    tag = reply.headers["ETag"]
    assert tag.startswith('"')
    for given in (tag, f'"other", {tag}', f"W/{tag}", "*"):
        for method in ("GET", "HEAD"):
            again = client.request(method, path, headers={"If-None-Match": given})
            assert (again.status_code, again.content) == (304, b"")
            assert again.headers["ETag"] == tag
            assert again.headers["Cache-Control"] == reply.headers["Cache-Control"]
    assert client.get(path, headers={"If-None-Match": '"other"'}).status_code == 200
    assert client.get(path, headers={"If-Match": '"other"'}).status_code == 412


def test_metadata_of_other_types_and_names_has_other_tags(data: Path, client: TestClient, tmp_path: Path) -> None:
    path = f"/sequence/{CHR}/metadata"
    tags = {client.get(path, headers={"Accept": kind}).headers["ETag"] for kind in ("*/*", "application/json")}
    assert len(tags) == 2
    before = client.get(path).headers["ETag"]
    changed, source = Path(shutil.copytree(data, tmp_path / "changed")), tmp_path / "other.fa"
    source.write_text(f">renamed\n{CHROMOSOME}\n")
    command = ["import", str(source), "--data", str(changed), "--genome", "g", "--replace"]
    assert CliRunner().invoke(main, command).exit_code == 0
    for anew in client_of(changed):
        reply = anew.get(path, headers={"If-None-Match": before})
        assert reply.status_code == 200
        assert reply.json()["metadata"]["aliases"] == [{"naming_authority": "g", "alias": "renamed"}]


# --- methods


@pytest.mark.parametrize(
    "path",
    [
        *(f"/sequence/{CHR}", f"/sequence/{CHR}?start=2&end=9", f"/sequence/{CHR}/metadata", f"/cram/md5/{CHR}"),
        *("/sequence/service-info", "/service-info"),
    ],
)
def test_head_and_options(client: TestClient, path: str) -> None:
    got, head, options = (client.request(method, path) for method in ("GET", "HEAD", "OPTIONS"))
    assert (head.status_code, head.content, headers_but_id(head)) == (got.status_code, b"", headers_but_id(got))
    assert options.status_code in (200, 204)
    assert {"GET", "HEAD", "OPTIONS"} <= {method.strip() for method in options.headers["Allow"].split(",")}


def test_pages_of_other_sites_may_ask(client: TestClient) -> None:
    headers = {"Origin": "https://x.example", "Access-Control-Request-Method": "GET"}
    assert client.options(f"/sequence/{CHR}", headers=headers).status_code == 200
    assert client.get(f"/sequence/{CHR}", headers=headers).headers["Access-Control-Allow-Origin"] == "*"


def test_a_real_server_sends_lengths(data: Path, serve: object) -> None:
    root = serve(data)  # type: ignore[operator]
    for query, size in (("", 1201), ("?start=0&end=0", 0), ("?start=3&end=8", 5)):
        for method in ("GET", "HEAD"):
            reply = requests.request(method, f"{root}/sequence/{CHR}{query}", timeout=30)
            assert reply.headers["Content-Length"] == str(size)
            assert "Transfer-Encoding" not in reply.headers and "Content-Encoding" not in reply.headers
