"""`rnaget.get`: whole files or none, over any failure, and secrets for the server that they are for."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import logging
import os
import random
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import rnaget
from rnaget import ClientError
from tests.client.faulty import Asked, Faults, Site, ticket
from tests.client.offers import BLOCKS, DATA, FAST, JSON, with_reads, with_ticket


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


def test_progress(site: Callable[..., Site], tmp_path: Path) -> None:
    one = site()
    for url, size in ((with_ticket(one), len(DATA)), (with_reads(one), len(b"".join(BLOCKS)))):
        seen: list[tuple[int, int | None]] = []
        rnaget.get(url, tmp_path / "a", progress=lambda done, total, seen=seen: seen.append((done, total)))
        assert seen[-1][0] == size and seen == sorted(seen, key=lambda one: one[0])
        rnaget.get(url, tmp_path / "a", progress=True)


@pytest.mark.parametrize("resume", [True, False])
def test_a_task_that_is_cancelled_ends_its_download(site: Callable[..., Site], tmp_path: Path, resume: bool) -> None:
    one, asked, released = site(), threading.Event(), threading.Event()

    def late(_: Asked) -> tuple[int, dict[str, str], bytes]:
        asked.set()
        released.wait(30)
        return 200, {}, DATA

    async def run() -> None:
        task = asyncio.create_task(rnaget.get_async(f"{one.address}/file", tmp_path / "a", resume=resume))
        await asyncio.to_thread(asked.wait, 30)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        released.set()

    one.replies["/file"] = late
    asyncio.run(run())  # which waits for its threads
    assert os.listdir(tmp_path) == []


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


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_body_goes_along_where_a_request_is_redirected(site: Callable[..., Site], code: int) -> None:
    """Without it a long list would be left out, and all of the matrix be taken for its slice."""
    one, other = site(), site()
    one.replies["/expressions/m/bytes"] = lambda asked: (code, {"Location": f"{other.address}/there"}, b"")
    other.files["/there"] = b"gene\tS1\nA\t1\n"
    genes = [f"ENSG{number:011}" for number in range(500)]
    with rnaget.connect(f"{one.address}/rnaget", "SECRET", cache=False) as server:
        request = server.api.requests("expressions/m", {"featureIDList": genes})[0]
        received = server.api.read(request._replace(url=f"{one.address}/expressions/m/bytes"))
    (asked,) = other.asked
    assert received.body == other.files["/there"] and "authorization" not in asked.headers
    if code == 303:  # a result that was made for this request, at an address of its own
        assert (asked.method, asked.body) == ("GET", b"")
    else:
        assert asked.method == "POST" and json.loads(asked.body) == {"featureIDList": genes}
        assert asked.headers["content-type"] == "application/json"
