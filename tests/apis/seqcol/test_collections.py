"""Sequence collections 1.0: digests worked out by hand, lists, attributes, comparison."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from starlette.testclient import TestClient

from rnaget_server.cli.server import main
from tests.conftest import client_of

FILES = {
    "base": {"chrX": "TTGGGGAA", "chr1": "GGAA", "chr2": "GCGC"},
    "renamed": {"X": "TTGGGGAA", "1": "GGAA", "2": "GCGC"},
    "part": {"chrX": "TTGGGGAA", "chr1": "GGAA"},
}


def digest(value: Any) -> str:
    data = json.dumps(value, separators=(",", ":"), sort_keys=True).encode()
    return base64.urlsafe_b64encode(hashlib.sha512(data).digest()[:24]).decode()


def ga4gh(letters: str) -> str:
    return "SQ." + base64.urlsafe_b64encode(hashlib.sha512(letters.encode()).digest()[:24]).decode()


def collection(name: str) -> tuple[str, dict[str, list[Any]]]:
    sequences = FILES[name]
    values = {
        "lengths": [len(letters) for letters in sequences.values()],
        "names": list(sequences),
        "sequences": [ga4gh(letters) for letters in sequences.values()],
    }
    return digest({key: digest(values[key]) for key in ("names", "sequences")}), values


@pytest.fixture
def client(demo: Path, tmp_path: Path) -> Iterator[TestClient]:
    for name, sequences in FILES.items():
        source = tmp_path / f"{name}.fa"
        source.write_text("".join(f">{key}\n{letters}\n" for key, letters in sequences.items()))
        result = CliRunner().invoke(main, ["import", str(source), "--data", str(demo), "--genome", name])
        assert result.exit_code == 0, result.output
    yield from client_of(demo)


@pytest.mark.parametrize("name", FILES)
def test_a_collection_at_both_levels(client: TestClient, name: str) -> None:
    top, values = collection(name)
    found = client.get(f"/seqcol/collection/{top}").json()
    assert {key: found[key] for key in values} == values
    assert found["sorted_sequences"] == sorted(values["sequences"])
    assert not {"name_length_pairs", "sorted_name_length_pairs"} & found.keys()
    assert client.get(f"/seqcol/collection/{top}?level=2").json() == found
    digests = client.get(f"/seqcol/collection/{top}?level=1").json()
    assert {key: digests[key] for key in values} == {key: digest(value) for key, value in values.items()}
    pairs = [{"length": len(letters), "name": key} for key, letters in FILES[name].items()]
    assert digests["name_length_pairs"] == digest(pairs)
    assert digests["sorted_name_length_pairs"] == digest(sorted(map(digest, pairs)))
    assert client.get(f"/seqcol/collection/{top}?level=3").status_code == 400
    assert client.get("/seqcol/collection/nothing").status_code == 404


def test_lists_are_filtered_and_paged(client: TestClient) -> None:
    every = client.get("/seqcol/list/collection").json()
    assert sorted(every["results"]) == sorted(collection(name)[0] for name in FILES)
    assert every["pagination"] == {"page": 0, "page_size": 100, "total": 3}
    second = client.get("/seqcol/list/collection?page=1&page_size=2").json()
    assert second["results"] == every["results"][2:]
    values = collection("base")[1]
    by_both = f"lengths={digest(values['lengths'])}&names={digest(values['names'])}"
    assert client.get(f"/seqcol/list/collection?{by_both}").json()["results"] == [collection("base")[0]]
    assert len(client.get(f"/seqcol/list/collection?lengths={digest([8, 4, 4])}").json()["results"]) == 2
    assert client.get("/seqcol/list/collection?names=x").json()["results"] == []
    assert client.get("/seqcol/list/collection?colour=x").status_code == 400
    assert client.get("/seqcol/list/attributes/lengths").json()["pagination"]["total"] == 2


def test_attributes_by_digest(client: TestClient) -> None:
    top, values = collection("part")
    for name, value in values.items():
        assert client.get(f"/seqcol/attribute/collection/{name}/{digest(value)}").json() == value
    digests = client.get(f"/seqcol/collection/{top}?level=1").json()
    for name in ("name_length_pairs", "sorted_name_length_pairs"):
        assert client.get(f"/seqcol/attribute/collection/{name}/{digests[name]}").status_code == 404


def test_two_are_compared_however_the_second_is_given(client: TestClient) -> None:
    first, (second, values) = collection("base")[0], collection("part")
    found = client.get(f"/seqcol/comparison/{first}/{second}").json()
    assert found["digests"] == {"a": first, "b": second}
    assert found["array_elements"]["a_count"]["names"] == 3
    assert found["array_elements"]["a_and_b_count"] == dict.fromkeys(found["attributes"]["a_and_b"], 2)
    assert found["array_elements"]["a_and_b_same_order"]["sequences"] is True
    # 4 stands twice in one and once in the other.
    assert found["array_elements"]["a_and_b_same_order"]["lengths"] is None
    assert client.post(f"/seqcol/comparison/{first}", json=values).json() == found
    with_pairs = {**values, "name_length_pairs": [{"name": "chrX", "length": 8}, {"name": "chr1", "length": 4}]}
    assert client.post(f"/seqcol/comparison/{first}", json=with_pairs).json() == found


@pytest.mark.parametrize(
    "body", [b"", b"[1]", b'{"names": ["a"]}', b'{"names": [1], "lengths": [1], "sequences": [1]}']
)
def test_what_is_no_collection_is_refused(client: TestClient, body: bytes) -> None:
    reply = client.post(f"/seqcol/comparison/{collection('base')[0]}", content=body)
    assert reply.status_code == 400
    assert "level 2" in reply.json()["message"]


def test_service_info_has_the_schema(client: TestClient) -> None:
    info = client.get("/seqcol/service-info").json()
    assert info["type"] == {"group": "org.ga4gh", "artifact": "refget-seqcol", "version": "1.0.0"}
    assert info["seqcol"]["schema"]["ga4gh"]["inherent"] == ["names", "sequences"]
    assert client.get("/seqcol/openapi.json").json()["openapi"].startswith("3.")


def test_what_the_client_has_is_not_sent_again(client: TestClient) -> None:
    listed = client.get("/seqcol/list/collection").json()["results"]
    names = client.get(f"/seqcol/collection/{listed[0]}?level=1").json()["names"]
    tags = set()
    paths = [
        *("service-info", "list/collection", "list/attributes/names", f"collection/{listed[0]}"),
        *(
            f"collection/{listed[0]}?level=1",
            f"attribute/collection/names/{names}",
            f"comparison/{listed[0]}/{listed[1]}",
        ),
    ]
    for path in paths:
        reply = client.get(f"/seqcol/{path}")
        tags.add(reply.headers["ETag"])
        assert reply.headers["Cache-Control"]
        again = client.get(f"/seqcol/{path}", headers={"If-None-Match": reply.headers["ETag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert client.get(f"/seqcol/{path}", headers={"If-None-Match": '"other"'}).json() == reply.json()
    assert len(tags) == len(paths)
