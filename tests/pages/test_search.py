"""The search page and its suggestions, over a catalogue with hostile names and over changed and lost files."""

from __future__ import annotations

import html
import re
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from flask.testing import FlaskClient
from starlette.testclient import TestClient

from rnaget_server.app import create_app
from rnaget_server.catalog import Catalog
from rnaget_server.cli.new import write_new_catalog
from rnaget_server.datasets.access import AccessPolicy
from rnaget_server.model.principal import Principal
from rnaget_server.pages.pages import create_pages
from rnaget_server.pages.site import Site
from rnaget_server.settings import Settings
from rnaget_server.slicing.search.service import SearchIndexes
from tests.apis.rnaget.test_genome_links import CONTIGS, GENES
from tests.conftest import import_matrix
from tests.importers.sequences.annotated import run_import
from tests.pages.test_pages import Client, site_of

TABLE = """id\tsymbol\tdescription\ts1\ts2
ENSG00000000001.5\tAB1\talpha beta one\t1\t2
ENSG00000000002.9\tX\treceptor of AB1\t2\t3
ENSG00000000003.1\t<script>alert(1)</script>\tc\t3\t4
g/1,2 ä\tLONG\td\t4\t5
"""
LONG = "L" * 300
SAMPLES = "id\tOrgan\ns1\tLeft liver & <b>bile</b>\ns2\tKidney\n"


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("search")
    data = directory / "data"
    write_new_catalog(data)
    code, output = run_import(data, CONTIGS, GENES)
    assert code == 0, output
    (directory / "samples.tsv").write_text(SAMPLES, encoding="utf-8")
    names = ("--feature-id", "id", "--feature-name", "symbol", "--label-columns", "3")
    for id, study, text in (("a", "one", TABLE), ("b", "one", TABLE), ("c", "two", TABLE.replace("s2", "s3"))):
        (directory / "m.tsv").write_text(text.replace("LONG", LONG), encoding="utf-8")
        samples = ("--samples", str(directory / "samples.tsv")) if id != "c" else ()
        options = (*names, "--id", id, "--units", "TPM", "--genome", "g", *samples)
        import_matrix(data, directory / "m.tsv", *options, study=study)
    return data


@pytest.fixture(scope="module")
def client(original: Path) -> FlaskClient:
    return client_of(site_of(original))


def client_of(site: Site) -> FlaskClient:
    site = replace(site, searches=SearchIndexes(0))
    site.searches.current(site.view, 30)
    pages = create_pages(site)
    pages.test_client_class = Client
    return pages.test_client()


def suggested(client: FlaskClient, text: str) -> dict[str, list[dict[str, str]]]:
    reply = client.get("/search/suggestions", query_string={"q": text})
    assert reply.status_code == 200
    payload: Any = reply.get_json()
    assert payload["query"] == text.strip()
    assert payload["complete"]
    assert sum(len(group["results"]) for group in payload["groups"]) <= 10
    return {group["kind"]: group["results"] for group in payload["groups"]}


def links(client: FlaskClient, text: str) -> list[str]:
    page = client.get("/search", query_string={"q": text})
    assert page.status_code == 200
    main = page.text.partition("<main")[2].partition("</main>")[0]
    return [html.unescape(link) for link in re.findall(r'href="(/[^"]*)"', main)]


@pytest.mark.parametrize(
    ("text", "kind", "address"),
    [
        ("ab1", "gene", "/genes/ENSG00000000001"),
        ("ENSG00000000001", "gene", "/genes/ENSG00000000001"),
        ("ensg00000000001.5", "gene", "/genes/ENSG00000000001"),
        ("ENSG00000000001.77", "gene", "/genes/ENSG00000000001"),
        ("old2", "gene", "/genes/ENSG00000000002"),
        ("eceptor", "gene", "/genes/ENSG00000000002"),
        ("<script>", "gene", "/genes/ENSG00000000003"),
        ("g/1,2", "gene", "/genes/g%2F1%2C2%20%C3%A4"),
        ("Ä", "gene", "/genes/g%2F1%2C2%20%C3%A4"),
        (LONG, "gene", "/genes/g%2F1%2C2%20%C3%A4"),
        ("S1", "sample", "/samples/a/s1"),
        ("s3", "sample", "/samples/c/s3"),
        ("kidney", "value", "/matrices/a?Organ=Kidney"),
        ("liver & <b>", "value", "/matrices/a?Organ=Left%20liver%20%26%20%3Cb%3Ebile%3C%2Fb%3E"),
        ("organ", "attribute", "/matrices/a/values?attribute=Organ&axis=sample"),
        ("description", "attribute", "/matrices/a/values?attribute=description&axis=feature"),
        ("two", "study", "/studies/two"),
        ("b", "matrix", "/matrices/b"),
        ("g", "genome", "/genomes/g"),
    ],
)
def test_each_kind_leads_to_its_page(client: FlaskClient, text: str, kind: str, address: str) -> None:
    assert suggested(client, text)[kind][0]["address"] == address
    assert address in links(client, text)


def test_a_gene_is_listed_once_with_the_number_of_its_matrices(client: FlaskClient) -> None:
    (gene,) = suggested(client, "ab1")["gene"][:1]
    assert (gene["label"], gene["note"]) == ("AB1", "ENSG00000000001.5 · in 3 matrices")
    (alias,) = suggested(client, "OLD2")["gene"]
    assert alias["note"].endswith("also called OLD2")


def test_a_sample_leads_to_each_matrix_that_has_it(client: FlaskClient) -> None:
    assert [link for link in links(client, "s2") if link.startswith("/samples")] == ["/samples/a/s2"] * 2 + [
        "/samples/b/s2"
    ]


def test_kinds_with_exact_matches_come_first(client: FlaskClient) -> None:
    assert next(iter(suggested(client, "two"))) == "study"
    assert next(iter(suggested(client, "ab1"))) == "gene"


def test_enter_after_the_name_of_a_gene_leads_to_the_gene(client: FlaskClient) -> None:
    reply = client.get("/search?q=%20AB1%20&go=1")
    assert (reply.status_code, reply.headers["Location"]) == (303, "/genes/ENSG00000000001")
    assert client.get("/search?q=AB1").status_code == 200
    for several in ("s1", "alpha", "EN", "nothing", ""):
        assert client.get("/search", query_string={"q": several, "go": "1"}).status_code == 200


def test_nothing_found_tells_similar_names(client: FlaskClient) -> None:
    page = client.get("/search?q=AC1").text
    assert "Did you mean" in page
    assert '<a href="/search?q=AB1">AB1</a>' in page
    assert "Did you mean" not in client.get("/search?q=qqqqqqqqqqqqqqq").text
    assert '<a href="/search?q=Kidney">Kidney</a>' in client.get("/search?q=Kidmey").text


@pytest.mark.parametrize("text", ["", " ", "\0", "\n\t", "\x1b[0m"[:1], "\ud800"])
def test_a_search_without_letters_finds_nothing(client: FlaskClient, text: str) -> None:
    for path in ("/search", "/search/suggestions"):
        assert client.get(f"{path}?q={quote(text, errors='surrogatepass')}").status_code == 200


@pytest.mark.parametrize(
    "text", ["(a+)+$", "[", "\\", "%", "_", "*", "' OR 1=1 --", "\x00AB1", "🧬", "İ", "ß", "\u202e", "{{7*7}}"]
)
def test_odd_letters_are_letters(client: FlaskClient, text: str) -> None:
    page = client.get("/search", query_string={"q": text})
    assert page.status_code == 200
    assert ">49<" not in page.text
    assert client.get("/search/suggestions", query_string={"q": text}).status_code == 200


def test_names_are_text(client: FlaskClient) -> None:
    for text in ("<script>alert(1)</script>", "liver"):
        page = client.get("/search", query_string={"q": text}).text
        assert "<script>alert" not in page
        assert "<b>bile" not in page
    assert "&lt;script&gt;alert(1)" in page or "&lt;b&gt;bile" in page


@pytest.mark.parametrize("size", [401, 1 << 20])
def test_a_long_search_is_refused_in_words(client: FlaskClient, size: int) -> None:
    for path in ("/search", "/search/suggestions"):
        reply = client.get(path, query_string={"q": "a" * size}, headers={"Accept": "text/html"})
        assert (reply.status_code, "at most 400 characters" in reply.text) == (400, True)
        assert len(reply.text) < 10_000


def test_addresses_are_below_the_path_of_the_server(original: Path) -> None:
    client = client_of(site_of(original, public_url="https://data.example.org/rna"))
    assert suggested(client, "ab1")["gene"][0]["address"] == "/rna/genes/ENSG00000000001"
    assert client.get("/search?q=ab1&go=1").headers["Location"] == "/rna/genes/ENSG00000000001"


@pytest.fixture
def data(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "data"))


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_matrix_whose_file_is_gone_is_left_out_and_named(data: Path) -> None:
    next(data.rglob("c*.h5")).unlink()
    client = client_of(site_of(data))
    page = client.get("/search?q=ab1").text
    assert "Temporarily unavailable" in page
    assert "genes and samples of c:" in page
    assert suggested(client, "ab1")["gene"][0]["note"].endswith("in 2 matrices")
    assert "sample" not in suggested(client, "s3")


def test_a_file_that_goes_and_comes_back(data: Path, tmp_path: Path) -> None:
    client = client_of(site_of(data))
    path = next(data.rglob("c*.h5"))
    path.rename(tmp_path / "away")
    until(lambda: "sample" not in suggested(client, "s3"))
    (tmp_path / "away").rename(path)
    until(lambda: "sample" in suggested(client, "s3"))


def test_a_changed_catalogue_is_searched(data: Path, tmp_path: Path) -> None:
    site = site_of(data)
    site = replace(site, repository=replace(site.repository, live=type(site.repository.live)(data, 0.001)))
    client = client_of(site)
    (tmp_path / "m.tsv").write_text("id\ts9\nNEWGENE\t1\n", encoding="utf-8")
    import_matrix(data, tmp_path / "m.tsv", "--id", "new", "--units", "TPM", study="three")
    until(lambda: "gene" in suggested_soon(client, "newgene"))
    assert suggested_soon(client, "s9")["sample"][0]["address"] == "/samples/new/s9"


def suggested_soon(client: FlaskClient, text: str) -> dict[str, Any]:
    payload: Any = client.get("/search/suggestions", query_string={"q": text}).get_json()
    return {group["kind"]: group["results"] for group in payload["groups"]}


class Hiding(AccessPolicy):
    """A policy that hides one study from all."""

    def visible(self, catalog: Catalog, principal: Principal) -> Catalog:
        projects = {
            id: replace(project, studies=tuple(study for study in project.studies if study.id != "two"))
            for id, project in catalog.projects.items()
        }
        return replace(catalog, projects=projects)

    def rights(self, catalog: Catalog, principal: Principal) -> str:
        return "hidden"


def test_only_what_is_visible_is_found(original: Path) -> None:
    site = site_of(original)
    searches = SearchIndexes(0)
    searches.current(site.view, 30)
    site = replace(site, repository=replace(site.repository, policy=Hiding()), searches=searches)
    site.searches.current(site.view, 30)
    pages = create_pages(site)
    pages.test_client_class = Client
    client = pages.test_client()
    assert suggested(client, "two") == {}
    assert "sample" not in suggested(client, "s3")
    assert suggested(client, "ab1")["gene"][0]["note"].endswith("in 2 matrices")


def test_names_are_read_when_the_server_starts(original: Path, tmp_path: Path) -> None:
    settings = Settings(data=original, cache_directory=tmp_path)
    with TestClient(create_app(settings, prepare=True)) as client:
        until(lambda: client.get("/search/suggestions?q=ab1").json()["complete"])
        assert client.get("/search?q=s3").status_code == 200


def test_kinds_that_are_switched_off_are_not_found(original: Path) -> None:
    client = client_of(site_of(original, switched_off=("expressions",)))
    assert "gene" not in suggested(client, "ab1")
    assert "sample" not in suggested(client, "s1")
    assert client.get("/search?q=ab1&go=1").status_code == 200
    assert suggested(client, "b")["matrix"]


def test_crawlers_are_kept_out(client: FlaskClient) -> None:
    assert "Disallow: /search\n" in client.get("/robots.txt").text
