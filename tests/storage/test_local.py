"""A local file as a source of bytes: ranges of it, and what becomes of a file that changes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rnaget_server.storage.local import NO_FILE, LocalFile, regular_bytes, version_at

DATA = bytes(range(256)) * 4


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "data"
    path.write_bytes(DATA)
    return path


def test_ranges(path: Path) -> None:
    file = LocalFile.open(path)
    assert (file.size, file.version) == (len(DATA), version_at(path))
    assert file.read(0, 10) == DATA[:10] and file.read(1000, 24) == DATA[1000:] and file.read(5, 0) == b""
    ranges = [(7, 3), (0, 1024), (1023, 1)]
    assert list(file.read_many(ranges)) == [DATA[start : start + size] for start, size in ranges]


def test_a_directory_in_the_place_of_a_file_is_closed(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        with pytest.raises(IsADirectoryError):
            regular_bytes(tmp_path)
    assert len(os.listdir("/proc/self/fd")) < before + 20


@pytest.mark.skipif(not hasattr(os, "RWF_NOWAIT"), reason="this system does not tell what it has in memory")
@pytest.mark.parametrize("count", [1, 16, 17, 300])
def test_what_is_in_memory_is_not_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    path = tmp_path / "large"
    path.write_bytes(bytes(4 << 20))
    file = LocalFile.open(path)
    ranges = [(number << 13, 100) for number in range(count)]
    asked: list[int] = []
    advise = os.posix_fadvise
    monkeypatch.setattr(os, "posix_fadvise", lambda number, offset, *rest: asked.append(offset))
    file.announce(ranges)
    assert not asked
    with path.open("rb") as same:
        os.fsync(same.fileno())
        advise(same.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    if file.read_at_once(file.size - 1, 1) is not None:  # far from the ranges: the system reads on from what is asked
        pytest.skip("this file system keeps what nobody needs")
    file.announce(ranges)
    assert asked == [offset for offset, _ in ranges]


@pytest.mark.parametrize(("offset", "size"), [(-1, 1), (0, 1025), (1024, 1), (10**18, 1)])
def test_what_lies_beyond_the_file_is_refused(path: Path, offset: int, size: int) -> None:
    with pytest.raises(OSError, match="cut off"):
        LocalFile.open(path).read(offset, size)
    with pytest.raises(OSError, match="cut off"):
        list(LocalFile.open(path).read_many([(0, 1), (offset, size)]))


def test_a_file_that_has_become_shorter_is_refused(path: Path) -> None:
    file = LocalFile.open(path)
    os.truncate(path, 100)
    with pytest.raises(OSError, match="shorter"):
        file.read(90, 20)
    with pytest.raises(OSError, match="shorter"):
        list(file.read_many([(0, 100), (90, 20)]))
    with pytest.raises(OSError, match="written to"):
        file.check_unchanged()


def test_a_file_that_is_replaced_stays_what_it_was(path: Path) -> None:
    file = LocalFile.open(path)
    other = path.with_name("other")
    other.write_bytes(b"x" * 2000)
    other.replace(path)
    file.check_unchanged()
    assert file.read(0, 1024) == DATA
    assert version_at(path) != file.version and version_at(path.with_name("none")) == NO_FILE


def test_closed_twice_it_closes_no_other_file(path: Path) -> None:
    file = LocalFile.open(path)
    file.close()
    other = LocalFile.open(path)
    file.close()
    del file
    assert other.read(0, 4) == DATA[:4]
