"""The documentation on the server: every page of it, with every link, is there."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from rnaget_server.pages.pages import create_pages
from tests.conftest import ROOT
from tests.pages.test_pages import site_of

GUIDES = sorted(path.stem for path in (ROOT / "docs").glob("*.md"))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("data")
    (data / "catalog.yaml").write_text("id: x\nname: Empty\n", encoding="utf-8")
    return data


@pytest.fixture(scope="module")
def client(data: Path) -> FlaskClient:
    return create_pages(site_of(data)).test_client()


def address(name: str) -> str:
    return "/help" if name == "index" else f"/help/{name}"


def links(text: str) -> list[str]:
    return [html.unescape(link) for link in re.findall(r'<(?:a|img) [^>]*?(?:href|src)="([^"]*)"', text)]


@pytest.fixture(scope="module")
def texts(client: FlaskClient) -> dict[str, str]:
    return {address(name): client.get(address(name)).text for name in GUIDES}


def test_every_guide_is_linked_from_the_first_page(texts: dict[str, str]) -> None:
    assert {address(name) for name in GUIDES} - {"/help"} <= set(links(texts["/help"]))


@pytest.mark.parametrize("name", GUIDES)
def test_every_link_of_a_guide_leads_somewhere(client: FlaskClient, texts: dict[str, str], name: str) -> None:
    text = texts[address(name)]
    assert text.count("<h1") == 1
    article = re.search(r'<div class="guide">.*</main>', text, re.S)
    assert article is not None
    for link in links(article[0]):
        path, _, anchor = link.partition("#")
        if link.startswith("http"):
            continue
        shown = text if not path else texts.get(path)
        if shown is None:
            assert path.startswith("/help/source/"), link
            assert client.get(path).status_code == 200, link
        else:
            assert not anchor or f' id="{anchor}"' in shown, link


@pytest.mark.parametrize("name", GUIDES)
def test_a_guide_has_all_words_of_its_source(texts: dict[str, str], name: str) -> None:
    source = (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")
    shown = html.unescape(re.sub(r"<[^>]*>", " ", texts[address(name)].replace("<wbr>", "")))
    words = {word for word in re.findall(r"\w{4,}", re.sub(r"\]\([^)]*\)", " ", source)) if word.isascii()}
    missing = {word for word in words if word not in shown}
    assert missing <= set(re.findall(r"^```(\w+)", source, re.M))


def test_files_that_guides_name_are_served_as_they_are(client: FlaskClient) -> None:
    notebook = client.get("/help/source/examples/gtex_style.ipynb")
    assert notebook.data == (ROOT / "examples" / "gtex_style.ipynb").read_bytes()
    assert notebook.mimetype == "text/plain"


@pytest.mark.parametrize(
    "path",
    [
        "/help/nothing",
        "/help/index.md",
        "/help/..%2fREADME",
        "/help/source/data/catalog.yaml",
        "/help/source/rnaget_server/app.py",
        "/help/source/docs/../README.md",
        "/help/source/docs/..%2f..%2fREADME.md",
        "/help/source/docs/%2fetc%2fpasswd",
        "/help/source/docs",
    ],
)
def test_nothing_else_is_served(client: FlaskClient, path: str) -> None:
    assert client.get(path).status_code == 404


def test_links_keep_the_path_of_a_proxy(data: Path) -> None:
    settings: dict[str, Any] = {"public_url": "https://data.example.org/rna"}
    client = create_pages(site_of(data, **settings)).test_client()
    assert 'href="/rna/help/settings"' in client.get("/help").text
    assert client.get("/help/index").headers["Location"] == "/rna/help"


@pytest.mark.parametrize(
    ("asked", "place"),
    [
        ("tokens of a provider", "/help/access#tokens-of-a-provider"),
        ("RNAGET_AUTH", "/help/access"),
        ("violin scott", "/help/pages#a-gene"),
    ],
)
def test_sections_are_found_by_their_words(client: FlaskClient, asked: str, place: str) -> None:
    text = client.get("/help", query_string={"q": asked}).text
    found = [link for link in links(text.partition('<section class="found"')[2]) if link.startswith("/help/")]
    assert found[0] == place
    path, _, anchor = place.partition("#")
    assert not anchor or f'id="{anchor}"' in client.get(path).text


def test_the_ends_of_lines_part_words(client: FlaskClient) -> None:
    assert "exp, nbf and iat" in client.get("/help", query_string={"q": "tokens of a provider nbf"}).text


def test_all_words_are_needed_and_nothing_of_them_is_markup(client: FlaskClient) -> None:
    text = client.get("/help", query_string={"q": "tokens <script>zebra"}).text
    assert "No section has all of these words" in text and "<script>zebra" not in text
    many = client.get("/help", query_string={"q": "a"}).text
    assert "The first 30 sections" in many and many.count("<li>") == 30


def test_no_words_show_the_first_page(client: FlaskClient, texts: dict[str, str]) -> None:
    assert client.get("/help", query_string={"q": " "}).text == texts["/help"]
