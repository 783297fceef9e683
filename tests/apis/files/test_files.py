"""Files as they are: reports that list them, their bytes, and who gets which."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from rnaget_server.catalog.offered import Owner, with_distinct_names
from rnaget_server.datasets import checksums
from rnaget_server.datasets.checksums import Checksums
from rnaget_server.delivery.stored_files import StoredContent
from rnaget_server.storage.local import LocalFile
from tests.apis.files.offered import KINDS, NAMES, SIZES
from tests.conftest import client_of

_LARGE = (256 << 20) + 5


def md5(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


def files_of(client: TestClient, query: str = "?study=s") -> list[dict[str, Any]]:
    reply = client.get(f"/files{query}")
    assert reply.status_code == 200, reply.text
    found: list[dict[str, Any]] = reply.json()["files"]
    return found


def test_a_report_has_every_file_with_its_bytes_and_checksums(client: TestClient, content: dict[str, bytes]) -> None:
    files = files_of(client)
    assert [file["name"] for file in files] == [NAMES[name] for name in SIZES]
    assert [file["kind"] for file in files] == KINDS
    for file, data in zip(files, content.values(), strict=True):
        assert file["bytes"] == len(data)
        assert (file["md5"], file["sha256"]) == (md5(data), hashlib.sha256(data).hexdigest())
        reply = client.get(file["url"])
        assert (reply.status_code, reply.content) == (200, data)
        assert reply.headers["Content-Type"] == file["media_type"]
        assert reply.headers["Content-Disposition"] == f'attachment; filename="{file["name"]}"'
        assert base64.b64decode(reply.headers["Content-MD5"]) == hashlib.md5(data).digest()
        digest = base64.b64encode(hashlib.sha256(data).digest()).decode()
        assert reply.headers["Repr-Digest"].startswith(f"sha-256=:{digest}:, md5=:")
    assert len({file["file_id"] for file in files}) == len(files)
    assert [file["samples"] for file in files] == [
        [],
        ["liver 1; left"],
        ["heart"],
        [],
        *[["a", "b"]] * 3,
        *[["a"]] * 2,
    ]
    assert [file["record"] for file in files] == ["m", "t", "t", "lo", *["run/1"] * 5]
    assert [file["format"] for file in files[3:]] == ["loom", "BAM", "BAI", "CRAM", "VCF", "TBI"]


def test_all_formats_of_a_report_say_the_same(client: TestClient) -> None:
    files = files_of(client)
    table = list(csv.DictReader(io.StringIO(client.get("/files?study=s&format=tsv").text), delimiter="\t"))
    assert list(table[0])[:8] == ["study", "file_id", "name", "url", "bytes", "md5", "kind", "samples"]
    expected = [{name: ";".join(v) if isinstance(v, list) else str(v) for name, v in file.items()} for file in files]
    assert table == expected
    assert client.get("/files", headers={"Accept": "text/tab-separated-values"}).text.startswith("study\tfile_id")
    sums = client.get("/files?study=s&format=md5").text
    assert sums == "".join(f"{file['md5']}  {file['name']}\n" for file in files)
    configuration = client.get("/files?study=s&format=curl").text
    assert configuration == "".join(f'url = "{file["url"]}"\noutput = "{file["name"]}"\n' for file in files)
    assert [file["name"] for file in files_of(client, "?kind=variants")] == ["v.vcf.gz"]
    assert "<html" in client.get("/files", headers={"Accept": "text/html"}).text


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ("study=nothing", 404, "there is no study"),
        ("study=s&kind=bam", 400, "matrix"),
        ("format=md5", 400, "study"),
        ("format=curl", 400, "study"),
        ("format=xml", 400, "tsv"),
        ("studi=s", 400, "study"),
    ],
)
def test_wrong_requests_for_reports(client: TestClient, query: str, status: int, words: str) -> None:
    reply = client.get(f"/files?{query}")
    assert reply.status_code == status and words in reply.json()["message"]
    refused = client.get("/files", headers={"Accept": "image/png"})
    assert refused.status_code == 406


def test_parts(client: TestClient, content: dict[str, bytes]) -> None:
    url, data = files_of(client)[0]["url"], content["m.h5ad"]
    whole = client.get(url)
    tag = whole.headers["ETag"]
    for header, start, stop in (("bytes=0-9", 0, 10), ("bytes=2999990-", 2999990, None), ("bytes=-3", -3, None)):
        for condition in ({}, {"If-Range": tag}):
            reply = client.get(url, headers={"Range": header, **condition})
            assert (reply.status_code, reply.content) == (206, data[start:stop])
            assert "Content-MD5" not in reply.headers
            assert reply.headers["Repr-Digest"] == whole.headers["Repr-Digest"]
    assert client.get(url, headers={"Range": "bytes=0-9", "If-Range": '"other"'}).content == data
    beyond = client.get(url, headers={"Range": "bytes=3000001-"})
    assert (beyond.status_code, beyond.headers["Content-Range"]) == (416, "bytes */3000001")
    assert client.get(url, headers={"If-None-Match": tag}).status_code == 304
    assert client.get(url, headers={"If-Match": '"other"'}).status_code == 412
    head = client.head(url)
    assert (head.headers["Content-Length"], head.headers["ETag"], head.content) == ("3000001", tag, b"")


def test_a_replaced_file_has_new_checksums_and_keeps_its_id(client: TestClient, data: Path) -> None:
    before = files_of(client)
    tag = client.get(before[0]["url"]).headers["ETag"]
    path = data / "p" / "s" / "m.h5ad"
    path.with_suffix(".new").write_bytes(b"new bytes")
    path.with_suffix(".new").replace(path)
    after = files_of(client)
    assert (after[0]["file_id"], after[0]["bytes"], after[0]["md5"]) == (before[0]["file_id"], 9, md5(b"new bytes"))
    assert after[1:] == before[1:]
    reply = client.get(after[0]["url"], headers={"Range": "bytes=4-", "If-Range": tag})
    assert (reply.status_code, reply.content) == (200, b"new bytes")
    assert reply.headers["ETag"] != tag


def test_a_file_written_over_with_its_old_time_has_new_checksums(client: TestClient, data: Path) -> None:
    before = files_of(client)[0]
    tag = client.get(before["url"]).headers["ETag"]
    path = data / "p" / "s" / "m.h5ad"
    status = path.stat()
    with path.open("r+b") as file:
        file.write(b"other")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    after = files_of(client)[0]
    assert (before["md5"] != after["md5"]) and after["md5"] == md5(path.read_bytes())
    assert client.get(after["url"]).headers["ETag"] != tag


def test_a_file_that_moves_keeps_its_id(client: TestClient, data: Path) -> None:
    before = files_of(client)[0]
    study = data / "p" / "s" / "study.yaml"
    (data / "p" / "s" / "m.h5ad").rename(data / "p" / "s" / "moved.h5ad")
    study.write_text(study.read_text().replace("m.h5ad", "moved.h5ad"))
    time.sleep(0.1)
    after = files_of(client)[0]
    assert (after["file_id"], after["name"], after["md5"]) == (before["file_id"], "moved.h5ad", before["md5"])


def test_bytes_of_two_states_are_never_mixed(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"a" * (2 << 20))
    pieces = StoredContent(LocalFile.open(path)).read()
    assert set(next(pieces)) == {ord("a")}
    path.with_suffix(".new").write_bytes(b"b" * (2 << 20))
    path.with_suffix(".new").replace(path)  # the file that is sent has lost its name, and no more
    with pytest.raises(OSError, match="written to"):
        list(pieces)
    time.sleep(0.02)
    pieces = StoredContent(LocalFile.open(path)).read()
    next(pieces)
    time.sleep(0.02)
    with path.open("r+b") as file:
        file.seek(1 << 20)
        file.write(b"c")
    with pytest.raises(OSError, match="written to"):
        list(pieces)


def _sparse(path: Path) -> str:
    with path.open("wb") as file:
        file.truncate(_LARGE)
    digest = hashlib.md5()
    digest.update(bytes(_LARGE))
    return digest.hexdigest()


def test_checksums_of_large_files_come_later(client: TestClient, data: Path) -> None:
    expected = _sparse(data / "p" / "s" / "m.h5ad")
    reply = client.get("/files?study=s&format=json")
    assert reply.json()["pending"] == 1 and int(reply.headers["Retry-After"]) >= 1
    file = reply.json()["files"][0]
    assert (file["bytes"], file["md5"], file["sha256"]) == (_LARGE, None, None)
    waiting = client.get("/files?study=s&format=md5")
    if waiting.status_code != 200:
        assert waiting.status_code == 503 and int(waiting.headers["Retry-After"]) >= 1
    deadline = time.monotonic() + 60
    while client.get("/files?study=s").json()["pending"] and time.monotonic() < deadline:
        time.sleep(0.1)
    assert files_of(client)[0]["md5"] == expected
    assert client.get("/files?study=s&format=md5").text.startswith(f"{expected}  m.h5ad\n")


def test_missing_files(client: TestClient, data: Path, caplog: pytest.LogCaptureFixture) -> None:
    (data / "p" / "s" / "r.bam").unlink()
    file = files_of(client)[4]
    assert (file["name"], file["bytes"], file["md5"]) == ("r.bam", None, None)
    reply = client.get(file["url"])
    assert reply.status_code == 503 and str(data) not in reply.text
    assert f"{'0' * 32}  r.bam\n" in client.get("/files?study=s&format=md5").text
    lines = [record.message for record in caplog.records if "r.bam " in record.message]
    assert len(lines) == 1 and str(data) not in lines[0]


def test_a_file_of_another_size_than_the_catalogue_says_is_not_sent(client: TestClient, data: Path) -> None:
    study = data / "p" / "s" / "study.yaml"
    study.write_text(study.read_text().replace("file: r.cram", "file: r.cram, size: 27"))
    time.sleep(0.1)
    file = files_of(client)[6]
    assert (file["bytes"], client.get(file["url"]).status_code) == (None, 503)


@pytest.mark.parametrize(
    ("settings", "kinds"),
    [
        ({"offer_files": False}, []),
        ({"switched_off": "expressions"}, KINDS[1:]),
        ({"switched_off": "continuous"}, [KINDS[0], *KINDS[4:]]),
    ],
)
def test_what_is_not_offered(content: dict[str, bytes], data: Path, settings: dict[str, Any], kinds: list[str]) -> None:
    for everything in client_of(data):
        ids = {file["file_id"] for file in files_of(everything)}
    for client in client_of(data, **settings):
        files = files_of(client)
        assert [file["kind"] for file in files] == kinds
        for id in ids:
            offered = id in {file["file_id"] for file in files}
            assert client.get(f"/files/{id}").status_code == (200 if offered else 404)
            assert client.get(f"/ga4gh/drs/v1/objects/{id}").status_code == (200 if offered else 404)


def test_signed_urls(content: dict[str, bytes], data: Path) -> None:
    for client in client_of(data, ticket_keys="k" * 32, require_tickets=True):
        file = files_of(client)[0]
        assert client.get(f"/files/{file['file_id']}").status_code == 403
        assert client.get(file["url"]).content == content["m.h5ad"]
        assert client.get(file["url"].replace(file["file_id"], files_of(client)[1]["file_id"])).status_code == 403
        found = client.get(f"/ga4gh/drs/v1/objects/{file['file_id']}").json()
        assert found["access_methods"] == [{"type": "https", "access_id": "https"}]
        access = client.get(f"/ga4gh/drs/v1/objects/{file['file_id']}/access/https").json()
        assert client.get(access["url"]).content == content["m.h5ad"]


def test_the_limit_of_a_reply(content: dict[str, bytes], data: Path) -> None:
    for client in client_of(data, max_bytes=1_000_000):
        url = files_of(client)[0]["url"]
        reply = client.get(url)
        assert reply.status_code == 413 and "bytes=0-999999" in reply.json()["message"]
        parts = []
        for start in range(0, 3_000_001, 1_000_000):
            parts.append(client.get(url, headers={"Range": f"bytes={start}-{start + 999_999}"}))
        assert {part.status_code for part in parts} == {206}
        assert b"".join(part.content for part in parts) == content["m.h5ad"]


def test_checksums_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"bytes")
    first = Checksums(tmp_path / "kept").compute(path)
    assert first is not None and first.md5 == md5(b"bytes")
    again = Checksums(tmp_path / "kept")
    assert again.known(path, path.stat()) == first
    with sqlite3.connect(tmp_path / "kept" / "sums.sqlite") as kept:
        kept.execute("UPDATE files SET md5 = ?", ("0" * 32,))
    kept.close()
    assert again.known(path, path.stat()) is None
    assert again.compute(path) == first == again.known(path, path.stat())
    for file in (tmp_path / "kept").iterdir():
        file.write_bytes(b"no database" * 1000)
    damaged = Checksums(tmp_path / "kept")
    assert damaged.known(path, path.stat()) is None
    assert damaged.compute(path) == first == damaged.known(path, path.stat())


def test_a_directory_that_cannot_be_used(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"bytes")
    kept = Checksums(path / "below")
    found = kept.compute(path)
    assert found is not None and kept.known(path, path.stat()) == found


def test_a_file_that_changes_while_it_is_read_has_no_checksums(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "f"
    path.write_bytes(bytes(3 << 20))
    read = LocalFile.read_many

    def read_and_write(file: LocalFile, ranges: Iterable[tuple[int, int]]) -> Iterator[bytes]:
        for number, piece in enumerate(read(file, ranges)):
            if number == 1:
                time.sleep(0.02)
                with path.open("r+b") as other:
                    other.write(b"x")
            yield piece

    kept = Checksums(None)
    with monkeypatch.context() as patch:
        patch.setattr(LocalFile, "read_many", read_and_write)
        assert kept.compute(path) is None
    assert kept.known(path, path.stat()) is None
    found = kept.compute(path)
    assert found is not None and found.md5 == md5(path.read_bytes())


def test_a_file_written_a_moment_ago_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"1")
    checksums.open_settled(path).close()
    assert checksums.is_settled(path.stat())
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="no file"):
        checksums.open_settled(tmp_path / "pipe")


def test_a_file_written_by_a_clock_that_was_wrong(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time_ns
    monkeypatch.setattr(checksums.time, "time_ns", lambda: now() - 3600 * 1_000_000_000)
    files = files_of(client)
    assert all(file["md5"] for file in files)
    reply = client.get(files[0]["url"], headers={"Range": "bytes=0-9"})
    assert (reply.status_code, len(reply.content)) == (206, 10)


def test_names_are_fit_for_every_file_system() -> None:
    named = (("a", "f.bam"), ("-rf", "f.bam"), ("...", "F.bam"), ("r" * 200, "x" * 200), ("b", "x" * 200))
    files = [Owner("reads", record, "p", "s").file("reads", Path(f"/x/{name}"), format="BAM") for record, name in named]
    names = [file.name for file in with_distinct_names(files)]
    assert names == ["f.bam", "rf-f.bam", f"-{files[2].id}-F.bam".lstrip("-"), "x" * 200, "b-" + "x" * 200]
    both = [Owner("reads", "r" * 200, "p", "s").file("reads", Path(f"/{n}/{'x' * 200}"), n, format="BAM") for n in "12"]
    assert [file.name for file in with_distinct_names(both)] == ["x" * 200, both[1].id]


def test_a_dense_matrix_of_the_server_opens_as_loom(demo: Path, tmp_path: Path) -> None:
    import hdf5plugin  # noqa: F401
    import loompy

    for client in client_of(demo):
        (tmp_path / "m.loom").write_bytes(client.get(files_of(client, "")[0]["url"]).content)
        text = client.get("/rnaget/expressions/marioni_counts/bytes?format=tsv").text
    expected = [line.split("\t") for line in text.splitlines()]
    with loompy.connect(tmp_path / "m.loom", "r", validate=False) as loom:
        assert list(loom.ra["gene_id"]) == [line[0] for line in expected[1:]]
        assert list(loom.ca["Sample"]) == expected[0][1:]
        assert [[str(int(cell)) for cell in row] for row in loom[:50, :]] == [line[1:] for line in expected[1:51]]
