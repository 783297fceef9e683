"""The index of the archive in service: shared, made again, and never a damaged one."""

from __future__ import annotations

import os
import re
import sqlite3
import tempfile
import threading
import time
from pathlib import Path

import pytest

from rnaget_server.archive.grammar import parse
from rnaget_server.archive.index import ArchiveIndex, Search
from rnaget_server.archive.pieces import Part
from rnaget_server.datasets import archive_index
from rnaget_server.datasets.archive_index import ArchiveIndexes
from rnaget_server.datasets.repository import Repository, open_repository
from rnaget_server.errors import Unavailable
from rnaget_server.settings import Settings
from rnaget_server.storage.temporary_directories import remove_abandoned


def samples(index: ArchiveIndex) -> int:
    return index.count(Search("sample"))


@pytest.fixture
def repository(demo: Path) -> Repository:
    return open_repository(Settings(data=demo, reload_seconds=0.01))


def test_one_is_made_for_all(repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    write = archive_index.write_records

    def counted(*given: object) -> None:
        made.append(given)
        write(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(archive_index, "write_records", counted)
    workers = [ArchiveIndexes(tmp_path / "index", 0.01) for _ in range(3)]
    threads = [threading.Thread(target=worker.current, args=(repository.visible_to(),)) for worker in workers * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert {samples(worker.current(repository.visible_to())) for worker in workers} == {10}
    time.sleep(0.02)
    workers[0].current(repository.visible_to())
    assert len(made) == 1, "nothing has changed"


def test_the_first_one_is_no_error(repository: Repository, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert samples(ArchiveIndexes(tmp_path / "index", 0).current(repository.visible_to())) == 10
    assert not caplog.records


@pytest.mark.parametrize("content", [b"", b"nothing", "other"])
def test_a_damaged_or_foreign_file_is_made_again(repository: Repository, tmp_path: Path, content: bytes | str) -> None:
    directory = tmp_path / "index"
    index = ArchiveIndexes(directory, 0).current(repository.visible_to())
    if isinstance(content, bytes):
        index.path.write_bytes(content)
    else:
        with sqlite3.connect(index.path) as database:
            database.execute("DROP TABLE fields")
        database.close()
    assert samples(ArchiveIndexes(directory, 0).current(repository.visible_to())) == 10


def test_one_that_is_damaged_while_in_use_is_made_again(repository: Repository, tmp_path: Path) -> None:
    indexes = ArchiveIndexes(tmp_path / "index", 0)
    index = indexes.current(repository.visible_to())
    index.close()
    os.truncate(index.path, 5000)
    with pytest.raises(Unavailable, match="ask again"):
        samples(index)
    assert samples(indexes.current(repository.visible_to())) == 10


@pytest.mark.parametrize("change", ["data = x'5b'", "data = x'010203', type = '<u2'", "data = x'ff'", "type = 'zz'"])
def test_damaged_pieces_have_it_made_again(repository: Repository, tmp_path: Path, change: str) -> None:
    indexes = ArchiveIndexes(tmp_path / "index", 0)
    index = indexes.current(repository.visible_to())
    index.close()
    with sqlite3.connect(index.path) as database:
        part = Part.VALUES if "type" not in change else Part.CODES
        database.execute(f"UPDATE pieces SET {change} WHERE (key >> 32) % {len(Part)} = {part}")
    database.close()
    liver = Search("sample", parse('Tissue="Liver"'))
    with pytest.raises(Unavailable, match="ask again"):
        index.count(liver)
    assert indexes.current(repository.visible_to()).count(liver) == 5


def test_a_new_one_is_not_taken_for_the_damaged_one(repository: Repository, tmp_path: Path) -> None:
    workers = [ArchiveIndexes(tmp_path / "index", 0) for _ in range(3)]
    indexes = [worker.current(repository.visible_to()) for worker in workers]
    os.truncate(indexes[0].path, 5000)
    made = []
    for worker, index in zip(workers, indexes, strict=True):
        index.close()
        # A connection from before, as to the file that was removed.
        index.is_damaged = True
        found = samples(worker.current(repository.visible_to()))
        assert found == 10
        made.append(index.path.stat().st_ino)
    assert len(set(made)) == 1, "made again once for all"


def test_one_in_use_stays_however_old_and_others_go(repository: Repository, demo: Path, tmp_path: Path) -> None:
    first, second = (ArchiveIndexes(tmp_path / "index", 0) for _ in range(2))
    index = first.current(repository.visible_to())
    os.utime(index.path, (0, 0))
    (index.path.parent / f"{'0' * 40}.part").write_text("left by a process that was killed")
    for number in range(3):
        catalog = demo / "catalog.yaml"
        catalog.write_text(re.sub("name: RNAget demo.*", f"name: RNAget demo {number}", catalog.read_text()))
        second = ArchiveIndexes(tmp_path / "index", 0)
        found = samples(second.current(open_repository(Settings(data=demo)).visible_to()))
        assert found == 10
    index.close()
    assert samples(index) == 10
    names = {path.name for path in index.path.parent.iterdir()}
    assert len(names) == 3 and {"lock", index.path.name} < names


def test_requests_are_answered_from_the_old_one_meanwhile(
    repository: Repository, demo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    indexes = ArchiveIndexes(tmp_path / "index", 0.01)
    assert samples(indexes.current(repository.visible_to())) == 10
    write, wait = archive_index.write_records, threading.Event()

    def slow(*given: object) -> None:
        wait.wait(120)
        write(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(archive_index, "write_records", slow)
    monkeypatch.setattr(archive_index, "_PATIENCE", 0.05)
    (demo / "demo/marioni/study.yaml").rename(demo / "study.yaml")
    time.sleep(0.02)
    started = time.monotonic()
    assert samples(indexes.current(repository.visible_to())) == 10
    assert samples(indexes.current(repository.visible_to())) == 10
    assert time.monotonic() - started < 60
    wait.set()
    deadline = time.monotonic() + 120
    while samples(indexes.current(repository.visible_to())) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert samples(indexes.current(repository.visible_to())) == 0


def test_without_a_usable_directory(repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each worker has a directory of its own, and removes those of killed ones."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "rnaget-archive-killed").mkdir()
    (tmp_path / "file").write_text("")
    indexes = ArchiveIndexes(tmp_path / "file" / "index", 0)
    index = indexes.current(repository.visible_to())
    assert samples(index) == 10 and indexes.current(repository.visible_to()) is index
    directory = index.path.parent
    assert [path for path in tmp_path.iterdir() if path.name.startswith("rnaget-archive-")] == [directory]
    remove_abandoned("rnaget-archive-")
    assert directory.exists()
    del indexes
    assert not directory.exists() and samples(index) == 10
