"""Temporary directories of killed processes are removed, and those of living ones, and of others, are not."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from rnaget_server.storage.temporary_directories import remove_abandoned, temporary_directory

HELD = """
import sys
from rnaget_server.storage.temporary_directories import temporary_directory
with temporary_directory("rnaget-test-") as path:
    (path / "file").touch()
    print(path.name, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_a_directory_is_removed_when_it_is_no_longer_needed(temporary: Path) -> None:
    with temporary_directory("rnaget-test-") as path:
        (path / "file").touch()
        assert path.parent == temporary
        remove_abandoned("rnaget-test-")
        assert (path / "file").exists()
    assert os.listdir(temporary) == []


def test_only_what_a_killed_process_left_is_removed(temporary: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(temporary)}
    killed, living = (
        subprocess.Popen([sys.executable, "-c", HELD], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for _ in range(2)
    )
    with killed, living:
        assert killed.stdout is not None and living.stdout is not None
        left, held = (process.stdout.readline().decode().strip() for process in (killed, living))
        killed.kill()
        killed.wait()
        assert sorted(os.listdir(temporary)) == sorted([left, held])
        remove_abandoned("rnaget-test-")
        assert os.listdir(temporary) == [held]
        assert (temporary / held / "file").exists()
        living.communicate()
    assert os.listdir(temporary) == []


def test_files_links_and_directories_of_other_names_stay(temporary: Path) -> None:
    elsewhere = temporary / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "file").touch()
    (temporary / "rnaget-test-link").symlink_to(elsewhere)
    (temporary / "rnaget-test-file").touch()
    (temporary / "other-test-").mkdir()
    remove_abandoned("rnaget-test-")
    assert len(os.listdir(temporary)) == 4 and (elsewhere / "file").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes directories of others")
def test_directories_of_other_users_stay(temporary: Path) -> None:
    other = temporary / "rnaget-test-other"
    other.mkdir()
    os.chown(other, 12345, 12345)
    remove_abandoned("rnaget-test-")
    assert other.exists()


def test_a_directory_that_is_removed_before_it_is_locked_is_made_again(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    make = tempfile.mkdtemp

    def removed_at_once(prefix: str) -> str:
        made.append(make(prefix=prefix))
        if len(made) == 1:
            remove_abandoned(prefix)
        return made[-1]

    monkeypatch.setattr(tempfile, "mkdtemp", removed_at_once)
    with temporary_directory("rnaget-test-") as path:
        assert len(made) == 2 and str(path) == made[1] and path.is_dir()
