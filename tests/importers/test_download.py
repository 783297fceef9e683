"""Sources at addresses, from a real server that cuts connections, redirects, and says what is not so."""

from __future__ import annotations

import base64
import contextlib
import gzip
import hashlib
import http.server
import logging
import socket
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from rnaget_server.cli.importing import import_command
from rnaget_server.importers import download
from rnaget_server.importers.addresses import Address, named_source
from rnaget_server.stores.native.dense import NativeStore
from tests.serving import in_thread

pytestmark = pytest.mark.usefixtures("temporary")
NUMBERS = np.random.default_rng(0).random(30_000).round(6)
TABLE = ("gene\ts1\n" + "".join(f"g{at}\t{value}\n" for at, value in enumerate(NUMBERS))).encode()
PACKED = gzip.compress(TABLE)
TAG = {"ETag": '"one"'}


@dataclass
class Reply:
    """A reply: status, headers, the body that is announced, and the number of its bytes that are sent."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    sent: int | None = None
    announced: int | None = None


class Server(http.server.ThreadingHTTPServer):
    """Sends the replies of a list, one after the other, the last again and again; parts where they are asked for."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.replies: list[Reply] = []
        self.asked: list[tuple[str, dict[str, str]]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def address(self, *replies: Reply, name: str = "m.tsv.gz") -> str:
        self.replies, self.asked = list(replies), []
        return f"{self.url}/data/{name}"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
        replies = self.server.replies
        reply = replies.pop(0) if len(replies) > 1 else replies[0]
        body, status, headers = reply.body, reply.status, dict(reply.headers)
        begin = self.headers.get("Range")
        if (
            begin
            and status == 200
            and self.headers.get("If-Range") == headers.get("ETag", headers.get("Last-Modified"))
        ):
            first = int(begin.removeprefix("bytes=").removesuffix("-"))
            status, headers["Content-Range"] = 206, f"bytes {first}-{len(body) - 1}/{len(body)}"
            body = body[first:]
        self.send_response(status)
        headers.setdefault("Content-Length", str(len(body) if reply.announced is None else reply.announced))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(body[: reply.sent])
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
        self.close_connection = True

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(download, "_FIRST_WAIT", 0.01)
    server = Server()
    with in_thread(server):
        yield server


def run(address: str | Path, data: Path, *options: str) -> Result:
    place = ["--data", str(data), "--project", "p", "--study", "s", "--id", "m", "--units", "x"]
    return CliRunner().invoke(import_command, [str(address), *place, *options])


def imported(address: str, data: Path, *options: str) -> str:
    result = run(address, data, *options)
    assert result.exit_code == 0, result.output
    cells = np.concatenate(list(NativeStore(data / "p" / "s" / "m.h5").blocks("x")))[:, 0]
    assert np.array_equal(cells, NUMBERS.astype(np.float32))
    return result.stdout


def refused(address: str, data: Path, *options: str) -> str:
    result = run(address, data, *options)
    assert result.exit_code == 1, result.output
    assert not data.exists()
    assert "rnaget-import-" not in result.stderr
    return result.stderr


MD5 = hashlib.md5(PACKED).hexdigest()


def test_a_file(server: Server, tmp_path: Path) -> None:
    address = server.address(Reply(body=PACKED))
    said = imported(address, tmp_path / "data")
    assert f"{address}: {len(PACKED):,} bytes downloaded; MD5 {MD5}, with nothing to compare" in said
    (path, headers), *others = server.asked
    assert (path, others) == ("/data/m.tsv.gz", [])
    assert headers["accept-encoding"] == "identity" and "range" not in headers


@pytest.mark.parametrize("mark", [TAG, {"Last-Modified": "Mon, 01 Jan 2024 00:00:00 GMT"}])
def test_it_is_resumed_after_each_cut(server: Server, tmp_path: Path, mark: dict[str, str]) -> None:
    third = len(PACKED) // 3
    cut, whole = Reply(headers=mark, body=PACKED, sent=third), Reply(headers=mark, body=PACKED)
    imported(server.address(cut, cut, whole), tmp_path / "data")
    first, second, last = (headers for _, headers in server.asked)
    assert "range" not in first
    assert second["range"] == f"bytes={third}-" and last["range"] == f"bytes={2 * third}-"
    assert second["if-range"] == last["if-range"] == next(iter(mark.values()))


@pytest.mark.parametrize("headers", [{}, {"ETag": 'W/"one"'}])
def test_it_begins_again_where_no_state_is_known(server: Server, tmp_path: Path, headers: dict[str, str]) -> None:
    cut = Reply(headers=headers, body=PACKED[:-1] + b"?", announced=len(PACKED), sent=5000)
    imported(server.address(cut, Reply(headers=headers, body=PACKED)), tmp_path / "data")
    assert all("range" not in headers for _, headers in server.asked)


def test_a_file_that_changes_meanwhile_is_never_mixed(server: Server, tmp_path: Path) -> None:
    old = gzip.compress(TABLE.replace(b"0.1", b"0.2"))
    cut = Reply(headers={"ETag": '"old"'}, body=old, sent=9000)
    imported(server.address(cut, Reply(headers=TAG, body=PACKED)), tmp_path / "data")
    # A server that sends a part of another state all the same.
    part = Reply(206, {**TAG, "Content-Range": f"bytes 9000-{len(PACKED) - 1}/{len(PACKED)}"}, PACKED[9000:])
    imported(server.address(cut, part, Reply(headers=TAG, body=PACKED)), tmp_path / "second")
    assert "range" not in server.asked[-1][1]
    shifted = Reply(206, {"Content-Range": f"bytes 0-{len(PACKED) - 1}/{len(PACKED)}"}, PACKED)
    imported(server.address(cut, shifted, Reply(headers=TAG, body=PACKED)), tmp_path / "third")


def test_failures_that_pass(server: Server, tmp_path: Path) -> None:
    busy = Reply(503, {"Retry-After": "0"}, b"busy")
    imported(server.address(busy, busy, Reply(body=PACKED)), tmp_path / "data")


def test_connections_that_are_always_cut(server: Server, tmp_path: Path) -> None:
    address = server.address(Reply(headers=TAG, body=PACKED, sent=0))
    said = refused(address, tmp_path / "data")
    assert f"{address}: the download broke off after 0 of {len(PACKED):,} bytes, and could not be resumed" in said
    assert "curl -fLO -C -" in said


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (Reply(404), "the server answers 404: there is nothing at this address"),
        (Reply(401), "the server answers 401: a sign-in is needed"),
        (Reply(403), "the server answers 403: you may not read it"),
        (Reply(500), "could not be resumed (the server answers 500)"),
        (Reply(302, {"Location": "http://example.org/m.tsv"}), "http may be changed on the way"),
        (Reply(302, {"Location": "file:///etc/passwd"}), "it leads to file:///etc/passwd, which is not followed"),
        (Reply(302, {"Location": "/data/m.tsv.gz"}), "it leads on more than 5 times"),
        (Reply(body=b""), "the file is empty"),
        (Reply(body=b"<!DOCTYPE html><title>Sign in</title>"), "this is a web page (HTML), titled 'Sign in'"),
        (Reply(headers={"Content-MD5": base64.b64encode(bytes(16)).decode()}, body=PACKED), "the server says 00000000"),
    ],
)
def test_what_is_refused(server: Server, tmp_path: Path, reply: Reply, message: str) -> None:
    address = server.address(reply)
    said = refused(f"{address}?signature=secret", tmp_path / "data")
    assert f"Error: {address}?…" in said and message in said
    assert "secret" not in said


def test_redirects_are_followed_at_every_attempt(server: Server, tmp_path: Path) -> None:
    moved = Reply(302, {"Location": "/elsewhere//m.tsv.gz?token=1"})
    cut = Reply(headers=TAG, body=PACKED, sent=7000)
    imported(server.address(moved, cut, moved, Reply(headers=TAG, body=PACKED)), tmp_path / "data")
    assert [path for path, _ in server.asked] == ["/data/m.tsv.gz", "/elsewhere//m.tsv.gz?token=1"] * 2


@pytest.mark.parametrize("name", ["Content-MD5", "x-goog-hash"])
def test_sums_that_the_server_gives(server: Server, tmp_path: Path, name: str) -> None:
    sum = base64.b64encode(hashlib.md5(PACKED).digest()).decode()
    value = f"crc32c=AAAAAA==,md5={sum}" if name == "x-goog-hash" else sum
    said = imported(server.address(Reply(headers={name: value}, body=PACKED)), tmp_path / "data")
    assert f"its MD5 sum {MD5} is as announced" in said
    wrong = base64.b64encode(bytes(16)).decode()
    value = f"crc32c=AAAAAA==,md5={wrong}" if name == "x-goog-hash" else wrong
    said = refused(server.address(Reply(headers={name: value}, body=PACKED)), tmp_path / "other")
    assert f"the MD5 sum of what came is {MD5}, and the server says {'0' * 32}" in said


def test_sums_that_the_user_gives(server: Server, tmp_path: Path) -> None:
    imported(server.address(Reply(body=PACKED)), tmp_path / "data", "--md5", MD5.upper())
    assert "--md5 says 1111" in refused(server.address(Reply(body=PACKED)), tmp_path / "other", "--md5", "1" * 32)
    file = tmp_path / "m.tsv.gz"
    file.write_bytes(PACKED)
    assert f"{file}: the MD5 sum of the file is {MD5}" in refused(str(file), tmp_path / "other", "--md5", "1" * 32)
    imported(str(file), tmp_path / "third", "--md5", MD5)
    assert run(file, tmp_path / "other", "--md5", "x").exit_code == 2


def test_a_file_larger_than_the_disk(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RNAGET_MIN_FREE_BYTES", "1")
    said = refused(server.address(Reply(body=PACKED, announced=10**17)), tmp_path / "data")
    assert "the disk of the temporary files has" in said


def test_names_come_from_the_server_or_the_address(server: Server, tmp_path: Path) -> None:
    track = b"chr1\t0\t5\t1\nchr1\t7\t9\t2\n"
    result = run(server.address(Reply(body=track), name="a%20b.bedGraph?x=/c.bg"), tmp_path / "data")
    assert "1 track, in x: 'a b'" in result.output
    named = {"Content-Disposition": 'attachment; filename="../../liver.bedGraph"'}
    result = run(server.address(Reply(headers=named, body=track), name="download"), tmp_path / "other")
    assert "1 track, in x: 'liver'" in result.output


def test_archives_and_tables_at_addresses(server: Server, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("x/m.tsv", TABLE)
    address = server.address(Reply(body=(tmp_path / "a.zip").read_bytes()), name="a.zip")
    assert f"{address}: zip archive, of it x/m.tsv" in imported(address, tmp_path / "data")
    (tmp_path / "m.tsv").write_text("gene\ts1\ng1\t1\n")
    table = server.address(Reply(body=b"id\tTissue\ns1\tliver\n"), name="samples.tsv")
    result = run(tmp_path / "m.tsv", tmp_path / "other", "--samples", table)
    assert "sample table samples.tsv: 1 rows used" in result.output


def test_a_server_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "_FIRST_WAIT", 0.01)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    said = refused(f"http://127.0.0.1:{port}/m.tsv", tmp_path / "data")
    assert "there is no connection to its server" in said


def test_a_connection_that_has_died(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "_WINDOW", -1.0)
    monkeypatch.setattr(download, "_LEAST_IN_WINDOW", 1 << 30)
    said = refused(server.address(Reply(body=PACKED)), tmp_path / "data")
    assert "it came too slowly" in said


def test_addresses_are_written_to_no_log(server: Server, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        imported(server.address(Reply(body=PACKED)) + "?signature=secret", tmp_path / "data")
    assert "secret" not in caplog.text


def test_how_addresses_are_shown() -> None:
    assert str(Address("https://me:pw@example.org/a//b?x#y")) == "https://example.org/a//b?…"
    assert str(Address("https://example.org/a#y")) == "https://example.org/a"
    assert isinstance(named_source("dir//file"), Path)
    assert Address("https://example.org/%2e%2e%2f%2e%2e").name == "download"
    assert Address("https://example.org/a/" + "x" * 300 + ".tsv.gz").name.endswith("x.gz")
