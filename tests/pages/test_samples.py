"""The page of a sample: its attributes as links, its table, its neighbours, and downloads in every format."""

from __future__ import annotations

import html
import re
from pathlib import Path
from urllib.parse import quote, unquote

import pytest
from flask.testing import FlaskClient

from tests.conftest import import_matrix, new_study
from tests.pages.test_pages import BROWSER, client_of, site_of

NAMES = ["a/b", "ä ö", "<script>alert(1)</script>", "x,y", "last?"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("samples")
    data = folder / "data"
    new_study(data)
    rows = [f"gene {number}\t" + "\t".join(str(number * place) for place in range(1, 6)) for number in range(60)]
    (folder / "m.tsv").write_text("\n".join(["id\t" + "\t".join(NAMES), *rows]) + "\n")
    lines = [f"{name}\t{tissue}\t\n" for name, tissue in zip(NAMES, ["R&D", "R&D", "b", "b", ""], strict=True)]
    (folder / "samples.tsv").write_text("sample\ttissue\tnote\n" + "".join(lines))
    import_matrix(data, folder / "m.tsv", "--id", "m", "--units", "counts", "--samples", str(folder / "samples.tsv"))
    return data


@pytest.fixture(scope="module")
def client(data: Path) -> FlaskClient:
    return client_of(data)


def address(id: str) -> str:
    return f"/samples/m/{quote(id, safe='')}"


@pytest.mark.parametrize("id", NAMES)
def test_ids_of_any_letters_have_a_page(client: FlaskClient, id: str) -> None:
    page = client.get(address(id), headers=BROWSER)
    assert page.status_code == 200
    assert f'<h1 id="sample">{html.escape(id, quote=False)}</h1>' in page.text
    assert "<script>alert" not in page.text


def test_neighbours_lead_from_the_first_to_the_last(client: FlaskClient) -> None:
    path, seen = address(NAMES[0]), []
    for _ in NAMES:
        page = client.get(path, headers=BROWSER).text
        seen.append(unquote(path.removeprefix("/samples/m/")))
        following = re.search(r'rel="next" href="([^"]+)"', page)
        path = html.unescape(following[1]) if following else ""
    assert seen == NAMES and path == ""
    assert 'rel="prev"' not in client.get(address(NAMES[0])).text


def test_attributes_are_links_where_they_are_filters(client: FlaskClient) -> None:
    page = client.get(address("a/b"), headers=BROWSER).text
    assert '<dt>tissue</dt><dd><a href="/matrices/m?tissue=R%26D">R&amp;D</a></dd>' in page
    assert '<dt>tissue</dt><dd><span class="muted">none</span></dd>' in client.get(address("last?")).text


def test_highest_and_totals(client: FlaskClient) -> None:
    page = client.get(address("ä ö"), headers=BROWSER).text
    rows = re.findall(r'<td>(\d+)</td><td data-value="([\d.]+)" data-name="([^"]+)">(\d+)</td>', page)
    assert rows == [
        (str(rank), f"{2 * number:.1f}", f"gene {number}", str(2 * number))
        for rank, number in enumerate(range(59, 9, -1), 1)
    ]
    assert "<dt>Library size</dt><dd>3540</dd>" in page
    assert "<dt>Above 0</dt><dd>59 of 60 features</dd>" in page


def test_downloads_in_every_format(client: FlaskClient, data: Path) -> None:
    page = client.get(address("x,y"), headers=BROWSER).text
    found = re.findall(r'<li><a href="(/rnaget/[^"]+)"', page[page.index('id="download"') :])
    links = [html.unescape(link) for link in found]
    assert [link.rpartition("=")[2] for link in links] == list(site_of(data).formats.of("expressions"))
    assert all("sampleIDList=x%2Cy,&units=counts&format=" in link for link in links)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/samples/m/lasts", "m has no sample 'lasts': did you mean 'last?'"),
        ("/samples/n/x", "there is no expression matrix 'n'"),
        ("/samples/m/%3Cimg%20src=x%3E", "m has no sample '<img src=x>'"),
    ],
)
def test_what_there_is_not(client: FlaskClient, path: str, words: str) -> None:
    page = client.get(path, headers=BROWSER)
    assert page.status_code == 404
    assert words in html.unescape(page.text) and "<img src=x" not in page.text
    assert words in client.get(path).get_json()["message"]


def test_units_there_are_not(client: FlaskClient) -> None:
    reply = client.get(f"{address('x,y')}?units=TPM", headers=BROWSER)
    assert reply.status_code == 400 and "m has no units 'TPM'" in html.unescape(reply.text)


def test_a_view_of_it_may_be_in_a_frame_and_the_page_may_not(client: FlaskClient) -> None:
    page = client.get(address("a/b"), headers=BROWSER)
    frame = html.unescape(
        html.unescape(re.findall(r"iframe src=&#34;([^ ]+)&#34;|iframe src=\"([^\"]+)\"", page.text)[0][0])
    )
    assert frame.endswith("/samples/m/a%2Fb?embed=1")
    embedded = client.get(frame.partition("localhost")[2], headers=BROWSER)
    assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
    assert "frame-ancestors *" in embedded.headers["Content-Security-Policy"]
    assert embedded.text.count("data-value=") == 50 and "<form" not in embedded.text
