"""The pages of studies and matrices over real data: what they count, select and offer equals pandas on the source."""

from __future__ import annotations

import html
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pandas as pd
import pytest
from flask.testing import FlaskClient
from starlette.testclient import TestClient

from rnaget_server.pages import attributes
from tests.conftest import client_of as whole_server
from tests.conftest import import_matrix, new_study
from tests.pages.test_pages import BROWSER, client_of

ATTRIBUTE = re.compile(
    r'<tr>\s*<th scope="row">(?P<name>[^<]*)(?:<span class="muted about">[^<]*</span>)?</th>\s*'
    r'<td data-label="Type">(?P<kind>[^<]*)</td>\s*<td class="number" data-label="Values">(?P<distinct>[^<]*)</td>\s*'
    r'<td class="number" data-label="Missing">(?P<missing>[^<]*)</td>\s*<td data-label="Frequent">(?P<values>.*?)</td>',
    re.DOTALL,
)
VALUE = re.compile(
    r'<li>(?:<a href="(?P<link>[^"]*)">)?(?P<text>[^<]*)(?:</a>)? <span class="muted">(?P<count>[^<]*)</span></li>'
)


@pytest.fixture(scope="module")
def tcga(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalogue with 8,756 samples of TCGA and their attributes."""
    data, folder = tmp_path_factory.mktemp("tcga"), shared_data / "tcga"
    import_matrix(
        data,
        folder / "expression-matrix-all-samples.tsv.gz",
        *("--transpose", "--id", "tcga", "--units", "log2", "--samples", str(folder / "samples.tsv.gz")),
        *("--features", str(folder / "expression-genes.tsv.gz"), "--feature-name", "symbol"),
    )
    return data


@pytest.fixture(scope="module")
def client(tcga: Path) -> FlaskClient:
    return client_of(tcga)


@pytest.fixture(scope="module")
def cells(tcga_frames: tuple[pd.DataFrame, pd.DataFrame]) -> pd.DataFrame:
    return tcga_frames[0]


@pytest.fixture(scope="module")
def patients(tcga_frames: tuple[pd.DataFrame, pd.DataFrame]) -> pd.DataFrame:
    return tcga_frames[1]


def attributes_of(page: str) -> dict[str, dict[str, Any]]:
    """Return what the tables of a page say of each attribute."""
    found = {}
    for match in ATTRIBUTE.finditer(page):
        row = {key: html.unescape(text) for key, text in match.groupdict().items()}
        values = [
            (html.unescape(value["text"]), number(value["count"]), html.unescape(value["link"] or ""))
            for value in VALUE.finditer(match["values"])
        ]
        found[row["name"]] = {**row, "cell": match["values"], "values": values}
    return found


def number(text: str) -> int:
    return int(text.replace(",", ""))


def test_attributes_are_counted_as_pandas_counts_them(client: FlaskClient, patients: pd.DataFrame) -> None:
    rows = attributes_of(client.get("/matrices/tcga").text)
    assert set(patients.columns) <= set(rows)
    for name, column in patients.items():
        row, texts = rows[str(name)], column[column != ""]
        if row["kind"] == "number":
            texts = pd.to_numeric(texts)
        counts = texts.value_counts()
        if row["kind"] == "text":  # long ones are cut
            counts.index = [text if len(text) <= 60 else f"{text[:59]}…" for text in counts.index]
        assert number(row["distinct"]) == len(counts), name
        assert number(row["missing"]) == len(column) - len(texts), name
        shown = [count for _, count, _ in row["values"]]
        assert shown == counts.tolist()[: len(shown)], name
        for text, count, _ in row["values"]:
            assert counts[float(text) if row["kind"] == "number" else text] == count, (name, text)
        if row["kind"] == "number" and '<li class="muted">' in row["cell"]:
            least, greatest = re.findall(r'<li class="muted">(\S+) to (\S+)</li>', row["cell"])[0]
            assert (float(least), float(greatest)) == (texts.min(), texts.max()), name


def test_a_value_leads_to_what_has_it(client: FlaskClient, patients: pd.DataFrame) -> None:
    rows = attributes_of(client.get("/matrices/tcga").text)
    for name in ("disease", "gender", "age_diagnosed"):
        for text, count, link in rows[name]["values"][:2]:
            page = client.get(link, headers=BROWSER)
            assert page.status_code == 200, link
            assert f"15 features × {count:,} samples" in page.text, (name, text)
    chosen = patients.index[patients["disease"] == rows["disease"]["values"][0][0]]
    page = client.get(rows["disease"]["values"][0][2]).text
    assert re.findall(r'<a href="/samples/tcga/[^"]*">([^<]*)</a></li>', page) == chosen[:60].tolist()


def test_a_part_is_narrowed_further_and_widened(client: FlaskClient, patients: pd.DataFrame) -> None:
    first = client.get("/matrices/tcga?acronym=LGG").text
    of_part = patients[patients["acronym"] == "LGG"]
    row = attributes_of(first)["gender"]
    assert {text: count for text, count, _ in row["values"]} == of_part["gender"].value_counts().to_dict()
    text, count, link = row["values"][0]
    assert link == f"/matrices/tcga?acronym=LGG&gender={text}"
    narrowed = client.get(link).text
    assert f"15 features × {count} samples" in narrowed
    assert f'<a href="/matrices/tcga?gender={text}">remove' in html.unescape(narrowed)
    assert '<a href="/matrices/tcga?acronym=LGG">remove' in html.unescape(narrowed)


def test_the_first_cells_are_those_of_the_source(
    client: FlaskClient, cells: pd.DataFrame, patients: pd.DataFrame
) -> None:
    page = client.get("/matrices/tcga?acronym=LGG").text
    table = pd.read_html(io.StringIO(page))[0]
    expected = cells.loc[:, patients.index[patients["acronym"] == "LGG"]].iloc[:10, :8]
    assert table.shape == (10, 2 + 8)
    assert table.iloc[:, 0].astype(str).tolist() == expected.index.astype(str).tolist()
    np.testing.assert_array_equal(table.iloc[:, 2:].to_numpy(np.float32), expected.to_numpy())
    assert list(table.columns[2:]) == expected.columns.tolist()


def test_all_values_of_an_attribute(client: FlaskClient, patients: pd.DataFrame) -> None:
    counts = patients.loc[patients["patient_id"] != "", "patient_id"].value_counts()
    assert client.get("/matrices/tcga?attribute=patient_id").headers["Location"] == (
        "/matrices/tcga/values?attribute=patient_id&axis=sample"
    )
    seen: dict[str, int] = {}
    link = "/matrices/tcga/values?attribute=patient_id"
    pages = 0
    while link and pages < 3:
        page = client.get(link).text
        pages += 1
        rows = re.findall(
            r'<tr><th scope="row"><a href="[^"]*">([^<]*)</a></th><td class="number" data-label="Samples">([^<]*)</td>',
            page,
        )
        assert len(rows) == 200
        seen |= {text: number(count) for text, count in rows}
        following = re.search(r'<a rel="next" href="([^"]*)"', page)
        link = html.unescape(following[1]) if following else ""
    assert len(seen) == 600
    assert list(seen.values()) == counts.tolist()[:600]
    assert f"{len(counts):,} values of 8,756 samples" in page
    by_disease = client.get("/matrices/tcga/values?attribute=disease").text
    assert by_disease.count('<tr><th scope="row">') == patients["disease"].replace("", np.nan).nunique()


def test_counts_are_made_once_for_a_version_of_a_file(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    client.get("/matrices/tcga")
    monkeypatch.setattr("rnaget_server.slicing.attribute_counts._counted", None)
    monkeypatch.setattr("rnaget_server.pages.matrix_page.size_of", None)
    assert client.get("/matrices/tcga").status_code == 200


def test_of_very_many_values_some_are_counted_on_demand(tcga: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attributes, "_COUNTED_AT_ONCE", 3 * 8756 + 100)
    client = client_of(tcga)
    first = client.get("/matrices/tcga").text
    assert first.count("Count the values") == 34
    link = html.unescape(re.findall(r'<a href="([^"]*)">Count the values', first)[-1])
    assert client.get(link).status_code == 200
    # Each look counts some more.
    assert client.get("/matrices/tcga").text.count("Count the values") == 34 - 1 - 3


@pytest.fixture(scope="module")
def server(tcga: Path) -> Iterator[TestClient]:
    """The whole server, with its APIs."""
    yield from whole_server(tcga)


def test_sizes_are_those_of_the_downloads(server: TestClient) -> None:
    for query in ("?acronym=LGG", "?acronym=BRCA"):
        page = server.get(f"/matrices/tcga{query}").text
        found = re.findall(
            r'<li><a href="([^"]*)"><span class="format">([^<]*)</span>\s*<span class="size">(.*?)</span>', page
        )
        assert len(found) >= 6
        for link, format, size in found:
            length = len(server.get(html.unescape(link)).content)
            exact = re.fullmatch(r'<data value="(\d+)">[^<]+</data>', size)
            if exact:
                assert int(exact[1]) == length, format
            else:
                assert format not in ("loom", "h5ad")
                assert length / 1.25 < bytes_of(size) < length * 1.25, format


def bytes_of(text: str) -> float:
    about, value, unit = text.split(" ")
    assert about == "about"
    return float(value) * {"bytes": 1, "kB": 1e3, "MB": 1e6}[unit]


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ("acronim=LGG", 400, "acronym"),
        ("acronym=LGX", 404, "LGG"),
        ("acronym=LGG&acronym_not=LGG", 404, "nothing"),
        ("acronym=", 400, "acronym"),
        ("group_by=acronym", 400, "group_by"),
        ("top=5", 400, "top"),
        ("feature_min_value=5", 400, "feature_min_value"),
        ("format=tsv", 400, "format"),
        ("units=TPM", 400, "log2"),
        ("offset=x", 400, "offset"),
        ("offset=-1", 400, "offset"),
        ("offset=99999999999999999999999999", 400, "offset"),
        ("offset=8756", 404, "8,756"),
    ],
)
def test_what_cannot_be_shown_is_refused_with_words(client: FlaskClient, query: str, status: int, words: str) -> None:
    page = client.get(f"/matrices/tcga?{query}", headers=BROWSER)
    assert page.status_code == status
    assert words in html.unescape(page.text)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/matrices/tcgo", "tcga"),
        ("/studies/t", "there is s"),
        ("/matrices/tcga/values?attribute=diseas", "disease"),
        ("/matrices/tcga/values", "attribute of samples"),
        ("/matrices/tcga/values?attribute=disease&axis=feature", "attribute of features"),
        ("/matrices/tcga/values?attribute=disease&offset=40", "there are"),
        ("/studies/s?page=2", "there is 1"),
    ],
)
def test_what_is_not_there_is_said_with_what_is_like_it(client: FlaskClient, path: str, words: str) -> None:
    page = client.get(path, headers=BROWSER)
    assert page.status_code == 404
    assert words in html.unescape(page.text)


def test_with_tickets_alone_links_give_tickets(tcga: Path) -> None:
    server = next(whole_server(tcga, require_tickets=True, ticket_keys=("k" * 40,)))
    page = server.get("/matrices/tcga?acronym=LGG").text
    links = [
        html.unescape(link) for link in re.findall(r'href="(/rnaget/expressions/tcga/(?:ticket|bytes)[^"]*)"', page)
    ]
    assert len(links) >= 6
    for link in links:
        assert server.get(link.replace("/ticket?", "/bytes?")).status_code == 403
        assert server.get(server.get(link).json()["url"]).status_code == 200
    assert not re.search(r'href="/files/', page)


def test_nothing_of_the_cells_is_shown_where_they_are_not_offered(tcga: Path) -> None:
    client = client_of(tcga, switched_off=("expressions",))
    page = client.get("/matrices/tcga").text
    assert "15 features × 8,756 samples" in page
    assert "First values" not in page
    assert "/rnaget/expressions" not in page
    assert "TCGA-" in page  # samples, whose pages there are not
    values = client.get("/matrices/tcga/values?attribute=sample_id").text
    assert "/samples/" not in page + values


def test_a_slice_that_is_too_large_says_so_in_place_of_links(tcga: Path) -> None:
    client = client_of(tcga, max_cells=10_000)
    page = client.get("/matrices/tcga").text
    assert "10,000 cells" in page
    assert "/bytes?" not in page.split('id="queries"')[0]
    assert "/bytes?" in client.get("/matrices/tcga?acronym=LGG").text


STRANGE = """id: s
name: <script>alert(1)</script>
description: <img src=x onerror=alert(1)>. Another sentence.
citation: 'https://doi.org/10.1101/gr.079558.108'
license: 'javascript:alert(1)'
"""


@pytest.fixture
def strange(tmp_path: Path) -> FlaskClient:
    """A matrix whose every label is long or hostile, with an attribute of 2,000 values, one of none."""
    new_study(tmp_path / "data", STRANGE, "id: c\nname: C\n")
    samples = [f"<script>alert({number})</script>{'x' * 280}/{number}?a=b&c#d,é%2F" for number in range(2000)]
    source = tmp_path / "m.tsv"
    table = pd.DataFrame(np.arange(4000.0).reshape(2, 2000), ["<b>g1</b>", "g/2"], samples)
    table.to_csv(source, sep="\t", index_label="id")
    described = tmp_path / "samples.tsv"
    pd.DataFrame(
        {
            "sample": samples,
            "each": [f"value {number:04} <i>" for number in range(2000)],
            "comma": ["a,b", "a"] * 1000,
            "<script>alert(2)</script>": ["y", "z"] * 1000,
            "none": [""] * 2000,
        }
    ).to_csv(described, sep="\t", index=False)
    import_matrix(tmp_path / "data", source, "--id", "m", "--units", "TPM", "--samples", str(described))
    study = tmp_path / "data" / "p" / "s" / "study.yaml"
    lines = study.read_text().splitlines(keepends=True)
    study.write_text("".join(line for line in lines if "alert(2)" not in line))
    return client_of(tmp_path / "data")


def test_hostile_and_long_labels_stay_text(strange: FlaskClient) -> None:
    for path in ("/", "/studies/s", "/matrices/m", "/matrices/m/values?attribute=each"):
        page = strange.get(path)
        assert page.status_code == 200
        assert not re.search(r"<script(?![^>]* src=)|<img src=x|<i>|<b>", page.text), path
        assert 'href="javascript' not in page.text
        assert len(page.data) < 200_000, path
    page = strange.get("/matrices/m").text
    link = html.unescape(re.findall(r'href="(/samples/m/[^"]*)"', page)[0])
    assert link == "/samples/m/" + quote(f"<script>alert(0)</script>{'x' * 280}/0?a=b&c#d,é%2F", safe="")
    study = strange.get("/studies/s").text
    assert '<a href="https://doi.org/10.1101/gr.079558.108"' in study
    assert "<dt>How to cite it</dt>" in study


def test_values_with_commas_select_what_has_them(strange: FlaskClient) -> None:
    row = attributes_of(strange.get("/matrices/m").text)["comma"]
    assert [(text, count) for text, count, _ in row["values"]] == [("a", 1000), ("a,b", 1000)]
    for _, _, link in row["values"]:
        assert "2 features × 1,000 samples" in strange.get(link).text, link


def test_an_attribute_that_is_no_filter_says_so_and_links_nowhere(strange: FlaskClient) -> None:
    rows = attributes_of(strange.get("/matrices/m").text)
    row = rows["<script>alert(2)</script>"]
    assert "no filter" in row["cell"]
    assert "no filter" not in rows["comma"]["cell"]
    assert [link for _, _, link in row["values"]] == ["", ""]
    page = strange.get("/matrices/m/values", query_string={"attribute": "<script>alert(2)</script>"}).text
    assert "This attribute is not a filter" in page
    assert (rows["none"]["distinct"], rows["none"]["missing"]) == ("0", "2,000")


def test_two_thousand_values_are_paged(strange: FlaskClient) -> None:
    page = strange.get("/matrices/m/values?attribute=each&offset=1800").text
    assert page.count('<tr><th scope="row">') == 200
    assert 'rel="next"' not in page
    assert "1,801–2,000 of 2,000" in page
