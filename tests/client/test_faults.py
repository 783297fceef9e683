"""Servers that misbehave: nothing incomplete is ever taken for complete, and every failure is one line."""

from __future__ import annotations

import gzip
import hashlib
import itertools
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from rnaget import Client, ClientError
from rnaget.formats import format_for
from rnaget.transport import open_url
from tests.client.conftest import reply
from tests.client.faulty import Site
from tests.forked import heed_signals
from tests.serving import in_thread

COMMAND = str(Path(sys.executable).with_name("rnaget"))
TABLE = b"gene\tS1\tS2\n" + b"".join(b"G%d\t%d\t0.5\n" % (number, number) for number in range(2000))
CHUNKED = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (TABLE[:5000], TABLE[5000:])) + b"0\r\n\r\n"
GZIPPED = gzip.compress(TABLE, mtime=0)
TSV = "Content-Type: text/tab-separated-values"
Answering = Callable[..., str]


def ticket(**fields: object) -> bytes:
    body = {"url": "HOST/rnaget/file", "units": "TPM", "fileType": "tsv", "md5": hashlib.md5(TABLE).hexdigest()}
    return reply(json.dumps({**body, **fields}).encode(), "Content-Type: application/json", length=False)


def chunked(body: bytes) -> bytes:
    return reply(body, TSV, "Transfer-Encoding: chunked", length=False)


WHOLE = {
    "length": reply(TABLE, TSV),
    "chunked": chunked(CHUNKED),
    "end of the connection": reply(TABLE, TSV, length=False),
    "gzip coding": reply(GZIPPED, TSV, "Content-Encoding: gzip"),
    "gzip coding of two members": reply(
        gzip.compress(TABLE[:999]) + gzip.compress(TABLE[999:]), TSV, "Content-Encoding: x-gzip"
    ),
    "chunked gzip coding": chunked(b"%x\r\n%s\r\n0\r\n\r\n" % (len(GZIPPED), GZIPPED)).replace(
        b"Transfer", b"Content-Encoding: gzip\r\nTransfer"
    ),
}
# Where each of them may be cut: anywhere but at an end that nothing marks.
CUT = {
    **{name: WHOLE[name] for name in ("length", "chunked", "gzip coding", "chunked gzip coding")},
    "gzip coding to the end of the connection": reply(GZIPPED, TSV, "Content-Encoding: gzip", length=False),
    "gzip file to the end of the connection": reply(GZIPPED, length=False),
}


@pytest.mark.parametrize("with_ticket", [True, False], ids=["by ticket", "without tickets"])
@pytest.mark.parametrize("kind", WHOLE)
def test_whole_replies(answering: Answering, tmp_path: Path, kind: str, with_ticket: bool) -> None:
    replies = {"ticket": ticket(), "file": WHOLE[kind]} if with_ticket else {"bytes": WHOLE[kind]}
    output = tmp_path / "a.tsv"
    Client(answering(replies) + "/rnaget").download("m", {}, output)
    assert output.read_bytes() == TABLE
    assert list(tmp_path.iterdir()) == [output]


@pytest.mark.parametrize("kind", CUT)
def test_cut_anywhere(answering: Answering, tmp_path: Path, kind: str) -> None:
    sent = CUT[kind]
    head = sent.index(b"\r\n\r\n") + 4
    inner = len(sent) - head
    # Of the last chunk, "0\r\n\r\n", all is superfluous: the table is complete without.
    last = len(sent) - (6 if "chunked" in kind else 1)
    output = tmp_path / "a.gz"
    output.write_text("before")
    for cut in sorted({1, 20, head - 30, head - 2, head, head + 1, head + 9, head + inner // 2, last - 8, last}):
        client = Client(answering({"bytes": sent[:cut]}) + "/rnaget")
        with pytest.raises(ClientError, match=r"broke off|cannot be reached"):
            client.download("m", {"format": "tsv.gz"}, output)
        assert output.read_text() == "before", cut
        assert list(tmp_path.iterdir()) == [output]


@pytest.mark.parametrize(
    ("fields", "sent", "message"),
    [
        ({"md5": "0" * 32}, reply(TABLE), "has the md5 .*, but 0{32} by its ticket"),
        ({}, reply(TABLE[:-20], length=False), "has the md5"),
        ({"md5": None, "MD5": "0" * 32}, reply(TABLE), "has the md5"),
        ({"md5": None, "size": len(TABLE)}, reply(TABLE[:-1], length=False), "bytes, but .* by its ticket"),
        ({}, reply(GZIPPED[:40] + b"!!" + GZIPPED[42:], "Content-Encoding: gzip"), "damaged|md5"),
        ({}, reply(TABLE, "Content-Encoding: br"), "coded as br"),
        ({}, reply(TABLE[:999], "Content-Range: bytes 0-998/9999", status="206 Partial Content"), "206"),
        ({}, reply(b"", status="204 No Content"), "204"),
        ({}, reply(b"<html>Sign in</html>", "Content-Type: text/html"), "a page instead of data"),
        ({"url": "file:///etc/passwd"}, b"", "no address of a web server"),
        ({"url": "ftp://127.0.0.1/file"}, b"", "no address of a web server"),
        ({"url": None}, b"", "is no ticket"),
        ({"url": "http://127.0.0.1:1/file"}, b"", "127.0.0.1:1/file cannot be reached"),
        ({"headers": ["x"]}, b"", "is no ticket"),
        ({"headers": {"X": "a\r\nb"}}, reply(TABLE), "cannot be reached: Invalid header"),
        ({"fileType": "loom"}, reply(TABLE), "offers loom where tsv was asked for"),
    ],
)
def test_what_the_ticket_says_holds(
    answering: Answering, tmp_path: Path, fields: dict[str, object], sent: bytes, message: str
) -> None:
    client = Client(answering({"ticket": ticket(**fields), "file": sent}) + "/rnaget")
    with pytest.raises(ClientError, match=message) as raised:
        client.download("m", {}, tmp_path / "a.tsv")
    assert "\n" not in str(raised.value)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ClientError, match=message):
        client.frame("m", {})


def test_the_headers_of_a_ticket_stay_with_its_server(tmp_path: Path) -> None:
    seen: list[str | None] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.headers["Authorization"])
            there = self.path == "/there"
            self.send_response(200 if there else 302)
            self.send_header("Content-Length", "0")
            self.send_header("Location", f"http://localhost:{self.server.server_address[1]}/there")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    with in_thread(server):
        address = f"http://127.0.0.1:{server.server_address[1]}/here"
        open_url(address, {"Accept": "*/*", "Authorization": "secret"}, 10, address).close()
    assert seen == ["secret", None]


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        (reply(b'{"message": "one\\nand\\u001b[31m two"}', status="400 Bad Request"), r"^400: one and\?\[31m two$"),
        (reply(b'{"htsget": {"error": "NotFound", "message": "no reads x"}}', status="404 No"), "^404: no reads x$"),
        (reply(b'{"message": "' + b"x" * 9000 + b'"}', status="400 Bad Request"), "^400: x{2000}$"),
        (reply(b'{"detail": "no such sample"}', status="422 Unprocessable"), "^422: no such sample$"),
        (reply(b'{"message": {"a": 1}}', status="500 Server Error"), "^500: Server Error$"),
        (reply(b"[" * 100_000, status="503 Busy"), "^503: Busy$"),
        (reply(b"<html>\n<h1>Gateway</h1></html>", status="502 Bad Gateway"), "^502: Bad Gateway$"),
        (reply(b"", status="404 "), "^404: Not Found$"),
        (reply(b"", status="999 "), "^999: no reason given$"),
        (reply(b"", "Location: HOST/rnaget/projects", status="302 Found"), r"^302: .* in a circle"),
        (reply(b"", "Location: file:///etc/passwd", status="302 Found"), r"^302: .* to file:///etc/passwd"),
        (reply(b"", status="301 Moved"), r"^301: .* to no address"),
        (reply(b"<html></html>", "Content-Type: text/html"), "projects is no JSON"),
        (reply(b'{"a": '), "projects is no JSON"),
        (reply(b"[" * 100_000), "projects is no JSON"),
        (reply(b"\xff\xfe["), "projects is no JSON"),
        (reply(b""), "projects is no JSON"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: 1\r\n" * 500 + b"\r\n", "cannot be reached"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"1" * 99_999 + b"\r\n\r\n", "cannot be reached"),
    ],
)
def test_json_that_fails(answering: Answering, sent: bytes, message: str) -> None:
    with pytest.raises(ClientError, match=message) as raised:
        Client(answering({"*": sent}) + "/rnaget").json("projects")
    assert str(raised.value).isprintable()


@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 200 OK\r\n", reply(TABLE)[:5000]], ids=["at once", "head", "body"])
def test_a_server_that_stops_answering(answering: Answering, tmp_path: Path, sent: bytes) -> None:
    client = Client(answering({"*": sent}, stall=True) + "/rnaget", timeout=0.3)
    for request in (lambda: client.json("projects"), lambda: client.download("m", {}, tmp_path / "a.tsv")):
        with pytest.raises(ClientError, match="timed out"):
            request()
    assert list(tmp_path.iterdir()) == []


def test_a_port_that_is_too_high_is_not_another(site: Callable[..., Site]) -> None:
    one = site()
    host, _, port = one.address.rpartition(":")
    with pytest.raises(ClientError, match="cannot be reached: Port out of range"):
        Client(f"{host}:{int(port) + 65_536}/rnaget").json("projects")
    assert one.asked == []


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("http://no-such-host.invalid/rnaget", "cannot be reached"),
        ("https://127.0.0.1:1/rnaget", "cannot be reached: .*refused"),
        ("", "an empty text is not the address"),
        ("localhost:8080", "must begin with http"),
        ("//localhost", "must begin with http"),
        ("http://", "must begin with http|no host"),
        ("http:///rnaget", "no host is named"),
        ("http://localhost/rnaget?x=1", "nothing may come after the path"),
        ("http://user:secret@localhost/rnaget", "cannot have a user or a password"),
        ("http://[::1/rnaget", "not the address"),
        ("http://127.0.0.1:99999/rnaget", "cannot be reached"),
        ("http://a" + "b" * 70 + ".org/rnaget", "cannot be reached"),
    ],
)
def test_addresses_that_lead_nowhere(address: str, message: str) -> None:
    with pytest.raises(ClientError, match=message) as raised:
        Client(address).json("projects")
    assert "secret" not in str(raised.value)


def test_a_server_that_speaks_no_tls(replying: Answering) -> None:
    """It answers what has no end of a line as well."""
    address = replying(reply(b"[]")).replace("http:", "https:")
    with pytest.raises(ClientError, match="cannot be reached"):
        Client(address).json("projects")


INFO = reply(b'{"id": "x", "type": {"group": "org.ga4gh", "artifact": "rnaget", "version": "1.2.0"}}')
OTHER = reply(b'{"id": "x", "type": {"group": "org.ga4gh", "artifact": "refget", "version": "2.0.0"}}')
PAGE = reply(b"<html></html>", "Content-Type: text/html")


@pytest.mark.parametrize("given", ["", "/", "//", "/rnaget", "/rnaget/"])
@pytest.mark.parametrize("at_the_top", [{}, {"*": PAGE}, {"/service-info": OTHER}], ids=["404", "page", "refget"])
def test_the_path_of_the_api_may_be_left_out(answering: Answering, given: str, at_the_top: dict[str, bytes]) -> None:
    address = answering({"/rnaget/service-info": INFO, "/rnaget/projects": reply(b'[{"id": "p"}]'), **at_the_top})
    assert Client(address + given).json("projects") == [{"id": "p"}]


@pytest.mark.parametrize("path", ["", "/prefix", "/prefix/rna"])
def test_an_api_under_any_path(answering: Answering, path: str) -> None:
    projects = reply(b'[{"id": "p"}]')
    for replies in (
        {f"{path}/service-info": INFO, f"{path}/projects": projects},
        {f"{path}/rnaget/service-info": INFO, f"{path}/rnaget/projects": projects},
        {f"{path}/projects": projects},  # an older server, which has no service-info
    ):
        assert Client(answering(replies) + path).json("/projects") == [{"id": "p"}]


def test_the_real_server_without_the_path_of_its_api(root: str) -> None:
    client = Client(root.removesuffix("/rnaget"))
    assert client.json("projects")[0]["id"] == "demo"
    assert client.root == root


@pytest.mark.parametrize(
    ("name", "given", "asked"),
    [
        ("a.h5ad", None, "h5ad"),
        ("a.H5AD", None, "h5ad"),
        ("a.tsv.gz", None, "tsv.gz"),
        ("a.arrows", None, "arrow"),
        ("a.v1.tsv", None, "tsv"),
        ("a.txt", None, None),
        ("tsv", None, None),
        ("a.h5ad", "anndata", "anndata"),
        ("a.tsv", "TSV", "TSV"),
        ("a.gz", "tsv.gz", "tsv.gz"),
        ("a.dat", "loom", "loom"),
        ("a.parquet", "parquet.long", "parquet.long"),
        ("a.long.parquet", None, "parquet.long"),
        ("a.long.parquet", "parquet", "parquet"),
        ("a.long.arrows", None, "arrow.long"),
        ("a.sparse.json", None, "json.sparse"),
        ("a.long.tsv.gz", None, "tsv.long.gz"),
        ("a.long.loom", None, "loom"),
        ("long.tsv", None, "tsv"),
    ],
)
def test_the_name_of_the_file_chooses_the_format(name: str, given: str | None, asked: str | None) -> None:
    assert format_for(name, given) == asked


@pytest.mark.parametrize(
    ("name", "given"),
    [("a.h5ad", "tsv"), ("a.tsv", "tsv.gz"), ("a.tsv.gz", "tsv"), ("a.gz", "tsv"), ("a.gz", None), ("a.loom", "json")],
)
def test_a_name_for_another_format(root: str, tmp_path: Path, name: str, given: str | None) -> None:
    query = {"format": given} if given else {}
    with pytest.raises(ClientError, match=r"is no name for the format|say in which format"):
        Client(root).download("marioni_counts", query, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_names_that_no_file_can_have(root: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "circle").symlink_to("circle")
    (tmp_path / "lost").symlink_to("none/a")
    for name in ("none/a", "file/a", "x" * 300, "circle", "lost", ".", "none/../a/b"):
        with pytest.raises(ClientError, match="cannot be written: ") as raised:
            Client("http://127.0.0.1:1/rnaget").download("m", {}, f"{tmp_path}/{name}")  # before anything is asked
        assert "\n" not in str(raised.value)
    assert {path.name for path in tmp_path.iterdir()} == {"file", "circle", "lost"}


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[bytes]]:
    def run(*arguments: str, **options: object) -> subprocess.CompletedProcess[bytes]:
        settings = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        return subprocess.run([COMMAND, *arguments], cwd=tmp_path, timeout=60, check=False, **settings)

    return run


def test_standard_output(root: str, run: Callable[..., subprocess.CompletedProcess[bytes]], tmp_path: Path) -> None:
    result = run("--server", root, "get", "marioni_counts", "-o", "-", "--format", "h5ad", "--filter", "Tissue=Liver")
    assert (result.returncode, result.stderr) == (0, b"")
    Client(root).download("marioni_counts", {"Tissue": "Liver"}, tmp_path / "a.h5ad")
    assert len(result.stdout) == (tmp_path / "a.h5ad").stat().st_size
    assert result.stdout.startswith(b"\x89HDF")


def test_standard_output_that_cannot_be_written(
    root: str, run: Callable[..., subprocess.CompletedProcess[bytes]]
) -> None:
    without = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    cases = itertools.product(
        (["projects"], ["get", "marioni_counts", "-o", "-"], ["get", "marioni_counts", "-o", "-", "--top", "1"]),
        (without, without | {"PYTHONUNBUFFERED": "1"}),
    )
    for arguments, environment in cases:
        with open("/dev/full", "wb") as full:
            result = run("--server", root, *arguments, stdout=full, env=environment)
        expected = b"Error: standard output cannot be written: No space left on device\n"
        assert (result.returncode, result.stderr) == (1, expected)
        read, write = os.pipe()
        os.close(read)
        result = run("--server", root, *arguments, stdout=write, env=environment)
        os.close(write)
        assert (result.returncode, result.stderr) == (141, b"")


def test_standard_output_without_a_buffer(
    root: str, run: Callable[..., subprocess.CompletedProcess[bytes]], tmp_path: Path
) -> None:
    """Python drops what such an output does not take: the end of what is longer than there is room for."""
    plain = {"env": {**os.environ, "PYTHONUNBUFFERED": "1"}}
    for arguments in (["filters", "--json"], ["get", "marioni_counts", "-o", "-", "--format", "tsv"]):
        with (tmp_path / "out").open("wb") as out:
            limit = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))}
            result = run("--server", root, *arguments, stdout=out, **plain, **limit)
        expected = b"Error: standard output cannot be written: File too large\n"
        assert (result.returncode, result.stderr) == (1, expected)
    whole = run("--server", root, "filters", "--json", **plain)
    assert (whole.returncode, json.loads(whole.stdout)[0]["filter"]) == (0, "projectID")


def test_standard_output_that_is_closed(root: str, run: Callable[..., subprocess.CompletedProcess[bytes]]) -> None:
    for arguments in (["projects"], ["units", "--json"], ["get", "marioni_counts", "-o", "-"]):
        result = run("--server", root, *arguments, preexec_fn=lambda: os.close(1), stdout=None)
        expected = b"Error: standard output cannot be written: Bad file descriptor\n"
        assert (result.returncode, result.stderr) == (1, expected)
    assert run("--server", root, "get", "marioni_counts", "-o", "a.tsv", preexec_fn=lambda: os.close(1)).returncode == 0


def test_a_disk_without_room(
    answering: Answering, run: Callable[..., subprocess.CompletedProcess[bytes]], tmp_path: Path
) -> None:
    address = answering({"ticket": ticket(), "file": reply(TABLE)}) + "/rnaget"
    (tmp_path / "a.tsv").write_text("before")
    full = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))}
    result = run("--server", address, "get", "m", "-o", "a.tsv", "--force", **full)
    assert (result.returncode, result.stderr) == (1, b"Error: a.tsv cannot be written: File too large\n")
    assert [path.name for path in tmp_path.iterdir()] == ["a.tsv"]
    assert (tmp_path / "a.tsv").read_text() == "before"


@pytest.mark.parametrize(
    ("path", "sent"),
    [("projects", b"{}"), ("projects", b"[1]"), ("expressions", b'{"a": 1}'), ("projects", b"null")],
)
def test_json_of_another_shape(
    answering: Answering, run: Callable[..., subprocess.CompletedProcess[bytes]], path: str, sent: bytes
) -> None:
    result = run("--server", answering({"*": reply(sent)}) + "/rnaget", path)
    assert (result.returncode, result.stdout) == (1, b"")
    assert result.stderr.startswith(b"Error: http://") and result.stderr.count(b"\n") == 1


def test_names_are_printed_on_one_line_in_any_encoding(
    answering: Answering, run: Callable[..., subprocess.CompletedProcess[bytes]]
) -> None:
    projects = json.dumps([{"id": "p", "version": None, "name": "Zürich\n\x1b[31mred"}]).encode()
    address = answering({"projects": reply(projects)}) + "/rnaget"
    result = run("--server", address, "projects", env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert (result.returncode, result.stdout.count(b"\n"), b"\x1b" in result.stdout) == (0, 1, False)


def test_failures_of_the_command(
    answering: Answering, run: Callable[..., subprocess.CompletedProcess[bytes]], tmp_path: Path
) -> None:
    (tmp_path / "a.tsv").write_text("before")
    address = answering({"ticket": ticket(), "file": reply(TABLE)[:5000]}) + "/rnaget"
    result = run("--server", address, "--retries", "1", "get", "m", "-o", "a.tsv", "--force")
    assert (result.returncode, result.stderr.count(b"\n")) == (1, 1)
    assert b"broke off" in result.stderr
    result = run("--server", address, "get", "m", "-o", "a.h5ad", "--format", "tsv")
    assert (result.returncode, result.stderr.count(b"a.h5ad is no name for the format tsv")) == (2, 1)
    assert [path.name for path in tmp_path.iterdir()] == ["a.tsv"]
    assert (tmp_path / "a.tsv").read_text() == "before"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_download_that_is_interrupted(answering: Answering, tmp_path: Path, number: int, code: int) -> None:
    address = answering({"bytes": reply(TABLE)[:5000], "ticket": ticket(url="HOST/rnaget/bytes")[:10]}, stall=True)
    command = [COMMAND, "--server", f"{address}/rnaget", "get", "m", "-o", "a.tsv"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen(command, cwd=tmp_path, preexec_fn=heed_signals, **pipes)
    try:
        for _ in _seconds(120):
            if list(tmp_path.glob(".*.part")):
                break
        time.sleep(0.2)
        process.send_signal(number)
        output, log = process.communicate(timeout=120)
    finally:
        process.kill()
    assert (process.returncode, output, log) == (code, b"", b"")
    assert list(tmp_path.iterdir()) == []


def _seconds(limit: float) -> Iterator[None]:
    end = time.monotonic() + limit
    while time.monotonic() < end:
        yield
        time.sleep(0.02)
    pytest.fail("nothing was begun")
