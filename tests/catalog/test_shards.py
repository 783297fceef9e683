"""The files of a matrix of several: which they are, and what is noticed of those that come and go."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from rnaget_server.catalog import LiveCatalog, load
from rnaget_server.catalog import shards as module
from rnaget_server.catalog.shards import data_files
from tests.conftest import new_study

_ENTRY = "id: s\nexpressions:\n  - {{id: m, {files}, units: TPM, feature_id: gene, sample_id: sample}}\n"


def test_each_file_counts_once(tmp_path: Path) -> None:
    for name in ("a.h5", "b.h5"):
        (tmp_path / name).touch()
    assert data_files(["./b.h5", "*.h5", "./*.h5", "b.h5"], tmp_path) == (tmp_path / "b.h5", tmp_path / "a.h5")


def _study(tmp_path: Path, files: str = "files: part-*.h5") -> Path:
    study = new_study(tmp_path / "data", _ENTRY.format(files=files))
    (study / "part-1.h5").touch()
    return study


def _names(live: LiveCatalog) -> list[str]:
    return [str(path.relative_to(live.current.studies["s"].path.parent)) for path in live.current.matrices["m"].paths]


@pytest.mark.parametrize("pause", [0, 0.2])
def test_files_that_come_are_noticed(tmp_path: Path, pause: float) -> None:
    study = _study(tmp_path)
    live = LiveCatalog(tmp_path / "data", 1e-9)
    assert _names(live) == ["part-1.h5"]
    for number in (2, 3):
        time.sleep(pause)
        (study / f"part-{number}.h5").touch()
        assert _names(live) == [f"part-{n}.h5" for n in range(1, number + 1)]


def test_files_that_go_are_missed_until_the_catalogue_is_read_again(tmp_path: Path) -> None:
    """Else samples would be gone in silence, as where a disk is not mounted."""
    study = _study(tmp_path)
    (study / "part-2.h5").touch()
    live = LiveCatalog(tmp_path / "data", 1e-9)
    (study / "part-1.h5").unlink()
    (study / "part-3.h5").touch()
    assert _names(live) == ["part-1.h5", "part-2.h5"]
    (study / "part-1.h5").touch()
    assert _names(live) == ["part-1.h5", "part-2.h5", "part-3.h5"]
    (study / "part-1.h5").unlink()
    os.utime(study / "study.yaml")
    assert _names(live) == ["part-2.h5", "part-3.h5"]


def test_a_file_whose_name_is_like_a_pattern_is_missed_as_others(tmp_path: Path) -> None:
    study = _study(tmp_path)
    (study / "part-[2].h5").touch()
    live = LiveCatalog(tmp_path / "data", 1e-9)
    (study / "part-[2].h5").unlink()
    assert _names(live) == ["part-1.h5", "part-[2].h5"]


@pytest.mark.parametrize(("pattern", "name"), [("other-*.h5", "other-1.h5"), ("other-*/a.h5", "other-1/a.h5")])
def test_the_first_file_that_a_pattern_matches_is_noticed(tmp_path: Path, pattern: str, name: str) -> None:
    study = _study(tmp_path, f"files: {pattern}")
    live = LiveCatalog(tmp_path / "data", 1e-9)
    assert _names(live) == [pattern]
    (study / name).parent.mkdir(exist_ok=True)
    (study / name).touch()
    assert _names(live) == [name]


def test_files_in_directories_that_come_are_noticed(tmp_path: Path) -> None:
    study = _study(tmp_path, "files: [part-1.h5, 'batch-*/x/part-*.h5']")
    live = LiveCatalog(tmp_path / "data", 1e-9)
    _names(live)
    (study / "batch-7").mkdir()
    _names(live)
    (study / "batch-7" / "x").mkdir()
    _names(live)
    (study / "batch-7" / "x" / "part-9.h5").touch()
    assert _names(live) == ["part-1.h5", "batch-7/x/part-9.h5"]


def test_a_directory_that_did_not_change_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = _study(tmp_path)
    os.utime(study, ns=(0, time.time_ns() - 10**10))
    live = LiveCatalog(tmp_path / "data", 1e-9)
    catalog = live.current
    read: list[object] = []
    monkeypatch.setattr(module, "data_files", lambda *named: read.append(named) or data_files(*named))
    for _ in range(3):
        assert live.current is catalog
    assert not read
    (study / "other.txt").touch()
    assert live.current is catalog
    assert read


def test_the_id_of_a_file_stays_when_a_pattern_grows(tmp_path: Path) -> None:
    study = _study(tmp_path)

    def ids() -> dict[str, str]:
        catalog, _ = load(tmp_path / "data")
        assert catalog is not None
        return {file.path.name: file.id for file in catalog.files.values()}

    before = ids()
    (study / "part-0.h5").touch()
    assert ids().items() > before.items()
    (study / "part-1.h5").unlink()
    assert before["part-1.h5"] not in ids().values()
