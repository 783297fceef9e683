"""Beginnings of files are made once, and take bounded room without a name on the disk."""

from __future__ import annotations

import gc
import os
import tempfile
import threading
from pathlib import Path

import pytest

from benchmarks.servers import Server
from rnaget_server.storage.local import LocalFile
from rnaget_server.writers.prepared import PreparedFiles


class Maker:
    """Writes its bytes, and counts how often."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.calls = 0

    def __call__(self, path: Path) -> None:
        self.calls += 1
        path.write_bytes(self.data)


def content(file: LocalFile) -> bytes:
    return file.read(0, file.size)


def test_a_file_is_made_once_for_its_key() -> None:
    prepared, first, second = PreparedFiles(), Maker(b"first" * 100_000), Maker(b"")
    for _ in range(3):
        assert content(prepared.get("first", first)) == first.data
        assert content(prepared.get("second", second)) == b""
    assert (first.calls, second.calls) == (1, 1)


def test_those_used_last_are_kept_and_others_stay_for_who_has_them() -> None:
    prepared = PreparedFiles(max_bytes=25)
    makers = [Maker(bytes([number]) * size) for number, size in enumerate((10, 10, 10, 26))]
    files = [prepared.get(number, makers[number]) for number in (0, 1, 0, 2, 0, 1, 3, 3)]
    assert [maker.calls for maker in makers] == [1, 2, 1, 2]
    assert [content(file)[0] for file in files] == [0, 1, 0, 2, 0, 1, 3, 3]


def test_nothing_has_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    prepared = PreparedFiles()
    assert content(prepared.get("key", Maker(b"x"))) == b"x"
    assert list(tmp_path.iterdir()) == []


class Here(Server):
    """A server whose only worker is this process."""

    workers = [os.getpid()]  # noqa: RUF012


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="open files are listed as on Linux")
def test_what_is_kept_is_no_file_left_open(tmp_path: Path) -> None:
    gc.collect()  # files of other tests are not closed meanwhile
    server, prepared = Here([], 0, tmp_path / "log"), PreparedFiles()
    before = server.descriptors(), server.prepared()
    prepared.get("key", Maker(b"x"))
    with (tmp_path / "left").open("wb"):
        assert (server.descriptors(), server.prepared()) == (before[0] + 1, before[1] + 1)
    del prepared
    assert (server.descriptors(), server.prepared()) == before


def test_threads_at_once() -> None:
    prepared = PreparedFiles(max_bytes=300_000)
    makers = [Maker(bytes([number]) * 100_000) for number in range(5)]
    read: dict[tuple[int, int], bytes] = {}

    def work(thread: int) -> None:
        for step in range(20):
            number = (thread + step) % 5
            read[thread, step] = content(prepared.get(number, makers[number]))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(read) == 80
    assert all(data == makers[(thread + step) % 5].data for (thread, step), data in read.items())
