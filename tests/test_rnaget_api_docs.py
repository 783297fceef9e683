"""The reference for data users is complete, and its examples run."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import requests
import yaml

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "docs/rnaget-api.md").read_text(encoding="utf-8")
DOCUMENT: dict[str, Any] = yaml.load((ROOT / "openapi/rnaget.yaml").read_text(encoding="utf-8"), yaml.CSafeLoader)
CATALOGUE = (ROOT / "docs/catalogue.md").read_text(encoding="utf-8")
ADDRESS = "http://127.0.0.1:8080"
TRACKS = "/continuous/"
SOME_ERRORS = {"Tisue=Kidney": 400}


def test_the_set_of_tracks_is_published_as_the_page_on_the_catalogue_has_it() -> None:
    published = next(block for block in re.findall(r"```yaml\n(.*?)```", CATALOGUE, re.DOTALL) if "tracks:" in block)
    study = yaml.load((ROOT / "data" / "demo" / "mcf7" / "study.yaml").read_text(encoding="utf-8"), yaml.CSafeLoader)
    assert {key: study[key] for key in yaml.safe_load(published)} == yaml.safe_load(published)


def test_every_parameter_and_status_is_described() -> None:
    names = {one["name"] for one in DOCUMENT["components"]["parameters"].values() if one["in"] == "query"}
    assert {name for name in names if f"`{name}`" not in TEXT and f"`{name}=" not in TEXT} == set()
    codes = {code for item in DOCUMENT["paths"].values() for code in item["get"]["responses"]} - {"200"}
    assert {code for code in codes if f"| {code} |" not in TEXT} == set()


def test_commands_answer(demo_root: str) -> None:
    commands = [one for one in re.findall(r"^\s*(curl .*)$", TEXT, re.MULTILINE) if TRACKS not in one]
    assert len(commands) >= 8
    for command in commands:
        url = shlex.split(command)[-1]
        expected = next((status for part, status in SOME_ERRORS.items() if part in url), 200)
        reply = requests.get(url.replace(ADDRESS, demo_root), timeout=30)
        assert reply.status_code == expected, command
        assert expected == 200 or reply.text in TEXT


def test_python_examples_give_tables(demo_root: str) -> None:
    names: dict[str, Any] = {}
    programs = [one for one in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL) if "loompy" not in one]
    programs = [one for one in programs if TRACKS not in one]
    assert len(programs) == 4
    for program in programs:
        exec(program.replace(ADDRESS, demo_root), names)
        assert list(names["table"].index) == ["ENSG00000177757", "ENSG00000187634"]
        assert all("Liver" in name for name in names["table"].columns)


def test_first_example_shows_what_comes(demo_root: str) -> None:
    asked = "featureIDList=ENSG00000177757&Tissue=Kidney&format=tsv"
    reply = requests.get(f"{demo_root}/rnaget/expressions/marioni_counts/bytes?{asked}", timeout=30)
    shown = [re.split(r"\s{2,}", line.strip()) for line in TEXT.splitlines()]
    for line in reply.text.splitlines():
        assert line.split("\t") in shown


def test_commands_for_tracks_answer_what_is_shown(demo_root: str) -> None:
    commands = [one for one in re.findall(r"^\s*(curl .*)$", TEXT, re.MULTILINE) if TRACKS in one]
    assert len(commands) >= 5
    shown = TEXT.splitlines()
    compared = 0
    for command in commands:
        reply = requests.get(shlex.split(command)[-1].replace(ADDRESS, demo_root), timeout=30)
        assert reply.status_code == 200, command
        if "bins=4" in command or "start=76800299" in command:
            assert {line for line in reply.text.splitlines() if not line.startswith("#")} <= set(shown)
            compared += 1
    assert compared == 2


def test_python_example_for_tracks_finds_the_peak(demo_root: str) -> None:
    names: dict[str, Any] = {}
    (program,) = (one for one in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL) if TRACKS in one)
    exec(program.replace(ADDRESS, demo_root), names)
    assert list(names["signal"].index) == ["ER1", "ER2", "input"]
    assert names["peak"] == 76_822_000


def test_track_for_a_browser_answers(demo_root: str) -> None:
    (address,) = re.findall(r'url: "(.*?)"', TEXT)
    assert requests.get(address.replace(ADDRESS, demo_root), timeout=30).content[:4] == bytes.fromhex("26fc8f88")
    (address,) = re.findall(r"^(https://rna\.example\.org\S*)$", TEXT, re.MULTILINE)
    assert "track type=bedGraph" in requests.get(address.replace("https://rna.example.org", demo_root), timeout=30).text


def test_every_page_of_the_contents_exists() -> None:
    contents = (ROOT / "docs/index.md").read_text(encoding="utf-8")
    for name in re.findall(r"\]\(([^)]+)\)", contents):
        assert (ROOT / "docs" / name).is_file(), name
