"""Temporary directories of imports: removed at the end, or by the next import if theirs was killed."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from rnaget_server.importers.temporary import remove_abandoned, temporary_directory

AT_WORK = """
from rnaget_server.importers.temporary import temporary_directory
with temporary_directory() as directory:
    (directory / "data").write_text("cells")
    print(directory, flush=True)
    input()
"""


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


def aged(path: Path) -> Path:
    long_ago = time.time() - 3600
    os.utime(path, (long_ago, long_ago))
    return path


def test_what_a_killed_import_left_is_removed_and_no_other(temporary: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", AT_WORK], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        path = aged(Path(process.stdout.readline().strip()))
        remove_abandoned()
        assert (path / "data").read_text() == "cells"  # the process lives
        process.kill()
    assert path.exists()
    remove_abandoned()
    assert not path.exists()


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("rnaget-import-new", lambda path: path.mkdir()),
        ("rnaget-import-file", lambda path: aged(Path(path.write_text("x") and path))),
        ("other-import-old", lambda path: (path.mkdir(), aged(path))),
    ],
)
def test_what_may_be_of_another_stays(temporary: Path, name: str, make: Callable[[Path], object]) -> None:
    make(temporary / name)
    remove_abandoned()
    assert os.listdir(temporary) == [name]


def test_links_are_not_followed(temporary: Path) -> None:
    (temporary / "kept").mkdir()
    (temporary / "kept" / "data").write_text("cells")
    old = temporary / "rnaget-import-old"
    old.mkdir()
    (old / "inside").symlink_to(temporary / "kept")
    aged(old)
    (temporary / "rnaget-import-link").symlink_to(temporary / "kept")
    remove_abandoned()
    assert sorted(os.listdir(temporary)) == ["kept", "rnaget-import-link"]
    assert (temporary / "kept" / "data").exists()


def test_a_directory_is_removed_at_the_end(temporary: Path) -> None:
    with temporary_directory() as directory:
        (directory / "data").touch()
        assert directory.parent == temporary
    assert os.listdir(temporary) == []
