"""The conditions on which stores of other kinds are written to, which say them in their own words."""

from __future__ import annotations

import json
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

pytest.importorskip("obstore", reason="obstore is not installed")

from rnaget_server.catalog.object_storage import changing
from rnaget_server.storage.objects.claim import Claim
from rnaget_server.storage.objects.client import Client
from rnaget_server.storage.objects.failures import ObjectExists, ObjectFailure
from rnaget_server.storage.objects.published import CLAIM
from rnaget_server.storage.objects.publishing import Outcome


@pytest.fixture
def google(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, tuple[int, bytes]]]:
    """The objects and their versions of a server that speaks Google's protocol, as far as putting and getting go."""
    objects: dict[str, tuple[int, bytes]] = {}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self, status: int, body: bytes = b"") -> None:
            version, data = objects.get(self.path, (0, b""))
            self.send_response(status)
            self.send_header("ETag", f'"{version}"')
            self.send_header("x-goog-generation", str(version))
            self.send_header("Last-Modified", "Mon, 01 Jan 2024 00:00:00 GMT")
            self.send_header("Content-Length", str(len(data) if self.command == "HEAD" else len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_PUT(self) -> None:
            data = self.rfile.read(int(self.headers["content-length"]))
            wanted, version = self.headers.get("x-goog-if-generation-match"), objects.get(self.path, (0, b""))[0]
            if wanted is not None and int(wanted) != version:
                return self._answer(412)
            objects[self.path] = version + 1, data
            return self._answer(200)

        def do_GET(self) -> None:
            data = objects.get(self.path, (0, b""))[1]
            return self._answer(200, data) if self.path in objects else self._answer(404)

        do_HEAD = do_GET

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_address[1]}"
        account = {"gcs_base_url": address, "disable_oauth": True, "client_email": "", "private_key": ""}
        monkeypatch.setenv("GOOGLE_SERVICE_ACCOUNT_KEY", json.dumps({**account, "private_key_id": ""}))
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        yield objects
        server.shutdown()


def test_a_claim_at_google_is_renewed_and_lost(google: dict[str, tuple[int, bytes]]) -> None:
    client = Client("gs://bucket/cat", 5)
    with Claim(client, renewed_every=1000) as claim:
        claim.confirm()
        claim.confirm()
    ((version, data),) = google.values()
    assert version == 4
    assert json.loads(data)["ended"]
    with Claim(client, renewed_every=1000) as claim:
        client.put(CLAIM, b"{}")
        with pytest.raises(ObjectFailure, match="has taken over"):
            claim.confirm()
    assert [data for _, data in google.values()] == [b"{}"]


def test_a_directory_compares_the_state_that_it_has(tmp_path: Path) -> None:
    client = Client(f"file://{tmp_path}/there", 5)
    tag = client.put("a", b"1", "")
    assert client.put("a", b"22", tag) != tag
    for expected in (tag, ""):
        with pytest.raises(ObjectExists):
            client.put("a", b"3", expected)
    with pytest.raises(ObjectExists):
        client.put("none", b"3", tag)
    assert (tmp_path / "there" / "a").read_bytes() == b"22"


def test_a_directory_that_cannot_be_one_is_said_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ObjectFailure, match=r"file:///.*/file/x cannot be used: Not a directory"):
        Client(f"file://{tmp_path}/file/x", 60).put("a", b"1")


def test_what_is_written_late_in_a_directory_of_a_change_does_not_fail_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As blocks of what was read, which are put on the disk a moment later."""
    (tmp_path / "made").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "made"))
    Client(f"file://{tmp_path}/there", 5).put("catalog.yaml", b"id: c\nname: C\n")
    ended = threading.Event()
    outcomes: list[Outcome] = []

    def write(directory: Path) -> None:
        number = 0
        while not ended.is_set():
            number += 1
            with suppress(FileNotFoundError):
                (directory / str(number)).touch()

    with ThreadPoolExecutor(1) as other:
        try:
            with changing(f"file://{tmp_path}/there", outcomes.append) as data:
                (data / "catalog.yaml").write_text("id: c\nname: Changed\n")
                other.submit(write, data.parent.parent)
                time.sleep(0.2)
        finally:
            ended.set()
    assert [outcome.copied for outcome in outcomes] == [("catalog.yaml",)]
    assert "Changed" in (tmp_path / "there" / "catalog.yaml").read_text()
