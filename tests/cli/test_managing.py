"""``remove`` and ``rename`` as commands: what they say, what they ask, and what they refuse."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from rnaget_server.catalog import load
from rnaget_server.cli.server import main
from tests.cli.terminal import on_terminal
from tests.conftest import ROOT

CHECKED = "ok: 3 projects, 5 studies, 2 matrices, 1 continuous set, 1 set of reads or variants, 1 genome\n"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return Path(shutil.copytree(ROOT / "data", tmp_path / "data"))


def run(*arguments: str | Path, code: int = 0) -> str:
    result = CliRunner().invoke(main, [str(one) for one in arguments])
    assert result.exit_code == code, result.output
    return result.output


def test_remove_and_rename(data: Path) -> None:
    said = run("rename", "gtex_medians", "medians", "--data", data)
    assert said == f"the matrix gtex_medians is now medians, in {data / 'gtex/gtex_v7/study.yaml'}\n"
    said = run("remove", "medians", "--data", data, "--yes")
    assert f"{data / 'gtex/gtex_v7/gtex_medians.h5'} (" in said
    assert said.endswith("the matrix medians is removed\n")
    assert run("check", data).endswith(CHECKED)


def test_a_script_has_to_say_yes(data: Path) -> None:
    assert "Missing option '--yes'" in run("remove", "er", "--data", data, code=2)
    assert "er" in load(data)[0].track_sets  # type: ignore[union-attr]


@pytest.mark.parametrize(("answer", "gone"), [("y", True), ("n", False)])
def test_a_terminal_is_asked(data: Path, answer: str, gone: bool) -> None:
    code, said = on_terminal(["remove", "er", "--data", str(data)], [("Remove the tracks er?", answer)])
    assert (code == 0) == gone, said
    assert ("er" not in load(data)[0].track_sets) == gone  # type: ignore[union-attr]


def test_refusals(data: Path, tmp_path: Path) -> None:
    assert "did you mean 'marioni_counts'" in run("remove", "marioni_count", "--data", data, "--yes", code=1)
    assert "already" in run("rename", "marioni", "mcf7", "--data", data, code=1)
    assert "start a catalogue there" in run("rename", "a", "b", "--data", tmp_path / "none", code=1)
    (data / "gtex" / "project.yaml").write_text("id: [\n")
    assert "would not check, so nothing was removed" in run("remove", "er", "--data", data, "--yes", code=1)
