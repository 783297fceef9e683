"""A catalogue that a web server has: read by the list of what was published, and never written to."""

from __future__ import annotations

import json
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

pytest.importorskip("obstore", reason="obstore is not installed")

from rnaget_server.catalog.object_storage import directory_of
from rnaget_server.storage.objects.mirror import opened_mirror
from rnaget_server.storage.objects.published import PUBLISHED
from rnaget_server.storage.places import is_far, open_file
from tests.objects.commands import done, run
from tests.objects.test_published import client_of, replies


@contextmanager
def served(directory: Path) -> Iterator[str]:
    """Give the address of a web server that gives entity tags and parts of files."""
    app = Starlette(routes=[Mount("/a b", StaticFiles(directory=directory))])
    app.add_middleware(GZipMiddleware)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.02)
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/a b"
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture
def there(catalogue: Path, tmp_path: Path) -> Path:
    """The directory that the web server has, to which a catalogue was published."""
    done("publish", catalogue, f"file://{tmp_path}/there")
    return tmp_path / "there"


@pytest.fixture
def web(there: Path) -> Iterator[str]:
    """The address of a catalogue."""
    with served(there) as url:
        yield url


def test_what_is_served_is_the_same(catalogue: Path, web: str) -> None:
    assert "ok: 3 projects" in done("check", web)
    assert "marioni_counts  5,088 features" in done("list", web)
    data = directory_of(web)
    assert is_far(data / "demo" / "marioni" / "marioni_counts.h5")
    for (status, theirs), (_, ours) in zip(replies(data), replies(catalogue), strict=True):
        assert status == 200
        assert theirs == ours or theirs.startswith(b"\x89HDF")


def test_what_is_published_anew_is_taken_over(catalogue: Path, there: Path, web: str) -> None:
    with client_of(directory_of(web), reload_seconds=0.01) as client:
        assert client.get("/rnaget/projects/demo").status_code == 200
        (catalogue / "demo" / "project.yaml").write_text("id: demo\nname: Another name\n")
        done("publish", catalogue, f"file://{there}")
        end = time.monotonic() + 20
        while "Another name" not in client.get("/rnaget/projects/demo").text:
            assert time.monotonic() < end
            time.sleep(0.05)


def test_a_file_that_was_replaced_is_never_mixed(there: Path, web: str) -> None:
    data = directory_of(web)
    file = open_file(data / "demo" / "marioni" / "marioni_counts.h5")
    assert file.read(0, 4) == b"\x89HDF"
    stored = there / "demo" / "marioni" / "marioni_counts.h5"
    other = there / "other"
    other.write_bytes(bytes(stored.stat().st_size))
    other.replace(stored)
    with pytest.raises(OSError, match="was replaced"):
        file.read(0, 4)
    opened_mirror(data.parent).update()
    assert open_file(data / "demo" / "marioni" / "marioni_counts.h5").read(0, 4) == bytes(4)


def test_a_place_that_does_not_have_what_was_published_is_refused(there: Path, web: str) -> None:
    with (there / "demo" / "marioni" / "marioni_counts.h5").open("ab") as file:
        file.write(b"x")
    assert "were published: wait until it is copied" in run("check", web).output
    (there / "demo" / "marioni" / "marioni_counts.h5").unlink()
    assert "marioni_counts.h5" in run("check", web).output
    (there / PUBLISHED).write_text("<html>sign in</html>")
    assert f"{PUBLISHED} in {web} is damaged" in run("check", web).output
    (there / PUBLISHED).unlink()
    message = run("serve", web).output
    assert f"there is no {PUBLISHED} in {web}" in message
    assert "`rnaget-server publish DIRECTORY URL`" in message


def test_names_that_lead_elsewhere_are_not_followed(there: Path, web: str, tmp_path: Path) -> None:
    said = json.loads((there / PUBLISHED).read_text())
    entry = {"size": 5, "modified": 1, "sha256": None, "tag": "t"}
    for name in ("../secret", "/etc/passwd", "demo/../../secret", "a\nb", ".hidden/x", "a\\b"):
        said["files"][name] = entry
    (tmp_path / "secret").write_text("12345")
    (there / PUBLISHED).write_text(json.dumps(said))
    assert "ok: 3 projects" in done("check", web)
    assert not list(tmp_path.glob("cache/**/secret"))


def test_it_is_only_read(catalogue: Path, web: str, tmp_path: Path) -> None:
    (tmp_path / "m.tsv").write_text("gene\ta\nG1\t1\n")
    for command in (
        ("publish", catalogue, web),
        ("import", tmp_path / "m.tsv", "--id", "m", "--data", web),
        ("remove", "marioni_counts", "--yes", "--data", web),
        ("rename", "marioni", "m", "--data", web),
        ("token", "add", "me", "--data", web),
    ):
        result = run(*command)
        assert result.exit_code == 1
        assert f"{web} can only be read: publish to s3://, gs://, az:// and file:///" in result.output


def test_a_server_without_entity_tags_is_refused(there: Path) -> None:
    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=there)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        message = run("check", f"http://127.0.0.1:{server.server_address[1]}").output
        server.shutdown()
    assert "gives no entity tags (ETag)" in message


def test_a_directory_named_by_its_url_is_to_be_named_by_its_path(there: Path) -> None:
    for command in ("serve", "check", "list"):
        assert f"give the path, as `rnaget-server {command} {there}`" in run(command, f"file://{there}").output
    shutil.rmtree(there)
