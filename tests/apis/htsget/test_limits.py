"""Limits, messages and logs of htsget."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from rnaget_server.apis.htsget import blocks
from rnaget_server.delivery.reply_budget import ReplyBudget
from rnaget_server.settings import Settings
from tests.apis.htsget.conftest import READS_ID, fetched, imported, ticket_of
from tests.conftest import client_of
from tests.reads.files import make_bam, run


@pytest.mark.parametrize("format", ["BAM", "CRAM"])
def test_reads_with_some_fields_are_no_more_than_one_reply_may_have(
    catalog: Path, no_inline: TestClient, tmp_path: Path, format: str
) -> None:
    query = f"/reads/{READS_ID}?format={format}&fields=QNAME,SEQ"
    whole = fetched(no_inline, ticket_of(no_inline, query))
    for client in client_of(catalog, max_bytes=len(whole)):
        url = ticket_of(client, query)["urls"][0]["url"]
        reply = client.get(url)
        assert (reply.status_code, reply.content) == (200, whole)
        assert reply.headers["Content-Length"] == str(len(whole))
    for client in client_of(catalog, max_bytes=len(whole) - 1):
        reply = client.get(ticket_of(client, query)["urls"][0]["url"])
        assert (reply.status_code, reply.json()["htsget"]["error"]) == (413, "PayloadTooLarge")
        assert f"{len(whole) - 1:,}" in reply.json()["htsget"]["message"]


def test_eight_replies_with_some_fields_are_sent_at_once(tmp_path: Path) -> None:
    # As in `app.py`: half of the memory is for what is not counted.
    budget = ReplyBudget((Settings(data=tmp_path).max_reply_bytes + 1) // 2)
    each = blocks._TRANSCODING + (1 << 20) + 4_096
    assert all(budget._taken(each) for _ in range(8))
    assert not budget._taken(each)


@pytest.mark.parametrize("kind, formats", [("reads", ("BAM", "CRAM")), ("variants", ("VCF", "BCF"))])
def test_an_unknown_format_is_answered_by_those_of_the_kind(
    client: TestClient, kind: str, formats: tuple[str, str]
) -> None:
    for reply in (
        client.get(f"/{kind}/{READS_ID}?format=FOO"),
        client.post(f"/{kind}/{READS_ID}", json={"format": "FOO"}),
    ):
        assert (reply.status_code, reply.json()["htsget"]["error"]) == (400, "UnsupportedFormat")
        named = {name for name in ("BAM", "CRAM", "VCF", "BCF") if name in reply.json()["htsget"]["message"]}
        assert named == set(formats)


@pytest.mark.parametrize("path", ["/reads", "/reads/", "/variants", "/variants//"])
def test_no_id_is_answered_in_words_of_htsget(client: TestClient, path: str) -> None:
    for reply in (client.get(path, follow_redirects=False), client.post(path, json={}, follow_redirects=False)):
        assert (reply.status_code, reply.json()["htsget"]["error"]) == (404, "NotFound")
        assert reply.headers["Content-Type"].startswith("application/vnd.ga4gh.htsget")


def test_a_body_that_is_too_long_is_refused_by_regions(catalog: Path) -> None:
    for client in client_of(catalog, max_body_bytes=1024):
        regions = [{"referenceName": "chr1", "start": at, "end": at + 1} for at in range(50)]
        reply = client.post(f"/reads/{READS_ID}", json={"regions": regions})
        assert reply.status_code == 413
        assert "regions" in reply.json()["htsget"]["message"]


def test_the_log_names_the_damaged_block(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = tmp_path / "data"
    imported(make_bam(tmp_path / "a.bam", 3, 6_000), data, "--id", "a")
    stored = data / "p" / "s" / "a.bam"
    content = bytearray(stored.read_bytes())
    place = len(content) * 2 // 3
    content[place : place + 40] = bytes(40)
    index = stored.with_name("a.bam.bai").read_bytes()
    stored.write_bytes(content)
    stored.with_name("a.bam.bai").write_bytes(index)
    offset = content.rfind(b"\x1f\x8b\x08\x04", 0, place)
    for client in client_of(data, max_bytes=1 << 28):
        with caplog.at_level(logging.ERROR):
            reply = client.get("/reads/a?fields=QNAME")
            if reply.status_code == 200:
                assert client.get(reply.json()["htsget"]["urls"][0]["url"]).status_code == 503
    assert f"byte {offset:,}" in caplog.text


def test_a_second_format_with_other_references_is_refused(tmp_path: Path) -> None:
    from click.testing import CliRunner

    from rnaget_server.cli.server import main

    data = tmp_path / "data"
    bam = make_bam(tmp_path / "a.bam", 3, 300)
    imported(bam, data, "--id", "a")
    sam = (tmp_path / "a.sam").read_text()
    same = tmp_path / "same.cram"
    for name, text in (
        ("longer", sam.replace("LN:400000", "LN:400001")),
        ("more", sam.replace("@RG\tID:a", "@SQ\tSN:chrMore\tLN:9\n@RG\tID:a")),
    ):
        (tmp_path / f"{name}.sam").write_text(text)
        path = tmp_path / f"{name}.cram"
        run("samtools", "view", "-O", "cram,no_ref", "-o", path, tmp_path / f"{name}.sam")
        run("samtools", "index", path)
        arguments = ["import", str(path), "--data", str(data), "--project", "p", "--study", "s", "--id", "a"]
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == 1
        assert "other references" in result.output and ("chr2" if name == "longer" else "chrMore") in result.output
    run("samtools", "view", "-O", "cram,no_ref", "-o", same, bam)
    run("samtools", "index", same)
    imported(same, data, "--id", "a")
