"""Files of the cache that were changed behind the server's back."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import requests

from benchmarks.servers import HOST, Server
from tests.attack.base import Attacks
from tests.attack.catalogues import wide_catalogue
from tests.forked import rnaget

ATTACKS = Attacks("cache")
_URL = "/rnaget/expressions/wide/bytes?format=tsv"


def _flip(path: Path, place: float) -> None:
    raw = bytearray(path.read_bytes())
    raw[int(len(raw) * place)] ^= 1
    path.write_bytes(raw)


def _link(path: Path) -> None:
    path.unlink()
    path.symlink_to("/etc/passwd")


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


_DAMAGES: dict[str, Callable[[Path], None]] = {
    "a bit at the start": lambda path: _flip(path, 0.0),
    "a short file": lambda path: os.truncate(path, path.stat().st_size // 2),
    "an empty file": lambda path: os.truncate(path, 0),
    "a longer file": lambda path: path.write_bytes(path.read_bytes() + b"x"),
    "a link to a system file": _link,
    "a pipe": _pipe,
    "a directory": _directory,
}


def _get(server: Server, **headers: str) -> requests.Response:
    return requests.get(f"http://{HOST}:{server.port}{_URL}", headers=headers, timeout=60)


def _kept(cache: Path) -> Path:
    (path,) = (path for path in cache.iterdir() if len(path.name) == 64)
    return path


@ATTACKS("flipped bits, cut files, links, pipes in place of kept slices")
def damaged_slices(directory: Path, short: bool) -> str:
    data, cache = wide_catalogue(directory / "data", 400 if short else 3000), directory / "cache"
    with rnaget(data, directory / "log", cache_directory=cache, cache_bytes=1 << 28) as server:
        whole = _get(server).content
        for name, damage in _DAMAGES.items():
            damage(_kept(cache))
            reply = _get(server)
            assert (reply.status_code, reply.content) == (200, whole), f"wrong bytes after {name}"
            path = _kept(cache)
            if path.is_dir():
                shutil.rmtree(path)
                _get(server)
    return f"{len(_DAMAGES)} damages: the right {len(whole):,} bytes each time"


@ATTACKS("a bit flipped late in a kept slice, so that the reply has begun")
def damage_in_mid_reply(directory: Path, short: bool) -> str:
    data, cache = wide_catalogue(directory / "data", 400 if short else 3000), directory / "cache"
    with rnaget(data, directory / "log", cache_directory=cache, cache_bytes=1 << 28) as server:
        whole = _get(server).content
        _flip(_kept(cache), 0.9)
        part = _get(server, Range="bytes=0-99")
        assert part.content == whole[:100], "a part before the damage is wrong"
        try:
            content = _get(server).content
        except requests.RequestException:
            content = None
        assert content is None, "a damaged slice was sent whole"
        assert _get(server).content == whole, "it was not made again"
    return "the connection was cut, the file removed, the next reply right"


@ATTACKS("an MD5 sum that was changed in the cache")
def damaged_sums(directory: Path, short: bool) -> str:
    data, cache = wide_catalogue(directory / "data", 400), directory / "cache"
    settings = {"cache_directory": cache, "cache_bytes": 1 << 28}
    with rnaget(data, directory / "log", **settings) as server:
        _get(server)
        ticket = f"http://{HOST}:{server.port}{_URL.replace('/bytes', '/ticket')}"
        sum = requests.get(ticket, timeout=60).json()["md5"]
    for path in (cache / "sums").iterdir():
        if len(path.name) == 64:
            path.write_bytes(path.read_bytes().replace(sum.encode(), b"0" * 32))
    with rnaget(data, directory / "log", **settings) as server:
        ticket = f"http://{HOST}:{server.port}{_URL.replace('/bytes', '/ticket')}"
        found = requests.get(ticket, timeout=60).json()["md5"]
    assert found == sum, f"the sum {found}"
    return "the right sum, computed again"
