"""The page of a genome, the way from its form to a gene, and the pages that show every standard."""

from __future__ import annotations

import hashlib
import html
import itertools
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from openapi_spec_validator import validate
from starlette.testclient import TestClient

from rnaget_server.cli.new import write_new_catalog
from rnaget_server.cli.server import main
from rnaget_server.pages.standards import STANDARDS
from tests.conftest import client_of
from tests.importers.sequences.annotated import run_import

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
CHR1 = "ATGGCTAAATAAGGGCCC" * 80
GENES = """##gff-version 3
chr1 x gene 1 12 . + . ID=gene-first;biotype=lncRNA;Name=first
chr1 x gene 21 60 . + . ID=gene:G2;Name=a/b&c;biotype=protein_coding
"""
COLORS = '<i>"&'


@pytest.fixture
def data(tmp_path: Path) -> Path:
    data = tmp_path / "data"
    write_new_catalog(data)
    code, output = run_import(
        data, {"chr1": CHR1, "circle": "ACGTTGCA"}, GENES, "--circular", "circle", "--name", COLORS
    )
    assert code == 0, output
    many = data / "many.fa"
    many.write_text("".join(f">scaffold{number}\n{'ACGT' * (number + 1)}\n" for number in range(230)))
    result = CliRunner().invoke(main, ["import", str(many), "--data", str(data), "--genome", "many"])
    assert result.exit_code == 0, result.output
    study = data / "p" / "s"
    study.mkdir(parents=True)
    (data / "p" / "project.yaml").write_text("id: p\n")
    (study / "study.yaml").write_text("id: s\nname: A study\ngenome: g\n")
    return data


@pytest.fixture
def client(data: Path) -> Iterator[TestClient]:
    yield from client_of(data)


def text_of(client: TestClient, path: str, status: int = 200) -> str:
    page = client.get(path, headers=BROWSER)
    assert page.status_code == status, page.text
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "Accept" in page.headers["vary"] or not path.startswith(("/genomes", "/graphql"))
    return page.text


def test_page_says_what_the_genome_has(client: TestClient) -> None:
    page = text_of(client, "/genomes/g")
    collection = client.get("/genomes/g").json()["collection"]
    assert COLORS not in page and html.escape(COLORS).replace("&quot;", "&#34;") in page
    assert collection in page and "2 genes" in page and "2 sequences, 1,448 letters" in page
    assert ">A study</a>" in page and 'href="/studies/s"' in page
    for name, letters in (("chr1", CHR1), ("circle", "ACGTTGCA")):
        md5 = hashlib.md5(letters.encode()).hexdigest()
        assert md5 in page and f"{len(letters):,}" in page and name in page
        assert client.get(f"/sequence/{md5}").text == letters
    links = [html.unescape(link) for link in re.findall(r'(?:href|src)="(/[^"]*)"', page)]
    assert any(link.endswith("?start=0&end=1000") for link in links)
    for link in links:
        # Pages of studies and of genes have tests of their own, and need a matrix with the gene.
        assert link.startswith(("/studies/", "/genes/")) or client.get(link, headers=BROWSER).status_code == 200, link


def test_page_can_be_read_by_assistive_software(client: TestClient) -> None:
    for path in ("/genomes/g", "/graphql", "/", "/docs?api=refget", "/genomes/many?page=2"):
        page = text_of(client, path)
        levels = [int(level) for level in re.findall(r"<h([1-6])", page)]
        assert levels[0] == 1 and levels.count(1) == 1
        assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
        ids = re.findall(r'\sid="([^"]+)"', page)
        assert len(set(ids)) == len(ids)
        assert set(re.findall(r'aria-labelledby="([^"]+)"', page)) <= set(ids)
        fields = re.findall(r'<(?:input|textarea) id="([^"]+)"', page)
        assert all(re.search(f'<label [^>]*for="{field}">', page) for field in fields)
        assert not re.search(r"<script(?![^>]* src=)|<style|\son\w+=", page)


def test_every_request_to_copy_works(client: TestClient) -> None:
    page = text_of(client, "/genomes/g")
    commands = [
        shlex.split(html.unescape(text)) for text in re.findall(r"<pre data-copy><code>(.*?)</code>", page, re.S)
    ]
    assert [command[0] for command in commands] == ["curl"] * 6 + ["REF_PATH=http://testserver/cram/md5/%s"]
    for _, *options in commands[:-1]:
        address = options[-1].removeprefix("http://testserver")
        given = dict(zip(options[:-1:2], options[1::2], strict=False))
        headers = dict([given["-H"].split(": ")]) if "-H" in given else {}
        if "-d" in given:
            reply = client.post(address, content=given["-d"], headers=headers)
            assert reply.json()["data"]["genes"][0]["stable_id"] == "G2"
        else:
            assert client.get(address, headers=headers).status_code == 200, address


def test_many_sequences_are_shown_by_pages(client: TestClient) -> None:
    names = []
    for number in (1, 2, 3):
        page = text_of(client, f"/genomes/many?page={number}")
        assert ('rel="prev"' in page) == (number > 1) and ('rel="next"' in page) == (number < 3)
        names += re.findall(r"scaffold\d+(?=\s*</th>)", page)
    assert names == [f"scaffold{number}" for number in range(230)]
    assert "Look up a gene" not in page
    text_of(client, "/genomes/many?page=4", 404)
    text_of(client, "/genomes/many?page=0", 400)
    text_of(client, "/genomes/none", 404)


def test_form_leads_to_the_gene(client: TestClient) -> None:
    for name, location in (("a/b&c", "a%2Fb%26c"), (" first ", "first"), ("nothing", "nothing")):
        reply = client.get("/genomes/g/features", params={"name": name}, follow_redirects=False)
        assert (reply.status_code, reply.headers["location"]) == (303, f"/genomes/g/features/{location}")
    assert client.get("/genomes/g/features", params={"name": "a/b&c"}).json()["id"] == "G2"
    assert "G2" in text_of(client, "/genomes/g/features?name=A/B%26C")
    text_of(client, "/genomes/g/features?name=", 400)
    text_of(client, "/genomes/none/features?name=a", 404)
    assert client.get("/genomes/g/features").status_code == 400


def test_first_page_lists_genomes(client: TestClient, data: Path) -> None:
    page = text_of(client, "/")
    for genome in client.get("/genomes").json()["genomes"]:
        assert f'href="/genomes/{genome["id"]}"' in page and genome["collection"] in page
    assert "2 sequences, 2 genes" in page and "230 sequences" in page
    assert page.count('href="/genomes/g"') == 2  # with that of the study on it


def test_first_page_while_a_genome_cannot_be_read(data: Path) -> None:
    (data / "genomes" / "many" / "index").write_bytes(b"nothing of the kind")
    for client in client_of(data):
        page = text_of(client, "/")
        assert "files of this genome cannot be read" in page and "2 sequences, 2 genes" in page
        text_of(client, "/genomes/many", 503)


def test_errors_are_pages_to_browsers_and_json_to_programs(data: Path) -> None:
    (data / "genomes" / "many" / "index").unlink()
    for client in client_of(data):
        del client.headers["accept"]
        for path, status, heading in (
            ("/genomes/many", 503, "Temporarily unavailable"),
            ("/genomes/none", 404, "Not found"),
            ("/genomes/g?page=0", 400, "That cannot be asked"),
        ):
            page, program = text_of(client, path, status), client.get(path)
            assert re.search(f"<h1[^>]*>{heading}</h1>", page) and "<pre" not in page
            assert program.status_code == status and program.json()["message"] in html.unescape(page)
        assert client.get("/").headers["content-type"] == "text/html; charset=utf-8"
        assert client.get("/nothing").json()["message"]


def test_below_a_path(data: Path) -> None:
    for client in client_of(data, public_url="https://data.example.org/rna"):
        for path in ("/genomes/g", "/", "/graphql", "/docs?api=seqcol"):
            page = text_of(client, path)
            assert all(
                link.startswith("/rna/") for link in re.findall(r'(?:href|src|action|data-spec)="(/[^"]*)"', page)
            )
        assert "https://data.example.org/rna/sequence/g:chr1?start=0" in html.unescape(text_of(client, "/genomes/g"))
        reply = client.get("/genomes/g/features?name=first", follow_redirects=False)
        assert reply.headers["location"] == "/rna/genomes/g/features/first"


def test_every_standard_has_its_document(client: TestClient) -> None:
    page = text_of(client, "/docs")
    chosen = re.findall(r'href="(/docs\?api=[a-z-]+)"', page)
    assert chosen == [f"/docs?api={standard.id}" for standard in STANDARDS]
    for link in chosen:
        of_standard = text_of(client, link)
        (document,) = re.findall(r'data-spec="([^"]+)"', of_standard)
        assert of_standard.count('aria-current="page"') == 2  # that of the page, and that of the standard
        for address in (document, document.replace(".json", ".yaml")):
            assert client.get(address).status_code == 200
        content = client.get(document).json()
        validate(content)
        assert content["paths"]
    assert client.get("/docs?api=none").status_code == 404
    assert client.post("/genomes/openapi.json").status_code == 405


def test_editor_runs_a_query_without_a_script(client: TestClient) -> None:
    first = text_of(client, "/graphql")
    query, variables = (html.unescape(text) for text in re.findall(r"<textarea[^>]*>(.*?)</textarea>", first, re.S))
    assert json.loads(variables) == {"genome": "g", "symbol": "a/b&c"}
    answer = client.get("/graphql", params={"query": query, "variables": variables}, headers=BROWSER)
    assert answer.status_code == 200 and "&#34;stable_id&#34;: &#34;G2&#34;" in answer.text
    assert html.unescape(re.findall(r"<textarea[^>]*>(.*?)</textarea>", answer.text, re.S)[0]) == query
    for wrong in ({"query": "{ nothing }"}, {"query": query, "variables": "{"}, {"query": "</textarea><i>"}):
        page = client.get("/graphql", params=wrong, headers=BROWSER)
        assert page.status_code == 400 and "message" in page.text and "<i>" not in page.text
    program = client.get("/graphql", params={"query": query, "variables": variables})
    assert program.json()["data"]["genes"][0]["stable_id"] == "G2"
