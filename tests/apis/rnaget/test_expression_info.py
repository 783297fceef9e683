"""The routes of the next version's draft: matrices, features and samples by pages, and one matrix as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.conftest import client_of, read_source

ONE = "/rnaget/expressions/marioni_counts"


def test_info(client: TestClient) -> None:
    payload = client.get(f"{ONE}/info").json()
    assert payload["shape"] == {"features": 5088, "samples": 10}
    assert (payload["id"], payload["studyID"], payload["projectID"]) == ("marioni_counts", "marioni", "demo")
    assert payload["units"] == client.get("/rnaget/expressions/units").json()
    attributes = payload["sampleAttributes"]
    assert attributes == ["Sample", "Tissue"] or set(attributes) >= {
        "Sample",
        "Tissue",
    }
    everything = client.get("/rnaget/expressions/info").json()
    assert everything == {"data": [payload], "count": 1}
    assert client.get("/rnaget/expressions/info?offset=1").json() == {"data": [], "count": 1}
    assert client.get("/rnaget/expressions/info?studyID=other").json() == {"data": [], "count": 0}


def test_info_of_a_matrix_whose_file_is_gone(client: TestClient, demo: Path) -> None:
    next(demo.rglob("*.h5")).unlink()
    everything = client.get("/rnaget/expressions/info")
    assert everything.json() == {"data": [], "count": 1}
    assert everything.headers["RNAget-Omitted"] == "marioni_counts"
    for path in ("info", "features"):
        assert client.get(f"{ONE}/{path}").status_code == 503


def test_samples_are_those_of_the_matrix_with_their_attributes(client: TestClient) -> None:
    header = client.get(f"{ONE}/bytes?format=tsv&featureIDList=ENSG00000177757").text.splitlines()[0].split("\t")[1:]
    payload = client.get(f"{ONE}/samples").json()
    assert payload["total"] == 10
    assert [one["id"] for one in payload["data"]] == header
    for one in payload["data"]:  # the ids of this study end in the tissue
        assert one["id"].endswith(one["attributes"]["Tissue"])
    liver = client.get(f"{ONE}/samples?Tissue=Liver").json()
    assert [one["id"] for one in liver["data"]] == [id for id in header if id.endswith("Liver")]


@pytest.mark.parametrize(
    ("offset", "limit", "expected"), [(0, 3, slice(3)), (5086, 10, slice(5086, 5088)), (9000, 1, [])]
)
def test_pages(client: TestClient, offset: int, limit: int, expected: slice) -> None:
    everything = client.get(f"{ONE}/features?limit=0").json()
    assert everything["total"] == len(everything["data"]) == 5088
    page = client.get(f"{ONE}/features", params={"offset": offset, "limit": limit}).json()
    more = page.pop("next", None)
    assert (more is not None) is (offset + limit < 5088)
    assert page == {"data": everything["data"][expected] if expected else [], "total": 5088}
    assert client.get(f"{ONE}/features").json()["data"] == everything["data"][:100]


def test_what_is_not_found(client: TestClient) -> None:
    reply = client.get(f"{ONE}/features?featureIDList=ENSG00000177757,NOPE")
    assert ([one["id"] for one in reply.json()["data"]], reply.headers["RNAget-Missing"]) == (
        ["ENSG00000177757"],
        "NOPE",
    )
    for url, status, message in (
        (f"{ONE}/features?featureIDList=NOPE", 404, "nothing here has the featureIDList 'NOPE'"),
        ("/rnaget/expressions/nope/samples", 404, "no expression matrix"),
        ("/rnaget/expressions/nope/info", 404, "no expression matrix"),
        ("/rnaget/expressions/nope", 404, "no expression matrix"),
        (f"{ONE}/samples?limit=-1", 400, "limit must be from 0"),
        (f"{ONE}/samples?offset=x", 400, "whole number"),
        (f"{ONE}/samples?feature_min_value=1", 400, "no query parameter"),
        (f"{ONE}/samples?sampleIDList_nott=1", 400, "did you mean 'sampleIDList_not'?"),
        (f"{ONE}/info?x=1", 400, "no query parameter"),
        (f"{ONE}?download=yes", 400, "true or false"),
        (f"{ONE}?format=xls", 400, "there is no format"),
    ):
        reply = client.get(url)
        assert (reply.status_code, message in reply.json()["message"]) == (status, True), reply.text


def test_a_matrix_is_json_unless_a_format_is_named(client: TestClient) -> None:
    slice = "featureIDList=ENSG00000177757&Tissue=Liver"
    reply = client.get(f"{ONE}?{slice}")
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["content-disposition"].startswith("inline; ")
    assert reply.json() == client.get(f"{ONE}/bytes?{slice}&format=json").json()
    saved = client.get(f"{ONE}?{slice}&format=tsv&download=true")
    assert saved.headers["content-disposition"].startswith("attachment; ")
    assert saved.content == client.get(f"{ONE}/bytes?{slice}&format=tsv").content


@pytest.fixture(scope="module")
def real(real_catalog: Path) -> Iterator[TestClient]:
    yield from client_of(real_catalog)


def test_features_of_a_full_size_matrix(real: TestClient, shared_data: Path) -> None:
    source = read_source(shared_data / "brawand" / "brawand.htseq.fpkm.tsv.gz")
    payload = real.get("/rnaget/expressions/brawand/features?offset=44000&limit=0").json()
    assert payload["total"] == len(source)
    assert [one["id"] for one in payload["data"]] == list(source.index[44000:])
