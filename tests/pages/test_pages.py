"""The pages for people, over the demo catalogue and over catalogues with something wrong."""

from __future__ import annotations

import html
import itertools
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from rnaget_server.datasets.repository import Repository, View, open_repository
from rnaget_server.delivery.formats import Formats
from rnaget_server.pages.pages import create_pages
from rnaget_server.pages.site import Site
from rnaget_server.plugins import WRITERS, Registry
from rnaget_server.settings import Settings
from rnaget_server.web import PAGE_HEADERS
from tests.conftest import ROOT, import_matrix

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
FEATURE = "ENSG00000177757"
PAGES = (
    "/",
    "/studies/marioni",
    "/matrices/marioni_counts",
    "/matrices/marioni_counts?Tissue=Liver",
    "/matrices/marioni_counts/values?attribute=Tissue",
)


class Client(FlaskClient):
    """A client that reads every reply to its end, so that no file stays open."""

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        return super().open(*args, **{**kwargs, "buffered": True})


def client_of(data: Path, **settings: Any) -> FlaskClient:
    pages = create_pages(site_of(data, **settings))
    pages.test_client_class = Client
    return pages.test_client()


def site_of(data: Path, **settings: Any) -> Site:
    given = Settings(data=data, reload_seconds=0, **settings)
    formats = Formats(Registry(WRITERS))
    return Site(open_repository(given), formats, given)


@pytest.fixture
def client(demo: Path) -> FlaskClient:
    return client_of(demo)


@pytest.fixture
def catalogue(tmp_path: Path) -> Callable[[dict[str, str]], FlaskClient]:
    """Give a client for a catalogue written from file names and texts."""

    def written(files: dict[str, str]) -> FlaskClient:
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return client_of(tmp_path)

    return written


def test_landing_page_says_what_the_catalogue_says(client: FlaskClient, view: View) -> None:
    page = client.get("/", headers=BROWSER)
    catalog = view.catalog
    assert page.status_code == 200
    assert page.mimetype == "text/html"
    text = html.unescape(page.text)
    assert catalog.service.name in text
    for study in catalog.studies.values():
        assert f'<a href="/studies/{study.id}">{study.name}</a>' in text
        assert (study.genome or "") in text
    for tracks in catalog.track_sets.values():
        assert f'<a href="/tracks/{tracks.id}">{tracks.name}</a>' in text
    for study in (study for study in catalog.studies.values() if study.read_sets):
        assert f'<a href="/studies/{study.id}#reads">1 set of reads or variants</a>' in text
    for matrix in catalog.matrices.values():
        store = view.stores.open(matrix)
        assert f'<a href="/matrices/{matrix.id}">{matrix.name}</a>' in text
        assert f"{store.shape[0]:,} features × {store.shape[1]:,} samples, {', '.join(store.units)}" in text
    assert all(name in text for name in ("tsv", "loom", "json", "h5ad"))
    assert '<form class="search suggests" role="search" action="/search"' in text


def test_a_page_of_queries_names_this_host_and_real_ids(client: FlaskClient) -> None:
    base = "https://rna.example.org"
    text = html.unescape(client.get("/matrices/marioni_counts", base_url=base).text)
    feature = f"{base}/rnaget/expressions/marioni_counts/bytes?featureIDList={FEATURE}&format=tsv"
    assert f"curl '{feature}'" in text
    assert f'url = "{feature}"' in text
    assert f'url <- "{feature}"' in text
    assert f"featureIDList={FEATURE}&Tissue=Kidney&format=tsv" in text
    first = html.unescape(client.get("/", base_url=base).text)
    assert first.count("curl '") == 1
    assert f"curl '{feature}'" in first


@pytest.mark.parametrize("host", ["a'b$(id)", "<x>", "a b"])
def test_a_host_that_is_none_is_refused(client: FlaskClient, host: str) -> None:
    assert client.get("/", headers={"Host": host}).status_code == 400


def test_first_queries_name_the_public_address_where_one_is_set(demo: Path) -> None:
    page = client_of(demo, public_url="https://data.example.org/rna").get("/")
    assert "https://data.example.org/rna/rnaget/expressions/marioni_counts/bytes" in page.text
    assert 'href="/rna/docs"' in page.text
    assert 'href="/rna/static/site.css"' in page.text
    assert 'href="/rna/studies/marioni"' in page.text


def test_no_query_is_offered_that_would_be_refused(demo: Path) -> None:
    refused = client_of(demo, max_cells=1000).get("/matrices/marioni_counts").text
    assert "One feature in all samples" in refused
    assert "Title: The whole matrix" not in refused
    assert ">The whole matrix</h3>" not in refused
    for path in ("/", "/matrices/marioni_counts"):
        assert "curl '" not in client_of(demo, switched_off=("expressions",)).get(path).text


@pytest.fixture
def with_damage(demo: Path, view: View) -> FlaskClient:
    """A client of a catalogue with a matrix whose file is damaged, and one that can be read."""
    good = view.catalog.matrices["marioni_counts"]
    study = view.catalog.studies[good.study_id].path
    (study.parent / "damaged.h5").write_bytes(b"\x89HDF\r\n\x1a\n and then nothing")
    with study.open("a", encoding="utf-8") as file:
        file.write(
            f"  - {{id: damaged, file: damaged.h5, units: TPM, feature_id: {good.feature_id}, "
            f"sample_id: {good.sample_id}}}\n"
        )
    return client_of(demo)


def test_matrix_that_cannot_be_read_is_unavailable_and_the_others_are_not(with_damage: FlaskClient, demo: Path) -> None:
    first, study, damaged, other = (
        with_damage.get(path, headers=BROWSER)
        for path in ("/", "/studies/marioni", "/matrices/damaged", "/matrices/marioni_counts")
    )
    assert [page.status_code for page in (first, study, damaged, other)] == [200, 200, 503, 200]
    assert first.text.count("temporarily unavailable") == 1
    assert study.text.count("Temporarily unavailable") == 1
    assert "<h1>Temporarily unavailable</h1>" in damaged.text
    assert int(damaged.headers["Retry-After"]) > 0
    for page in (first, study, other):
        assert "5,088 features × 10 samples" in page.text
    for page in (first, study, damaged):
        assert str(demo) not in page.text


def test_text_of_the_catalogue_is_escaped(catalogue: Callable[[dict[str, str]], FlaskClient]) -> None:
    client = catalogue(
        {
            "catalog.yaml": "id: x\nname: <script>alert(1)</script>\n"
            "organization: {name: 'A & B', url: 'javascript:alert(1)'}\ncontact_url: 'data:text/html,x'\n"
        }
    )
    text = client.get("/").text
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "A &amp; B" in text
    assert 'href="javascript' not in text
    assert 'href="data:' not in text


def test_long_catalogues_are_paged(catalogue: Callable[[dict[str, str]], FlaskClient]) -> None:
    files = {"catalog.yaml": "id: x\nname: Many\n", "p/project.yaml": "id: p\n", "q/project.yaml": "id: lonely\n"}
    files |= {f"p/s{number:03}/study.yaml": f"id: study{number:03}\n" for number in range(120)}
    client = catalogue(files)
    pages = [client.get(f"/?page={number}") for number in range(1, 6)]
    assert [page.status_code for page in pages] == [200] * 5
    shown = [re.findall(r'<li class="card" id="study-study(\d+)"', page.text) for page in pages]
    assert [len(studies) for studies in shown] == [24] * 5
    assert [number for studies in shown for number in studies] == [f"{number:03}" for number in range(120)]
    assert "Page 2 of 5" in pages[1].text
    assert 'rel="next"' not in pages[4].text
    assert ["lonely" in page.text for page in pages] == [False] * 4 + [True]


@pytest.mark.parametrize("number", ["0", "2", "-1", "x", "", "1e3", "1.0", "9" * 30, "9" * 5000])
def test_pages_that_do_not_exist_are_not_found(client: FlaskClient, number: str) -> None:
    assert client.get("/", query_string={"page": number}).status_code == 404


def test_empty_catalogue_has_a_page(catalogue: Callable[[dict[str, str]], FlaskClient]) -> None:
    page = catalogue({"catalog.yaml": "id: x\nname: Empty\n"}).get("/")
    assert page.status_code == 200
    assert "nothing in the catalogue yet" in page.text


@pytest.mark.parametrize(
    ("path", "type", "start"),
    [
        ("/favicon.svg", "image/svg+xml", "<svg"),
        ("/favicon.ico", "image/svg+xml", "<svg"),
        ("/robots.txt", "text/plain", "User-agent"),
        ("/healthz", "text/plain", "ok"),
        ("/readyz", "text/plain", "ready"),
        ("/docs", "text/html", "<!doctype html>"),
        ("/docs/", "text/html", "<!doctype html>"),
        ("/static/docs.js", "text/javascript", '"use strict"'),
        ("/static/site.js", "text/javascript", '"use strict"'),
        ("/static/site.css", "text/css", ":root"),
    ],
)
def test_files_and_checks(client: FlaskClient, path: str, type: str, start: str) -> None:
    reply = client.get(path)
    assert (reply.status_code, reply.mimetype) == (200, type)
    assert reply.text.startswith(start)
    head = client.head(path)
    assert head.status_code == 200
    assert head.data == b""


@pytest.mark.parametrize("path", ["/static/site.css", "/favicon.svg"])
def test_parts_of_files(client: FlaskClient, path: str) -> None:
    whole = client.get(path).data
    part = client.get(path, headers={"Range": "bytes=2-5"})
    assert (part.status_code, part.data) == (206, whole[2:6])
    assert part.headers["Content-Range"] == f"bytes 2-5/{len(whole)}"
    assert client.get(path, headers={"Range": f"bytes={len(whole)}-"}).status_code == 416
    for range in ("bytes=2-5,7-9", "bytes=5-2", "bytes=x", "lines=1-2", "bytes"):
        ignored = client.get(path, headers={"Range": range})
        assert (ignored.status_code, ignored.data) == (200, whole), range
    for range in ("bytes=2-5", f"bytes={len(whole)}-", "bytes=x"):
        head = client.head(path, headers={"Range": range})
        assert (head.status_code, head.data, head.content_length) == (200, b"", len(whole)), range
        assert "Content-Range" not in head.headers


@pytest.mark.parametrize(
    "path", [*PAGES, "/tracks/er", "/genes/ENSG00000187634", "/genes?ids=ENSG00000187634&matrix=marioni_counts"]
)
def test_a_page_is_of_one_catalogue(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    pages = create_pages(site_of(ROOT / "data"))
    whole = open_repository(Settings(data=ROOT / "data", reload_seconds=0)).visible_to()
    emptied = replace(whole, catalog=replace(whole.catalog, projects={}, genomes={}))
    looks = iter([whole])
    # What is removed while a page is made.
    monkeypatch.setattr(Repository, "visible_to", lambda *_: next(looks, emptied))
    assert pages.test_client().get(path, headers=BROWSER).status_code == 200


def test_every_address_in_a_page_is_served(client: FlaskClient) -> None:
    for page in (*PAGES, "/docs", "/nothing"):
        text = client.get(page, headers=BROWSER).text
        for address in re.findall(r'(?:href|src)="([^"]+)"', text):
            if address.startswith(("/rnaget", "/files", "http", "mailto:", "#")):
                continue
            assert client.get(html.unescape(address)).status_code == 200, address


def test_nothing_comes_from_elsewhere(client: FlaskClient) -> None:
    for page in (*PAGES[1:], "/docs", "/nothing"):
        text = client.get(page, headers=BROWSER).text
        assert not re.search(r'(?:src|href)="(?:https?:)?//', text)
        assert "<style" not in text
        assert not re.search(r"<script(?![^>]* src=)", text)
        assert not re.search(r"\son\w+=", text)


@pytest.mark.parametrize("path", [*PAGES, "/docs", "/healthz", "/nothing", "/static/site.js"])
def test_every_reply_has_the_security_headers(client: FlaskClient, path: str) -> None:
    headers = client.get(path, headers=BROWSER).headers
    assert {name: headers[name] for name in PAGE_HEADERS} == dict(PAGE_HEADERS)
    assert "unsafe-inline" not in headers["Content-Security-Policy"]


def test_unknown_address_is_a_page_for_browsers_and_json_for_programs(client: FlaskClient) -> None:
    page = client.get("/nothing", headers=BROWSER)
    assert (page.status_code, page.mimetype) == (404, "text/html")
    assert "Nothing here" in page.text
    for headers in ({}, {"Accept": "*/*"}, {"Accept": "application/json"}):
        reply = client.get("/nothing", headers=headers)
        assert (reply.status_code, reply.mimetype) == (404, "application/json")
        assert list(reply.get_json()) == ["message"]


def test_base_address_of_the_api_leads_to_the_data(client: FlaskClient) -> None:
    reply = client.get("/rnaget")
    assert (reply.status_code, reply.headers["Location"]) == (302, "/")


def test_pages_are_only_for_reading(client: FlaskClient) -> None:
    reply = client.post("/", headers=BROWSER)
    assert reply.status_code == 405
    assert "GET" in reply.headers["Allow"]


def test_a_mistake_of_ours_tells_nothing(demo: Path) -> None:
    pages = create_pages(site_of(demo))

    @pages.get("/fails")
    def fails() -> str:
        raise RuntimeError("secret of /etc")

    reply = pages.test_client().get("/fails", headers=BROWSER)
    assert reply.status_code == 500
    assert "secret" not in reply.text
    assert "Something went wrong" in reply.text


@pytest.mark.parametrize("page", [*PAGES, "/docs", "/nothing"])
def test_pages_can_be_read_by_assistive_software(client: FlaskClient, page: str) -> None:
    text = client.get(page, headers=BROWSER).text
    assert '<html lang="en">' in text
    assert re.search(r"<title>[^<]+</title>", text)
    assert 'href="#main"' in text
    assert text.count("<main") == text.count("<h1") == 1
    levels = [int(level) for level in re.findall(r"<h([1-6])", text)]
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    ids = re.findall(r'\sid="([^"]+)"', text)
    assert len(set(ids)) == len(ids)
    assert set(re.findall(r'aria-labelledby="([^"]+)"', text)) <= set(ids)
    assert all("alt=" in image for image in re.findall(r"<img[^>]*>", text))


def test_a_card_has_the_first_sentence_and_well_known_genes_are_examples(
    catalogue: Callable[[dict[str, str]], FlaskClient], tmp_path: Path
) -> None:
    words = "word " * 100
    client = catalogue(
        {
            "catalog.yaml": "id: x\nname: Cards\n",
            "p/project.yaml": "id: p\n",
            "p/a/study.yaml": "id: a\ndescription: One sentence (vs. none). Another one.\n",
            "p/b/study.yaml": f"id: b\ndescription: {words}\n",
            "genes.tsv": "id\tname\nE1\tALB\nE2\tXYZ\nE3\tGAPDH\n",
            "cells.tsv": "id\ts1\nE1\t1\nE2\t2\nE3\t3\n",
            "none.tsv": "id\ts1\nq/1\t1\n",
        }
    )
    assert 'class="examples"' not in client.get("/").text
    import_matrix(tmp_path, tmp_path / "none.tsv", "--id", "none", "--units", "TPM", study="a")
    assert '<a href="/genes/q%2F1">q/1</a>' in client_of(tmp_path).get("/").text
    genes = ("--features", str(tmp_path / "genes.tsv"), "--feature-name", "name")
    import_matrix(tmp_path, tmp_path / "cells.tsv", "--id", "named", "--units", "TPM", *genes, study="b")
    text = client_of(tmp_path).get("/").text
    examples = re.findall(r'<a href="(/genes/[^"]*)">([^<]*)</a>', text)
    assert examples == [("/genes/GAPDH", "GAPDH"), ("/genes/ALB", "ALB")]
    lines = [re.sub(r"\s+", " ", line) for line in re.findall(r"</h3>\s*<p>([^<]*)</p>", text)]
    assert lines == ["One sentence (vs. none).", "word " * 32 + "…"]


def test_the_first_page_opens_no_more_files_than_it_shows(
    catalogue: Callable[[dict[str, str]], FlaskClient], tmp_path: Path
) -> None:
    matrices = "".join(
        f"  - {{id: m{{study}}_{number}, file: gone{number}.h5, units: TPM, feature_id: id, sample_id: id}}\n"
        for number in range(10)
    )
    files = {"catalog.yaml": "id: x\nname: Many\n", "p/project.yaml": "id: p\n"}
    for study in range(40):
        entries = matrices.replace("{study}", str(study))
        files[f"p/s{study:02}/study.yaml"] = f"id: s{study:02}\nexpressions:\n{entries}"
    site = site_of((catalogue(files), tmp_path)[1])
    opened: list[str] = []
    original = site.view.stores.open

    def counted(matrix: Any, cancellation: Any = None) -> Any:
        opened.append(matrix.id)
        return original(matrix, cancellation)

    site.repository.stores.open = counted  # type: ignore[method-assign]
    page = create_pages(site).test_client().get("/")
    assert page.text.count("temporarily unavailable") == 24 * 3
    assert len(set(opened)) == 24 * 3
    assert "7 further matrices" in page.text
