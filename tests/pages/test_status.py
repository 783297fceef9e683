"""Omissions of a catalogue are listed on ``/readyz?verbose`` and ``/status``, and once in the log, without paths."""

from __future__ import annotations

import html
import logging
import os
import shutil
import time
from pathlib import Path

import pytest
import requests

from rnaget_server import __version__
from rnaget_server.http.log_once import Once, share_written_lines, write_once
from tests.conftest import client_of

MISTAKES = "id: other\nverson: 1\nexpressions: {}\n"
PLACES = [("demo/other/study.yaml", 2), ("demo/other/study.yaml", 3), ("twin/project.yaml", 1)]


@pytest.fixture
def faulty(demo: Path) -> Path:
    """The demo catalogue with a study of two mistakes, and a project whose id is used already."""
    (demo / "demo" / "other").mkdir()
    (demo / "demo" / "other" / "study.yaml").write_text(MISTAKES)
    (demo / "twin").mkdir()
    (demo / "twin" / "project.yaml").write_text("id: demo\n")
    return demo


def test_what_is_left_out_is_on_the_check_and_on_the_page(faulty: Path) -> None:
    for client in client_of(faulty):
        assert client.get("/readyz").text == "ready: 1 matrices\n"
        status = client.get("/readyz?verbose", headers={"Accept": "application/json"}).json()
        assert [(problem["file"], problem["line"]) for problem in status["problems"]] == PLACES
        assert "did you mean 'version'?" in status["problems"][0]["message"]
        assert "already used in demo/project.yaml" in status["problems"][2]["message"]
        counts = {key: status[key] for key in ("projects", "studies", "matrices", "continuous", "tracks")}
        assert counts == {"projects": 1, "studies": 1, "matrices": 1, "continuous": 0, "tracks": 0}
        assert (status["version"], status["refused"]) == (__version__, [])
        text = client.get("/readyz?verbose")
        assert text.headers["content-type"].startswith("text/plain")
        assert "left out: demo/other/study.yaml:2:9: the key 'verson' is not known here" in text.text
        page = client.get("/status", headers={"Accept": "text/html"})
        assert page.status_code == 200
        for problem in status["problems"]:
            assert problem["message"] in html.unescape(page.text)
            assert problem["file"] in page.text
        for reply in (page, text, client.get("/readyz?verbose", headers={"Accept": "application/json"})):
            assert str(faulty) not in reply.text
            assert str(faulty.parent) not in reply.text
        assert 'href="/status"' in client.get("/").text


def test_a_sound_catalogue_has_nothing_left_out(demo: Path) -> None:
    for client in client_of(demo):
        assert "left out" not in client.get("/readyz?verbose").text
        assert "Nothing is left out." in client.get("/status").text


@pytest.mark.parametrize("access", ["access: registered\n", '"access" : public\n'])
def test_mistakes_are_not_for_all_where_not_all_is_for_all(faulty: Path, access: str) -> None:
    study = next(faulty.glob("*/marioni/study.yaml"))
    study.write_text(study.read_text() + access)
    for client in client_of(faulty, reload_seconds=1e-9):
        for path in ("/status", "/readyz?verbose"):
            reply = client.get(path)
            assert reply.status_code == 200 and "server log" in html.unescape(reply.text).replace(
                "log of the server", "server log"
            )
            assert not any(word in reply.text for word in ("verson", "other/study", "twin"))
        status = client.get("/readyz?verbose", headers={"Accept": "application/json"}).json()
        assert (status["withheld"], status["problems"], status["refused"]) == (True, [], [])
        study.write_text(study.read_text() + "secret: word\n")
        status = client.get("/readyz?verbose", headers={"Accept": "application/json"}).json()
        assert (status["withheld"], status["problems"], status["refused"]) == (True, [], [])
        for path in ("/status", "/readyz?verbose"):
            assert "secret" not in client.get(path).text


def test_a_change_that_is_not_taken_over_is_said(demo: Path) -> None:
    for client in client_of(demo, reload_seconds=1e-9):
        before = client.get("/readyz?verbose", headers={"Accept": "application/json"}).json()
        assert before["refused"] == []
        study = next(demo.glob("*/*/study.yaml"))
        sound = study.read_text()
        study.write_text("id: marioni\nbroken: [")
        status = client.get("/readyz?verbose", headers={"Accept": "application/json"}).json()
        assert [problem["file"] for problem in status["refused"]] == [str(study.relative_to(demo))]
        assert (status["matrices"], status["read"]) == (1, before["read"])
        assert "Not taken over" in client.get("/status").text
        study.write_text(sound + "\n")
        assert client.get("/readyz?verbose", headers={"Accept": "application/json"}).json()["refused"] == []


def record(message: str, state: str | None) -> logging.LogRecord:
    line = logging.LogRecord("catalog", logging.ERROR, "", 0, "%s", (message,), None)
    if state is not None:
        line.once = state  # type: ignore[attr-defined]
    return line


def test_a_line_of_a_state_passes_once_in_all_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_RNAGET_LOG_ONCE", "")
    share_written_lines()
    master, descriptor = os.environ["_RNAGET_LOG_ONCE"].split(":")
    assert int(master) == os.getpid()
    try:
        first, second = Once(int(descriptor)), Once(int(descriptor))
        lines = [("a", "1"), ("b", "1"), ("a", "2"), ("a", None)]
        assert [first.filter(record(*line)) for line in lines] == [True] * 4
        assert [second.filter(record(*line)) for line in lines] == [False, False, False, True]
        # This process is the master, and no worker of it.
        handler = logging.StreamHandler()
        write_once([handler])
        assert handler.filters == []
    finally:
        os.close(int(descriptor))
    assert first.filter(record("a", "1"))


def lines_of(log: Path, text: str) -> int:
    return log.read_text().count(text)


def ask_until(root: str, log: Path, text: str) -> None:
    """Ask until the log has a line, and then so often that every worker has been asked."""
    deadline = time.monotonic() + 60
    while text not in log.read_text() and time.monotonic() < deadline:
        requests.get(f"{root}/readyz", timeout=60)
    for _ in range(60):
        requests.get(f"{root}/readyz", timeout=60, headers={"Connection": "close"})


def test_the_log_of_a_server_with_several_workers_says_each_problem_once(serve, faulty: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    root = serve(faulty, workers=3, log=log, RNAGET_RELOAD_SECONDS="0.001")
    deadline = time.monotonic() + 120
    while lines_of(log, "Application startup complete") < 3 and time.monotonic() < deadline:
        time.sleep(0.1)
    for place, line in PLACES:
        assert lines_of(log, f"left out: {place}:{line}:") == 1, log.read_text()
    shutil.rmtree(faulty / "twin")
    ask_until(root, log, "does not check")
    assert lines_of(log, "does not check, the old one stays in service") == 1
    for place, line in PLACES[:2]:
        assert lines_of(log, f" {place}:{line}:") == 2
    shutil.rmtree(faulty / "demo" / "other")
    ask_until(root, log, "is in service")
    assert lines_of(log, "the changed catalogue is in service") == 1
    assert str(faulty) not in log.read_text().split("Listening at")[1]
