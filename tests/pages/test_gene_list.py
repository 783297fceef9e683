"""The page of a gene list: its form, its table, its data for the script, and what is refused."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote

import pandas as pd
import pytest
from flask.testing import FlaskClient
from starlette.testclient import TestClient

from rnaget_server.app import create_app
from rnaget_server.settings import Settings
from tests.conftest import import_matrix, new_study
from tests.pages.test_pages import BROWSER, client_of

CELLS = {"AB1": [1, 2, 30, 4], "CD2": [5, 6, 7, 8], "<script>x</script>": [9, 10, 11, 0.5], "e/f": [0, 0, 0, -1]}
TISSUES = ["liver", "liver", "R&D", "R&D"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("list")
    data = folder / "data"
    new_study(data)
    lines = ["id\ts1\ts2\ts3\ts4", *("\t".join(map(str, [name, *row])) for name, row in CELLS.items())]
    (folder / "m.tsv").write_text("\n".join(lines) + "\n")
    rows = [f"s{number}\t{tissue}\tn{number}\n" for number, tissue in enumerate(TISSUES, 1)]
    (folder / "samples.tsv").write_text("sample\ttissue\tnote\n" + "".join(rows))
    import_matrix(data, folder / "m.tsv", "--id", "m", "--units", "TPM", "--samples", str(folder / "samples.tsv"))
    header = "\t".join(f"s{number}" for number in range(501))
    (folder / "w.tsv").write_text(f"id\t{header}\nAB1\t" + "\t".join(["1"] * 501) + "\n")
    import_matrix(data, folder / "w.tsv", "--id", "wide", "--units", "TPM")
    return data


@pytest.fixture(scope="module")
def client(data: Path) -> FlaskClient:
    return client_of(data)


class Table(HTMLParser):
    """The cells of the table of values."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self._inside = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag == "tr":
            self.rows.append([])
        if tag in ("th", "td"):
            self._inside = True
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag not in ("th", "td")

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.rows[-1][-1] += data


def test_table_has_the_medians_in_the_order_of_the_data(client: FlaskClient) -> None:
    page = client.get("/genes?ids=AB1,CD2,e/f&group_by=tissue", headers=BROWSER)
    assert page.status_code == 200
    data = client.get("/genes.json?ids=AB1,CD2,e/f&group_by=tissue&matrix=m").get_json()
    frame = pd.DataFrame(CELLS, index=TISSUES).T
    medians = frame.T.groupby(level=0).median().T
    header, *rows = Table(page.text).rows
    assert header == ["Gene", *(f"{group['name']} ({group['samples']})" for group in data["groups"])]
    assert sorted(group["name"] for group in data["groups"]) == ["R&D", "liver"]
    assert [row[0] for row in rows] == [gene["id"] for gene in data["genes"]]
    for row, values in zip(rows, data["values"], strict=True):
        expected = [medians.loc[row[0], group["name"]] for group in data["groups"]]
        assert values == expected and [float(text) for text in row[1:]] == expected


def test_data_have_a_tag_and_are_not_sent_twice(client: FlaskClient) -> None:
    first = client.get("/genes.json?ids=AB1&matrix=m")
    assert first.mimetype == "application/json" and first.headers["Cache-Control"] == "no-cache"
    again = client.get("/genes.json?ids=AB1&matrix=m", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    assert client.get("/genes.json?ids=CD2&matrix=m").headers["ETag"] != first.headers["ETag"]


def test_form_says_what_is_shown(client: FlaskClient) -> None:
    page = client.get("/genes?ids=AB1%0ACD2&group_by=tissue&summary=mean&scale=zscore&cluster=none", headers=BROWSER)
    assert '<textarea id="ids"' in page.text and ">AB1\nCD2</textarea>" in page.text
    chosen = re.findall(r'<option value="([^"]*)" selected>', page.text)
    assert chosen == ["m", "tissue", "mean", "zscore", "none"]
    select = page.text[page.text.index('name="group_by"') : page.text.index('name="summary"')]
    assert re.findall(r'<option value="(\w+)"', select) == ["sample", "tissue", "note"]


def test_an_empty_list_is_the_form_alone(client: FlaskClient) -> None:
    for path in ("/genes", "/genes?ids=", "/genes?ids=%20%0A&matrix=m"):
        page = client.get(path, headers=BROWSER)
        assert page.status_code == 200 and "<table" not in page.text


def test_what_is_not_found_is_named_and_escaped(client: FlaskClient) -> None:
    page = client.get(f"/genes?ids=AB1,AB9,{quote('<img src=x>')}", headers=BROWSER)
    assert page.status_code == 200
    assert "<img src=x" not in page.text and "&lt;img" in page.text
    assert re.search(r"<strong>AB9</strong> – did you mean <a href=\"/genes/AB1\">AB1</a>\?", page.text)
    assert client.get("/genes?ids=AB9", headers=BROWSER).status_code == 404
    assert client.get("/genes.json?ids=AB9").status_code == 404


def test_labels_are_text(client: FlaskClient) -> None:
    page = client.get(f"/genes?ids={quote('<script>x</script>')}&group_by=tissue", headers=BROWSER)
    assert page.status_code == 200 and "<script>x" not in page.text
    assert "/genes/%3Cscript%3Ex%3C%2Fscript%3E?" in page.text


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ("ids=AB1&matrix=wid", 404, "there is no expression matrix 'wid': did you mean 'wide'?"),
        (
            "ids=AB1&group_by=tisue",
            400,
            "m: there is no filter or attribute of samples 'tisue': did you mean 'tissue'?",
        ),
        ("ids=AB1&summary=std", 400, "there is no summary 'std'"),
        ("ids=AB1&scale=logg", 400, "there is no scale 'logg': did you mean 'log'?"),
        ("ids=AB1&cluster=x", 400, "there is no cluster 'x'"),
        ("ids=AB1&matrix=wide", 413, "501 samples are more than the 500 columns of one heat map"),
        ("ids=" + ",".join(f"g{number}" for number in range(501)), 413, "501 genes are more than the 500"),
    ],
)
def test_refusals_say_why_on_the_page_and_to_programs(client: FlaskClient, query: str, status: int, words: str) -> None:
    page = client.get(f"/genes?{query}", headers=BROWSER)
    assert page.status_code == status
    assert words in html.unescape(page.text) and "<form" in page.text
    reply = client.get(f"/genes.json?{query}")
    assert reply.status_code == status and words in reply.get_json()["message"]


def test_of_a_large_map_the_table_has_a_part_and_says_so(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rnaget_server.pages.gene_list._MOST_TABLE_ROWS", 1)
    monkeypatch.setattr("rnaget_server.pages.gene_list._MOST_TABLE_COLUMNS", 2)
    page = client.get("/genes?ids=AB1,CD2&matrix=m&group_by=sample", headers=BROWSER)
    assert "has the first 1 gene and 2 columns only" in page.text
    assert [len(row) for row in Table(page.text).rows] == [3, 2 + 1]


def test_logarithms_of_negative_values_are_said_to_be_missing(client: FlaskClient) -> None:
    page = client.get("/genes?ids=AB1,e/f&scale=log&matrix=m", headers=BROWSER)
    assert "no logarithms" in page.text
    assert client.get("/genes.json?ids=AB1,e/f&scale=log&matrix=m").get_json()["scale"] == "linear"


def test_a_view_may_be_in_a_frame_and_the_page_may_not(client: FlaskClient) -> None:
    query = "/genes?ids=AB1,CD2&group_by=tissue"
    page, embedded = client.get(query, headers=BROWSER), client.get(f"{query}&embed=1", headers=BROWSER)
    assert "embed=1" in page.text
    assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
    assert "frame-ancestors *" in embedded.headers["Content-Security-Policy"]
    assert "<form" not in embedded.text and "2 genes in m, median by tissue" in embedded.text
    data = re.findall(r'data-source="([^"]+)"', embedded.text)
    assert client.get(html.unescape(data[0])).get_json()["group_by"] == "tissue"
    refused = client.get("/genes?ids=AB1&group_by=no&embed=1", headers=BROWSER)
    assert refused.status_code == 400
    assert "frame-ancestors 'none'" in refused.headers["Content-Security-Policy"]


def test_nothing_is_shown_where_matrices_are_not_offered(data: Path) -> None:
    client = client_of(data, switched_off=["expressions"])
    for path in ("/genes?ids=AB1", "/genes.json?ids=AB1", "/samples/m/s1"):
        assert client.get(path).status_code == 404


def test_a_matrix_whose_file_is_gone_is_unavailable(tmp_path: Path) -> None:
    new_study(tmp_path / "data")
    (tmp_path / "m.tsv").write_text("id\ts\nA\t1\n")
    import_matrix(tmp_path / "data", tmp_path / "m.tsv", "--id", "m", "--units", "TPM")
    (tmp_path / "data" / "p" / "s" / "m.h5").unlink()
    client = client_of(tmp_path / "data")
    assert client.get("/genes?ids=A&matrix=m", headers=BROWSER).status_code == 503
    assert client.get("/samples/m/s", headers=BROWSER).status_code == 503
    assert client.get("/genes?ids=A", headers=BROWSER).status_code == 404


@pytest.fixture(scope="module")
def whole_server(data: Path) -> Iterator[TestClient]:
    with TestClient(create_app(Settings(data=data))) as client:
        yield client


@pytest.mark.parametrize("query", ["ids=AB1,CD2&group_by=tissue", "ids=AB1&matrix=m&group_by=note&summary=mean"])
def test_copied_address_gives_the_values_of_the_table(whole_server: TestClient, query: str) -> None:
    page = whole_server.get(f"/genes?{query}", headers=BROWSER).text
    address = html.unescape(re.findall(r"curl (?:&#39;|')?(http[^<'&]+(?:&amp;[^<'&]+)*)", page)[0])
    lines = [line.split("\t") for line in whole_server.get(address).text.splitlines() if not line.startswith("#")]
    downloaded = pd.DataFrame(lines[1:], columns=lines[0]).set_index(lines[0][0]).astype(float)
    header, *rows = Table(page).rows
    shown = pd.DataFrame([row[1:] for row in rows], [row[0] for row in rows], header[1:]).astype(float)
    shown.columns = [re.sub(r" \(\d+\)$", "", name) for name in shown]
    pd.testing.assert_frame_equal(
        shown, downloaded.loc[shown.index, shown.columns], check_names=False, check_column_type=False
    )
