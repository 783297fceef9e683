"""The style of the provider on every page, also those of the APIs, and its files."""

from __future__ import annotations

import html
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.catalog.test_style import PNG, SVG
from tests.conftest import client_of, one_study

BROWSER = {"Accept": "text/html"}
STYLE = """\
style:
  name: Tissues & <b>Cells</b>
  logo: logo.svg
  colour: "#e8590c"
  footer: Institute <i>of</i> Biology
  footer_url: https://example.org/?a=1&b=2
"""
GRAPHQL = "/graphql"
PAGES = (
    "/",
    "/docs",
    "/status",
    "/nothing",
    "/rnaget/studies",
    "/rnaget/studies/none",
    "/rnaget/expressions/marioni_counts",
    "/rnaget/none/at/all",
    "/files",
    "/genomes",
    "/genomes/none",
    "/service-registry/services",
    "/ga4gh/drs/v1/service-info",
    "/seqcol/list/collection",
    GRAPHQL,
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = one_study(tmp_path_factory.mktemp("styled") / "data")
    (data / "logo.svg").write_bytes(SVG)
    (data / "catalog.yaml").write_text((data / "catalog.yaml").read_text() + STYLE)
    return data


@pytest.fixture(scope="module")
def client(data: Path) -> Iterator[TestClient]:
    yield from client_of(data, reload_seconds=1e-9)


@pytest.mark.parametrize("path", PAGES)
def test_every_page_has_it(client: TestClient, path: str) -> None:
    if path == GRAPHQL:
        pytest.importorskip("graphql")
    page = client.get(path, headers=BROWSER)
    assert page.headers["content-type"].startswith("text/html"), path
    assert "<span>Tissues &amp; &lt;b&gt;Cells&lt;/b&gt;</span>" in page.text
    assert '<img src="/logo" alt="" height="24">' in page.text
    assert '<link rel="stylesheet" href="/style.css">' in page.text
    assert 'href="https://example.org/?a=1&amp;b=2"' in page.text
    assert "Institute <i>of</i> Biology" in html.unescape(page.text)


def test_without_a_style_the_service_names_itself(tmp_path: Path) -> None:
    for plain in client_of(one_study(tmp_path / "plain")):
        for path in ("/", "/rnaget/studies"):
            text = plain.get(path, headers=BROWSER).text
            assert "<span>RNAget demo</span>" in text
            assert "/style.css" not in text and "/logo" not in text
        assert plain.get("/style.css").status_code == plain.get("/logo").status_code == 404


def test_the_files_are_safe_and_kept_for_a_minute(client: TestClient) -> None:
    logo = client.get("/logo")
    assert (logo.content, logo.headers["content-type"]) == (SVG, "image/svg+xml; charset=utf-8")
    policy = logo.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'") and policy.endswith("sandbox") and "script-src" not in policy
    assert logo.headers["x-content-type-options"] == "nosniff"
    assert logo.headers["cache-control"] == "max-age=60"
    assert client.get("/logo", headers={"If-None-Match": logo.headers["etag"]}).status_code == 304
    css = client.get("/style.css")
    assert css.headers["content-type"].startswith("text/css")
    assert "--accent:" in css.text


def test_a_change_is_taken_over(data: Path, client: TestClient) -> None:
    file = data / "catalog.yaml"
    before = file.read_text()
    (data / "other.png").write_bytes(PNG)
    file.write_text(before.replace("logo.svg", "other.png").replace("Tissues & <b>Cells</b>", "Renamed archive"))
    try:
        for path in ("/", "/rnaget/studies"):
            assert "<span>Renamed archive</span>" in client.get(path, headers=BROWSER).text
        assert client.get("/logo").headers["content-type"] == "image/png"
        file.write_text(before.replace('"#e8590c"', "orange"))
        assert "<span>Renamed archive</span>" in client.get("/", headers=BROWSER).text
    finally:
        file.write_text(before)
    assert "<span>Tissues" in client.get("/", headers=BROWSER).text


def test_a_logo_that_is_gone_or_replaced_by_a_link_is_not_sent(data: Path, client: TestClient, tmp_path: Path) -> None:
    logo = data / "logo.svg"
    logo.unlink()
    assert client.get("/logo").status_code == 404
    secret = tmp_path / "secret.svg"
    secret.write_bytes(SVG + b"secret")
    logo.symlink_to(secret)
    try:
        reply = client.get("/logo")
        assert reply.status_code == 404 and b"secret" not in reply.content
    finally:
        logo.unlink()
        logo.write_bytes(SVG)
