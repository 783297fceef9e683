"""A genome for genome browsers: sizes of sequences, and genes of a region with their exons."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from rnaget_server.cli.new import write_new_catalog
from tests.conftest import client_of
from tests.importers.sequences.annotated import run_import

BROWSER = {"Accept": "text/html"}
LETTERS = "ACGT" * 10_000
GENES = """##gff-version 3
chr1 x gene 101 400 . - . ID=gene:G1;Name=AB1;biotype=protein_coding
chr1 x mRNA 101 400 . - . ID=transcript:T1;Parent=gene:G1
chr1 x exon 101 400 . - . Parent=transcript:T1
chr1 x mRNA 201 400 . - . ID=transcript:T2;Parent=gene:G1;tag=MANE_Select
chr1 x exon 301 400 . - . Parent=transcript:T2
chr1 x exon 201 260 . - . Parent=transcript:T2
chr1 x CDS 301 330 . - 0 ID=CDS:P2;Parent=transcript:T2;protein_id=P2
chr1 x CDS 240 260 . - 0 ID=CDS:P2;Parent=transcript:T2;protein_id=P2
chr1 x gene 1001 1100 . + . ID=gene:G2;Name=<b>CD</b>;biotype=lncRNA
"""
MANY = "".join(f"chr1 x gene {start} {start + 5} . + . ID=gene:M{start}\n" for start in range(20_001, 22_051, 10))


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    data: Path = tmp_path_factory.mktemp("genome") / "data"
    write_new_catalog(data)
    genome = {"chr1": LETTERS, "circle": "ACGTTGCA"}
    code, output = run_import(data, genome, GENES + MANY, "--circular", "circle", "--name", "G")
    assert code == 0, output
    yield from client_of(data)


def genes(client: TestClient, query: str, status: int = 200) -> Any:
    reply = client.get(f"/genomes/g/genes?{query}")
    assert reply.status_code == status, reply.text
    return reply.json()


def test_sizes(client: TestClient) -> None:
    reply = client.get("/genomes/g/chrom.sizes")
    assert reply.text == "chr1\t40000\ncircle\t8\n"
    assert reply.headers["content-type"].startswith("text/plain")
    assert client.get("/genomes/h/chrom.sizes").status_code == 404


def test_genes_have_the_exons_of_the_transcript_that_stands_for_them(client: TestClient) -> None:
    found = genes(client, "sequence=chr1&start=0&end=2000")
    assert {key: found[key] for key in ("genome", "sequence", "start", "end", "more")} == {
        "genome": "g",
        "sequence": "chr1",
        "start": 0,
        "end": 2000,
        "more": False,
    }
    first, second = found["genes"]
    assert first == {
        "id": "G1",
        "stable_id": "G1",
        "symbol": "AB1",
        "biotype": "protein_coding",
        "start": 100,
        "end": 400,
        "strand": "-",
        "transcript": "T2",
        "exons": [[200, 260], [300, 400]],
        "coding": [239, 330],
    }
    assert (second["id"], second["exons"], second["coding"], second["transcript"]) == ("G2", [], None, None)


@pytest.mark.parametrize(
    ("start", "end", "ids"),
    [(399, 400, ["G1"]), (400, 1000, []), (400, 1001, ["G2"]), (0, 100, []), (5, 5, []), (100, 101, ["G1"])],
)
def test_regions_are_counted_from_zero_without_their_end(
    client: TestClient, start: int, end: int, ids: list[str]
) -> None:
    found = genes(client, f"sequence=chr1&start={start}&end={end}")
    assert [gene["id"] for gene in found["genes"]] == ids


def test_of_very_many_genes_the_first_are_given(client: TestClient) -> None:
    found = genes(client, "sequence=chr1&start=20000")
    assert (len(found["genes"]), found["more"], found["end"]) == (200, True, 40_000)


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ("", 400, "sequence"),
        ("sequence=chr2", 404, "chrom.sizes"),
        ("sequence=chr1&start=x", 400, "start"),
        ("sequence=chr1&start=10&end=5", 400, "beyond"),
        ("sequence=chr1&start=50000", 400, "40000 letters"),
        ("sequence=chr1&begin=1", 400, "begin"),
    ],
)
def test_what_cannot_be_answered_is_refused(client: TestClient, query: str, status: int, words: str) -> None:
    assert words in genes(client, query, status)["message"]


def test_the_page_shows_the_genes_of_a_region(client: TestClient) -> None:
    page = client.get("/genomes/g?region=chr1:1-1,500", headers=BROWSER)
    assert page.status_code == 200
    assert 'href="/genes/G1"' in page.text and 'href="?region=chr1%3A101-400"' in page.text
    assert "<b>CD" not in page.text and "&lt;b&gt;CD" in page.text
    view = json.loads(html.unescape(re.findall(r'data-view="([^"]*)"', page.text)[0]))
    assert view["sizes"] == "/genomes/g/chrom.sizes"
    assert view["genome"]["sequences"] == {"chr1": "chr1", "circle": "circle"}
    assert 'data-region="chr1:71-430"' not in page.text
    # A gene has a tenth of its length beside it, and at least a hundred bases.
    assert 'data-region="chr1:1-500"' in client.get("/genomes/g?region=AB1", headers=BROWSER).text
    assert "up to 200 of them" in client.get("/genomes/g?region=chr1:20001-22050", headers=BROWSER).text


@pytest.mark.parametrize(("region", "status"), [("AB9", 404), ("chr1:5-1", 400), ("chr1:99999", 400), ("x" * 400, 400)])
def test_a_region_that_is_none_is_said_on_the_page(client: TestClient, region: str, status: int) -> None:
    page = client.get("/genomes/g", params={"region": region}, headers=BROWSER)
    assert page.status_code == status
    assert "<h1" in page.text and "Not found." in page.text and "data-view" not in page.text
