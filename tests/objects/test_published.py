"""A catalogue that is published, served out of object storage, changed there, and published by two at once."""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

pytest.importorskip("obstore", reason="obstore is not installed")

from rnaget_server.catalog.object_storage import directory_of
from rnaget_server.catalog.offered import offered_id
from rnaget_server.storage.objects.claim import Claim
from rnaget_server.storage.objects.client import Client
from rnaget_server.storage.objects.failures import ObjectFailure
from rnaget_server.storage.objects.published import CLAIM, PUBLISHED
from rnaget_server.storage.places import is_far
from tests.conftest import client_of as client_of_fixture
from tests.objects.commands import done, run
from tests.objects.unruly import CALM, Unruly

client_of = contextmanager(client_of_fixture)

QUERIES = (
    "/rnaget/projects",
    "/rnaget/expressions/marioni_counts/bytes?format=tsv",
    "/rnaget/expressions/uhlen_tissues/bytes?format=tsv&units=counts&sampleIDList=Lung",
    "/rnaget/expressions/gtex_medians/bytes?format=loom",
    "/rnaget/continuous/er/bytes?format=tsv&chr=chr18&start=1000000&end=1002000",
    "/genomes",
)


def replies(data: Path, **settings: object) -> list[tuple[int, bytes]]:
    with client_of(data, **settings) as client:
        return [(reply.status_code, reply.content) for reply in map(client.get, QUERIES)]


def test_what_is_served_is_the_same(catalogue: Path, published: str) -> None:
    here, there = replies(catalogue), replies(directory_of(published))
    assert [status for status, _ in here] == [200] * len(QUERIES)
    for query, ours, theirs in zip(QUERIES, there, here, strict=True):
        # An HDF5 file is made once by each.
        assert ours == theirs or "loom" in query, query


def test_commands_take_the_url(published: str) -> None:
    assert "ok: 3 projects" in done("check", published)
    assert "marioni_counts  5,088 features" in done("list", published)


def test_only_what_changed_is_copied_and_yaml_comes_last(catalogue: Path, url: str, proxy: Unruly) -> None:
    done("publish", catalogue, url)
    put = [
        path.partition("?")[0].rpartition(url.rpartition("/")[2] + "/")[2]
        for method, path, _ in proxy.requests
        if method == "PUT"
    ]
    put = [key for key in put if not key.startswith("rnaget-publish")]
    assert put[-1] == "catalog.yaml"
    first = next(number for number, key in enumerate(put) if key.endswith(".yaml"))
    assert all(key.endswith(".yaml") for key in put[first:])
    assert "0 files copied" in done("publish", catalogue, url)
    os.utime(catalogue / "demo" / "marioni" / "study.yaml")
    assert "0 files copied" in done("publish", catalogue, url)
    (catalogue / "notes.txt").write_text("x")
    assert "1 files copied (1 bytes), 22 unchanged" in done("publish", catalogue, url)
    (catalogue / "notes.txt").unlink()
    assert "0 files copied (0 bytes), 22 unchanged, 1 removed" in done("publish", catalogue, url)


def test_broken_off_it_goes_on(catalogue: Path, url: str, proxy: Unruly, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RNAGET_OBJECT_TIMEOUT", "1")
    left = iter(range(7))
    proxy.mood = lambda method, path: "500" if method == "PUT" and next(left, None) is None else CALM
    assert run("publish", catalogue, url).exit_code == 1
    proxy.mood = lambda method, path: CALM
    assert "there is no catalog.yaml" in run("check", url).output
    Client(url, 5).delete([CLAIM])
    out = done("publish", catalogue, url)
    assert " 0 unchanged" not in out
    assert "ok:" in done("check", url)


def test_of_two_at_once_one_is_told(catalogue: Path, published: str) -> None:
    client = Client(published, 10)
    with Claim(client, renewed_every=0.2), pytest.raises(ObjectFailure, match="is being published to by a process"):
        Claim(Client(published, 10), watched_for=3).__enter__()
    assert json.loads(client.whole(CLAIM)[0])["ended"]


def test_a_claim_that_nobody_renews_is_taken_over_and_its_owner_is_told(published: str) -> None:
    client = Client(published, 10)
    dead = Claim(client, renewed_every=1000)
    dead.__enter__()
    seen = json.loads(client.whole(CLAIM)[0])
    client.put(CLAIM, json.dumps({**seen, "machine": "elsewhere"}).encode())
    with Claim(Client(published, 10), watched_for=1.5):
        dead._every = 0
        thread = threading.Thread(target=dead._renew)
        thread.start()
        thread.join(10)
        with pytest.raises(ObjectFailure, match="another publication has taken over"):
            dead.check()


def test_an_import_is_published_unless_somebody_was_faster(published: str, tmp_path: Path) -> None:
    (tmp_path / "m.tsv").write_text("gene\ta\tb\nG1\t1\t2\nG2\t3\t4.5\n")
    into = ("--data", published, "--project", "p", "--study", "s", "--units", "TPM")
    out = done("import", tmp_path / "m.tsv", "--id", "m", *into)
    assert f"rnaget-server serve {published}" in out
    assert "m  2 features × 2 samples" in done("list", published)
    assert "ok:" in done("check", published)
    client = Client(published, 10)
    from rnaget_server.catalog.object_storage import changing

    with pytest.raises(ObjectFailure, match=r"another p/s/study\.yaml"), changing(published, print) as data:
        study = data / "p" / "s" / "study.yaml"
        study.write_text(study.read_text() + "# mine\n")
        client.put("p/s/study.yaml", study.read_bytes() + b"# theirs\n")
    assert client.whole("p/s/study.yaml")[0].endswith(b"# theirs\n")
    assert "m is removed" in done("remove", "m", "--kind", "matrix", "--data", published, "--yes")
    assert "m  2 features" not in done("list", published)


def test_a_server_takes_over_what_is_published(catalogue: Path, published: str) -> None:
    data = directory_of(published)
    with client_of(data, reload_seconds=0.01) as client:
        assert client.get("/rnaget/expressions/marioni_counts/bytes?format=tsv").status_code == 200
        text = (catalogue / "catalog.yaml").read_text()
        (catalogue / "demo" / "project.yaml").write_text("id: demo\nname: Another name\n")
        shutil.copy(catalogue / "hpa/uhlen/uhlen_tissues.h5", catalogue / "demo/marioni/marioni_counts.h5")
        assert text
        done("publish", catalogue, published)
        deadline = time.monotonic() + 20
        while "Another name" not in client.get("/rnaget/projects/demo").text:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_entity_tags_are_the_same_on_all_servers(
    published: str, catalogue: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tags(server: str) -> dict[str, tuple[str, bytes]]:
        monkeypatch.setenv("RNAGET_CACHE_DIRECTORY", str(tmp_path / server))
        with client_of(directory_of(published), cache_directory=tmp_path / server) as client:
            time.sleep(0.3)  # until the stand-ins are settled
            replies = {path: client.get(path) for path in (*QUERIES[1:-1], file)}
            return {path: (reply.headers["ETag"], reply.content) for path, reply in replies.items()}

    file = f"/files/{offered_id('expressions', 'marioni_counts')}"
    one = tags("one")
    assert tags("two") == one
    with (catalogue / "demo" / "marioni" / "marioni_counts.h5").open("ab") as file_here:
        file_here.write(bytes(64))
    done("publish", catalogue, published)
    changed = tags("one")
    assert tags("three") == changed
    assert changed[QUERIES[1]][0] != one[QUERIES[1]][0]
    assert changed[QUERIES[2]] == one[QUERIES[2]]


def test_nothing_changed_is_one_request(published: str, proxy: Unruly) -> None:
    from rnaget_server.storage.objects.mirror import opened_mirror

    data = directory_of(published)
    proxy.requests.clear()
    opened_mirror(data.parent).update()
    assert [path.partition("?")[0].rpartition("/")[2] for _, path, _ in proxy.requests] == [PUBLISHED]


def test_an_object_that_was_replaced_is_503_and_then_the_new_one(published: str, catalogue: Path) -> None:
    data = directory_of(published)
    path = next(path for path in data.rglob("marioni*") if path.is_file() and is_far(path))
    query = "/rnaget/expressions/marioni_counts/bytes?format=tsv"
    with client_of(data, reload_seconds=0, cache_bytes=0) as client:
        # Of its cells none are kept yet.
        assert client.get("/rnaget/expressions/marioni_counts/info").status_code == 200
        other = (catalogue / path.relative_to(data)).read_bytes() + b"\0" * 64
        Client(published, 10).put(path.relative_to(data).as_posix(), other)
        assert client.get(query).status_code == 503
    with client_of(directory_of(published)) as client, client_of(catalogue) as here:
        assert client.get(query).content == here.get(query).content


def test_to_a_directory_by_its_url(catalogue: Path, tmp_path: Path) -> None:
    place = f"file://{tmp_path / 'there'}"
    assert "22 files copied" in done("publish", catalogue, place)
    assert "0 files copied" in done("publish", catalogue, place)
    assert "ok:" in done("check", tmp_path / "there")


def test_another_catalogue_is_not_removed_by_mistake(catalogue: Path, published: str, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "catalog.yaml").write_text("id: org.example.other\nname: Other\n")
    before = Client(published, 10).listing()
    result = run("publish", other, published)
    assert result.exit_code == 1
    assert f"that in {other} is org.example.other: nothing was published" in result.output
    assert Client(published, 10).listing() == before
    assert "21 removed" in done("publish", other, published, "--replace")
    Client(published, 10).put("catalog.yaml", b"id: [")
    (other / "catalog.yaml").write_text("id: org.example.renamed\nname: Other\n")
    done("publish", other, published)


def test_what_cannot_be_published(catalogue: Path, url: str, tmp_path: Path) -> None:
    assert "give a URL of s3://, gs://, az:// and file:///" in run("publish", catalogue, "nowhere").output
    assert "there is no directory" in run("publish", tmp_path / "none", url).output
    assert "has a user in it" in run("publish", catalogue, "s3://me:secret@bucket/x").output
    (catalogue / "demo" / "project.yaml").write_text("id: [")
    assert "would not check, so nothing was published" in run("publish", catalogue, url).output


def test_objects_of_strange_names_are_no_files(published: str) -> None:
    client = Client(published, 10)
    client.put(".hidden/x", b"x" * 5000)
    client.put("demo/.import-x", b"x" * 5000)
    data = directory_of(published)
    assert not list(data.rglob(".*"))
    assert "ok:" in done("check", published)


@pytest.mark.parametrize("name", ["../../../m.h5", ".m.h5"])
def test_files_that_would_not_be_copied_are_refused(catalogue: Path, tmp_path: Path, name: str) -> None:
    study = catalogue / "demo" / "marioni" / "study.yaml"
    (stored,) = study.parent.glob("*.h5")
    shutil.copy(stored, study.parent / name)
    study.write_text(study.read_text().replace(f"file: {stored.name}", f"file: {name}"))
    result = run("publish", catalogue, f"file://{tmp_path}/published")
    assert result.exit_code == 1 and "or hidden" in result.output
    assert not (tmp_path / "published").exists()
