"""Tickets for many regions and tags have URLs that every proxy passes."""

from __future__ import annotations

import gzip
import random
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from rnaget_server.apis.htsget import plan
from rnaget_server.apis.htsget.compact import chunks_in, chunks_text, regions_in, regions_text
from rnaget_server.reads.files import Region
from tests.apis.htsget.conftest import READS_ID, fetched, ticket_of
from tests.reads.files import overlaps, run, sam_interval

MOST = 4_096


def regions_of(seed: int, number: int, length: int) -> list[Region]:
    draw = random.Random(seed)
    names = {"chr1": 3_000_000, "chr2": 400_000}
    starts = [(name, draw.randrange(names[name])) for name in draw.choices(list(names), k=number)]
    return [Region(name, start, start + draw.randrange(1, length)) for name, start in starts]


def posted(regions: list[Region]) -> list[dict[str, Any]]:
    return [{"referenceName": region.reference, "start": region.start, "end": region.end} for region in regions]


def remote(ticket: dict[str, Any]) -> list[str]:
    return [url["url"] for url in ticket["urls"] if not url["url"].startswith("data:")]


def within(bam: Path, regions: list[Region]) -> list[bytes]:
    """The lines of a file that overlap regions."""
    lines = [(line, sam_interval(line)) for line in run("samtools", "view", bam).splitlines()]
    return [line for line, interval in lines if any(overlaps(interval, region) for region in regions)]


@pytest.mark.parametrize("kind", ["reads", "variants"])
@pytest.mark.parametrize("number", [1, 40, 5_000])
def test_many_regions(
    no_inline: TestClient,
    files: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    kind: str,
    number: int,
) -> None:
    asked = regions_of(number, number, 60)
    whole = ticket_of(no_inline, f"/{kind}/{READS_ID}", regions=posted(asked))
    monkeypatch.setattr(plan, "_MOST_MADE", 0)
    ticket = ticket_of(no_inline, f"/{kind}/{READS_ID}", regions=posted(asked))
    assert all(len(url) < MOST for url in remote(ticket))
    # What is made is not in the ticket, but for the ends of header and file.
    assert sum(len(url["url"]) for url in ticket["urls"] if url["url"].startswith("data:")) < 4_000
    sent = fetched(no_inline, ticket)
    assert gzip.decompress(sent) == gzip.decompress(fetched(no_inline, whole))
    if kind == "reads" and number == 40:
        (tmp_path / "sent.bam").write_bytes(sent)
        run("samtools", "quickcheck", tmp_path / "sent.bam")
        got = run("samtools", "view", tmp_path / "sent.bam").splitlines()
        assert set(within(files["BAM"], asked)) <= set(got) and len(set(got)) == len(got)


@pytest.mark.parametrize("format", ["BAM", "CRAM"])
def test_many_ranges_of_the_file(no_inline: TestClient, format: str) -> None:
    asked = posted(regions_of(3, 5_000, 2_000))
    ticket = ticket_of(no_inline, f"/reads/{READS_ID}", format=format, regions=asked)
    assert all(len(url) < MOST for url in remote(ticket))


@pytest.mark.parametrize("number", [1, 40, 400])
def test_regions_with_fields(no_inline: TestClient, files: dict[str, Path], tmp_path: Path, number: int) -> None:
    asked = regions_of(number, number, 600)
    ticket = ticket_of(no_inline, f"/reads/{READS_ID}", regions=posted(asked), fields=["QNAME"], notags=["NM"])
    assert all(len(url) < MOST for url in remote(ticket))
    (tmp_path / "sent.bam").write_bytes(fetched(no_inline, ticket))
    if number == 400:
        return
    names = {line.split(b"\t")[0] for line in run("samtools", "view", tmp_path / "sent.bam").splitlines()}
    assert {line.split(b"\t")[0] for line in within(files["BAM"], asked)} <= names


def test_more_than_a_url_can_have_is_refused_in_words(no_inline: TestClient) -> None:
    regions = posted(regions_of(5, 5_000, 200))
    reply = no_inline.post(f"/reads/{READS_ID}", json={"regions": regions, "fields": ["QNAME"]})
    assert (reply.status_code, reply.json()["htsget"]["error"]) == (413, "PayloadTooLarge")
    assert "fields" in reply.json()["htsget"]["message"] and "regions" in reply.json()["htsget"]["message"]
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    tags = [first + second for first in letters for second in letters]
    random.Random(1).shuffle(tags)
    reply = no_inline.post(f"/reads/{READS_ID}", json={"tags": tags})
    assert (reply.status_code, reply.json()["htsget"]["error"]) == (413, "PayloadTooLarge")
    assert "tags" in reply.json()["htsget"]["message"]
    assert all(len(url) < MOST for url in remote(ticket_of(no_inline, f"/reads/{READS_ID}", tags=tags[:200])))


@pytest.mark.parametrize(
    "regions, same",
    [
        (None, None),
        ([Region("*")], [Region("*", 0, None)]),
        ([Region("a", 5, 5)], [Region("a", 0, 0)]),
        (
            [Region("b", 10, 20), Region("a"), Region("b", 15, 30), Region("b", 2**32 - 2), Region("é\n", 0, 1)],
            [Region("a", 0), Region("é\n", 0, 1), Region("b", 10, 30), Region("b", 2**32 - 2)],
        ),
    ],
)
def test_regions_as_text(regions: list[Region] | None, same: list[Region] | None) -> None:
    assert regions_in(regions_text(regions)) == same


def test_chunks_as_text() -> None:
    chunks = [(0, 1), (1, 300), (1 << 60, (1 << 60) + 5)]
    assert chunks_in(chunks_text(chunks)) == chunks
    for text in ("", "abc", "A" * 50, chunks_text(chunks)[:-6]):
        with pytest.raises(ValueError):
            assert not chunks_in(text)
            raise ValueError
