"""The scripts of libraries as gzip: made once for all workers, and made again where the disk has damaged them."""

from __future__ import annotations

import gzip
import threading
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from rnaget_server.pages import compressed
from rnaget_server.pages.compressed import CompressedLibraries
from rnaget_server.pages.pages import create_pages
from rnaget_server.storage.disk_cache import DiskCache
from rnaget_server.web import Library, libraries
from tests.pages.test_pages import site_of

LIBRARY = libraries()["igv"]
SCRIPT = LIBRARY.path.read_bytes()


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Each time that something is compressed, its size."""
    sizes: list[int] = []

    def compress(data: bytes, level: int, *, mtime: int) -> bytes:
        sizes.append(len(data))
        return gzip.compress(data, 1, mtime=mtime)

    monkeypatch.setattr(compressed, "gzip", type("Gzip", (), {"compress": compress, "decompress": gzip.decompress}))
    return sizes


def worker(directory: Path, size: int = 1 << 24) -> CompressedLibraries:
    return CompressedLibraries(DiskCache(directory, size))


def test_one_worker_makes_it_for_all(tmp_path: Path, made: list[int]) -> None:
    first, second = worker(tmp_path / "c"), worker(tmp_path / "c")
    assert gzip.decompress(first.of(LIBRARY)) == SCRIPT
    assert second.of(LIBRARY) == first.of(LIBRARY)
    assert made == [len(SCRIPT)]


def test_many_readers_at_once_wait_for_one(tmp_path: Path, made: list[int]) -> None:
    workers = [worker(tmp_path / "c") for _ in range(3)]
    found: list[bytes] = []
    threads = [threading.Thread(target=lambda one=one: found.append(one.of(LIBRARY))) for one in workers * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 6 and len(set(found)) == 1
    assert made == [len(SCRIPT)]


@pytest.mark.parametrize("damage", [b"", b"no gzip", gzip.compress(b"another script")])
def test_what_is_damaged_is_made_again(tmp_path: Path, made: list[int], damage: bytes) -> None:
    worker(tmp_path / "c").of(LIBRARY)
    (kept,) = (path for path in (tmp_path / "c").iterdir() if path.stat().st_size > 10_000)
    kept.write_bytes(damage)
    assert gzip.decompress(worker(tmp_path / "c").of(LIBRARY)) == SCRIPT
    assert gzip.decompress(worker(tmp_path / "c").of(LIBRARY)) == SCRIPT
    assert made == [len(SCRIPT)] * 2


def test_without_a_cache_each_worker_makes_it(tmp_path: Path, made: list[int]) -> None:
    assert gzip.decompress(worker(tmp_path / "c", 0).of(LIBRARY)) == SCRIPT
    assert not (tmp_path / "c").exists()


def test_it_is_made_ahead(tmp_path: Path, made: list[int]) -> None:
    one = worker(tmp_path / "c")
    one.prepare([LIBRARY, Library("no-such-package", "x.js")])
    for thread in threading.enumerate():
        if thread.name == "libraries":
            thread.join(60)
    assert made == [len(SCRIPT)]
    one.of(LIBRARY)
    assert made == [len(SCRIPT)]


@pytest.mark.parametrize(("name", "type"), [("igv", "text/javascript"), ("swagger-style", "text/css")])
def test_browsers_keep_it_for_ever(tmp_path: Path, name: str, type: str) -> None:
    (tmp_path / "catalog.yaml").write_text("id: x\nname: X\n")
    client: FlaskClient = create_pages(site_of(tmp_path)).test_client()
    library = libraries()[name]
    plain = client.get(f"/assets/{library.name}")
    small = client.get(f"/assets/{library.name}", headers={"Accept-Encoding": "gzip"})
    assert plain.data == gzip.decompress(small.data) == library.path.read_bytes()
    assert (plain.mimetype, small.mimetype) == (type, type)
    assert len(small.data) < len(plain.data) / 3
    for reply in (plain, small):
        assert reply.headers["Cache-Control"] == "public, immutable, max-age=31536000"
        assert reply.headers["Vary"] == "Accept-Encoding"
    assert client.get("/assets/igv-notebook-0.0.0.js").status_code == 404
