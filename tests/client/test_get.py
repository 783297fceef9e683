"""`rnaget.get`: whole files or none, over any failure, and secrets for the server that they are for."""

from __future__ import annotations

import gzip
import hashlib
import io
import itertools
import json
import logging
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import rnaget
from rnaget import ClientError
from rnaget.retries import Attempts
from rnaget.session import Session
from rnaget.transport import BrokenError, StatusError
from tests.client.faulty import Asked, Faults, Site, serving, ticket

CHANCE = random.Random(5)
DATA = CHANCE.randbytes(200_000)
BLOCKS = [CHANCE.randbytes(size) for size in (300, 0, 40_000, 7, 90_000, 25_000, 1, 60_000)]
FAST = {"retry_wait": 0.01}
JSON = {"Content-Type": "application/json"}


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


@pytest.fixture
def site() -> Iterator[Callable[..., Site]]:
    with ExitStack() as stack:
        yield lambda **given: stack.enter_context(serving(Site(**given)))


def with_reads(one: Site, **fields: object) -> str:
    """Offer BLOCKS by htsget: the first in the ticket, the others by addresses."""
    one.files |= {f"/block/{number}": block for number, block in enumerate(BLOCKS) if number}
    names: list[Any] = [BLOCKS[0], *(f"/block/{number}" for number in range(1, len(BLOCKS)))]
    one.replies["/reads/x"] = ticket(one, names, md5=md5(b"".join(BLOCKS)), **fields)
    return f"{one.address}/reads/x"


def with_ticket(one: Site, **fields: object) -> str:
    """Offer DATA by a ticket of RNAget."""
    one.files["/file"] = DATA
    body = {"url": f"{one.address}/file", "units": "TPM", "fileType": None, "md5": md5(DATA), **fields}
    one.replies["/x/ticket"] = lambda _: (200, {"Content-Type": "application/json"}, json.dumps(body).encode())
    return f"{one.address}/x/ticket"


@pytest.mark.parametrize("workers", [1, 4])
def test_tickets_and_plain_files(site: Callable[..., Site], tmp_path: Path, workers: int) -> None:
    one = site()
    output = tmp_path / "a"
    for url, expected in ((with_reads(one), b"".join(BLOCKS)), (with_ticket(one), DATA), (f"{one.address}/file", DATA)):
        received = rnaget.get(url, output, workers=workers)
        assert output.read_bytes() == expected
        assert (received.path, received.size) == (output, len(expected))
        content = io.BytesIO(b"before")
        content.seek(6)
        rnaget.get(url, content, workers=workers)
        assert content.getvalue() == b"before" + expected
    assert os.listdir(tmp_path) == ["a"]


def test_the_first_form_of_a_ticket_and_data_that_is_no_base64(site: Callable[..., Site], tmp_path: Path) -> None:
    one = site()
    one.files["/b"] = b"there"
    urls = [{"url": "data:text/plain,hi%20"}, {"url": "data:;base64,"}, {"url": "/b"}, {"url": "data:;base64,IQ"}]
    body = json.dumps({"format": "BAM", "urls": urls}).encode()
    one.replies["/reads/x"] = lambda _: (200, {"Content-Type": "application/json"}, b" \n" + body)
    rnaget.get(f"{one.address}/reads/x", tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == b"hi there!"


def test_json_that_is_no_ticket_is_a_file(site: Callable[..., Site], tmp_path: Path) -> None:
    one = site()
    for content in (b'{"id": "s", "url": "http://x"}', b'{"a": [1]}', b"[1]", b"{" * 9000, b'{"url": 1}\n{"url": 2}'):
        one.replies["/a.json"] = lambda _, content=content: (200, {"Content-Type": "application/json"}, content)
        if content.count(b"\n"):
            with pytest.raises(ClientError, match="no JSON"):
                rnaget.get(f"{one.address}/a.json", tmp_path / "a")
            continue
        rnaget.get(f"{one.address}/a.json", tmp_path / "a")
        assert (tmp_path / "a").read_bytes() == content


def test_every_parameter_is_sent(site: Callable[..., Site], tmp_path: Path) -> None:
    one = site()
    url = f"{with_reads(one)}?class=body&start=1"
    lists = {"fields": ["QNAME", "FLAG"], "tags": "RG,NM", "notags": ["MD"]}
    rnaget.get(url, tmp_path / "a", "chr1", "0" * 32, 5, 9, data_format="bam", **lists)
    assert one.asked[0].query == {
        **{"class": ["body"], "referenceName": ["chr1"], "referenceMD5": ["0" * 32], "start": ["5"], "end": ["9"]},
        **{"format": ["BAM"], "fields": ["QNAME,FLAG"], "tags": ["RG,NM"], "notags": ["MD"]},
    }
    one.asked.clear()
    with pytest.raises(ClientError, match="404"):
        rnaget.get(f"{one.address}/rnaget/continuous/t/ticket", tmp_path / "b", "1", start=0, data_format="tsv")
    assert one.asked[0].query == {"chr": ["1"], "start": ["0"], "format": ["tsv"]}


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
        assert time.monotonic() - began < 30
        output.unlink()


@pytest.mark.parametrize("seed", [1, 2])
def test_downloads_over_a_connection_that_fails(site: Callable[..., Site], tmp_path: Path, seed: int) -> None:
    faulty_downloads(site, tmp_path, 24, seed)


@pytest.mark.long
def test_two_hundred_downloads_over_a_connection_that_fails(site: Callable[..., Site], tmp_path: Path) -> None:
    faulty_downloads(site, tmp_path, 200, 3)


class Once:
    """A fault for the first requests of a path, and none after them."""

    def __init__(self, one: Site, path: str, *answers: tuple[int, dict[str, str], bytes]) -> None:
        self._answers, self._one, self._path = list(answers), one, path
        one.replies[path] = self

    def __call__(self, asked: Asked) -> tuple[int, dict[str, str], bytes]:
        if len(self._answers) == 1:
            del self._one.replies[self._path]
        return self._answers.pop(0)


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
    when = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 1.5))
    Once(one, "/file", (503, {"Retry-After": when}, b""))
    began = time.time()
    rnaget.get(f"{one.address}/file", tmp_path / "a", **FAST)
    assert 0.4 < time.time() - began < 6


@pytest.mark.parametrize("is_stream", [False, True])
def test_only_the_rest_is_asked_for(site: Callable[..., Site], tmp_path: Path, is_stream: bool) -> None:
    one = site(files={"/file": DATA})
    one.faults = Faults(random.Random(3), 1, ("cut",))
    stop = threading.Timer(0.05, lambda: setattr(one, "faults", Faults()))
    stop.start()
    if is_stream:
        read, write = os.pipe()
        parts: list[bytes] = []

        def drain() -> None:
            with os.fdopen(read, "rb") as pipe:
                parts.append(pipe.read())

        reader = threading.Thread(target=drain)
        reader.start()
        with os.fdopen(write, "wb") as pipe:
            rnaget.get(f"{one.address}/file", pipe, max_retries=50, **FAST)
        reader.join()
        content = parts[0]
    else:
        rnaget.get(f"{one.address}/file", tmp_path / "a", max_retries=50, **FAST)
        content = (tmp_path / "a").read_bytes()
    assert content == DATA
    ranges = [asked.headers.get("range") for asked in one.asked]
    assert ranges[0] is None and all(ranges[1:])
    assert all(asked.headers["if-range"] == f'"{md5(DATA)}"' for asked in one.asked[1:])


@pytest.mark.parametrize("etags", [True, False])
def test_a_file_that_changes_meanwhile_is_begun_again(site: Callable[..., Site], tmp_path: Path, etags: bool) -> None:
    one = site(files={"/file": DATA}, etags=etags)
    other = DATA[:1000] + b"x" + DATA[1001:]
    one.faults = Faults(random.Random(3), 1, ("cut",))

    def change() -> None:
        one.files["/file"], one.faults = other, Faults()

    threading.Timer(0.1, change).start()
    rnaget.get(f"{one.address}/file", tmp_path / "a", max_retries=50, **FAST)
    assert (tmp_path / "a").read_bytes() == other
    one.faults, one.files["/file"] = Faults(random.Random(3), 1, ("cut",)), DATA
    threading.Timer(0.1, change).start()
    with pytest.raises(ClientError, match="changed on the server"):
        rnaget.get(f"{one.address}/file", Pipe(), max_retries=50, **FAST)  # type: ignore[arg-type]


class Pipe(io.RawIOBase):
    """An output that cannot go back."""

    def writable(self) -> bool:
        return True

    def write(self, piece: Any) -> int:
        return len(piece)


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


@pytest.mark.parametrize(
    ("fields", "message"),
    [({"md5": "0" * 32}, "has the md5 .*, but 0{32}"), ({"size": 5}, "200,000 bytes, but 5 by its ticket")],
)
def test_what_the_ticket_says_is_compared(
    site: Callable[..., Site], tmp_path: Path, fields: dict[str, object], message: str
) -> None:
    one = site()
    url = with_ticket(one, **fields)
    (tmp_path / "a").write_text("before")
    with pytest.raises(ClientError, match=message):
        rnaget.get(url, tmp_path / "a", **FAST)
    assert (os.listdir(tmp_path), (tmp_path / "a").read_text()) == (["a"], "before")
    assert len(one.asked) <= 4  # the same wrong bytes twice are enough
    rnaget.get(url, tmp_path / "a", verify=False, **FAST)
    assert (tmp_path / "a").read_bytes() == DATA


def test_secrets_go_to_the_host_of_the_ticket_alone(
    site: Callable[..., Site], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    one, other = site(), site()
    other.files |= {"/a": b"a", "/b": b"b"}
    one.files["/d"] = b"d"
    one.replies["/c"] = lambda _: (302, {"Location": f"{other.address}/b"}, b"")
    urls = [
        {"url": f"{other.address}/a", "headers": {"X-Block": "1", "Authorization": "Bearer of-the-ticket"}},
        {"url": f"{one.address}/c"},
        {"url": f"{one.address}/d"},
    ]
    one.replies["/reads/x"] = ticket(one, urls)
    given = {"X-Mine": "mine"}
    with caplog.at_level(logging.DEBUG):
        rnaget.get(f"{one.address}/reads/x", tmp_path / "a", bearer_token="SECRET", headers=given)
    assert (tmp_path / "a").read_bytes() == b"abd"
    assert given == {"X-Mine": "mine"}
    sent = {asked.path: asked.headers for asked in [*one.asked, *other.asked]}
    for path in ("/reads/x", "/d"):
        assert (sent[path]["authorization"], sent[path]["x-mine"]) == ("Bearer SECRET", "mine")
    assert sent["/a"]["authorization"] == "Bearer of-the-ticket" and sent["/a"]["x-block"] == "1"
    assert "authorization" not in sent["/b"]
    assert not any("SECRET" in str(asked.headers) or "x-mine" in asked.headers for asked in other.asked)
    assert "SECRET" not in caplog.text
    one.replies["/reads/x"] = lambda _: (401, {}, b'{"message": "who?"}')
    with pytest.raises(ClientError) as raised:
        rnaget.get(f"{one.address}/reads/x", tmp_path / "a", bearer_token="SECRET")
    assert "SECRET" not in str(raised.value)


def test_headers_of_blocks_with_ranges(site: Callable[..., Site], tmp_path: Path) -> None:
    one = site(files={"/file": DATA})
    urls = [{"url": "/file", "headers": {"Range": f"bytes={a}-{a + 49_999}"}} for a in range(0, 200_000, 50_000)]
    one.replies["/reads/x"] = ticket(one, urls)
    one.faults = Faults(random.Random(1), 0.5, ("cut", "reset"))
    rnaget.get(f"{one.address}/reads/x", tmp_path / "a", max_retries=20, **FAST)
    assert (tmp_path / "a").read_bytes() == DATA
    one.ranges, one.faults = False, Faults()
    with pytest.raises(ClientError, match="whole file where a part"):
        rnaget.get(f"{one.address}/reads/x", tmp_path / "a", **FAST)


@pytest.mark.parametrize("by_ticket", [True, False])
def test_a_download_is_gone_on_with_later(site: Callable[..., Site], tmp_path: Path, by_ticket: bool) -> None:
    one = site()
    ticket_url = with_ticket(one)
    url = ticket_url if by_ticket else f"{one.address}/file"
    turns = [None, "cut"] if by_ticket else ["cut"]

    def broken() -> int:
        """Return how much arrives of a download that fails."""
        one.faults = Faults(random.Random(3), 1)
        one.faults.draw = iter(turns).__next__  # type: ignore[method-assign]
        with pytest.raises(ClientError, match="broke off"):
            rnaget.get(url, tmp_path / "a", max_retries=0, resume=True)
        one.faults = Faults()
        one.asked.clear()
        assert sorted(os.listdir(tmp_path)) == ["a.part", "a.part.json"]
        return (tmp_path / "a.part").stat().st_size

    size = broken()
    rnaget.get(f"{url}?_expires=1&_signature=x", tmp_path / "a", resume=True)
    assert size and [asked.headers.get("range") for asked in one.asked][-1] == f"bytes={size}-"
    assert all("range" not in asked.headers for asked in one.asked[:-1])
    assert (os.listdir(tmp_path), (tmp_path / "a").read_bytes()) == (["a"], DATA)
    (tmp_path / "a").unlink()
    broken()
    one.files["/file"] = DATA[::-1]
    rnaget.get(url, tmp_path / "a", resume=True, verify=False)
    assert (os.listdir(tmp_path), (tmp_path / "a").read_bytes()) == (["a"], DATA[::-1])


def signed_reads(one: Site, has_md5: bool) -> str:
    """Offer BLOCKS by htsget, by addresses that are signed in another way each time."""
    url, count = with_reads(one), itertools.count()
    md5s = {"md5": md5(b"".join(BLOCKS))} if has_md5 else {}

    def answer(asked: Asked) -> tuple[int, dict[str, str], bytes]:
        signed = [f"/block/{number}?_expires={next(count)}" for number in range(1, len(BLOCKS))]
        status, _, body = ticket(one, [BLOCKS[0], *signed], **md5s)(asked)
        return status, JSON | {"ETag": '"of-the-ticket"'}, body

    one.replies["/reads/x"] = answer
    return url


def blocks_asked(one: Site) -> list[tuple[str, str]]:
    """Return which blocks were asked for, and which ranges of them; once, since a thread of before may still ask."""
    asked = {(asked.path, asked.headers.get("range") or "") for asked in one.asked if "/block/" in asked.path}
    one.asked.clear()
    return sorted(asked)


@pytest.mark.parametrize("has_md5", [True, False])
@pytest.mark.parametrize("is_cut", [True, False])
def test_blocks_are_gone_on_with_later(site: Callable[..., Site], tmp_path: Path, has_md5: bool, is_cut: bool) -> None:
    one = site()
    url = signed_reads(one, has_md5)
    content = one.files["/block/5"]
    whole = {"/block/5": content}
    etag = {"ETag": f'"{md5(content)}"'}
    if is_cut:  # in the middle of the block; what is sent is shorter than was said
        one.replies["/block/5"] = lambda _: (200, etag | {"Content-Length": str(len(content))}, content[:9000])
    else:
        del one.files["/block/5"]
    with pytest.raises(ClientError, match="broke off" if is_cut else "404"):
        rnaget.get(url, tmp_path / "a", resume=True, max_retries=0, timeout=2, workers=2)
    assert sorted(os.listdir(tmp_path)) == ["a.part", "a.part.json"]
    before = b"".join(BLOCKS[:5]) + (content[:9000] if is_cut else b"")
    assert (tmp_path / "a.part").read_bytes() == before
    one.replies.pop("/block/5", None)
    one.files |= whole
    blocks_asked(one)
    seen: list[tuple[int, int | None]] = []
    rnaget.get(url, tmp_path / "a", resume=True, progress=lambda *both: seen.append(both))
    assert (os.listdir(tmp_path), (tmp_path / "a").read_bytes()) == (["a"], b"".join(BLOCKS))
    proof = [] if has_md5 else [("/block/4", "")]
    rest = "bytes=9000-" if is_cut else ""
    assert blocks_asked(one) == [*proof, ("/block/5", rest), ("/block/6", ""), ("/block/7", "")]
    assert seen[-1][0] == len(b"".join(BLOCKS))


@pytest.mark.parametrize("etags", [True, False])
@pytest.mark.parametrize("has_md5", [True, False])
def test_blocks_that_have_changed_meanwhile(
    site: Callable[..., Site], tmp_path: Path, etags: bool, has_md5: bool
) -> None:
    """The last block is proved by its ETag, all others by the MD5 of the ticket; without proof all is begun again."""
    one = site(etags=etags)
    url = signed_reads(one, has_md5)
    kept = one.files.pop("/block/5")
    with pytest.raises(ClientError, match="404"):
        rnaget.get(url, tmp_path / "a", resume=True, **FAST)
    one.files |= {"/block/4": BLOCKS[4][::-1], "/block/5": kept}
    expected = b"".join([*BLOCKS[:4], BLOCKS[4][::-1], *BLOCKS[5:]])
    if has_md5:  # of what was there before: it is right again in the second try
        (tmp_path / "a.part").write_bytes(b"x" + (tmp_path / "a.part").read_bytes()[1:])
        one.files["/block/4"], expected = BLOCKS[4], b"".join(BLOCKS)
    rnaget.get(url, tmp_path / "a", resume=True, **FAST)
    assert (os.listdir(tmp_path), (tmp_path / "a").read_bytes()) == (["a"], expected)


@pytest.mark.parametrize("record", ["", "[]", '{"url": "U"}', '{"url": "U", "position": {"block": "x"}}'])
def test_a_record_that_is_damaged(site: Callable[..., Site], tmp_path: Path, record: str) -> None:
    one = site()
    url = signed_reads(one, True)
    (tmp_path / "a.part").write_bytes(b"something else")
    (tmp_path / "a.part.json").write_text(record.replace("U", url))
    rnaget.get(url, tmp_path / "a", resume=True, **FAST)
    assert (os.listdir(tmp_path), (tmp_path / "a").read_bytes()) == (["a"], b"".join(BLOCKS))


class Half(io.RawIOBase):
    """A file without a buffer, which takes a part of what it is given."""

    def __init__(self) -> None:
        self.content = b""

    def writable(self) -> bool:
        return True

    def write(self, piece: Any) -> int:
        taken = bytes(piece)[: max(1, len(piece) // 2)]
        self.content += taken
        return len(taken)


def test_files_that_take_a_part_of_what_is_written(site: Callable[..., Site]) -> None:
    one = site(files={"/file": DATA})
    output = Half()
    rnaget.get(f"{one.address}/file", output)  # type: ignore[arg-type]
    assert output.content == DATA


def test_the_address_of_a_ticket_has_nothing_else(site: Callable[..., Site], tmp_path: Path) -> None:
    one = site(files={"/file": DATA})
    body = {"url": f"{one.address}/file", "studyID": "s"}  # not even units
    one.replies["/expressions/m/ticket"] = lambda _: (200, JSON, json.dumps(body).encode())
    rnaget.get(f"{one.address}/expressions/m/ticket?format=tsv", tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == DATA
    one.replies["/expressions/m/ticket"] = lambda _: (200, JSON, b'{"message": "not today"}')
    with pytest.raises(ClientError, match="ticket is no ticket: it has no url"):
        rnaget.get(f"{one.address}/expressions/m/ticket", tmp_path / "b")
    assert os.listdir(tmp_path) == ["a"]


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

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        session = Session(f"http://127.0.0.1:{server.server_address[1]}", timeout=0.5)
        with session.open(f"http://127.0.0.1:{server.server_address[1]}/1") as reply:
            reply.read()
        with pytest.raises(BrokenError, match="timed out"):
            session.open(f"http://127.0.0.1:{server.server_address[1]}/2")
        released.set()
        session.close()
        server.shutdown()
        thread.join()
    assert asked == ["/1", "/2"]


def test_progress(site: Callable[..., Site], tmp_path: Path) -> None:
    one = site()
    for url, size in ((with_ticket(one), len(DATA)), (with_reads(one), len(b"".join(BLOCKS)))):
        seen: list[tuple[int, int | None]] = []
        rnaget.get(url, tmp_path / "a", progress=lambda done, total, seen=seen: seen.append((done, total)))
        assert seen[-1][0] == size and seen == sorted(seen, key=lambda one: one[0])
        rnaget.get(url, tmp_path / "a", progress=True)


def test_bytes_that_are_coded(site: Callable[..., Site], tmp_path: Path) -> None:
    one = site()
    one.replies["/file"] = lambda _: (200, {"Content-Encoding": "gzip"}, gzip.compress(DATA))
    one.faults = Faults(random.Random(2), 0.5, ("cut",))
    rnaget.get(f"{one.address}/file", tmp_path / "a", max_retries=30, **FAST)
    assert (tmp_path / "a").read_bytes() == DATA


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"htsget": {"error": "NotFound", "message": "gone fishing"}}, "NotFound: gone fishing"),
        ({"htsget": {}}, "no urls"),
        ({"htsget": {"urls": 3}}, "no list"),
        ({"htsget": {"urls": [3]}}, "no url"),
        ({"htsget": {"urls": [{"url": "ftp://x/y"}]}}, "no address of a web server"),
        ({"htsget": {"urls": [{"url": "file:///etc/passwd"}]}}, "no address of a web server"),
        ({"htsget": {"urls": [{"url": "data:;base64,@@"}]}}, "no base64"),
        ({"htsget": {"urls": [{"url": "data:nothing"}]}}, "no data"),
        ({"htsget": {"urls": [{"url": "http://x", "headers": 3}]}}, "no object"),
        ({"htsget": {"format": "BAM", "urls": []}}, "list of urls is empty"),
        ({"htsget": {"urls": [{"url": "http://[::1"}]}}, "no address of a web server"),
        ({"url": "http://[::1", "units": "TPM"}, "no address of a web server"),
    ],
)
def test_tickets_that_are_none(site: Callable[..., Site], tmp_path: Path, body: Any, message: str) -> None:
    one = site()
    one.replies["/reads/x"] = lambda _: (200, {"Content-Type": "application/json"}, json.dumps(body).encode())
    with pytest.raises(ClientError, match=message):
        rnaget.get(f"{one.address}/reads/x", tmp_path / "a", **FAST)
    assert os.listdir(tmp_path) == []


def test_mistakes_of_the_caller(site: Callable[..., Site], tmp_path: Path) -> None:
    one = site(files={"/file": DATA})
    one.replies["/page"] = lambda _: (200, {"Content-Type": "text/html"}, b"<html>Sign in</html>")
    for url, given, message in (
        ("ftp://x/y", {}, "must begin with http"),
        (f"{one.address}/page", {}, "a page instead of data"),
        (f"{one.address}/file", {"start": -1}, "at least 0"),
        (f"{one.address}/file", {"max_retries": "x"}, "no whole number"),
        (f"{one.address}/file", {"retry_wait": "x"}, "retry_wait='x' is no number of seconds"),
        (f"{one.address}/file", {"timeout": -1}, "timeout=-1 is no number of seconds"),
        (f"{one.address}/file", {"timeout": 0}, "no time for a reply"),
        (f"{one.address}/file", {"bearer_token": "a\nb"}, "token"),
        (one.address.replace("//", "//user:pass@") + "/file", {}, "user or a password"),
    ):
        with pytest.raises(ClientError, match=message):
            rnaget.get(url, tmp_path / "a", **given)
    with pytest.raises(ClientError, match="cannot be written"):
        rnaget.get(f"{one.address}/file", tmp_path / "none" / "a")
    for resume in (False, True):
        with pytest.raises(ClientError, match="cannot be written: File name too long"):
            rnaget.get(f"{one.address}/file", tmp_path / ("x" * 300), resume=resume)
    with pytest.raises(ClientError, match="None is neither the name of a file nor"):
        rnaget.get(f"{one.address}/file", None)  # type: ignore[arg-type]
    assert os.listdir(tmp_path) == []
