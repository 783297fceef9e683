"""Downloads over connections and servers that fail: what is tried again, after which wait, and how often."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import rnaget
from rnaget import ClientError
from rnaget.retries import Attempts
from rnaget.session import Session
from rnaget.transport import BrokenError, StatusError
from tests.client.faulty import Asked, Faults, Site, ticket
from tests.client.offers import BLOCKS, DATA, FAST, Once, md5, with_reads, with_ticket
from tests.serving import in_thread

KINDS = ("cut", "reset", "503", "429", "nothing")


def faulty_downloads(site: Callable[..., Site], tmp_path: Path, count: int, seed: int) -> None:
    """Download so many files from servers that fail in four of ten requests, each kind of server in turn."""
    for number in range(count):
        variant = number % 8
        one = site(ranges=bool(variant & 1), etags=bool(variant & 2), chunked=bool(variant & 4))
        offers = [(with_reads(one), b"".join(BLOCKS)), (with_ticket(one), DATA), (f"{one.address}/file", DATA)]
        url, expected = offers[number // 8 % 3]
        kinds = (*KINDS, "early") if url.endswith("ticket") else KINDS  # shorter, with nothing but the md5 to say so
        one.faults = Faults(random.Random(seed * 10_000 + number), 0.4, kinds)
        output, began = tmp_path / "a", time.monotonic()
        rnaget.get(url, output, max_retries=15, timeout=20, **FAST)
        assert output.read_bytes() == expected, number
        assert os.listdir(tmp_path) == ["a"]
        assert time.monotonic() - began < 120
        output.unlink()


@pytest.mark.parametrize("seed", [1, 2])
def test_downloads_over_a_connection_that_fails(site: Callable[..., Site], tmp_path: Path, seed: int) -> None:
    faulty_downloads(site, tmp_path, 24, seed)


@pytest.mark.long
def test_two_hundred_downloads_over_a_connection_that_fails(site: Callable[..., Site], tmp_path: Path) -> None:
    faulty_downloads(site, tmp_path, 200, 3)


@pytest.mark.parametrize("code", [408, 429, 500, 502, 503, 504])
def test_what_is_tried_again(site: Callable[..., Site], tmp_path: Path, code: int) -> None:
    one = site(files={"/file": DATA})
    Once(one, "/file", *[(code, {}, b"")] * 3)
    rnaget.get(f"{one.address}/file", tmp_path / "a", **FAST)
    assert ((tmp_path / "a").read_bytes(), len(one.asked)) == (DATA, 4)


@pytest.mark.parametrize("code", [400, 401, 403, 404, 406, 410, 413, 416, 501])
def test_what_is_not(site: Callable[..., Site], tmp_path: Path, code: int) -> None:
    one = site()
    one.replies["/file"] = lambda _: (code, {"Content-Type": "application/json"}, b'{"message": "not so"}')
    with pytest.raises(ClientError, match=f"{code}: not so"):
        rnaget.get(f"{one.address}/file", tmp_path / "a", **FAST)
    assert (len(one.asked), os.listdir(tmp_path)) == (1, [])


def test_waits_grow_and_are_not_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def waits(error: ClientError, count: int) -> list[float]:
        taken: list[float] = []
        stopped = threading.Event()
        monkeypatch.setattr(stopped, "wait", taken.append)
        attempts = Attempts(count, 2, stopped)
        for _ in range(count):
            attempts.after(error)
        with pytest.raises(ClientError):
            attempts.after(error)
        return taken

    for _ in range(20):
        taken = waits(BrokenError("x"), 8)
        assert all(2 * 2**n / 2 <= wait <= 2 * 2**n for n, wait in enumerate(taken[:5]))
        assert max(taken) <= 60
    assert len({waits(BrokenError("x"), 1)[0] for _ in range(20)}) > 1
    assert all(7 <= wait <= 7.7 for wait in waits(StatusError(429, "x", 7), 3))
    with pytest.raises(ClientError, match=r"asks to wait 5,000 seconds"):
        Attempts(3, 1).after(StatusError(503, "x", 5000))


def test_a_time_in_retry_after(site: Callable[..., Site], tmp_path: Path) -> None:
    one = site(files={"/file": DATA})
    began = time.time()
    when = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(began + 1.5))
    Once(one, "/file", (503, {"Retry-After": when}, b""))
    rnaget.get(f"{one.address}/file", tmp_path / "a", **FAST)
    assert 0.4 < time.time() - began < 60


@pytest.mark.parametrize(
    "text", ["Sat, 01 Jan 9999999999 00:00:00 GMT", "Mon, 99 Foo 2026", "1.5", "-5", "1 Jan 2026 0:0:0 +99999999"]
)
def test_a_time_to_wait_that_is_none(site: Callable[..., Site], tmp_path: Path, text: str) -> None:
    one = site(files={"/file": DATA})
    Once(one, "/file", (429, {"Retry-After": text}, b""))
    rnaget.get(f"{one.address}/file", tmp_path / "a", **FAST)
    assert (tmp_path / "a").read_bytes() == DATA


def test_a_kept_connection_that_stalls_is_not_waited_for_twice(tmp_path: Path) -> None:
    released, asked = threading.Event(), []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            asked.append(self.path)
            if len(asked) > 1:
                released.wait(30)
            self.send_response(200)
            self.send_header("Content-Length", "1")
            self.end_headers()
            self.wfile.write(b"x")

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    with in_thread(server):
        # On a busy machine, the first reply takes its time.
        session = Session(f"http://127.0.0.1:{server.server_address[1]}", timeout=2)
        with session.open(f"http://127.0.0.1:{server.server_address[1]}/1") as reply:
            reply.read()
        with pytest.raises(BrokenError, match="timed out"):
            session.open(f"http://127.0.0.1:{server.server_address[1]}/2")
        released.set()
        session.close()
    assert asked == ["/1", "/2"]


def test_a_ticket_that_expires_is_asked_for_again(site: Callable[..., Site], tmp_path: Path) -> None:
    for code in (403, 410):
        one = site()
        tickets = []

        def answer(_: Asked, one: Site = one, tickets: list[int] = tickets) -> tuple[int, dict[str, str], bytes]:
            tickets.append(len(tickets))
            urls = [f"/block/{n}?_expires={len(tickets)}&_signature=s{len(tickets)}&n={n}" for n in range(1, 8)]
            return ticket(one, [BLOCKS[0], *urls], md5=md5(b"".join(BLOCKS)))(_)

        def block(asked: Asked, tickets: list[int] = tickets, code: int = code) -> tuple[int, dict[str, str], bytes]:
            number = int(asked.query["n"][0])
            if int(asked.query["_expires"][0]) < (2 if number > 3 else 1):
                return code, {}, b'{"message": "expired"}'
            return 200, {}, BLOCKS[number]

        one.replies = {"/reads/x": answer, **{f"/block/{n}": block for n in range(1, 8)}}
        rnaget.get(f"{one.address}/reads/x", tmp_path / "a", **FAST)
        assert (tmp_path / "a").read_bytes() == b"".join(BLOCKS)
        assert len(tickets) == 2
        one.replies |= {f"/block/{n}": lambda _, code=code: (code, {}, b'{"message": "never"}') for n in range(1, 8)}
        (tmp_path / "a").unlink()
        with pytest.raises(ClientError, match=f"{code}: never"):
            rnaget.get(f"{one.address}/reads/x", tmp_path / "a", **FAST)
        assert os.listdir(tmp_path) == []
