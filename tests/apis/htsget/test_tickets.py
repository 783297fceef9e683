"""Tickets of whole files, headers and regions, and what is sent for their URLs."""

from __future__ import annotations

import base64
import gzip
import hashlib
import random
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from starlette.testclient import TestClient

from rnaget_server.apis.htsget import plan
from rnaget_server.cli.server import main
from rnaget_server.reads.bgzf import END_MARKER
from rnaget_server.reads.files import Region
from tests.apis.htsget.conftest import READS_ID, fetched, imported, ticket_of
from tests.conftest import ROOT, client_of
from tests.reads.files import LENGTHS, overlaps, run, sam_interval, text_of, vcf_interval

KINDS = {"BAM": "reads", "CRAM": "reads", "VCF": "variants", "BCF": "variants"}
VERSIONED = "application/vnd.ga4gh.htsget.v1.3.0+json; charset=utf-8"


def lines(data: bytes, format: str, tmp_path: Path, region: Region | None = None) -> list[bytes]:
    """The records of a file, or those that overlap a region: the filter that the standard leaves to clients."""
    path = tmp_path / f"got.{format.lower()}"
    path.write_bytes(data)
    found = run("samtools" if KINDS[format] == "reads" else "bcftools", "view", *no_header(format), path).splitlines()
    interval = sam_interval if KINDS[format] == "reads" else vcf_interval
    return [line for line in found if region is None or overlaps(interval(line), region)]


def no_header(format: str) -> tuple[str, ...]:
    return () if KINDS[format] == "reads" else ("-H",)


def expected(path: Path, format: str, region: Region) -> list[bytes]:
    """The records of a region by the program that everybody uses."""
    program = "samtools" if KINDS[format] == "reads" else "bcftools"
    return run(program, "view", *no_header(format), path, text_of(region)).splitlines()


@pytest.mark.parametrize("format", KINDS)
def test_whole_files_are_the_same_bytes(no_inline: TestClient, files: dict[str, Path], format: str) -> None:
    ticket = ticket_of(no_inline, f"/{KINDS[format]}/{READS_ID}?format={format}")
    data = fetched(no_inline, ticket)
    assert data == files[format].read_bytes()
    assert ticket["format"] == format
    classes = {url.get("class") for url in ticket["urls"]}
    # A short header shares its block with records, so that neither is sent alone.
    assert classes == ({"header", "body"} if format in ("BAM", "CRAM") else {None})
    assert ticket["md5"] == hashlib.md5(data).hexdigest()
    assert len(ticket["urls"]) >= len(data) // (1 << 16)


@pytest.mark.parametrize("format", KINDS)
@pytest.mark.parametrize("inline", [0, 1 << 30])
def test_regions_have_the_records_of_other_programs(
    catalog: Path, files: dict[str, Path], format: str, inline: int, tmp_path: Path
) -> None:
    draw = random.Random(format)
    for client in client_of(catalog, max_inline_bytes=inline):
        for _ in range(4):
            name = draw.choice(["chr1", "chr2"])
            start = draw.randrange(LENGTHS[name])
            region = Region(name, start, start + draw.choice([1, 1_000, 100_000]))
            query = f"format={format}&referenceName={name}&start={region.start}&end={region.end}"
            ticket = ticket_of(client, f"/{KINDS[format]}/{READS_ID}?{query}")
            assert "md5" not in ticket
            assert lines(fetched(client, ticket), format, tmp_path, region) == expected(files[format], format, region)
            header = fetched(client, ticket, "header")
            assert fetched(client, ticket).startswith(header) and header


@pytest.mark.parametrize("format", KINDS)
def test_header_alone(client: TestClient, files: dict[str, Path], format: str, tmp_path: Path) -> None:
    ticket = ticket_of(client, f"/{KINDS[format]}/{READS_ID}?format={format}&class=header")
    assert {url["class"] for url in ticket["urls"]} == {"header"}
    path = tmp_path / "header"
    path.write_bytes(fetched(client, ticket))
    program = (
        ("samtools", "view", "-H", "--no-PG") if KINDS[format] == "reads" else ("bcftools", "view", "--no-version")
    )
    got, whole = (run(*program, one).splitlines() for one in (path, files[format]))
    assert got == [line for line in whole if line[:1] in b"@#"]


def test_overlapping_regions_have_each_record_once(
    no_inline: TestClient, files: dict[str, Path], tmp_path: Path
) -> None:
    asked = [{"referenceName": "chr1", "start": at, "end": at + 5_000} for at in range(0, 1_000_000, 1_000)]
    ticket = ticket_of(no_inline, f"/reads/{READS_ID}", regions=asked, format="BAM")
    region = Region("chr1", 0, 1_004_000)
    got = lines(fetched(no_inline, ticket), "BAM", tmp_path, region)
    assert got == expected(files["BAM"], "BAM", region)


def test_pieces_too_many_for_a_ticket_are_made_when_they_are_sent(
    no_inline: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = [{"referenceName": "chr1", "start": at, "end": at + 10} for at in range(0, 3_000_000, 50_000)]
    inside = ticket_of(no_inline, f"/reads/{READS_ID}", regions=asked)
    monkeypatch.setattr(plan, "_MOST_MADE", 0)
    outside = ticket_of(no_inline, f"/reads/{READS_ID}", regions=asked)
    ends = [base64.b64decode(url["url"].partition(",")[2]) for url in outside["urls"] if url["url"].startswith("data:")]
    assert ends[-1] == END_MARKER and len(ends) < 3  # the end of the header, which shares its block, and of the file
    assert gzip.decompress(fetched(no_inline, outside)) == gzip.decompress(fetched(no_inline, inside))


def test_small_results_stand_in_the_ticket(client: TestClient) -> None:
    ticket = ticket_of(client, f"/reads/{READS_ID}?referenceName=chrEmpty&start=10&end=20")
    assert all(url["url"].startswith("data:;base64,") for url in ticket["urls"])


@pytest.mark.parametrize("query", ["referenceName=chr1&start=500&end=500", "referenceName=chr1&start=4000000000"])
def test_empty_regions_have_no_records(client: TestClient, tmp_path: Path, query: str) -> None:
    assert lines(fetched(client, ticket_of(client, f"/reads/{READS_ID}?{query}")), "BAM", tmp_path) == []


def test_unplaced_reads(client: TestClient, files: dict[str, Path], tmp_path: Path) -> None:
    ticket = ticket_of(client, f"/reads/{READS_ID}?referenceName=*")
    assert lines(fetched(client, ticket), "BAM", tmp_path) == run("samtools", "view", files["BAM"], "*").splitlines()


def test_sequences_by_digest_of_the_header(client: TestClient) -> None:
    by_name = fetched(client, ticket_of(client, f"/reads/{READS_ID}?referenceName=chr2"))
    for digest in ("00000000000000000000000000000001", "0000000000000000000000000000000" + "1".upper()):
        query = f"referenceMD5={digest}"
        assert fetched(client, ticket_of(client, f"/reads/{READS_ID}?{query}")) == by_name
        assert fetched(client, ticket_of(client, f"/reads/{READS_ID}?{query}&referenceName=chr2")) == by_name
    reply = client.get(f"/reads/{READS_ID}?referenceMD5={'0' * 31}1&referenceName=chr1")
    assert (reply.status_code, reply.json()["htsget"]["error"]) == (400, "InvalidInput")


def test_sequences_by_digest_of_the_genome(files: dict[str, Path], tmp_path: Path) -> None:
    data = tmp_path / "data"
    imported(files["VCF"], data, "--id", "v", "--genome", "g")
    (tmp_path / "g.fa").write_text(f">chr1\n{'ACGT' * 20}\n>chr2\n{'GATTACA' * 9}\n")
    CliRunner().invoke(main, ["import", str(tmp_path / "g.fa"), "--data", str(data), "--genome", "g"])
    digest = hashlib.md5(b"GATTACA" * 9).hexdigest()
    for client in client_of(data):
        by_digest = ticket_of(client, f"/variants/v?referenceMD5={digest}")
        assert fetched(client, by_digest) == fetched(client, ticket_of(client, "/variants/v?referenceName=chr2"))
        assert client.get(f"/variants/v?referenceMD5={'f' * 32}").status_code == 404


@pytest.mark.parametrize(
    "path, status, error",
    [
        ("/reads/none", 404, "NotFound"),
        ("/variants/none", 404, "NotFound"),
        (f"/reads/{READS_ID}/more", 404, "NotFound"),
        *((f"/reads/{READS_ID}{suffix}", 404, "NotFound") for suffix in (".bai", ".csi", ".tbi", ".crai")),
        (f"/reads/{READS_ID}?referenceName=chr9", 404, "NotFound"),
        (f"/reads/{READS_ID}?referenceMD5={'a' * 32}", 404, "NotFound"),
        (f"/reads/{READS_ID}?format=VCF", 400, "UnsupportedFormat"),
        (f"/reads/{READS_ID}?format=FASTQ", 400, "UnsupportedFormat"),
        (f"/variants/{READS_ID}?format=BAM", 400, "UnsupportedFormat"),
        (f"/reads/{READS_ID}?start=1", 400, "InvalidInput"),
        (f"/reads/{READS_ID}?end=1", 400, "InvalidInput"),
        (f"/reads/{READS_ID}?referenceName=*&start=1", 400, "InvalidInput"),
        (f"/reads/{READS_ID}?referenceName=chr1&start=x", 400, "InvalidInput"),
        (f"/reads/{READS_ID}?referenceName=chr1&start=-1", 400, "InvalidInput"),
        (f"/reads/{READS_ID}?referenceName=chr1&start=2&end=1", 400, "InvalidRange"),
        (f"/reads/{READS_ID}?referencename=chr1", 400, "InvalidInput"),
        (f"/reads/{READS_ID}?referenceMD5=xyz", 400, "InvalidInput"),
        (f"/reads/{READS_ID}?tags=NM&notags=NM", 400, "InvalidInput"),
        (f"/reads/{READS_ID}?tags=NMX", 400, "InvalidInput"),
        (f"/reads/{READS_ID}?fields=POSITION", 400, "InvalidInput"),
        (f"/reads/{READS_ID}?class=body", 400, "InvalidInput"),
        (f"/reads/{READS_ID}?class=header&referenceName=chr1", 400, "InvalidInput"),
        (f"/reads/{READS_ID}?class=header&tags=NM", 400, "InvalidInput"),
    ],
)
def test_errors(client: TestClient, path: str, status: int, error: str) -> None:
    reply = client.get(path)
    assert (reply.status_code, reply.json()["htsget"]["error"]) == (status, error)
    assert reply.headers["Content-Type"] == VERSIONED
    assert reply.json()["htsget"]["message"]


REGION = {"referenceName": "chr1", "start": 1, "end": 2}


@pytest.mark.parametrize(
    "body, status, error",
    [
        ({"regions": [{"start": 1}]}, 400, "InvalidInput"),
        ({"regions": []}, 400, "InvalidInput"),
        ({"regions": {}}, 400, "InvalidInput"),
        ({"regions": ["chr1"]}, 400, "InvalidInput"),
        ({"regions": [{**REGION, "stop": 5}]}, 400, "InvalidInput"),
        ({"regions": [{**REGION, "start": True}]}, 400, "InvalidInput"),
        ({"regions": [{**REGION, "start": "1"}]}, 400, "InvalidInput"),
        ({"regions": [{**REGION, "start": 3}]}, 400, "InvalidRange"),
        ({"regions": [REGION, {"referenceName": "chr9"}]}, 404, "NotFound"),
        ({"regions": [REGION], "class": "header"}, 400, "InvalidInput"),
        ({"format": "SAM"}, 400, "UnsupportedFormat"),
        ({"tags": ["NM"], "notags": ["NM"]}, 400, "InvalidInput"),
        ({"fields": "POS"}, 400, "InvalidInput"),
        ({"region": []}, 400, "InvalidInput"),
        ({"regions": [REGION] * 5_001}, 413, "PayloadTooLarge"),
        ([], 400, "InvalidInput"),
    ],
)
def test_errors_of_bodies(client: TestClient, body: Any, status: int, error: str) -> None:
    reply = client.post(f"/reads/{READS_ID}", json=body)
    assert (reply.status_code, reply.json()["htsget"]["error"]) == (status, error)


@pytest.mark.parametrize(
    "body, status", [(b"{", 400), (b"\xff", 400), (b'{"format":"BAM","format":"BAM"}', 400), (b"[" * 100_000, 400)]
)
def test_bodies_that_are_no_json(client: TestClient, body: bytes, status: int) -> None:
    reply = client.post(f"/reads/{READS_ID}", content=body)
    assert (reply.status_code, reply.json()["htsget"]["error"]) == (status, "InvalidInput")


def test_large_bodies_are_refused(catalog: Path) -> None:
    for client in client_of(catalog, max_body_bytes=2_000):
        reply = client.post(f"/reads/{READS_ID}", json={"regions": [REGION] * 100})
        assert (reply.status_code, reply.json()["htsget"]["error"]) == (413, "PayloadTooLarge")


def test_by_post_nothing_is_in_the_url(client: TestClient) -> None:
    reply = client.post(f"/reads/{READS_ID}?format=BAM", json={"format": "BAM"})
    assert (reply.status_code, reply.json()["htsget"]["error"]) == (400, "InvalidInput")


def test_media_types(client: TestClient) -> None:
    path = f"/reads/{READS_ID}?class=header"
    wrapped = client.get(path)
    assert wrapped.headers["Content-Type"] == VERSIONED
    draft = {"Accept": "application/vnd.ga4gh.htsget.v0.2rc+json"}
    bare = client.get(path, headers=draft)
    assert bare.headers["Content-Type"].startswith(draft["Accept"])
    assert bare.json() == wrapped.json()["htsget"]
    assert client.get("/reads/none", headers=draft).json()["error"] == "NotFound"
    older = {"Accept": "application/vnd.ga4gh.htsget.v1.0.0+json"}
    assert client.get(path, headers=older).json() == wrapped.json()
    assert client.get(path, headers={"Accept": "text/csv"}).status_code == 406


def test_service_info(client: TestClient) -> None:
    for kind, formats in (("reads", ["BAM", "CRAM"]), ("variants", ["VCF", "BCF"])):
        info = client.get(f"/{kind}/service-info").json()
        assert info["type"] == {"group": "org.ga4gh", "artifact": "htsget", "version": "1.3.0"}
        assert info["htsget"]["datatype"] == kind
        assert info["htsget"]["formats"] == formats


@pytest.mark.parametrize("path", [f"/reads/{READS_ID}", "/reads/none", "/variants/service-info"])
def test_scripts_of_other_sites_may_read(client: TestClient, path: str) -> None:
    origin = "https://igv.org"
    assert client.get(path, headers={"Origin": origin}).headers["Access-Control-Allow-Origin"] == origin
    for method in ("GET", "POST"):
        asked = {
            "Origin": origin,
            "Access-Control-Request-Method": method,
            "Access-Control-Request-Headers": "authorization, x-other",
        }
        reply = client.options(path, headers=asked)
        assert reply.status_code == 200
        assert reply.headers["Access-Control-Allow-Origin"] == origin
        assert method in reply.headers["Access-Control-Allow-Methods"]
        assert reply.headers["Access-Control-Allow-Headers"] == "authorization, x-other"
        assert reply.headers["Access-Control-Max-Age"] == "2592000"


def test_methods_of_ids_with_slashes(client: TestClient) -> None:
    assert client.options(f"/reads/{READS_ID}").headers["Allow"] == "GET, HEAD, OPTIONS, POST"
    assert client.delete(f"/reads/{READS_ID}").status_code == 405
    assert client.head(f"/reads/{READS_ID}").status_code == 200


def test_samples_of_a_matrix_name_their_reads(client: TestClient) -> None:
    samples = client.get("/rnaget/expressions/m/samples").json()["data"]
    assert [sample["id"] for sample in samples] == ["liver", "heart"]
    assert samples[0]["reads"] == [f"http://testserver/reads/{READS_ID}"]
    assert samples[0]["variants"] == [f"http://testserver/variants/{READS_ID}"]
    assert "reads" not in samples[1]
    assert f"http://testserver/reads/{READS_ID}" in client.get("/studies/s").text


def test_every_route_and_error_is_documented() -> None:
    page = (ROOT / "docs/reads.md").read_text()
    for path in yaml.load((ROOT / "openapi/htsget.yaml").read_text(), yaml.CSafeLoader)["paths"]:
        assert f"`GET /reads{path}`" in page and f"`GET /variants{path}`" in page
    for error in (
        "InvalidInput",
        "InvalidRange",
        "UnsupportedFormat",
        "PermissionDenied",
        "NotFound",
        "PayloadTooLarge",
    ):
        assert f"| `{error}` |" in page


@pytest.mark.parametrize("format", ["BAM", "CRAM"])
def test_fields_and_tags_are_left_out(client: TestClient, format: str, tmp_path: Path) -> None:
    pytest.importorskip("pysam")
    region = "referenceName=chr1&start=100000&end=300000"
    whole = lines(fetched_all(client, f"format={format}&{region}"), format, tmp_path)
    assert len(whole) > 10
    kept = lines(
        fetched_all(client, f"format={format}&{region}&fields=QNAME,RNAME,POS,CIGAR,SEQ&notags=NM"), format, tmp_path
    )
    assert len(kept) == len(whole)
    for before, after in zip(map(split, whole), map(split, kept), strict=True):
        assert [after[number] for number in (0, 2, 3, 5, 9)] == [before[number] for number in (0, 2, 3, 5, 9)]
        assert after[10] == b"*" and not any(tag.startswith(b"NM:") for tag in after[11:])
    bare = lines(fetched_all(client, f"format={format}&{region}&tags="), format, tmp_path)
    assert [split(line)[:11] for line in bare] == [split(line)[:11] for line in whole]
    assert not any(b"NM:i" in line for line in bare)


def fetched_all(client: TestClient, query: str) -> bytes:
    return fetched(client, ticket_of(client, f"/reads/{READS_ID}?{query}"))


def split(line: bytes) -> list[bytes]:
    return line.split(b"\t")


def test_all_fields_are_the_file_itself(client: TestClient, files: dict[str, Path]) -> None:
    names = "QNAME,FLAG,RNAME,POS,MAPQ,CIGAR,RNEXT,PNEXT,TLEN,SEQ,QUAL"
    assert fetched_all(client, f"fields={names}") == files["BAM"].read_bytes()


def test_fields_without_effect(client: TestClient, files: dict[str, Path]) -> None:
    ticket = ticket_of(client, f"/variants/{READS_ID}?fields=POS")
    assert fetched(client, ticket) == files["VCF"].read_bytes()


def test_without_an_index_all_is_to_be_had_and_no_region(files: dict[str, Path], tmp_path: Path) -> None:
    study = tmp_path / "p/s/study.yaml"
    study.parent.mkdir(parents=True)
    (tmp_path / "catalog.yaml").write_text("id: x\nname: X\n")
    (tmp_path / "p/project.yaml").write_text("id: p\n")
    study.write_text(f"id: s\nreads:\n  - {{id: r, files: [{{format: BAM, file: {files['BAM']}}}]}}\n")
    for client in client_of(tmp_path):
        assert fetched(client, ticket_of(client, "/reads/r")) == files["BAM"].read_bytes()
        reply = client.get("/reads/r?referenceName=chr1")
        assert (reply.status_code, reply.json()["htsget"]["error"]) == (400, "InvalidInput")


@pytest.mark.parametrize(
    "path",
    [
        *(
            "/reads/%00",
            "/reads/%ff",
            "/reads/..%2F..%2Fetc%2Fpasswd",
            "/reads/" + "a" * 5_000,
            "/reads//",
            "/reads/_block/",
        ),
        f"/reads/{READS_ID}?referenceName=%00",
        f"/reads/{READS_ID}?referenceName=chr1&start=99999999999999999999",
        f"/reads/{READS_ID}?referenceName=chr1&referenceName=chr2",
        f"/reads/{READS_ID}?referenceName=",
        f"/reads/{READS_ID}?tags=%ff%00",
        f"/reads/{READS_ID}?fields=,",
        f"/reads/_block/{READS_ID}?format=BAM&ranges=0-10&_expires=1&_signature=x",
    ],
)
def test_hostile_requests_are_refused_in_words(client: TestClient, path: str) -> None:
    reply = client.get(path)
    assert 400 <= reply.status_code < 500, reply.text
