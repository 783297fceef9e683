"""Clients that stop to read, or send their requests a letter at a time."""

from __future__ import annotations

import http.client
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

from benchmarks.servers import HOST, Server
from tests.attack.base import Attacks, slowness
from tests.attack.on_costly_requests import SMALL, Beside, server_of
from tests.forked import rnaget

ATTACKS = Attacks("slow readers")

_WHOLE = "/rnaget/expressions/m/bytes?format=tsv"
# Each kind is read by another way: rows as they stand, columns that are turned, rows that are picked.
_SELECTIONS = ("", "&sampleIDList_not=S{0}", "&featureIDList_not=ENSG{0:011d}.{0}")
_MB_HELD = 256
_MB_KEPT = 64


def _open(server: Server, text: str) -> socket.socket:
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.settimeout(30)
    client.connect((HOST, server.port))
    client.sendall(text.encode())
    return client


@contextmanager
def _stopped(server: Server, count: int, parameter: str) -> Iterator[None]:
    """Have that many clients ask for a whole matrix, or nearly, and read nothing of it."""
    with ExitStack() as stack:
        for number in range(count):
            path = f"{_WHOLE}{parameter.format(number % 16)}"
            stack.enter_context(_open(server, f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"))
        yield


@ATTACKS("200 clients, three times, that ask for a whole matrix and read nothing")
def stopped_readers(directory: Path, short: bool) -> str:
    """Others are answered, what all hold is bounded, and memory comes back when they leave."""
    count, parameters = (60, _SELECTIONS[-1:]) if short else (200, _SELECTIONS)
    slowest = growth = kept = 0.0
    with server_of(directory, 64 if short else 256) as server:
        alone = Beside.alone(server, SMALL, 0.3 if short else 9)
        before = server.memory()
        for parameter in parameters:
            with server.watched() as peak, Beside(server, SMALL) as beside:
                with _stopped(server, count, parameter):
                    time.sleep(1.5 if short else 8)
                time.sleep(1)
            slowest, growth = max(slowest, beside.p99), max(growth, peak.highest - before)
            assert short or beside.slowest <= 1, f"one other waited for {beside.slowest:.1f} s"
            until = time.monotonic() + 60
            while server.memory() - before > _MB_KEPT and time.monotonic() < until:
                time.sleep(0.2)
            kept = max(kept, server.memory() - before)
    assert growth <= _MB_HELD, f"{growth:.0f} MB more memory"
    assert kept <= _MB_KEPT, f"{kept:.0f} MB were kept"
    # In the short form so few are asked that one of them is the p99, and the machine may be slow.
    allowed = max(2.0 * slowness() if short else 0.0, 3 * alone)
    assert slowest <= allowed, f"p99 {slowest * 1000:.0f} ms, alone {alone * 1000:.0f} ms"
    return f"{growth:.0f} MB more, {max(kept, 0):.0f} MB kept; p99 {slowest * 1000:.0f} ms, alone {alone * 1000:.0f} ms"


def _ends_within(client: socket.socket, seconds: float, name: str) -> float:
    """Return after how many seconds the server ends a connection of which nothing is read meanwhile."""
    began = time.monotonic()
    client.settimeout(1)
    while time.monotonic() - began < seconds:
        time.sleep(0.2)
        # What waits in the socket is not taken: only whether the other side has gone is looked at.
        if client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] != 1:
            return time.monotonic() - began
    raise AssertionError(f"{name}: still connected after {seconds} seconds")


@ATTACKS("clients that never finish the head or the body of a request, or read nothing of a reply")
def patience(directory: Path, short: bool) -> str:
    limit = 60.0
    requests = {
        "head": "GET /rnaget/projects HTTP/1.1\r\nHost: x\r\nX-Slow: ",
        "body": "POST /rnaget/expressions/m/bytes HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{",
        "reply": f"GET {_WHOLE} HTTP/1.1\r\nHost: x\r\n\r\n",
    }
    with (
        server_of(directory, 64, send_timeout=2, receive_timeout=2) as server,
        ExitStack() as stack,
        ThreadPoolExecutor(len(requests)) as pool,
    ):
        ends = {
            name: pool.submit(_ends_within, stack.enter_context(_open(server, text)), limit, name)
            for name, text in requests.items()
        }
        took = {name: end.result() for name, end in ends.items()}
    return ", ".join(f"{name}: cut after {seconds:.1f} s" for name, seconds in took.items())


@ATTACKS("a connection without requests, and the headers that say what the server is")
def idle_connections(directory: Path, short: bool) -> str:
    with rnaget(_empty(directory), directory / "log") as server:
        connection = http.client.HTTPConnection(HOST, server.port, timeout=30)
        with closing(connection):
            connection.request("GET", "/rnaget/service-info")
            first = connection.getresponse()
            first.read()
            assert connection.sock is not None, "the reply ends the connection"
            # Or it would be opened again without a word.
            connection.auto_open = 0
            time.sleep(3)
            connection.request("GET", "/rnaget/service-info")
            assert connection.getresponse().status == 200, "the connection was closed before a proxy would"
    assert first.headers["server"] is None, "a header Server"
    return "open after 3 s, no header Server"


def _empty(directory: Path) -> Path:
    data = directory / "empty"
    data.mkdir()
    (data / "catalog.yaml").write_text("id: c\nname: C\n")
    return data


@ATTACKS("millions of requests in a row on one connection, and no reply read")
def piled_requests(directory: Path, short: bool) -> str:
    """No more than a few of them wait, whatever comes behind them."""
    requests = b"GET /x HTTP/1.1\r\n\r\n" * 20_000
    with server_of(directory) as server:
        before = server.memory()
        with server.watched() as peak, Beside(server, SMALL) as beside, ExitStack() as stack:
            for _ in range(2 if short else 20):
                client = stack.enter_context(_open(server, ""))
                client.settimeout(1)
                with suppress(OSError):  # nothing more is taken, or the connection is cut
                    for _ in range(50):
                        client.sendall(requests)
        growth = peak.highest - before
        assert growth <= _MB_KEPT, f"they hold {growth:.0f} MB"
        assert short or beside.slowest <= 1, f"one other waited for {beside.slowest:.1f} s"
    return f"they hold {max(growth, 0):.0f} MB; others wait at most {beside.slowest * 1000:.0f} ms"
