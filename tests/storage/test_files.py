"""Leftovers of killed imports are found and removed, and what running ones write is not."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from rnaget_server.storage import files
from rnaget_server.storage.files import (
    exclusive_in,
    leftovers,
    new_temporary,
    temporary_name,
    working_in,
    written_early,
)


def test_what_is_left_is_named_and_removed_by_the_next(tmp_path: Path) -> None:
    study = tmp_path / "p" / "s"
    (study / "set").mkdir(parents=True)
    (study / "m.h5").touch()
    left = [new_temporary(study / "m.h5"), temporary_name(study / "set" / "a.bw", "1")]
    left[1].touch()
    assert sorted(leftovers(tmp_path)) == sorted(left)
    with working_in(study):
        assert [path.name for path in study.rglob("*") if path.is_file()] == ["m.h5"]


def test_running_imports_keep_what_they_write(tmp_path: Path) -> None:
    with working_in(tmp_path):
        mine = new_temporary(tmp_path / "m.h5")
        assert leftovers(tmp_path) == []
        with working_in(tmp_path):
            assert mine.exists()
    assert leftovers(tmp_path) == [mine]


def test_a_new_file_keeps_the_suffix_where_a_library_looks_at_it(tmp_path: Path) -> None:
    assert temporary_name(tmp_path / "a.bw", "7").suffix == ".bw"


def test_one_import_at_a_time_changes_a_catalogue(tmp_path: Path) -> None:
    order: list[str] = []
    began = threading.Event()

    def second() -> None:
        with exclusive_in(tmp_path / "data"):
            order.append("second")

    with exclusive_in(tmp_path / "data"):
        other = threading.Thread(target=second)
        other.start()
        began.wait(0.3)
        order.append("first")
    other.join()
    assert order == ["first", "second"]


@pytest.fixture
def brought(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of the file when it was brought to the disk, without a wait between."""
    monkeypatch.setattr(files, "_BETWEEN", 0.005)
    sizes: list[int] = []
    fsync = os.fsync

    def noted(number: int) -> None:
        sizes.append(os.fstat(number).st_size)
        fsync(number)

    monkeypatch.setattr(os, "fsync", noted)
    return sizes


def test_a_file_that_is_brought_to_the_disk_while_it_is_written_is_whole(tmp_path: Path, brought: list[int]) -> None:
    path, threads = new_temporary(tmp_path / "m.h5"), threading.active_count()
    with written_early(path), path.open("wb") as file:
        for number in range(200):
            file.write(bytes([number]) * 10_000)
            if number == 100:
                file.flush()
                wait_until(lambda: 1_010_000 in brought)
    assert path.read_bytes() == b"".join(bytes([number]) * 10_000 for number in range(200))
    assert threading.active_count() <= threads


def test_an_error_of_the_disk_comes_out_at_the_end(
    tmp_path: Path, brought: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = threading.Event()

    def fail(number: int) -> None:
        failed.set()
        raise OSError(errno.EIO, "of the disk")

    monkeypatch.setattr(os, "fsync", fail)
    path, done = new_temporary(tmp_path / "m.h5"), []
    with pytest.raises(OSError, match="of the disk"), written_early(path):
        assert failed.wait(10)
        done.append(path.write_bytes(b"all of it"))
    assert done == [9]
    with pytest.raises(KeyError, match="of the body"), written_early(path):
        failed.clear()
        assert failed.wait(10)
        raise KeyError("of the body")


def test_bringing_a_file_to_the_disk_ends_when_writing_fails(tmp_path: Path, brought: list[int]) -> None:
    path, threads = new_temporary(tmp_path / "m.h5"), threading.active_count()
    with pytest.raises(KeyError, match="of the body"), written_early(path):
        wait_until(lambda: bool(brought))
        raise KeyError("of the body")
    count = len(brought)
    assert threading.active_count() <= threads
    threading.Event().wait(0.05)
    assert len(brought) == count


def test_a_file_that_is_not_there_cannot_be_brought_to_the_disk(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), written_early(tmp_path / "none"):
        pass


def wait_until(holds: Callable[[], bool]) -> None:
    for _ in range(1000):
        if holds():
            return
        threading.Event().wait(0.01)
    raise AssertionError("it has not come to that")
