"""A real server to ask, and servers that fail in the middle of a reply."""

from __future__ import annotations

import socket
import socketserver
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
from click.testing import CliRunner

from rnaget_server.cli.server import main
from tests.client.faulty import Site, serving
from tests.conftest import new_study, one_study
from tests.serving import in_thread


@pytest.fixture(scope="session")
def root(serve_all: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of the RNAget API of a server of one study."""
    return f"{serve_all(one_study(tmp_path_factory.mktemp('root') / 'data'))}/rnaget"


@pytest.fixture(scope="session")
def full(serve_all: Callable[..., str], shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a server with reads, a genome with genes, and signal tracks."""
    data = tmp_path_factory.mktemp("full")
    new_study(data, "id: s\ngenome: sacCer3\n")
    yeast, reads = shared_data / "sequences" / "yeast_chrIV", shared_data / "reads"
    import_file(
        yeast / "sacCer3.fa.gz", data, "--genome", "sacCer3", "--annotation", yeast / "sacCer3.annotation.gtf.gz"
    )
    into = ("--project", "p", "--study", "s", "--id")
    import_file(reads / "na12878" / "htsnexus_test_NA12878.bam", data, *into, "na12878")
    import_file(reads / "na12878" / "htsnexus_test_NA12878.cram", data, *into, "na12878")
    import_file(reads / "hts_specs_chrM" / "level-9.bam", data, *into, "run/chrM")
    into = ("--project", "p", "--study", "s", "--units", "count", "--id")
    import_file(shared_data / "tracks" / "mcf7_er" / "Chr18_MCF7_ER_1.bw", data, *into, "er")
    return serve_all(data, RNAGET_MAX_BLOCK_BYTES="300000", RNAGET_MAX_INLINE_BYTES="5000")


def import_file(source: Path, data: Path, *options: object) -> None:
    """Import a file, as the command does."""
    result = CliRunner().invoke(main, ["import", str(source), "--data", str(data), *map(str, options)])
    assert result.exit_code == 0, result.output


@pytest.fixture
def site() -> Iterator[Callable[..., Site]]:
    """Start servers that can be made to fail in any way."""
    with ExitStack() as stack:
        yield lambda **given: stack.enter_context(serving(Site(**given)))


@pytest.fixture
def replying() -> Iterator[Callable[..., str]]:
    """Start servers that send fixed bytes to whoever asks, then close or reset the connection."""
    with ExitStack() as stack:
        yield lambda reply, reset=False: stack.enter_context(_server(reply, reset))


@pytest.fixture
def answering() -> Iterator[Callable[..., str]]:
    """Start servers that answer each path with bytes of its own; return their addresses, without a path.

    The last name of a path, such as ``ticket``, leads to what is sent; ``*`` to what is sent for all others. ``HOST``
    in it becomes the address. Those that stall keep the connection open until the test ends.
    """
    with ExitStack() as stack:
        yield lambda replies, stall=False: stack.enter_context(_answering(replies, stall))


@contextmanager
def _answering(replies: Mapping[str, bytes], stall: bool) -> Iterator[str]:
    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            path = self.rfile.readline().split(b" ")[1].partition(b"?")[0].decode()
            for line in self.rfile:
                if line == b"\r\n":
                    break
            name = path.rpartition("/")[2]
            reply = replies.get(path, replies.get(name, replies.get("*", NOT_FOUND)))
            with suppress(OSError):  # a client that has enough
                self.wfile.write(reply.replace(b"HOST", address.encode()))
            if stall:
                released.wait(60)

    released = threading.Event()
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        address = f"http://127.0.0.1:{server.server_address[1]}"
        with in_thread(server):
            try:
                yield address
            finally:
                released.set()


def reply(body: bytes, *headers: str, status: str = "200 OK", length: bool = True) -> bytes:
    """Return the bytes of a reply; without the length its end is the end of the connection."""
    said = [*headers, f"Content-Length: {len(body)}"] if length else headers
    return "\r\n".join([f"HTTP/1.1 {status}", "Connection: close", *said, "", ""]).encode() + body


NOT_FOUND = reply(b'{"message": "nothing of that name"}', status="404 Not Found")


@contextmanager
def _server(reply: bytes, reset: bool) -> Iterator[str]:
    def run() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:  # closed
                return
            with connection:
                connection.recv(1 << 16)
                connection.sendall(reply)
                if reset:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=run)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/rnaget"
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()
