"""Downloads that go on: only the rest is asked for, and nothing is added to bytes of another version."""

from __future__ import annotations

import io
import itertools
import os
import random
import threading
import time
from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

import rnaget
from rnaget import ClientError
from tests.client.faulty import Asked, Faults, Site, ticket
from tests.client.offers import BLOCKS, DATA, FAST, JSON, md5, with_reads, with_ticket


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


BINARY = {"Content-Type": "application/octet-stream"}


def test_what_a_failed_reply_said_proves_nothing(site: Callable[..., Site], tmp_path: Path) -> None:
    """The file changes while a download is broken off, and the reply of the new one ends before its first byte."""
    old, new = DATA, DATA[::-1]
    one, output = site(), tmp_path / "a"
    for content, sent in ((old, old[:9000]), (new, b"")):
        headers = BINARY | {"ETag": f'"{md5(content)}"', "Connection": "close", "Content-Length": str(len(content))}
        one.replies["/file"] = lambda _, said=headers, sent=sent: (200, said, sent)
        with pytest.raises(ClientError, match="broke off"):
            rnaget.get(f"{one.address}/file", output, resume=True, max_retries=0)
    del one.replies["/file"]
    one.files["/file"] = new
    rnaget.get(f"{one.address}/file", output, resume=True, **FAST)
    assert output.read_bytes() == new


def parts_of(one: Site, count: int = 4) -> str:
    """Offer DATA by a ticket without an MD5 whose blocks are ranges of one file."""
    size = len(DATA) // count
    urls = [{"url": "/file", "headers": {"Range": f"bytes={a}-{a + size - 1}"}} for a in range(0, len(DATA), size)]
    one.replies["/reads/x"] = ticket(one, urls)
    return f"{one.address}/reads/x"


@pytest.mark.parametrize("is_resumed", [False, True])
def test_blocks_of_two_versions_of_a_file_are_never_joined(
    site: Callable[..., Site], tmp_path: Path, is_resumed: bool
) -> None:
    one, new = site(files={"/file": DATA}), DATA[::-1]
    url, count = parts_of(one), itertools.count()

    def changing(asked: Asked) -> tuple[int, dict[str, str], bytes]:
        if next(count) == 2:
            one.files["/file"] = new
            if is_resumed:
                return 404, {}, b""
        first, last = map(int, asked.headers["range"][6:].split("-"))
        content = one.files["/file"]
        said = {"ETag": f'"{md5(content)}"', "Content-Range": f"bytes {first}-{last}/{len(content)}"}
        return 206, said, content[first : last + 1]

    one.replies["/file"] = changing
    if is_resumed:
        with pytest.raises(ClientError, match="404"):
            rnaget.get(url, tmp_path / "a", workers=1, resume=True, **FAST)
    rnaget.get(url, tmp_path / "a", workers=1, resume=is_resumed, **FAST)
    assert (tmp_path / "a").read_bytes() == new


def test_a_file_between_blocks_of_another(site: Callable[..., Site], tmp_path: Path) -> None:
    """The first of two files has changed since, of which the last block is a part as well."""
    one, new = site(files={"/a": DATA, "/b": b"middle"}), DATA[::-1]
    half = len(DATA) // 2
    urls = [{"url": "/a", "headers": {"Range": f"bytes=0-{half - 1}"}}, {"url": "/b"}, {"url": "/c"}]
    one.replies["/reads/x"] = ticket(one, [*urls, {"url": "/a", "headers": {"Range": f"bytes={half}-"}}])
    with pytest.raises(ClientError, match="404"):
        rnaget.get(f"{one.address}/reads/x", tmp_path / "a", workers=1, resume=True, **FAST)
    one.files |= {"/a": new, "/c": b"-"}
    rnaget.get(f"{one.address}/reads/x", tmp_path / "a", resume=True, **FAST)
    assert (tmp_path / "a").read_bytes() == new[:half] + b"middle-" + new[half:]


def test_a_reply_that_is_shorter_than_the_range(site: Callable[..., Site], tmp_path: Path) -> None:
    """A server may send less than was asked for; then the rest is asked for."""
    one = site(files={"/file": DATA})
    url = parts_of(one)

    def short(asked: Asked) -> tuple[int, dict[str, str], bytes]:
        first, last = map(int, asked.headers["range"][6:].split("-"))
        last = min(last, first + 19_999)
        said = {"ETag": '"e"', "Content-Range": f"bytes {first}-{last}/{len(DATA)}"}
        return 206, said, DATA[first : last + 1]

    one.replies["/file"] = short
    rnaget.get(url, tmp_path / "a", max_retries=1, **FAST)
    assert (tmp_path / "a").read_bytes() == DATA


@pytest.mark.parametrize("chunked", [True, False])
def test_the_whole_file_where_its_first_bytes_were_asked_for(
    site: Callable[..., Site], tmp_path: Path, chunked: bool
) -> None:
    one = site(files={"/file": DATA}, ranges=False, chunked=chunked)
    for last, is_fit in ((99, False), (len(DATA) - 1, True), (len(DATA) + 5, True)):
        one.replies["/reads/x"] = ticket(one, [{"url": "/file", "headers": {"Range": f"bytes=0-{last}"}}])
        if is_fit:
            rnaget.get(f"{one.address}/reads/x", tmp_path / "a", **FAST)
            assert (tmp_path / "a").read_bytes() == DATA
        else:
            with pytest.raises(ClientError, match="whole file where a part"):
                rnaget.get(f"{one.address}/reads/x", tmp_path / "a", **FAST)


@pytest.mark.parametrize("age", [0, 100])
def test_a_time_of_change_proves_only_what_is_older(site: Callable[..., Site], tmp_path: Path, age: int) -> None:
    """A file that changed in the second of the reply may have changed once more in that second."""
    now = time.time()
    one, output = site(), tmp_path / "a"
    said = BINARY | {"Last-Modified": formatdate(now - age, usegmt=True), "Content-Length": str(len(DATA))}
    one.replies["/file"] = lambda _: (
        200,
        said | {"Connection": "close", "Date": formatdate(now, usegmt=True)},
        DATA[:5000],
    )
    with pytest.raises(ClientError, match="broke off"):
        rnaget.get(f"{one.address}/file", output, resume=True, max_retries=0)
    assert sorted(os.listdir(tmp_path)) == (["a.part", "a.part.json"] if age else [])


def test_the_rest_of_a_file_that_says_no_version(site: Callable[..., Site], tmp_path: Path) -> None:
    one, turns, rests = site(), iter(["cut"]), []
    one.faults = Faults(random.Random(1))
    one.faults.draw = lambda: next(turns, None)  # type: ignore[method-assign]

    def file(asked: Asked) -> tuple[int, dict[str, str], bytes]:
        if "range" in asked.headers:
            first = int(asked.headers["range"][6:-1])
            rests.append(first)
            return 206, {"Content-Range": f"bytes {first}-{len(DATA) - 1}/{len(DATA)}"}, DATA[::-1][first:]
        content = DATA if not rests else DATA[::-1]
        return 200, {"ETag": f'"{md5(content)}"'}, content

    one.replies["/file"] = file
    rnaget.get(f"{one.address}/file", tmp_path / "a", **FAST)
    assert rests and (tmp_path / "a").read_bytes() == DATA[::-1]


def test_two_downloads_of_one_file_do_not_meet(site: Callable[..., Site], tmp_path: Path) -> None:
    one, output, started, released = site(files={"/file": DATA}), tmp_path / "a", threading.Event(), threading.Event()

    def slow(_: Asked) -> tuple[int, dict[str, str], bytes]:
        started.set()
        released.wait(30)
        return 200, {"ETag": '"e"'}, DATA

    one.replies["/file"] = slow
    first = threading.Thread(target=rnaget.get, args=(f"{one.address}/file", output), kwargs={"resume": True})
    first.start()
    started.wait(30)
    with pytest.raises(ClientError, match=r"a\.part is being written by another download"):
        rnaget.get(f"{one.address}/file", output, resume=True)
    released.set()
    first.join()
    assert (os.listdir(tmp_path), output.read_bytes()) == (["a"], DATA)
    rnaget.get(f"{one.address}/file", output, resume=True)
    assert (os.listdir(tmp_path), output.read_bytes()) == (["a"], DATA)
