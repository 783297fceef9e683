"""Files of a catalogue that would end the process that reads them, fill its memory, or keep it waiting."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from rnaget_server.catalog import load
from rnaget_server.catalog.style import read_logo
from rnaget_server.http.auth.token_file import read_tokens

SOUND = {"catalog.yaml": "id: c\nname: C\n", "p/project.yaml": "id: p\n", "p/s/study.yaml": "id: s\n"}
PATIENCE = 20.0


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "p" / "s").mkdir(parents=True)
    for name, text in SOUND.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def replaced_by_pipe(path: Path) -> Path:
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    return path


def within_patience(call: Callable[[], Any]) -> Any:
    """Return what a call returns, or the error that it raises; fail if it waits."""
    found: list[Any] = []

    def run() -> None:
        try:
            found.append(call())
        except (OSError, ValueError) as error:
            found.append(error)

    thread = Thread(target=run, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    assert found, "it waits for somebody to write into the pipe"
    return found[0]


def merging(steps: int) -> str:
    lines = [f"x{n}: &x{n} {{<<: [*x{n - 1}, *x{n - 1}], k{n}: 1}}\n" for n in range(1, steps)]
    return "".join(["id: s\nx0: &x0 {k0: 1}\n", *lines])


@pytest.mark.parametrize("opened", ["[", "{a: ", "- "])
def test_deep_nesting_is_a_mistake_with_a_place(data: Path, opened: str) -> None:
    closed = {"[": "]", "{a: ": "}", "- ": ""}[opened]
    (data / "p/s/study.yaml").write_text(f"id: s\nname:\n  {opened * 2_000}b{closed * 2_000}\n")
    catalog, problems = load(data)
    assert catalog is not None
    assert [(str(problem.path.name), problem.line) for problem in problems] == [("study.yaml", 3)]
    assert "nested more than 100 deep" in problems[0].message


def test_merges_do_not_double_without_end(data: Path) -> None:
    (data / "p/s/study.yaml").write_text(merging(18))
    _, problems = load(data)
    assert ["more than 10,000 keys are merged" in problem.message for problem in problems] == [True]


def test_a_few_merges_are_read(data: Path) -> None:
    (data / "p/s/study.yaml").write_text("<<: {name: S, version: 1.10}\nid: s\nversion: 2.0\n")
    catalog, problems = load(data)
    assert catalog is not None and not problems
    assert (catalog.studies["s"].name, catalog.studies["s"].version) == ("S", "2.0")


def test_keys_of_its_own_are_no_merged_ones(data: Path) -> None:
    own = "".join(f"  k{number}: x\n" for number in range(10_001))
    (data / "p/s/study.yaml").write_text(f"id: s\nname: S\ndescription:\n{own}  <<: {{a: x, b: y}}\n")
    _, problems = load(data)
    assert problems and not any("merged" in problem.message for problem in problems)


@pytest.mark.parametrize("name", [*SOUND, "taxonomy.tsv", "genomes/g/genome.yaml"])
def test_a_pipe_in_the_place_of_a_file_is_a_mistake(data: Path, name: str) -> None:
    (data / name).parent.mkdir(parents=True, exist_ok=True)
    replaced_by_pipe(data / name)
    _, problems = within_patience(lambda: load(data))
    assert [(problem.path, problem.message) for problem in problems] == [
        (data / name, "the file cannot be read: it is no regular file")
    ]


def test_a_pipe_is_no_logo_and_no_file_of_tokens(data: Path) -> None:
    pipe = replaced_by_pipe(data / "logo.png")
    assert "cannot be read" in str(within_patience(lambda: read_logo(data, pipe.name)))
    assert "no regular file" in str(within_patience(lambda: read_tokens(pipe)))
