"""Real clients and a real proxy: downloads that were broken off are finished, and leave nothing behind."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import h5py
import pytest
import requests

from tests.conftest import ROOT, free_port
from tests.delivery.conftest import TRACK, WIDE

NGINX = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
LOOM = f"{WIDE}?format=loom"
TSV = f"{WIDE}?format=tsv"


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("served") / "cache"


@pytest.fixture(scope="module")
def root(serve: Callable[..., str], large: Path, cache: Path) -> str:
    return serve(
        large, apart=True, RNAGET_CACHE_DIRECTORY=str(cache), RNAGET_TICKET_KEYS="a key for the tickets of the tests"
    )


def ticket(url: str) -> dict[str, str]:
    return dict(requests.get(url.replace("/bytes", "/ticket"), timeout=30).json())


def curl(*arguments: str) -> int:
    return subprocess.run(["curl", "-sS", *arguments], capture_output=True, timeout=60).returncode


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()


def started(url: str) -> socket.socket:
    """Ask for a URL, read a little of the reply, and then no more."""
    parts = urlsplit(url)
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect((str(parts.hostname), int(parts.port or 80)))
    client.sendall(f"GET {parts.path}?{parts.query} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert client.recv(100).startswith(b"HTTP/1.1 200")
    return client


def unfinished(cache: Path) -> list[Path]:
    return list(cache.glob("part-*"))


def data_files(root: str, *places: Path) -> list[str]:
    """Return which of these files, and of those right in these directories, the server's processes have open.

    Deleted ones are included. Below the directory of the cache are files that a server opens when it comes to them.
    """
    wanted = f"RNAGET_PORT={urlsplit(root).port}".encode()
    processes, found = 0, []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if wanted in (process / "environ").read_bytes().split(b"\0"):
                processes += 1
                found += [os.readlink(handle) for handle in (process / "fd").iterdir()]
        except OSError:
            continue
    assert processes > 1, "the server was not found"
    paths = {one: Path(one.removesuffix(" (deleted)")) for one in found}
    return sorted(one for one in found if paths[one] in places or paths[one].parent in places)


def settled_data_files(root: str, *places: Path) -> list[str]:
    """Return the same, once it stays: the file of a reply is closed a moment after its last byte has come."""
    before, now = None, data_files(root, *places)
    while before != now:
        time.sleep(0.3)
        before, now = now, data_files(root, *places)
    return now


def eventually(holds: Callable[[], bool], seconds: float) -> bool:
    for _ in range(int(seconds / 0.02)):
        if holds():
            return True
        time.sleep(0.02)
    return holds()


@pytest.mark.parametrize("url", [TRACK, LOOM, TSV])
def test_curl_resumes_a_download_and_the_sum_is_that_of_the_ticket(root: str, tmp_path: Path, url: str) -> None:
    requests.get(root + url, timeout=60)  # a slice is kept from now on
    payload = ticket(root + url)
    path = tmp_path / "file"
    with subprocess.Popen(["curl", "-sS", "--limit-rate", "300K", "-o", str(path), payload["url"]]) as broken_off:
        assert eventually(lambda: path.exists() and path.stat().st_size > 0, 60)
        broken_off.terminate()
    assert 0 < path.stat().st_size < int(requests.head(payload["url"], timeout=30).headers["Content-Length"])
    assert curl("-C", "-", "-o", str(path), payload["url"]) == 0
    assert md5(path) == payload["md5"]


def test_a_first_download_that_is_broken_off_leaves_nothing_and_can_be_resumed(
    root: str, cache: Path, large: Path, tmp_path: Path
) -> None:
    url = f"{root}{WIDE}?format=json"
    before = settled_data_files(root, cache)
    client = started(url)
    assert len(unfinished(cache)) == 1
    assert eventually(lambda: len(data_files(root, cache)) > len(before), 10)
    client.close()
    assert eventually(lambda: not unfinished(cache) and data_files(root, cache) == before, 10)
    path = tmp_path / "file"
    whole = requests.get(url.replace("json", "json&_=1"), timeout=60, stream=True)
    path.write_bytes(next(whole.iter_content(1_000_000)))
    whole.close()
    assert eventually(lambda: not unfinished(cache) and data_files(root, cache) == before, 10)
    assert curl("-C", "-", "-o", str(path), url) == 0
    assert md5(path) == ticket(url)["md5"] == hashlib.md5(requests.get(url, timeout=60).content).hexdigest()


@pytest.mark.parametrize("url", [TRACK, LOOM])
def test_files_are_closed_when_the_client_goes_away(root: str, cache: Path, large: Path, url: str) -> None:
    requests.get(root + url, timeout=60)
    before = settled_data_files(root, cache, large / "p" / "s" / "a.bw")
    client = started(root + url)
    assert eventually(lambda: len(data_files(root, cache, large / "p" / "s" / "a.bw")) == len(before) + 1, 10)
    client.close()
    assert eventually(lambda: data_files(root, cache, large / "p" / "s" / "a.bw") == before, 10)


def test_a_file_that_breaks_in_mid_reply_cuts_the_connection(
    serve: Callable[..., str], large: Path, tmp_path: Path
) -> None:
    data, cache, log = Path(shutil.copytree(large, tmp_path / "copy")), tmp_path / "cache", tmp_path / "log"
    with h5py.File(data / "p" / "s" / "wide.h5") as file:
        matrix = file["matrix"].id
        chunk = matrix.get_chunk_info(matrix.get_num_chunks() - 1)
    with (data / "p" / "s" / "wide.h5").open("r+b") as damaged:
        damaged.seek(chunk.byte_offset)
        damaged.write(bytes(chunk.size))
    root = serve(data, log=log, apart=True, RNAGET_CACHE_DIRECTORY=str(cache))
    for url in (LOOM, TSV):
        with pytest.raises(requests.exceptions.RequestException):
            requests.get(root + url, timeout=60)
    assert requests.get(f"{root}{WIDE}?format=tsv&featureIDList=G02999", timeout=60).status_code == 503
    assert not unfinished(cache) and not [path for path in cache.iterdir() if len(path.name) == 64]
    logged = log.read_text()
    assert "reading wide.loom failed in mid-reply" in logged and "reading wide.tsv failed in mid-reply" in logged
    assert "Traceback" not in logged
    assert str(data) not in logged.split("Application startup complete")[-1]


def test_a_posted_query_is_streamed_while_others_are_served(root: str) -> None:
    pieces = requests.post(f"{root}{WIDE}", json={"format": "tsv"}, timeout=60, stream=True).iter_content(1000)
    next(pieces)
    assert requests.get(f"{root}/healthz", timeout=60).ok
    assert sum(map(len, pieces)) > 10_000_000


@pytest.fixture(scope="module")
def proxy(root: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The nginx of deploy/, without TLS, in front of the server."""
    if NGINX is None:
        pytest.skip("nginx is not installed")
    directory, port = tmp_path_factory.mktemp("nginx"), free_port()
    site = "".join((ROOT / "deploy" / name).read_text() for name in ("nginx-upstream.conf", "nginx.conf"))
    for pattern, here in (
        (r"server \{\s+listen 80;.*?\n\}", ""),
        (r"listen 443 ssl;", f"listen 127.0.0.1:{port};"),
        (r"listen \[::\]:443 ssl;", ""),
        (r"ssl_certificate\w* .*?;", ""),
        (r"127\.0\.0\.1:8080", urlsplit(root).netloc),
        (r"/var/cache/nginx/rnaget", str(directory / "cache")),
        (r"proxy_cache_valid 200 10s", "proxy_cache_valid 200 1s"),
    ):
        site, count = re.subn(pattern, here, site, flags=re.DOTALL)
        assert count >= 1, pattern
    (directory / "site.conf").write_text(site)
    temporary = "".join(
        f"{kind}_temp_path {directory}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (directory / "nginx.conf").write_text(
        f"daemon off; pid {directory}/pid; error_log {directory}/error.log; {'user root;' if os.geteuid() == 0 else ''}"
        f"events {{}} http {{ access_log off; {temporary} include {directory}/site.conf; }}"
    )
    process = subprocess.Popen(
        [NGINX, "-p", str(directory), "-c", str(directory / "nginx.conf")], stderr=subprocess.DEVNULL
    )
    address = f"http://127.0.0.1:{port}"
    try:
        assert eventually(lambda: _answers(f"{address}/healthz"), 120), (directory / "error.log").read_text()
        yield address
    finally:
        process.terminate()
        process.wait(60)


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).ok
    except requests.ConnectionError:
        return False


def test_nginx_keeps_what_is_asked_for_often_and_asks_whether_it_changed(root: str, proxy: str) -> None:
    # What nginx keeps for a second may be over before a busy machine asks again: so there are three tries.
    for attempt in range(3):
        url = f"{WIDE}?format=tsv&Half=first&_={attempt}"
        direct = requests.get(root + url, timeout=60)
        statuses = []
        for number in range(5):
            time.sleep(2.1 if number == 4 else 0)  # nginx counts in whole seconds
            reply = requests.get(proxy + url, timeout=60)
            assert (reply.content, reply.headers["ETag"]) == (direct.content, direct.headers["ETag"])
            statuses.append(reply.headers["X-Cache-Status"])
        assert statuses[:2] == ["MISS", "MISS"] and statuses[-1] == "REVALIDATED"
        if statuses[2:4] == ["HIT", "HIT"]:
            break
    assert statuses[2:4] == ["HIT", "HIT"]
    assert requests.get(proxy + url, headers={"If-None-Match": direct.headers["ETag"]}, timeout=60).status_code == 304


@pytest.mark.parametrize("url", [TRACK, TSV])
def test_parts_come_through_nginx(root: str, proxy: str, url: str) -> None:
    whole = requests.get(root + url, timeout=60).content
    for _ in range(3):
        reply = requests.get(proxy + url, headers={"Range": "bytes=1000000-1000999"}, timeout=60)
        assert (reply.status_code, reply.content) == (206, whole[1_000_000:1_001_000])
        assert reply.headers["X-Cache-Status"] == "BYPASS"
    head = requests.head(proxy + url, timeout=60)
    assert head.headers["Content-Length"] == str(len(whole))


def test_tickets_hold_behind_nginx(proxy: str, tmp_path: Path) -> None:
    payload = ticket(proxy + LOOM)
    url = urlsplit(payload["url"])
    here = f"{proxy}{url.path}?{url.query}"
    assert requests.get(here, timeout=60).status_code == 200
    assert requests.get(here.replace("_signature=", "_signature=0"), timeout=60).status_code == 403
