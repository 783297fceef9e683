"""Beginnings of files are made once, stay what they were, and take bounded room without a name on the disk."""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path

import pytest

from rnaget_server.writers.prepared import PreparedFiles


class Maker:
    """Writes its bytes, and counts how often."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.calls = 0

    def __call__(self, path: Path) -> None:
        self.calls += 1
        path.write_bytes(self.data)


def test_a_file_is_made_once_for_its_key(tmp_path: Path) -> None:
    prepared, first, second = PreparedFiles(), Maker(b"first" * 100_000), Maker(b"")
    for number in range(3):
        prepared.write("first", tmp_path / f"a{number}", first)
        prepared.write("second", tmp_path / f"b{number}", second)
        # What is done to a copy is done to it alone.
        with (tmp_path / f"a{number}").open("ab") as file:
            file.write(b"added")
    assert (first.calls, second.calls) == (1, 1)
    assert {(tmp_path / f"a{number}").read_bytes() for number in range(3)} == {first.data + b"added"}
    assert (tmp_path / "b2").read_bytes() == b""


def test_those_used_last_are_kept(tmp_path: Path) -> None:
    prepared = PreparedFiles(max_bytes=25)
    makers = [Maker(b"x" * size) for size in (10, 10, 10, 26)]
    for step, number in enumerate((0, 1, 0, 2, 0, 1, 3, 3)):
        prepared.write(number, tmp_path / str(step), makers[number])
    assert [maker.calls for maker in makers] == [1, 2, 1, 2]


def test_nothing_has_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    PreparedFiles().write("key", tmp_path / "file", Maker(b"x"))
    assert list((tmp_path / "temporary").iterdir()) == []


def test_threads_at_once(tmp_path: Path) -> None:
    prepared = PreparedFiles(max_bytes=300_000)
    makers = [Maker(bytes([number]) * 100_000) for number in range(5)]

    def work(thread: int) -> None:
        for step in range(20):
            number = (thread + step) % 5
            prepared.write(number, tmp_path / f"{thread}-{step}", makers[number])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for thread in range(4):
        for step in range(20):
            assert (tmp_path / f"{thread}-{step}").read_bytes() == makers[(thread + step) % 5].data


def test_a_path_that_is_taken_stays_as_it_is(tmp_path: Path) -> None:
    prepared = PreparedFiles()
    prepared.write("key", tmp_path / "file", Maker(b"x"))
    with pytest.raises(FileExistsError):
        prepared.write("key", tmp_path / "file", Maker(b"y"))
