"""By POST every route answers as by GET, with the parameters as a JSON object; bad bodies are reported."""

from __future__ import annotations

import json

import pytest
from starlette.testclient import TestClient

from tests.test_openapi_contract import POSTED

BYTES = "/rnaget/expressions/marioni_counts/bytes"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (BYTES, {"featureIDList": ["ENSG00000177757", "ENSG00000187634"], "Tissue": "Liver", "format": "tsv"}),
        (BYTES, {"featureIDList": "ENSG00000177757,ENSG00000187634", "length_min": 100, "format": "json"}),
        (BYTES, {}),
        ("/rnaget/expressions/marioni_counts/ticket", {"Tissue_not": ["Liver"], "feature_min_value": 10.5}),
        ("/rnaget/expressions/bytes", {"format": "tsv", "studyID": "marioni", "sampleIDList": ["R1L1Kidney"]}),
        ("/rnaget/expressions/ticket", {"format": "loom"}),
        ("/rnaget/projects", {"version": "1.0", "id": ["demo", "other"]}),
        ("/rnaget/studies", {"projectID": "demo"}),
        ("/rnaget/expressions/info", {"limit": 1}),
        ("/rnaget/expressions/marioni_counts", {"featureIDList": ["ENSG00000177757"], "download": True}),
        ("/rnaget/expressions/marioni_counts/features", {"offset": 5, "limit": 3}),
        ("/rnaget/expressions/marioni_counts/samples", {"Tissue": ["Liver"]}),
    ],
)
def test_post_answers_as_get(client: TestClient, path: str, body: dict[str, object]) -> None:
    texts = {key: json.dumps(one) if isinstance(one, bool) else one for key, one in body.items()}
    got, posted = client.get(path, params=texts), client.post(path, json=body)
    assert got.status_code == posted.status_code == 200, posted.text
    if not path.endswith("ticket"):  # which repeats the parameters in its URL, in the order they came
        assert posted.content == got.content
    assert posted.headers["content-type"] == got.headers["content-type"]


def test_every_posted_route_is_there(client: TestClient) -> None:
    for path in POSTED:
        url = "/rnaget" + path.replace("{expressionId}", "marioni_counts").replace("{continuousId}", "none")
        assert client.post(url, json={"nonsense": 1}).status_code == 400


def test_a_ticket_holds_the_query_that_was_posted(client: TestClient) -> None:
    body = {"featureIDList": ["ENSG00000177757"], "Tissue": ["Liver"], "format": "tsv"}
    url = client.post("/rnaget/expressions/marioni_counts/ticket", json=body).json()["url"]
    assert client.get(url.removeprefix("http://testserver")).content == client.post(BYTES, json=body).content


def test_a_hundred_thousand_ids(client: TestClient) -> None:
    ids = [f"ENSG9{number:010d}" for number in range(100_000)]
    reply = client.post(BYTES, json={"featureIDList": [*ids, "ENSG00000177757"], "format": "tsv"})
    assert reply.status_code == 200
    assert reply.text.splitlines()[1].startswith("ENSG00000177757\t")
    assert "and 9" in reply.headers["RNAget-Missing"]


@pytest.mark.parametrize("type", ["application/json", "text/plain", "application/x-www-form-urlencoded", None])
def test_the_content_type_does_not_matter(client: TestClient, type: str | None) -> None:
    headers = {"Content-Type": type} if type else {}
    reply = client.post(BYTES, content=b'{"featureIDList": ["ENSG00000177757"]}', headers=headers)
    assert reply.status_code == 200
    assert reply.text.count("\n") == 2


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"[1, 2]", "must be a JSON object"),
        (b'"x"', "must be a JSON object"),
        (b"null", "must be a JSON object"),
        (b"{", "is not JSON (line 1, column 2)"),
        (b"\xff\xfe", "is not JSON"),
        (b"featureIDList=x", "is not JSON"),
        (b'{"a":' * 100_000, "is not JSON"),
        (b'{"Tissue": "Liver", "Tissue": "Kidney"}', "occurs twice"),
        (b'{"Tissue": null}', "leave it out"),
        (b'{"Tissue": [["Liver"]]}', "a text, a number or a list"),
        (b'{"Tissue": []}', "is empty"),
        (b'{"Tissue": "\\ud800"}', "half a character"),
        (b'{"\\ud800": "x"}', "no query parameter"),
        (b'{"Tisue": "Liver"}', "did you mean 'Tissue'?"),
        (b'{"feature_min_value": NaN}', "must be a number"),
    ],
)
def test_bad_bodies(client: TestClient, body: bytes, message: str) -> None:
    reply = client.post(BYTES, content=body)
    assert (reply.status_code, message in reply.json()["message"]) == (400, True), reply.text


def test_a_body_beyond_all_measure(client: TestClient) -> None:
    reply = client.post(BYTES, content=b" " * ((32 << 20) + 1))
    assert (reply.status_code, "33,554,432 bytes" in reply.json()["message"]) == (413, True)


def test_other_methods_are_refused(client: TestClient) -> None:
    assert client.post("/rnaget/service-info", content=b"[").status_code == 405
    assert client.delete(BYTES).status_code == 405
    assert client.post("/rnaget/nothing").status_code == 404
