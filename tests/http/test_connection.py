"""Requests that stand behind a refused one on the same connection are answered, or the refusal says that it ends."""

from __future__ import annotations

import re
import socket
import time
from urllib.parse import urlsplit

import pytest
import requests

from tests.attack.on_tickets import HOSTS

BYTES = b"/rnaget/expressions/marioni_counts/bytes"
NEXT = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
_STATUS = re.compile(rb"HTTP/1.1 (\d+)")
LARGE = b"x" * (33 << 20)


def post(body: bytes, path: bytes = BYTES, more: bytes = b"", length: int | None = None) -> bytes:
    length = len(body) if length is None else length
    return b"POST %b HTTP/1.1\r\nHost: x\r\n%bContent-Length: %d\r\n\r\n%b" % (path, more, length, body)


def talk(root: str, *pieces: bytes | float, last: int | None = None) -> tuple[list[int], bool, bool]:
    """Send pieces with pauses; return the statuses of the replies, and whether they say close and are closed.

    After the reply number `last` the connection should stay open, which is watched for half a second.
    """
    received = b""
    with socket.create_connection(("127.0.0.1", int(urlsplit(root).port or 0)), timeout=30) as client:
        for piece in pieces:
            if isinstance(piece, float):
                time.sleep(piece)
            else:
                client.sendall(piece)
        closed = False
        try:
            while piece := client.recv(1 << 16):
                received += piece
                if len(_STATUS.findall(received)) == last:
                    client.settimeout(0.5)
            closed = True
        except TimeoutError:
            pass
    statuses = [int(status) for status in _STATUS.findall(received)]
    return statuses, b"connection: close" in received.lower(), closed


@pytest.mark.parametrize(
    ("pieces", "statuses"),
    [
        ((post(b"no JSON") + NEXT,), [400, 200]),
        ((post(b"x" * 100_000) + NEXT,), [400, 200]),
        ((post(b"x", b"/rnaget/service-info") + NEXT,), [405, 200]),
        ((post(b"x", b"/") + NEXT,), [405, 200]),
        ((post(b"x", more=b"Content-Encoding: gzip\r\n") + NEXT,), [415, 200]),
        ((post(b"x") + post(b"y") + NEXT,), [400, 400, 200]),
        ((NEXT * 3,), [200, 200, 200]),
        ((post(LARGE) + NEXT,), [413]),
        ((post(LARGE[:70_000], length=len(LARGE)), 0.5, LARGE[70_000:] + NEXT), [413]),
        # The client keeps the body, since it was refused.
        ((post(b"", length=len(LARGE)), 0.5, NEXT), [413]),
        ((post(b"", more=b"Expect: 100-continue\r\n", length=len(LARGE)), 0.5, NEXT), [413]),
        ((post(b"", b"/rnaget/nothing", length=5000), 0.5, NEXT), [404]),
        ((post(b"", b"/", length=5000), 0.5, NEXT), [405]),
        ((post(b"x", more=b"Content-Encoding: gzip\r\n", length=5000), 0.5, NEXT), [415]),
        ((b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\n\r\n", 0.5, NEXT), [200]),
    ],
)
def test_what_comes_behind_a_refused_request(
    demo_root: str, pieces: tuple[bytes | float, ...], statuses: list[int]
) -> None:
    found, says_close, closed = talk(demo_root, *pieces, last=len(statuses) if len(statuses) > 1 else None)
    if len(statuses) > 1:
        assert (found, says_close) == (statuses, False)
    else:
        assert (found, says_close, closed) == (statuses, True, True)


def test_requests_before_one_that_is_no_http_are_answered(demo_root: str) -> None:
    assert talk(demo_root, NEXT * 2 + b"nonsense\r\n\r\n") == ([200, 200], True, True)
    whole = requests.get(f"{demo_root}{BYTES.decode()}?format=json", timeout=30).content
    with socket.create_connection(("127.0.0.1", int(urlsplit(demo_root).port or 0)), timeout=60) as client:
        client.sendall(b"GET %b?format=json HTTP/1.1\r\nHost: x\r\n\r\nnonsense\r\n\r\n" % BYTES)
        received = b""
        while piece := client.recv(1 << 16):
            received += piece
    assert received.startswith(b"HTTP/1.1 200") and whole[-1000:] in received


WEBSOCKET = (
    b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)
H2C = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAA\r\n"


@pytest.mark.parametrize("header", [WEBSOCKET, H2C], ids=["websocket", "h2c"])
def test_another_protocol_is_not_spoken(demo_root: str, header: bytes) -> None:
    asked = b"GET /rnaget/projects HTTP/1.1\r\nHost: x\r\n%b\r\n" % header
    assert talk(demo_root, NEXT, 0.3, asked, 0.3, NEXT, last=3) == ([200, 200, 200], False, False)
    # Content-Length: 0 is what Java's client sends.
    assert talk(demo_root, asked.replace(b"Host", b"Content-Length: 0\r\nHost"), 0.3, NEXT, last=2) == (
        [200, 200],
        False,
        False,
    )


@pytest.mark.parametrize("pause", [0.0, 0.3])
@pytest.mark.parametrize("header", [WEBSOCKET, H2C], ids=["websocket", "h2c"])
def test_a_body_behind_another_protocol_is_no_request(demo_root: str, header: bytes, pause: float) -> None:
    head = post(b"", more=header, length=len(NEXT))
    assert talk(demo_root, head, pause, NEXT)[0] == [400]
    chunked = head.replace(b"Content-Length: %d" % len(NEXT), b"Transfer-Encoding: chunked")
    assert talk(demo_root, chunked, pause, b"%x\r\n%b\r\n0\r\n\r\n" % (len(NEXT), NEXT))[0] == [400]


@pytest.mark.parametrize("host", HOSTS, ids=range(len(HOSTS)))
def test_what_is_no_host_is_refused(demo_root: str, host: str) -> None:
    request = f"GET /rnaget/expressions/marioni_counts/ticket?format=tsv HTTP/1.1\r\nHost: {host}\r\n"
    assert talk(demo_root, f"{request}Connection: close\r\n\r\n".encode())[0] == [400]


def test_no_client_says_what_the_server_is_called(demo_root: str) -> None:
    headers = {"X-Forwarded-Proto": "javascript", "X-Forwarded-Host": "evil.example"}
    address = f"{demo_root}/rnaget/expressions/marioni_counts/ticket?format=tsv"
    assert requests.get(address, headers=headers, timeout=30).json()["url"].startswith(f"{demo_root}/")


def test_requests_that_wait_on_a_connection_are_bounded(demo_root: str) -> None:
    assert talk(demo_root, NEXT * 101, last=101) == ([200] * 101, False, False)
    statuses, _, closed = talk(demo_root, NEXT * 5000)
    assert (statuses, closed) == ([200] * 101, True)


def test_a_client_that_sends_all_of_a_refused_body_reads_the_refusal(demo_root: str) -> None:
    for _ in range(5):
        reply = requests.post(f"{demo_root}{BYTES.decode()}", data=LARGE, timeout=30)
        assert (reply.status_code, "message" in reply.json()) == (413, True)


def test_a_client_that_goes_on_sending_is_let_go(demo_root: str) -> None:
    with socket.create_connection(("127.0.0.1", int(urlsplit(demo_root).port or 0)), timeout=60) as client:
        client.sendall(post(b"", length=len(LARGE)))
        assert client.recv(1 << 16).startswith(b"HTTP/1.1 413")
        began = time.monotonic()
        # Nothing more is sent, and the client does not close its side.
        while client.recv(1 << 16):
            pass
        # A busy machine comes to it later, and each letter makes it wait again.
        assert any(is_let_go_while_silent(client) for _ in range(3))
        assert time.monotonic() - began < 60


def is_let_go_while_silent(client: socket.socket) -> bool:
    """Return whether a connection is gone after 7 seconds in which nothing was sent."""
    time.sleep(7)
    try:
        for _ in range(3):
            client.sendall(b"x" * 1000)
            time.sleep(0.2)
    except OSError:
        return True
    return False
