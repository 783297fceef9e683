"""DRS: objects, bundles, many at once, addresses, and errors in its own form."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from rnaget_server import app as wiring
from rnaget_server.apis.drs import objects
from rnaget_server.catalog import OfferedFile
from rnaget_server.datasets.files import FileFacts, OfferedFiles
from rnaget_server.http.request import PRINCIPAL_KEY
from tests.apis.files.offered import NAMES
from tests.conftest import client_of
from tests.datasets.test_repository import OWNER, OwnersOnly

BASE = "/ga4gh/drs/v1"


def ids_of(client: TestClient) -> list[str]:
    return [file["file_id"] for file in client.get("/files?study=s").json()["files"]]


def bundle_of(client: TestClient) -> str:
    # As docs/files.md gives it.
    return hashlib.sha256(b"studies\ns\n").hexdigest()[:32]


def sums(data: bytes) -> list[dict[str, str]]:
    return [
        {"type": "sha-256", "checksum": hashlib.sha256(data).hexdigest()},
        {"type": "md5", "checksum": hashlib.md5(data).hexdigest()},
    ]


def test_a_file_is_an_object(client: TestClient, content: dict[str, bytes], data: Path) -> None:
    for id, (path, expected) in zip(ids_of(client), content.items(), strict=True):
        found = client.get(f"{BASE}/objects/{id}").json()
        assert (found["id"], found["name"], found["size"]) == (id, NAMES[path], len(expected))
        assert found["self_uri"] == f"drs://testserver/{id}"
        assert found["checksums"] == sums(expected)
        changed = datetime.fromtimestamp((data / "p" / "s" / path).stat().st_mtime, UTC)
        assert found["created_time"] == found["updated_time"] == changed.strftime("%Y-%m-%dT%H:%M:%SZ")
        (method,) = found["access_methods"]
        assert method["type"] == "https"
        access = client.get(f"{BASE}/objects/{id}/access/{method['access_id']}").json()
        assert access == method["access_url"]
        reply = client.get(access["url"])
        assert (reply.content, reply.headers["Content-Type"]) == (expected, found["mime_type"])
        posted = client.post(f"{BASE}/objects/{id}", json={"passports": ["a.b.c"], "expand": False})
        assert posted.json() == found
        assert client.post(f"{BASE}/objects/{id}/access/https", json={"passports": []}).json() == access
        assert client.post(f"{BASE}/objects/{id}").json() == found
        options = client.options(f"{BASE}/objects/{id}")
        assert (options.status_code, options.headers["Allow"]) == (204, "GET, HEAD, OPTIONS, POST")


def test_a_study_is_a_bundle(client: TestClient, content: dict[str, bytes]) -> None:
    id = bundle_of(client)
    found = client.get(f"{BASE}/objects/{id}").json()
    assert client.get(f"{BASE}/objects/{id}?expand=true").json() == found
    assert found["size"] == sum(map(len, content.values()))
    assert [(entry["name"], entry["id"]) for entry in found["contents"]] == list(
        zip(NAMES.values(), ids_of(client), strict=True)
    )
    assert [entry["drs_uri"] for entry in found["contents"]] == [[f"drs://testserver/{id}"] for id in ids_of(client)]
    for number in (0, 1):
        joined = "".join(sorted(sums(data)[number]["checksum"] for data in content.values()))
        assert found["checksums"][number] == sums(joined.encode())[number]
    assert client.get(f"{BASE}/objects/{id}/access/https").status_code == 404


def test_many_at_once(client: TestClient, content: dict[str, bytes], data: Path) -> None:
    (data / "p" / "s" / "r.bam").unlink()
    ids = ids_of(client)
    wanted = [ids[0], "nothing", bundle_of(client), ids[4], ids[2], ids[0]]
    reply = client.post(f"{BASE}/objects", json={"bulk_object_ids": wanted}).json()
    assert reply["summary"] == {"requested": 6, "resolved": 3, "unresolved": 3}
    assert reply["unresolved_drs_objects"] == [
        {"error_code": 404, "object_ids": ["nothing"]},
        {"error_code": 503, "object_ids": [bundle_of(client), ids[4]]},
    ]
    assert [found["id"] for found in reply["resolved_drs_object"]] == [ids[0], ids[2], ids[0]]
    assert reply["resolved_drs_object"][0] == client.get(f"{BASE}/objects/{ids[0]}").json()
    accesses = [{"bulk_object_id": ids[0], "bulk_access_ids": ["https", "ftp"]}]
    reply = client.post(f"{BASE}/objects/access", json={"bulk_object_access_ids": accesses}).json()
    assert reply["summary"] == {"requested": 2, "resolved": 1, "unresolved": 1}
    (access,) = reply["resolved_drs_object_access_urls"]
    assert (access["drs_object_id"], access["drs_access_id"]) == (ids[0], "https")
    assert client.get(access["url"]).content == content["m.h5ad"]
    too_many = client.post(f"{BASE}/objects", json={"bulk_object_ids": ["x"] * 1001})
    assert too_many.status_code == 413 and too_many.json()["status_code"] == 413


def test_bundles_count_with_their_contents(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "_MOST_WITH_CONTENTS", 20)
    for times, status in ((1, 200), (2, 200), (3, 413)):
        ids = [bundle_of(client)] * times
        assert client.post(f"{BASE}/objects", json={"bulk_object_ids": ids}).status_code == status


def test_halves_of_letters_are_no_failure(client: TestClient) -> None:
    body = rb'{"bulk_object_ids": ["\ud800"], "\udfff": "\ud800"}'
    bodies = (body, body.partition(b",")[0] + b"}", rb'{"format": "\ud800"}', rb'{"query": "{\ud800}"}')
    paths = (f"{BASE}/objects", f"{BASE}/objects/access", "/rnaget/expressions/bytes", "/graphql", "/reads/x")
    for path, sent, accept in product(paths, bodies, ("application/json", "text/html")):
        reply = client.post(path, content=sent, headers={"Content-Type": "application/json", "Accept": accept})
        assert reply.status_code < 500, (path, sent, accept)


def test_only_files_that_have_had_a_checksum_are_looked_at(
    client: TestClient, content: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = ids_of(client)
    facts, looked = OfferedFiles.facts, []

    def counted(files: OfferedFiles, file: OfferedFile, at_once: int | None = None) -> FileFacts:
        looked.append(file.id)
        return facts(files, file, at_once)

    monkeypatch.setattr(OfferedFiles, "facts", counted)
    assert client.get(f"{BASE}/objects/checksum/{hashlib.md5(content['r.cram']).hexdigest()}").status_code == 200
    assert client.get(f"{BASE}/objects/checksum/{'0' * 64}").status_code == 404
    assert looked == [ids[6]]


def test_by_checksum(client: TestClient, content: dict[str, bytes]) -> None:
    ids = ids_of(client)
    for checksum in (entry["checksum"] for entry in sums(content["r.cram"])):
        for given in (checksum, checksum.upper()):
            (found,) = client.get(f"{BASE}/objects/checksum/{given}").json()["resolved_drs_object"]
            assert found["id"] == ids[6]
    assert client.get(f"{BASE}/objects/checksum/{'0' * 32}").status_code == 404


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/objects", b"[1]"),
        ("/objects", b"{"),
        ("/objects", b"[" * 100_000),
        ("/objects", b'{"bulk_object_ids": "x"}'),
        ("/objects", b'{"bulk_object_ids": [1]}'),
        ("/objects", b"{}"),
        ("/objects", b'{"ids": ["x"]}'),
        ("/objects/access", b'{"bulk_object_access_ids": ["x"]}'),
        ("/objects/access", b'{"bulk_object_access_ids": [{"bulk_object_id": 1, "bulk_access_ids": []}]}'),
        ("/objects/access", b'{"bulk_object_access_ids": [{"bulk_object_id": "x"}]}'),
    ],
)
def test_wrong_bodies(client: TestClient, path: str, body: bytes) -> None:
    reply = client.post(f"{BASE}{path}", content=body, headers={"Content-Type": "application/json"})
    assert reply.status_code == 400 and reply.json().keys() == {"msg", "status_code"}


@pytest.mark.parametrize("path", ["/objects/nothing", "/objects/nothing/access/https", "/nothing"])
def test_errors_are_in_the_form_of_drs(client: TestClient, path: str) -> None:
    reply = client.get(BASE + path)
    assert reply.status_code == 404
    assert reply.json()["status_code"] == 404 and reply.json()["msg"]


def test_service_info(client: TestClient, content: dict[str, bytes]) -> None:
    plain = client.get(f"{BASE}/service-info").json()
    assert plain["type"] == {"group": "org.ga4gh", "artifact": "drs", "version": "1.5.0"}
    assert "maxBulkRequestLength" not in plain
    newer = client.get(f"{BASE}/service-info?version=1.5.0").json()
    numbers = {"objectCount": 9, "totalObjectSize": sum(map(len, content.values()))}
    assert newer == {**plain, "maxBulkRequestLength": 1000, "drs": {"maxBulkRequestLength": 1000, **numbers}}


def test_what_is_hidden_is_not_there(content: dict[str, bytes], data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for everything in client_of(data):
        ids = [*ids_of(everything), bundle_of(everything)]
    open_repository = wiring.open_repository

    def owned(settings: Any) -> Any:
        import dataclasses

        return dataclasses.replace(open_repository(settings), policy=OwnersOnly())

    monkeypatch.setattr(wiring, "open_repository", owned)
    for client in client_of(data):
        assert client.get("/files").json() == {"pending": 0, "files": []}
        assert client.get("/files?study=s").status_code == 404
        for id in ids:
            assert client.get(f"/files/{id}").status_code == 404
            assert client.get(f"{BASE}/objects/{id}").status_code == 404
        reply = client.post(f"{BASE}/objects", json={"bulk_object_ids": ids}).json()
        assert reply["summary"]["unresolved"] == len(ids)
        checksum = hashlib.md5(content["r.cram"]).hexdigest()
        assert client.get(f"{BASE}/objects/checksum/{checksum}").status_code == 404
        inner = client.app

        async def signed_in(scope: Any, receive: Any, send: Any, inner: Any = inner) -> None:
            await inner({**scope, PRINCIPAL_KEY: OWNER}, receive, send)

        owner = TestClient(signed_in)
        assert owner.get(f"/files/{ids[0]}").content == content["m.h5ad"]
