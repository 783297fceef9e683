"""The page of a set of signal tracks as it is without scripts: regions, values, samples, and ways to the data."""

from __future__ import annotations

import html
import json
import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyBigWig
import pytest
from flask.testing import FlaskClient
from starlette.testclient import TestClient

from rnaget_server.pages.pages import create_pages
from rnaget_server.pages.site import Site
from rnaget_server.web import Library
from tests.conftest import client_of
from tests.pages.test_pages import site_of
from tests.pages.tracked import LETTERS, write_tracked

Pages = Callable[..., FlaskClient]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, shared_data: Path) -> Path:
    return write_tracked(tmp_path_factory.mktemp("tracked") / "data", shared_data)


@pytest.fixture(scope="module")
def client(data: Path) -> FlaskClient:
    return create_pages(site_of(data)).test_client()


@pytest.fixture(scope="module")
def server(data: Path) -> Iterator[TestClient]:
    yield from client_of(data)


def text_of(client: FlaskClient, path: str, status: int = 200) -> str:
    page = client.get(path)
    assert page.status_code == status, page.text
    return page.text


def table_of(text: str) -> tuple[list[str], list[list[str]]]:
    """Return the samples, and the rows of the table of values."""
    table = re.search(r'<table class="bins">.*?</table>', text, re.S)
    assert table is not None
    head, *rows = re.findall(r"<tr>(.*?)</tr>", table[0], re.S)
    cells = r"<t[hd][^>]*>(.*?)</t[hd]>"
    return re.findall(cells, head)[1:], [re.findall(cells, row) for row in rows]


def view_of(text: str) -> dict[str, Any]:
    found = re.search(r'data-view="([^"]*)"', text)
    assert found is not None
    view: dict[str, Any] = json.loads(html.unescape(found[1]))
    return view


def test_the_page_says_what_the_set_is(client: FlaskClient) -> None:
    text = text_of(client, "/tracks/signal")
    assert "Signal &lt;b&gt;of g&lt;/b&gt;" in text
    assert "<script>alert" not in text
    for fact in ("coverage", "CC0", "2 tracks", "Small genome", "A small study", "30,000 bases"):
        assert fact in text
    assert 'href="/studies/small"' in text
    assert 'href="/genomes/g"' in text


@pytest.mark.parametrize("region", ["1:1001-9000", "chr1:1,001-9,000"])
def test_the_table_has_the_mean_of_each_bin(client: FlaskClient, data: Path, region: str) -> None:
    samples, rows = table_of(text_of(client, f"/tracks/signal?region={region}"))
    assert samples == ["S1", "S2"]
    for column, name in enumerate(("s1.bw", "s2.bw"), 1):
        with pyBigWig.open(str(data / "p" / "small" / name)) as file:
            expected = [
                (start, math.fsum(file.values("1", start, start + 400)) / 400) for start in range(1000, 9000, 400)
            ]
        shown = [(int(row[0].replace(",", "")) - 1, float(row[column])) for row in rows]
        assert shown == [(start, pytest.approx(mean, rel=1e-5)) for start, mean in expected]


def test_bins_without_data_are_empty(client: FlaskClient) -> None:
    _, rows = table_of(text_of(client, "/tracks/signal?region=1:19001-21000"))
    assert all(float(row[1]) > 0 for row in rows[:10])
    assert {cell for row in rows[10:] for cell in row[1:]} == {"–"}
    _, rows = table_of(text_of(client, "/tracks/er_zero?region=chr18:1000001-1050000"))
    assert {cell for row in rows for cell in row[1:]} == {"0"}


def test_a_region_without_a_name_has_data(client: FlaskClient) -> None:
    text = text_of(client, "/tracks/er")
    samples, rows = table_of(text)
    assert samples == ["ER1", "ER2", "ER3", "input"]
    assert rows[0][1] != "–"
    assert len(table_of(text_of(client, "/tracks/positions"))[1]) > 0


@pytest.mark.parametrize("name", ["ABC1", "G1", "T1"])
def test_a_gene_leads_to_its_region(client: FlaskClient, name: str) -> None:
    text = text_of(client, f"/tracks/signal?region={name}")
    assert 'data-region="1:801-3200"' in text
    assert "Region of ABC1" in text


@pytest.mark.parametrize(
    ("region", "status", "words"),
    [
        ("ABC11", 404, "did you mean ABC1"),
        ("chr9:1-100", 404, "chromosome"),
        ("1:100-1", 400, "the end is not before the start"),
        ("1:0-10", 400, "the first base is 1"),
        (f"1:{len(LETTERS) + 1}-99999999", 400, "which has 30,000 bases"),
        ("1:x-y", 400, "write it like chr1:1001-2000"),
        ("%3Cscript%3Ealert(1)%3C/script%3E", 404, "&lt;script&gt;"),
        ("A" * 301, 400, "at most 300 letters"),
    ],
)
def test_what_is_no_region_is_said_on_the_page(client: FlaskClient, region: str, status: int, words: str) -> None:
    text = text_of(client, f"/tracks/signal?region={region}", status)
    assert words in text
    assert "<script>alert" not in text
    assert "data-view" not in text
    assert 'name="region"' in text


def test_samples_are_chosen_by_the_address(client: FlaskClient) -> None:
    text = text_of(client, "/tracks/er?region=chr18:76940001-76990000&sample=input&sample=ER2")
    assert table_of(text)[0] == ["input", "ER2"]
    assert [track["name"] for track in view_of(text)["tracks"]] == ["input", "ER2"]
    assert "sampleIDList=input%2CER2" in text
    assert "did you mean" in text_of(client, "/tracks/er?sample=ER9", 404)
    assert "reads" in text_of(client, "/tracks/signal?reads=other", 404)
    assert "fewer" in text_of(client, "/tracks/er?" + "&sample=ER1" * 51, 400)


def test_reads_of_the_study_are_beside(client: FlaskClient) -> None:
    assert view_of(text_of(client, "/tracks/signal"))["reads"] == [{"name": "Reads of S1", "url": "/reads/run/r"}]
    assert view_of(text_of(client, "/tracks/signal?sample=S1"))["reads"] == []
    alone = view_of(text_of(client, "/tracks/signal?reads=run/r"))
    assert (len(alone["reads"]), alone["tracks"]) == (1, [])


def test_the_browser_reads_from_this_server_alone(client: FlaskClient, server: TestClient) -> None:
    view = view_of(text_of(client, "/tracks/signal"))
    assert server.get(view["sizes"]).text == "1\t30000\n2\t500\n"
    assert server.get(view["tracks"][0]["file"], headers={"Range": "bytes=0-3"}).status_code == 206
    assert view["genome"] == {"id": "g", "sequences": {"1": "chr1"}, "root": ""}
    assert server.get("/sequence/g:chr1?start=10&end=20").text == LETTERS[10:20]
    zero = view_of(text_of(client, "/tracks/er_zero"))
    assert zero["tracks"][0] == {"name": "ER1", "regions": "/rnaget/continuous/er_zero/bytes"}
    assert "genome" not in zero


def test_every_way_to_a_file_is_answered(client: FlaskClient, server: TestClient, data: Path) -> None:
    text = text_of(client, "/tracks/er?region=chr18:76940001-76945000&sample=ER1")
    links = dict(re.findall(r'<a href="([^"]*)" data-of-region download><span class="format">([^<]*)</span>', text))
    assert set(links.values()) >= {"tsv", "bigwig", "bedgraph", "json", "loom"}
    for link in links:
        reply = server.get(html.unescape(link))
        assert reply.status_code == 200, link
        assert reply.content
    whole = re.findall(r'<a href="([^"]*)" download>34,549 bytes', text)
    assert server.get(whole[0]).content == (data / "p" / "mcf7" / "Chr18_MCF7_ER_1.bw").read_bytes()


def test_a_long_region_is_offered_in_bins(data: Path, client: FlaskClient, server: TestClient) -> None:
    text = text_of(client, "/tracks/er?region=chr18&sample=ER1&sample=ER2")
    assert "about, from the zoom levels" in text
    link = re.search(r'<a href="([^"]*)" data-of-region download><span class="format">tsv<', text)
    assert link is not None and "bins=1000" in link[1]
    limited = create_pages(site_of(data, max_cells=1000)).test_client()
    few = re.search(r"bins=(\d+)&amp;format=tsv", text_of(limited, "/tracks/er?region=chr18&sample=ER1&sample=ER2"))
    assert few is not None and int(few[1]) == 500


def test_a_set_that_cannot_be_read_says_so(client: FlaskClient) -> None:
    text = text_of(client, "/tracks/broken", 503)
    assert "Temporarily unavailable" in text
    assert "cut.bw" not in text
    assert client.get("/tracks/broken/chrom.sizes").status_code == 503


def test_a_damaged_file_is_named_and_the_others_are_shown(shared_data: Path, tmp_path: Path) -> None:
    data = write_tracked(tmp_path / "data", shared_data)
    client = create_pages(site_of(data)).test_client()
    path = data / "p" / "mcf7" / "Chr18_MCF7_ER_2.bw"
    with pyBigWig.open(str(path)) as file:
        assert file.stats("chr18", 76_940_000, 76_990_000)[0] > 0
    text_of(client, "/tracks/er?region=chr18:76940001-76990000")
    content = bytearray(path.read_bytes())
    content[600:-600] = b"\xff" * (len(content) - 1200)
    path.write_bytes(content)
    text = text_of(client, "/tracks/er?region=chr18:76940001-76990000")
    assert "The files of ER2 cannot be read" in text
    _, rows = table_of(text)
    assert {row[2] for row in rows} == {"unreadable"}
    assert all(float(row[1]) >= 0 for row in rows)
    assert str(data) not in text


def test_an_unknown_set_is_not_found(client: FlaskClient) -> None:
    page = client.get("/tracks/signals", headers={"Accept": "text/html"})
    assert page.status_code == 404 and "did you mean &#39;signal&#39;?" in page.text
    assert client.get("/tracks/signals/chrom.sizes").status_code == 404


def test_settings_of_the_provider_are_respected(data: Path) -> None:
    hidden = text_of(create_pages(site_of(data, switched_off=("continuous",))).test_client(), "/tracks/signal")
    assert "does not offer" in hidden
    assert "data-view" not in hidden and '<table class="bins">' not in hidden and "/files/" not in hidden
    keys = ("a" * 32,)
    tickets = create_pages(site_of(data, require_tickets=True, ticket_keys=keys)).test_client()
    text = text_of(tickets, "/tracks/signal")
    assert view_of(text)["tracks"][0] == {"name": "S1", "regions": "/rnaget/continuous/signal/ticket"}
    assert "data-of-region" not in text and "/files/" not in text


def test_without_igv_the_table_is_shown_and_what_to_install(data: Path) -> None:
    site = site_of(data)
    without = Site(site.repository, site.formats, site.settings, {"igv": Library("no-such-package", "x.js")})
    text = text_of(create_pages(without).test_client(), "/tracks/signal")
    assert "rnaget-server[pages]" in text
    assert "data-view" not in text
    assert len(table_of(text)[1]) == 20


def test_many_samples_are_paged(shared_data: Path, tmp_path: Path) -> None:
    data = write_tracked(tmp_path / "data", shared_data)
    tracks = "".join(f"      - {{sample: T{number}, file: s1.bw}}\n" for number in range(230))
    study = data / "p" / "small" / "study.yaml"
    study.write_text(
        study.read_text().replace("reads:\n", f"  - id: many\n    units: x\n    tracks:\n{tracks}reads:\n")
    )
    client = create_pages(site_of(data)).test_client()
    text = text_of(client, "/tracks/many")
    assert len(table_of(text)[0]) == 8
    assert text.count('name="sample"') == 100
    last = text_of(client, "/tracks/many?page=3&sample=T1")
    assert last.count('name="sample"') == 30
    assert table_of(last)[0] == ["T1"]
    for page in ("0", "4", "x", "", "9" * 30):
        text_of(client, f"/tracks/many?page={page}", 404)


def test_links_keep_the_path_of_a_proxy(data: Path) -> None:
    client = create_pages(site_of(data, public_url="https://x.example.org/rna")).test_client()
    text = text_of(client, "/tracks/signal")
    view = view_of(text)
    assert view["sizes"] == "/rna/tracks/signal/chrom.sizes"
    assert view["tracks"][0]["file"].startswith("/rna/files/")
    assert "curl 'https://x.example.org/rna/rnaget/continuous/signal/bytes?" in html.unescape(text)
    assert not re.search(r'(?:href|src)="/(?!rna/)', text)
