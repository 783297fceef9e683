"""The cache on disk is bounded, shared by processes, and never in the way."""

from __future__ import annotations

import hashlib
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from rnaget_server.storage.disk_cache import DiskCache, private_directory

_PROCESS = """\
import os, sys, time
from pathlib import Path
from rnaget_server.storage.disk_cache import DiskCache
cache = DiskCache(Path(sys.argv[1]), int(sys.argv[2]))
"""


def key(text: object) -> str:
    return hashlib.sha256(str(text).encode()).hexdigest()


def put(cache: DiskCache, name: object, content: bytes) -> None:
    with cache.put(key(name)) as file:
        file.write(content)


def got(cache: DiskCache, name: object) -> bytes | None:
    file = cache.open(key(name))
    if file is None:
        return None
    with file:
        return file.read()


def bytes_in(directory: Path) -> int:
    """Return what the entries take in blocks of 4 KiB."""
    total = 0
    for path in directory.iterdir():
        with suppress(FileNotFoundError):  # another process removes it
            total += -(-path.stat().st_size // 4096) * 4096 if len(path.name) == 64 else 0
    return total


def leftovers(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir() if path.name.startswith("part-")]


def process(code: str, directory: Path, max_bytes: int, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", _PROCESS + code, str(directory), str(max_bytes), *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_what_is_put_is_found_and_by_another_cache_as_well(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path / "c", 1 << 20)
    assert got(cache, "a") is None
    put(cache, "a", b"first")
    assert got(cache, "a") == b"first"
    put(cache, "a", b"second")
    assert got(DiskCache(tmp_path / "c", 1 << 20), "a") == b"second"
    assert (tmp_path / "c").stat().st_mode & 0o777 == 0o700


def test_what_was_used_longest_ago_goes_first(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path / "c", 10 * 4096)
    for number in range(10):
        put(cache, number, b"x" * 4000)
        time.sleep(0.01)
    assert got(cache, 0) is not None  # used last now
    put(cache, "new", b"y" * 4000)
    found = [number for number in range(10) if got(cache, number) is not None]
    assert 0 in found and 1 not in found and 9 in found
    assert got(cache, "new") is not None
    assert bytes_in(tmp_path / "c") <= 10 * 4096


def test_files_too_large_and_files_that_failed_are_not_kept(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path / "c", 10_000)
    put(cache, "small", b"x")
    put(cache, "large", b"x" * 10_001)
    assert got(cache, "large") is None and got(cache, "small") == b"x"
    with pytest.raises(RuntimeError), cache.put(key("failed")) as file:
        file.write(b"half")
        raise RuntimeError
    assert got(cache, "failed") is None
    assert leftovers(tmp_path / "c") == []


def test_a_file_that_is_read_stays_whole_when_it_is_evicted(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path / "c", 2 * 4096)
    put(cache, "a", b"a" * 4096)
    file = cache.open(key("a"))
    assert file is not None
    for number in range(4):
        put(cache, number, b"x" * 4096)
    assert got(cache, "a") is None
    with file:
        assert file.read() == b"a" * 4096


def test_without_bytes_it_is_off_and_touches_nothing(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path / "c", 0)
    put(cache, "a", b"x")
    assert got(cache, "a") is None
    with cache.lock(key("a")):
        assert not (tmp_path / "c").exists()


@pytest.mark.parametrize("bad", ["", "../../etc/passwd", "abc", "A" * 64, "g" * 64, "a" * 200, "a" * 63 + "\n"])
def test_keys_are_digests(tmp_path: Path, bad: str) -> None:
    with pytest.raises(ValueError, match="digest"):
        DiskCache(tmp_path / "c", 4096).open(bad)


def test_many_processes_keep_within_the_bound(tmp_path: Path) -> None:
    code = """\
for number in range(150):
    with cache.put(f"{int(sys.argv[3]) * 1000 + number:064x}") as file:
        file.write(os.urandom(5000))
    found = cache.open(f"{int(sys.argv[3]) * 1000 + number:064x}")
    if found is not None:
        with found:
            assert len(found.read()) == 5000
"""
    max_bytes = 40 * 8192
    (tmp_path / "c").mkdir(mode=0o700)
    running = [process(code, tmp_path / "c", max_bytes, str(number)) for number in range(3)]
    seen = 0
    while any(writer.poll() is None for writer in running):
        seen = max(seen, bytes_in(tmp_path / "c"))
        time.sleep(0.005)
    assert [writer.communicate()[1] for writer in running] == ["", "", ""]
    assert max_bytes * 3 // 4 < bytes_in(tmp_path / "c") <= max_bytes
    assert seen <= max_bytes
    assert leftovers(tmp_path / "c") == []


def test_the_lock_of_the_directory_is_not_held_for_the_disk(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path / "c", 1 << 20)
    put(cache, 0, b"x")
    ended = threading.Event()
    seen: set[bytes] = set()

    def look() -> None:
        while not ended.is_set():
            # A file that is cut to nothing, if only for a moment, is waited for by some file systems.
            seen.add((tmp_path / "c" / "lock").read_bytes())

    thread = threading.Thread(target=look)
    thread.start()
    for number in range(1, 200):
        put(cache, number, b"x")
    ended.set()
    thread.join()
    assert {int(text) for text in seen} <= {4096 * number for number in range(1, 201)}
    assert int((tmp_path / "c" / "lock").read_bytes()) == 200 * 4096


def test_what_a_killed_writer_left_is_removed_and_a_living_ones_is_not(tmp_path: Path) -> None:
    code = """\
with cache.put("a" * 64) as file:
    file.write(b"half" * 10000)
    file.flush()
    print("written", flush=True)
    time.sleep(60)
"""
    killed, living = (process(code, tmp_path / "c", 1 << 20) for _ in range(2))
    try:
        for writer in (killed, living):
            assert writer.stdout is not None and writer.stdout.readline() == "written\n"
        assert len(leftovers(tmp_path / "c")) == 2
        killed.send_signal(signal.SIGKILL)
        killed.wait(60)
        cache = DiskCache(tmp_path / "c", 1 << 20)
        assert len(leftovers(tmp_path / "c")) == 1
        assert cache.open("a" * 64) is None
    finally:
        for writer in (killed, living):
            writer.kill()
            writer.communicate()


def test_one_makes_what_others_wait_for(tmp_path: Path) -> None:
    code = """\
with cache.lock("a" * 64):
    found = cache.open("a" * 64)
    if found is None:
        print("made")
        time.sleep(0.2)
        with cache.put("a" * 64) as file:
            file.write(b"x")
    else:
        found.close()
"""
    running = [process(code, tmp_path / "c", 1 << 20) for _ in range(3)]
    assert sorted(writer.communicate(timeout=120) for writer in running) == [("", ""), ("", ""), ("made\n", "")]


def test_after_a_restart_of_the_machine_all_is_forgotten(tmp_path: Path) -> None:
    put(DiskCache(tmp_path / "c", 1 << 20), "a", b"x")
    (tmp_path / "c" / "boot").write_text("another")
    assert got(DiskCache(tmp_path / "c", 1 << 20), "a") is None


def test_a_removed_directory_is_made_again(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path / "c", 1 << 20)
    for path in (tmp_path / "c").iterdir():
        path.unlink()
    (tmp_path / "c").rmdir()
    assert got(cache, "a") is None
    put(cache, "a", b"x")
    assert got(cache, "a") == b"x"


def _written_by_others(path: Path) -> None:
    path.mkdir()
    path.chmod(0o777)


def _of_another_user(path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a directory away")
    path.mkdir(mode=0o700)
    os.chown(path, 54321, 54321)


def _replaceable(path: Path) -> None:
    path.parent.mkdir()
    path.parent.chmod(0o777)
    path.mkdir(mode=0o700)


def _a_file(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("")


@pytest.mark.parametrize("spoil", [_written_by_others, _of_another_user, _a_file])
def test_a_directory_that_is_not_safe_turns_it_off_with_one_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, spoil
) -> None:
    spoil(tmp_path / "c")
    with caplog.at_level(logging.WARNING):
        cache = DiskCache(tmp_path / "c", 1 << 20)
        for number in range(3):
            put(cache, number, b"x")
            assert got(cache, number) is None
    assert cache.max_bytes == 0
    assert len(caplog.records) == 1
    assert "cache_directory" in caplog.text and str(tmp_path) not in caplog.text


def test_a_directory_that_others_may_replace_is_refused(tmp_path: Path) -> None:
    _replaceable(tmp_path / "open" / "c")
    with pytest.raises(PermissionError):
        private_directory(tmp_path / "open" / "c")
    (tmp_path / "open").chmod(0o1777)
    assert private_directory(tmp_path / "open" / "c") == tmp_path / "open" / "c"
    (tmp_path / "link").symlink_to(tmp_path / "open" / "c")
    assert private_directory(tmp_path / "link") == tmp_path / "open" / "c"


def test_a_full_disk_costs_no_more_than_the_cache(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full")
    cache = DiskCache(tmp_path / "c", 1 << 20)
    entry = cache.entry(key("a"))
    entry.file.close()
    entry.file = Path("/dev/full").open("w+b")  # noqa: SIM115
    entry.file.write(b"x")
    entry.commit()
    assert got(cache, "a") is None
    assert "No space left" in caplog.text
    put(cache, "b", b"x")
    assert got(cache, "b") == b"x"
