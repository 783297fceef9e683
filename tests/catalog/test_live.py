"""The catalogue in service follows its files."""

from __future__ import annotations

import logging
import tempfile
import time
from pathlib import Path

import pytest

from rnaget_server.catalog import LiveCatalog
from rnaget_server.http.log_once import Once


def test_files_that_come_change_and_go_are_noticed(tmp_path: Path) -> None:
    (tmp_path / "catalog.yaml").write_text("id: c\nname: C\n")
    (tmp_path / "p" / "s").mkdir(parents=True)
    (tmp_path / "p" / "project.yaml").write_text("id: p\n")
    live = LiveCatalog(tmp_path, 1e-9)
    assert list(live.current.studies) == []
    study = tmp_path / "p" / "s" / "study.yaml"
    study.write_text("id: first\n")
    assert list(live.current.studies) == ["first"]
    study.write_text("id: another\n")
    assert list(live.current.studies) == ["another"]
    (tmp_path / "catalog.yaml").write_text("id: c\nname: Changed\n")
    assert live.current.service.name == "Changed"
    (tmp_path / "q").mkdir()
    (tmp_path / "q" / "project.yaml").write_text("id: q\n")
    assert list(live.current.projects) == ["p", "q"]
    study.unlink()
    assert list(live.current.studies) == []


def test_files_are_looked_at_when_it_is_due(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "catalog.yaml").write_text("id: c\nname: C\n")
    live = LiveCatalog(tmp_path, 60)
    clock = time.monotonic
    assert not live.is_due
    monkeypatch.setattr(time, "monotonic", lambda: clock() + 61)
    (tmp_path / "catalog.yaml").write_text("id: c\nname: Changed\n")
    assert live.is_due and live.loaded.service.name == "C"
    live.look_for_changes()
    assert not live.is_due and live.loaded.service.name == "Changed"
    assert not LiveCatalog(tmp_path, 0).is_due


def test_each_outage_is_logged_once_among_the_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "catalog.yaml").write_text("id: c\nname: C\n")
    now, is_away = [6_000_000.0], [False]
    monkeypatch.setattr(time, "time", lambda: now[0])

    def update() -> None:
        if is_away[0]:
            raise OSError("the place does not answer")

    workers = [LiveCatalog(tmp_path, 1e-9, update) for _ in range(2)]

    def lines(away: bool) -> int:
        is_away[0] = away
        caplog.clear()
        for worker in workers:
            worker.look_for_changes()
        return [record.getMessage() for record in caplog.records].count(
            "changes of the catalogue cannot be looked for: the place does not answer"
        )

    with tempfile.TemporaryFile() as written, caplog.at_level(logging.ERROR):
        monkeypatch.setattr(caplog.handler, "filters", [Once(written.fileno())])
        assert [lines(True), lines(True), lines(False)] == [1, 0, 0]
        now[0] += 60
        assert [lines(True), lines(True), lines(False)] == [1, 0, 0]


def test_of_a_disk_that_fails_the_log_has_no_path(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "catalog.yaml").write_text("id: c\nname: C\n")

    def update() -> None:
        (tmp_path / "catalog.yaml" / "tags.json").read_bytes()

    LiveCatalog(tmp_path, 1e-9, update).look_for_changes()
    assert "changes of the catalogue cannot be looked for: Not a directory" in caplog.text
    assert str(tmp_path) not in caplog.text
