"""The directory that stands for a catalogue: shared by threads, on a full disk, and of one that is half there."""

from __future__ import annotations

import logging
import os
import random
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

pytest.importorskip("obstore", reason="obstore is not installed")

from rnaget_server.catalog.object_storage import directory_of, publish
from rnaget_server.cli.server import main
from rnaget_server.storage.objects.client import Client
from rnaget_server.storage.objects.mirror import Place, forget_mirrors, make_mirror, opened_mirror
from rnaget_server.storage.places import open_file
from tests.conftest import ROOT, client_of

SLICE = "/rnaget/expressions/marioni_counts/bytes?format=tsv"
OTHER = "/rnaget/expressions/uhlen_tissues/bytes?format=tsv&units=counts&sampleIDList=Lung"

serving = contextmanager(client_of)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[[Path, int], None]]:
    """A function that puts a disk of some MiB at a path, which is made."""
    mounted: list[Path] = []

    def mount(path: Path, size: int) -> None:
        path.mkdir(parents=True)
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}m,mode=0700", "none", str(path)]
        if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("nothing can be mounted here: only root may")
        mounted.append(path)

    yield mount
    for path in mounted:
        subprocess.run(["umount", "-l", str(path)], check=True)


def fill(path: Path) -> None:
    """Write to a disk until it is full."""
    with path.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
        while True:
            file.write(bytes(1 << 12))


@pytest.fixture
def catalogue(tmp_path: Path) -> Path:
    """A copy of the demo catalogue."""
    return Path(shutil.copytree(ROOT / "data", tmp_path / "catalogue"))


def test_all_threads_have_one_mirror(url: str, tmp_path: Path) -> None:
    home = make_mirror(Place(url, 5, 1 << 20), tmp_path / "mirrors").home
    for _ in range(20):
        forget_mirrors()
        together = threading.Barrier(8)

        def opened(together: threading.Barrier = together) -> tuple[int, int, int]:
            together.wait()
            mirror = opened_mirror(home)
            return id(mirror), id(mirror.client), id(mirror.blocks)

        with ThreadPoolExecutor(8) as threads:
            assert len({one.result() for one in [threads.submit(opened) for _ in range(8)]}) == 1


def test_blocks_on_a_full_disk(
    url: str, tmp_path: Path, disk: Callable[[Path, int], None], caplog: pytest.LogCaptureFixture
) -> None:
    data = random.Random(1).randbytes(6_000_000)
    Client(url, 20).put("p/b.bin", data)
    disk(tmp_path / "mirrors" / "blocks", 1)
    with caplog.at_level(logging.WARNING):
        file = open_file(make_mirror(Place(url, 20, 1 << 30), tmp_path / "mirrors").data / "p" / "b.bin")
        for start in (0, 2_000_000, 4_000_000):
            assert file.read_kept(start, 1_900_000) == data[start : start + 1_900_000]
        few = [(number * 500_000, 100_000) for number in range(12)]
        assert list(file.read_many(few, keep=True)) == [data[at : at + size] for at, size in few]
        opened_mirror(next(tmp_path.glob("mirrors/*/place.json")).parent).blocks._writer.shutdown()
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == len(set(messages)) <= 1
    # What had room is there for another process, and whole.
    forget_mirrors()
    again = open_file(next(tmp_path.glob("mirrors/*/data/p/b.bin")))
    assert again.read_kept(0, 5_900_000) == data[:5_900_000]
    assert any(len(path.name) == 64 for path in (tmp_path / "mirrors" / "blocks").iterdir())
    assert not list((tmp_path / "mirrors" / "blocks").glob("part-*"))


def test_a_server_on_a_full_disk_goes_on_as_it_was(
    catalogue: Path, url: str, tmp_path: Path, disk: Callable[[Path, int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    disk(cache, 4)
    monkeypatch.setenv("RNAGET_CACHE_DIRECTORY", str(cache))
    publish(catalogue, url, False, lambda _: None)
    with serving(catalogue) as client:
        expected = {query: client.get(query).content for query in (SLICE, OTHER)}
    with serving(directory_of(url), reload_seconds=0.01) as client:
        fill(cache / "full")
        (catalogue / "demo" / "project.yaml").write_text("id: demo\nname: Another name\n")
        publish(catalogue, url, False, lambda _: None)
        for _ in range(3):
            for query, content in expected.items():
                reply = client.get(query)
                assert (reply.status_code, reply.content) == (200, content)
            assert client.get("/rnaget/projects/demo").status_code == 200
            time.sleep(0.05)
        assert "Another name" not in client.get("/rnaget/projects/demo").text
        os.unlink(cache / "full")
        deadline = time.monotonic() + 30
        while "Another name" not in client.get("/rnaget/projects/demo").text:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert client.get(SLICE).content == expected[SLICE]


@pytest.mark.parametrize(
    ("gone", "words", "status"),
    [
        ("hpa/uhlen/uhlen_tissues.h5", "expression uhlen_tissues: there is no file uhlen_tissues.h5", 503),
        ("hpa/project.yaml", "hpa/uhlen/study.yaml: there is no project.yaml in", 404),
    ],
)
def test_a_catalogue_that_names_what_is_not_there(
    catalogue: Path, url: str, gone: str, words: str, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RNAGET_CACHE_DIRECTORY", str(tmp_path / "cache"))
    publish(catalogue, url, False, lambda _: None)
    Client(url, 10).delete([gone])
    result = CliRunner().invoke(main, ["check", url])
    assert result.exit_code == 1
    assert words in result.output
    with serving(catalogue) as here, serving(directory_of(url)) as client:
        refused = client.get(OTHER)
        assert refused.status_code == status
        assert "uhlen_tissues" in refused.json()["message"]
        assert client.get(SLICE).content == here.get(SLICE).content
