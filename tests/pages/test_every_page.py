"""All pages of the demo: odd addresses get a plain answer, and the numbers are there without scripts."""

from __future__ import annotations

import html
import io
import re
import socket
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import urlsplit

import h5py
import hdf5plugin  # noqa: F401 - the codec of the cells
import numpy as np
import pandas as pd
import pyBigWig
import pytest
from starlette.testclient import TestClient

from tests.conftest import ROOT
from tests.pages.test_matrices import whole_server

UHLEN = ROOT / "data" / "hpa" / "uhlen" / "uhlen_tissues.h5"
SIGNAL = ROOT / "data" / "demo" / "mcf7" / "Chr18_MCF7_ER_1.bw"
PARAMETERS = {
    "/": "page q",
    "/search": "q page",
    "/search/suggestions": "q",
    "/studies/uhlen": "page",
    "/matrices/uhlen_tissues": "offset attribute units System Specimens_min featureIDList sampleIDList nothing",
    "/matrices/uhlen_tissues/values": "attribute axis offset System",
    "/matrices/uhlen_tissues/cells": "gene colour embedding view",
    "/genes/TP53": "matrix group_by units scale plot outliers embed format System nothing",
    "/genes": "ids matrix group_by summary scale cluster",
    "/genes.json": "ids matrix group_by summary",
    "/samples/uhlen_tissues/Liver": "units embed",
    "/tracks/er": "region samples reads page",
    "/genomes/sacCer3_chrIV": "region page",
    "/reads": "page",
    "/variants": "page",
    "/status": "nothing",
    "/help": "q",
    "/docs": "api",
    "/signin": "next",
}
"""The pages, and what they take."""

RECORDS = ("/genes/", "/studies/", "/matrices/", "/samples/uhlen_tissues/", "/tracks/", "/genomes/", "/help/")
ODD = (
    "",
    "%20",
    "%00",
    "%ff%fe",
    "%ED%A0%80",
    "%3Cscript%3Ealert(9)%3C/script%3E",
    "%27%22%3E%3Cimg%20src%3Dx%3E",
    "%0d%0aSet-Cookie:%20a=b",
    "..%2f..%2fetc%2fpasswd",
    "-1",
    "0",
    "9" * 40,
    "1e400",
    "nan",
    "chr18:9-1",
    "x" * 300,
    "%F0%9F%A7%AC" * 50,
    "A," * 3_000,
)


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    yield from whole_server(ROOT / "data")


def check(client: TestClient, address: str) -> None:
    reply = client.get(address, headers={"Accept": "text/html"}, follow_redirects=False)
    assert reply.status_code < 500, address[:200]
    assert "set-cookie" not in reply.headers
    if reply.headers.get("content-type", "").startswith("text/html"):
        assert "<script>alert" not in reply.text and "<img src=x" not in reply.text, address[:200]
        if reply.status_code >= 400:
            assert re.search(r"<h1[^>]*>[^<]+</h1>", reply.text), address[:200]
            assert re.search(r'<p[^>]*>[^<]{8}|role="alert">[^<]{8}', reply.text), address[:200]


@pytest.mark.parametrize("path", PARAMETERS)
def test_odd_values_of_parameters_get_a_plain_answer(client: TestClient, path: str) -> None:
    first = {
        "/genes": "ids=ALB,INS&",
        "/genes.json": "ids=ALB,INS&",
        "/matrices/uhlen_tissues/values": "attribute=System&",
    }
    for name in PARAMETERS[path].split():
        for value in ODD:
            check(client, f"{path}?{first.get(path, '')}{name}={value}")


@pytest.mark.parametrize("path", RECORDS)
def test_odd_names_get_a_plain_answer(client: TestClient, path: str) -> None:
    for name in ODD:
        check(client, path + name)


def test_ten_million_letters_are_refused_and_the_server_goes_on(demo_root: str) -> None:
    address = urlsplit(demo_root)
    for path in ("/", "/search", "/genes/TP53", "/genes", "/matrices/uhlen_tissues", "/tracks/er", "/help", "/status"):
        with socket.create_connection((address.hostname, address.port), timeout=60) as connection:
            reply = b""
            with suppress(OSError):  # it is refused before all of it is sent
                connection.sendall(f"GET {path}?q=".encode() + b"a" * 10_000_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n")
            with suppress(OSError):
                reply = connection.recv(100)
        assert not reply or reply.split(b" ")[1] in (b"400", b"414", b"431"), (path, reply)
        with socket.create_connection((address.hostname, address.port), timeout=60) as connection:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
            assert connection.recv(100).split(b" ")[1] == b"200"


def table(client: TestClient, address: str, number: int = 0) -> pd.DataFrame:
    reply = client.get(address, headers={"Accept": "text/html"})
    assert reply.status_code == 200
    return pd.read_html(io.StringIO(reply.text), keep_default_na=False)[number]


@pytest.fixture(scope="module")
def tissues() -> pd.DataFrame:
    """TPM of the genes by symbol, in tissues."""
    with h5py.File(UHLEN, locking=False) as file:
        symbols, names = file["row_attrs/symbol"][:].astype(str), file["col_attrs/Tissue"][:].astype(str)
        return pd.DataFrame(file["matrix"][:].astype(np.float64), symbols, names)


def test_numbers_of_genes_are_in_tables(client: TestClient, tissues: pd.DataFrame) -> None:
    with h5py.File(UHLEN, locking=False) as file:
        system = file["col_attrs/System"][:].astype(str)
    shown = table(client, "/genes/TP53?matrix=uhlen_tissues&group_by=System").set_index("System")
    medians = tissues.loc["TP53"].groupby(system).median()
    assert shown["median"].astype(float).to_dict() == pytest.approx(medians.to_dict(), rel=1e-6)
    listed = table(client, "/genes?ids=ALB,INS,GFAP&matrix=uhlen_tissues&group_by=Tissue")
    rows = {gene.split()[0]: row for gene, row in zip(listed["Gene"], listed.to_dict("records"), strict=True)}
    for gene in ("ALB", "INS", "GFAP"):
        found = {name: float(rows[gene][name]) for name in tissues.columns}
        assert found == pytest.approx(tissues.loc[gene].to_dict(), rel=1e-6)


def test_numbers_of_a_sample_and_a_matrix_are_in_tables(client: TestClient, tissues: pd.DataFrame) -> None:
    highest = table(client, "/samples/uhlen_tissues/Liver")
    expected = tissues["Liver"].nlargest(len(highest)).to_numpy()
    assert len(highest) == 50
    np.testing.assert_allclose(highest["TPM"].astype(float), expected, rtol=1e-6)
    first = table(client, "/matrices/uhlen_tissues")
    np.testing.assert_allclose(
        first[list(tissues.columns[:8])].astype(float).to_numpy(), tissues.to_numpy()[:10, :8], rtol=1e-6
    )


def test_numbers_of_tracks_are_in_a_table(client: TestClient) -> None:
    shown = table(client, "/tracks/er?region=chr18:76,800,001-76,900,000")
    with pyBigWig.open(str(SIGNAL)) as file:
        expected = file.stats("chr18", 76_800_000, 76_900_000, nBins=len(shown), exact=True)
    np.testing.assert_allclose(shown["ER1"].astype(float), expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("address", "texts"),
    [
        ("/", ["1,000 features × 32 samples", "5,088 features × 10 samples", "885 genes"]),
        ("/search?q=TP53", ["TP53", "ENSG00000141510"]),
        ("/studies/marioni", ["5,088 features × 10 samples"]),
        ("/genomes/sacCer3_chrIV", ["1,531,933", "885 genes"]),
        ("/reads", ["na12878_chrM", "BAM"]),
        ("/status", ["5 studies", "3 matrices"]),
    ],
)
def test_facts_are_in_the_html(client: TestClient, address: str, texts: list[str]) -> None:
    page = html.unescape(client.get(address, headers={"Accept": "text/html"}).text)
    shown = " ".join(re.sub(r"<(script|style)\b.*?</\1>|<[^>]+>", " ", page, flags=re.DOTALL).split())
    for text in texts:
        assert text in shown, text
