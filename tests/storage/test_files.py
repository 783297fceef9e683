"""Leftovers of killed imports are found and removed, and what running ones write is not."""

from __future__ import annotations

import threading
from pathlib import Path

from rnaget_server.storage.files import exclusive_in, leftovers, new_temporary, temporary_name, working_in


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
