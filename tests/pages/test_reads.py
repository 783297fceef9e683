"""The lists of alignments and variants: for browsers alone, with what leads from there to where they are drawn."""

from __future__ import annotations

import html
from collections.abc import Iterator

import pysam
import pytest
from starlette.testclient import TestClient

from rnaget_server.app import create_app
from rnaget_server.settings import Settings
from tests.conftest import ROOT, import_matrix
from tests.pages.test_pages import BROWSER


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A server with one BAM, in the study of a set of tracks."""
    directory = tmp_path_factory.mktemp("reads")
    with pysam.AlignmentFile(
        str(directory / "a.bam"), "wb", header={"HD": {"SO": "coordinate"}, "SQ": [{"SN": "chr1", "LN": 900}]}
    ):
        pass
    pysam.index(str(directory / "a.bam"))
    data = directory / "data"
    (directory / "t.bedgraph").write_text("chr1\t0\t9\t1.5\n", encoding="utf-8")
    (directory / "sizes").write_text("chr1\t900\n", encoding="utf-8")
    sizes = ("--chrom-sizes", str(directory / "sizes"))
    import_matrix(data, directory / "t.bedgraph", "--id", "t", "--units", "x", *sizes, study="both")
    import_matrix(data, directory / "a.bam", "--id", "run7/a", "--name", "Run <b>", study="both")
    with TestClient(create_app(Settings(data=data, reload_seconds=0))) as client:
        yield client


def test_reads_are_listed_by_study_for_browsers(client: TestClient) -> None:
    reply = client.get("/reads", headers=BROWSER)
    text = html.unescape(reply.text)
    assert reply.status_code == 200 and reply.headers["Vary"].startswith("Accept")
    assert '<a href="/studies/both">both</a>' in text
    assert "samtools view -h http://testserver/reads/run7/a" in text and ">Run <b><" in text and "<b>" not in reply.text
    assert '<a href="/tracks/t?reads=run7/a">' in text
    drawn = client.get("/tracks/t?reads=run7/a", headers=BROWSER)
    assert drawn.status_code == 200 and 'value="run7/a" checked' in drawn.text
    assert '<a href="/reads">' in client.get("/", headers=BROWSER).text


def test_kinds_have_pages_of_their_own(client: TestClient) -> None:
    reply = client.get("/variants", headers=BROWSER)
    assert reply.status_code == 200 and "There are none on this server" in reply.text and "run7/" not in reply.text
    assert client.get("/reads?page=2", headers=BROWSER).status_code == 404


@pytest.mark.parametrize("accept", ["*/*", "application/json", "application/vnd.ga4gh.htsget.v1.3.0+json, text/html"])
def test_programs_are_answered_by_htsget(client: TestClient, accept: str) -> None:
    for reply in (client.get("/reads", headers={"Accept": accept}), client.post("/reads", json={}, headers=BROWSER)):
        assert (reply.status_code, reply.json()["htsget"]["error"]) == (404, "NotFound")


def test_the_demo_has_its_reads_there() -> None:
    with TestClient(create_app(Settings(data=ROOT / "data", reload_seconds=0))) as client:
        assert "na12878_chrM" in client.get("/reads", headers=BROWSER).text
