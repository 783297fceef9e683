"""Messages name what was meant, and what this matrix knows; a browser gets a page for the address of a matrix."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from rnaget_server.web import PAGE_HEADERS
from tests.conftest import client_of, import_matrix

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
GENES = ["BRCA1", "BRCA2", "GAPDH", "TP53", "ACTB"]
ONE = "/rnaget/expressions/one"


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """Two matrices: ``one`` has names, strands and organs; ``two`` has other filters, which are not of ``one``."""
    data = tmp_path_factory.mktemp("words")
    rows = "".join(f"ENSG{number:011d}\t{number}\t2\t3\n" for number in range(len(GENES)))
    (data / "one.tsv").write_text(f"gene\ta\tb\tCD4+ T\n{rows}", encoding="utf-8")
    features = "".join(f"ENSG{number:011d}\t{name}\t{'+-'[number % 2]}\n" for number, name in enumerate(GENES))
    (data / "f.tsv").write_text(f"gene\tgene_name\tstrand\n{features}", encoding="utf-8")
    (data / "s.tsv").write_text("sample\torgan\na\tliver\nb\tkidney\nCD4+ T\tliver\n", encoding="utf-8")
    annotated = ("--features", str(data / "f.tsv"), "--feature-name", "gene_name", "--samples", str(data / "s.tsv"))
    import_matrix(data, data / "one.tsv", "--id", "one", "--units", "TPM", *annotated)
    (data / "s2.tsv").write_text("sample\tplatform\na\tx\nb\ty\nCD4+ T\tx\n", encoding="utf-8")
    import_matrix(data, data / "one.tsv", "--id", "two", "--units", "counts", "--samples", str(data / "s2.tsv"))
    yield from client_of(data)


@pytest.mark.parametrize(
    ("url", "status", "parts"),
    [
        ("bytes?featureNameList=BRAC1", 404, ["did you mean 'BRCA1'?"]),
        ("bytes?featureNameList=GADPH", 404, ["did you mean 'GAPDH'?"]),
        ("bytes?featureNameList=brca1", 404, ["did you mean 'BRCA1'?"]),
        ("bytes?featureNameList=BRAC1,GADPH", 404, ["'BRCA1' for 'BRAC1'", "'GAPDH' for 'GADPH'"]),
        ("bytes?featureIDList=ENSG0000000000", 404, ["'ENSG00000000000'"]),
        ('bytes?feature_min_value={"BRAC1":1}', 404, ["did you mean 'BRCA1'?"]),
        ("bytes?featureIDList=TP53", 404, ["did you mean featureNameList=TP53?"]),
        ("bytes?featureIDList=GADPH,x", 404, ["did you mean featureNameList=GAPDH?"]),
        ("bytes?featureNameList=ENSG00000000003", 404, ["did you mean featureIDList=ENSG00000000003?"]),
        ("bytes?featureNameList=zzzzz", 404, ["there are ACTB, BRCA1, BRCA2, GAPDH, TP53"]),
        ("bytes?organ=livr", 404, ["did you mean 'liver'?", "there are kidney, liver"]),
        ("features?strand=x", 404, ["there are +, -"]),
        ("bytes?orgn=liver", 400, ["did you mean 'organ'?", "one has the filters organ, strand", "featureIDList"]),
        ("bytes?platfrm=x", 400, ["one has the filters", "strand", "organ"]),
        ("bytes?platform=x", 400, ["no filter 'platform'", "there are"]),
        ("ticket?orgn=liver", 400, ["did you mean 'organ'?", "one has the filters organ, strand"]),
        ("?orgn=liver", 400, ["one has the filters organ, strand"]),
        ("features?pageSize=2", 400, ["one has the filters organ, strand", "takes", "search, offset, limit"]),
        ("samples?orgn=liver", 400, ["did you mean 'organ'?", "one has the filters organ, strand"]),
        ("samples?limt=2", 400, ["did you mean 'limit'?"]),
        ("bytes?gene_name=TP53", 400, ["ask by featureNameList"]),
        ("bytes?gene=ENSG00000000001", 400, ["ask by featureIDList"]),
        ("bytes?units=tpm", 400, ["did you mean 'TPM'?", "it has TPM"]),
        ("bytes?format=josn", 400, ["did you mean 'json'?", "there are json, tsv"]),
        ("bytes?group_by=orgn", 400, ["did you mean 'organ'?"]),
        ("bytes?group_by=organ&summary=meen", 400, ["did you mean 'mean'?"]),
        ("bytes?strand=+", 400, ["strand has a blank value", "%2B"]),
        ("bytes?strand=+,-", 400, ["strand has a blank value", "%2B"]),
        ("bytes?sampleIDList=CD4+T", 404, ["'CD4+ T'", "%2B"]),
    ],
)
def test_messages(words: TestClient, url: str, status: int, parts: list[str]) -> None:
    path, _, query = url.partition("?")
    reply = words.get(f"{ONE}{'/' if path else ''}{path}?{query}")
    message = reply.json()["message"]
    assert reply.status_code == status, message
    assert [part for part in parts if part not in message] == [], message
    assert "platform" not in message.partition("one has the filters")[2]


def test_a_plus_sign_that_is_written_as_such_is_found(words: TestClient) -> None:
    assert len(words.get(f"{ONE}/features?strand=%2B").json()["data"]) == 3
    assert words.get(f"{ONE}/samples?sampleIDList=CD4%2B+T").json()["total"] == 1
    assert words.post(f"{ONE}/features", json={"strand": "+"}).json()["total"] == 3


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("/rnaget/expressions/onne/bytes", "one"),
        ("/rnaget/expressions/ONE/info", "one"),
        ("/rnaget/expressions/filters?tpye=sample", "type"),
        ("/rnaget/projects?naem=x", "name"),
        ("/rnaget/expressions/bytes?format=tsv&platfrom=x", "platform"),
    ],
)
def test_ids_and_parameters_of_other_routes(words: TestClient, path: str, meant: str) -> None:
    assert f"did you mean '{meant}'?" in words.get(path).json()["message"]


@pytest.mark.parametrize("query", ["", "?organ=liver", "?featureNameList=TP53&sampleIDList=CD4%2B%20T,nobody"])
def test_a_browser_gets_a_page_with_links_that_work(words: TestClient, query: str) -> None:
    reply = words.get(f"{ONE}{query}", headers=BROWSER)
    assert (reply.status_code, reply.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "Accept" in reply.headers["vary"]
    assert {name: reply.headers[name] for name in PAGE_HEADERS} == dict(PAGE_HEADERS)
    cells = words.get(f"{ONE}{query}").json()
    features, samples = cells["shape"]
    text = " ".join(html.unescape(reply.text).split())
    assert f"{features} feature{'s' * (features != 1)} × {samples} sample{'s' * (samples != 1)}" in text
    links = [html.unescape(link) for link in re.findall(r'href="(/rnaget/[^"]*)"', reply.text)]
    downloads = {link.rpartition("format=")[2]: link for link in links if "/bytes" in link}
    assert set(downloads) == set(words.get("/rnaget/expressions/formats").json())
    assert words.get(downloads["json"], headers=BROWSER).json() == cells
    for link in links:
        assert words.get(link, headers=BROWSER).status_code == 200, link
    assert words.head(f"{ONE}{query}", headers=BROWSER).headers["content-type"] == "text/html; charset=utf-8"


@pytest.mark.parametrize("accept", [None, "*/*", "application/json", "application/json,text/html;q=0.9"])
def test_programs_get_what_they_always_got(words: TestClient, accept: str | None) -> None:
    headers = {"Accept": accept} if accept else {}
    reply = words.get(ONE, headers=headers)
    assert reply.headers["content-type"] == "application/json"
    assert "Accept" in reply.headers["vary"]
    assert reply.json()["shape"] == [5, 3]


def test_a_browser_gets_the_file_that_it_names(words: TestClient) -> None:
    for address in (f"{ONE}?format=tsv", f"{ONE}/bytes", f"{ONE}/bytes?format=tsv"):
        reply = words.get(address, headers=BROWSER)
        assert reply.headers["content-type"].startswith("text/tab-separated-values")
    assert words.get(f"{ONE}?download=true", headers=BROWSER).headers["content-type"] == "application/json"
    wrong = words.get(f"{ONE}?orgn=liver", headers=BROWSER)
    assert (wrong.status_code, wrong.headers["content-type"]) == (400, "text/html; charset=utf-8")


def test_no_path_is_in_a_message(words: TestClient, tmp_path: Path) -> None:
    for path in (f"{ONE}/bytes?orgn=1", f"{ONE}/bytes?units=x", "/status", "/readyz?verbose"):
        assert "/tmp" not in words.get(path).text
