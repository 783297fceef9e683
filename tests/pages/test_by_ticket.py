"""Pages show no values where these are sent by tickets alone."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from rnaget_server.pages.pages import create_pages
from tests.conftest import ROOT
from tests.pages.test_pages import BROWSER, site_of


@pytest.fixture(scope="module")
def client() -> FlaskClient:
    site = site_of(ROOT / "data", require_tickets=True, ticket_keys=("k" * 40,))
    return create_pages(site).test_client()


@pytest.mark.parametrize(
    "path",
    ["/genes?ids=ALB,INS", "/genes.json?ids=ALB,INS", "/samples/gtex_medians/Liver", "/matrices/uhlen_tissues/cells"],
)
def test_pages_of_values_are_refused(client: FlaskClient, path: str) -> None:
    reply = client.get(path, headers=BROWSER)
    assert reply.status_code == 403
    assert "by tickets alone" in reply.text


def test_the_page_of_a_gene_has_no_values(client: FlaskClient) -> None:
    page = client.get("/genes/ALB", headers=BROWSER)
    assert page.status_code == 200
    assert "by tickets alone" in page.text and "25520" not in page.text  # the TPM of ALB in the liver
    assert client.get("/genes/ALB?format=json").status_code == 403


def test_pages_of_matrices_and_tracks_have_no_values(client: FlaskClient) -> None:
    matrix = client.get("/matrices/gtex_medians", headers=BROWSER).text
    assert "147 features" in matrix and "First values" not in matrix and "/samples/" not in matrix
    tracks = client.get("/tracks/er", headers=BROWSER).text
    assert "ER1" in tracks and "Mean signal" not in tracks


def test_genes_are_not_found_where_their_pages_show_nothing(client: FlaskClient) -> None:
    assert "/genes/" not in client.get("/search?q=ALB", headers=BROWSER).text
