"""The reference for data users is complete, and its examples run."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "docs/rnaget-api.md").read_text(encoding="utf-8")
DOCUMENT: dict[str, Any] = yaml.safe_load((ROOT / "openapi/rnaget.yaml").read_text(encoding="utf-8"))
ADDRESS = "http://127.0.0.1:8080"
SOME_ERRORS = {"Tisue=Kidney": 400}


@pytest.fixture(scope="module")
def server(serve: Callable[..., str]) -> str:
    return serve(ROOT / "data")


def test_every_parameter_and_status_is_described() -> None:
    names = {one["name"] for one in DOCUMENT["components"]["parameters"].values() if one["in"] == "query"}
    assert {name for name in names if f"`{name}`" not in TEXT and f"`{name}=" not in TEXT} == set()
    codes = {code for item in DOCUMENT["paths"].values() for code in item["get"]["responses"]} - {"200"}
    assert {code for code in codes if f"| {code} |" not in TEXT} == set()


def test_commands_answer(server: str) -> None:
    commands = re.findall(r"^\s*(curl .*)$", TEXT, re.MULTILINE)
    assert len(commands) >= 8
    for command in commands:
        url = shlex.split(command)[-1]
        expected = next((status for part, status in SOME_ERRORS.items() if part in url), 200)
        reply = requests.get(url.replace(ADDRESS, server), timeout=30)
        assert reply.status_code == expected, command
        assert expected == 200 or reply.text in TEXT


def test_python_examples_give_tables(server: str) -> None:
    names: dict[str, Any] = {}
    programs = [block for block in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL) if "loompy" not in block]
    assert len(programs) == 2
    for program in programs:
        exec(program.replace(ADDRESS, server), names)
        assert list(names["table"].index) == ["ENSG00000177757", "ENSG00000187634"]
        assert all("Liver" in name for name in names["table"].columns)


def test_first_example_shows_what_comes(server: str) -> None:
    asked = "featureIDList=ENSG00000177757&Tissue=Kidney&format=tsv"
    reply = requests.get(f"{server}/rnaget/expressions/marioni_counts/bytes?{asked}", timeout=30)
    shown = [re.split(r"\s{2,}", line.strip()) for line in TEXT.splitlines()]
    for line in reply.text.splitlines():
        assert line.split("\t") in shown


def test_every_page_of_the_contents_exists() -> None:
    contents = (ROOT / "docs/index.md").read_text(encoding="utf-8")
    for name in re.findall(r"\]\(([^)]+)\)", contents):
        assert (ROOT / "docs" / name).is_file(), name
