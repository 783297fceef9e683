"""The directory that stands for a place: of objects of any name, and after an update that failed."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

pytest.importorskip("obstore", reason="obstore is not installed")

from rnaget_server.storage import disk_cache
from rnaget_server.storage.objects.client import Client
from rnaget_server.storage.objects.failures import ObjectFailure
from rnaget_server.storage.objects.mirror import Mirror, Place, make_mirror
from rnaget_server.storage.objects.published import PUBLISHED, Entry, written_published
from rnaget_server.storage.places import open_file
from tests.objects.unruly import CALM, Unruly, give_up_after


def mirror_of(url: str, directory: Path) -> Mirror:
    return make_mirror(Place(url, 20, 1 << 20), directory / "mirrors")


def files(mirror: Mirror) -> set[str]:
    return {path.relative_to(mirror.data).as_posix() for path in mirror.data.rglob("*") if path.is_file()}


def test_what_is_no_file_of_a_catalogue_is_passed_over(url: str, tmp_path: Path) -> None:
    client = Client(url, 20)
    for key in ("a/b.bin", "x" * 250, ".hidden", "a/.b/c"):
        client.put(key, key.encode() * 50)
    assert files(mirror_of(url, tmp_path)) == {"a/b.bin", "x" * 250}


def test_a_file_takes_the_place_of_a_directory_and_the_other_way_round(url: str, tmp_path: Path) -> None:
    client = Client(url, 20)
    for before, after in (("a/b/c.bin", "a/b"), ("a/b", "a/b/c/d.bin"), ("a/b/c/d.bin", "a")):
        client.put(before, b"1" * 5000)
        assert files(mirror_of(url, tmp_path)) == {before}
        client.delete([before])
        client.put(after, b"2" * 5000)
        mirror = mirror_of(url, tmp_path)
        assert files(mirror) == {after}
        assert open_file(mirror.data / after).read(0, 5000) == b"2" * 5000
        client.delete([after])


def test_what_an_update_that_was_killed_has_left_goes(url: str, tmp_path: Path) -> None:
    Client(url, 20).put("a/b.yaml", b"id: b")
    mirror = mirror_of(url, tmp_path)
    # Written before it was noted, and gone from the place since.
    for name in ("gone.yaml", ".import-object.x"):
        (mirror.data / "a" / name).write_bytes(b"id: gone")
    mirror.update()
    assert files(mirror) == {"a/b.yaml"}


def test_after_a_start_of_the_machine_nothing_is_believed_to_be_on_the_disk(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A loss of power may leave files that are empty, though they were renamed."""
    client = Client(url, 20)
    for key, data in {"catalog.yaml": b"id: c", "a.bin": b"1" * 5000}.items():
        client.put(key, data)
    client.put(PUBLISHED, written_published({}))
    mirror = mirror_of(url, tmp_path)
    state = (mirror.data / "a.bin").stat().st_mtime_ns
    for key in ("catalog.yaml", "a.bin"):
        (mirror.data / key).write_bytes(b"")
    (tmp_path / "boot_id").write_text("another")
    monkeypatch.setattr(disk_cache, "_BOOT", tmp_path / "boot_id")
    mirror.update()
    assert (mirror.data / "catalog.yaml").read_bytes() == b"id: c"
    assert open_file(mirror.data / "a.bin").read(0, 5000) == b"1" * 5000
    assert (mirror.data / "a.bin").stat().st_mtime_ns == state


def test_an_update_that_fails_is_done_again(url: str, proxy: Unruly, tmp_path: Path) -> None:
    client = Client(url, 20)
    client.put("a.bin", b"1" * 5000)
    client.put(PUBLISHED, written_published({"a.bin": Entry(5000, 0, None, "")}))
    mirror = mirror_of(url, tmp_path)
    give_up_after(mirror.client, 0)
    client.put("a.bin", b"2" * 5000)
    mirror.missed()
    proxy.mood = lambda method, path: "500" if "list-type" in path else CALM
    with pytest.raises(ObjectFailure):
        mirror.update()
    proxy.mood = lambda method, path: CALM
    mirror.update()
    assert open_file(mirror.data / "a.bin").read(0, 5000) == b"2" * 5000
    # And then it is enough to ask for what was published.
    proxy.requests.clear()
    mirror.update()
    assert len(proxy.requests) == 1


def test_a_file_that_is_replaced_after_the_listing_gets_the_time_that_all_machines_see(
    url: str, proxy: Unruly, tmp_path: Path
) -> None:
    client = Client(url, 20)
    client.put("a.yaml", b"id: a")
    time.sleep(1.1)

    def mood(method: str, path: str) -> str:
        if method == "GET" and "a.yaml" in path:
            proxy.mood = lambda method, path: CALM
            client.put("a.yaml", b"id: b")
        return CALM

    proxy.mood = mood
    mirror = mirror_of(url, tmp_path)
    mirror.update()
    other = mirror_of(url, tmp_path / "other")
    assert (mirror.data / "a.yaml").read_bytes() == b"id: b"
    assert (mirror.data / "a.yaml").stat().st_mtime_ns == (other.data / "a.yaml").stat().st_mtime_ns


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The keys that a server lists, which speaks as much of S3 as it takes for that: real ones refuse such keys."""
    keys: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = "".join(
                f"<Contents><Key>cat/{key}</Key><Size>3</Size><ETag>&quot;e&quot;</ETag>"
                "<LastModified>2024-01-01T00:00:00.000Z</LastModified></Contents>"
                for key in keys
            )
            body = f"<ListBucketResult><IsTruncated>false</IsTruncated>{parts}</ListBucketResult>".encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_address[1]}"
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"):
            monkeypatch.setenv(name, "x")
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        yield keys
        server.shutdown()


@pytest.mark.parametrize(
    ("key", "name"),
    [("x//y", "x//y"), ("../y", "../y"), ("./y", "./y"), ("x&#10;y", "x\\ny"), ("/etc/passwd", "//etc")],
)
def test_an_object_that_no_file_can_be_is_named(listed: list[str], key: str, name: str) -> None:
    listed += ["a", key]
    with pytest.raises(ObjectFailure, match="has an object whose name is no path of a file") as caught:
        Client("s3://bucket/cat", 10).listing()
    assert name in str(caught.value)
    assert not caught.value.passing


def test_marks_of_directories_and_names_too_long_for_files_are_passed_over(listed: list[str], tmp_path: Path) -> None:
    listed += ["a/", "a/b.bin", "", "a/" + "n" * 300]
    mirror = Mirror(tmp_path, Place("s3://bucket/cat", 10, 0))
    assert list(mirror._listing(b"", False)) == ["a/b.bin"]
