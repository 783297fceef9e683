"""The reference for data users is complete, and its examples run."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
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


def is_shown(shown: Any, found: Any) -> bool:
    """Return whether a reply is as a page shows it, where ``…`` stands for anything that is left out."""
    if isinstance(shown, dict) and isinstance(found, dict):
        known = {key: value for key, value in shown.items() if key != "…"}
        is_whole = known.keys() == found.keys() if "…" not in shown else known.keys() <= found.keys()
        return is_whole and all(is_shown(value, found[key]) for key, value in known.items())
    if isinstance(shown, list) and isinstance(found, list):
        if not shown or not found:
            return set(shown) <= {"…"} and not found
        if shown[0] == "…":
            return is_shown(shown[1:], found[1:]) or is_shown(shown, found[1:]) or shown == ["…"]
        return is_shown(shown[0], found[0]) and (is_shown(shown[1:], found[1:]) or shown[1:] == ["…"])
    return bool(shown == found)


@pytest.mark.parametrize(("page", "count"), [("rnaget-api.md", 4), ("search.md", 1)])
def test_replies_are_as_shown(demo_root: str, page: str, count: int) -> None:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    examples = re.findall(r"```sh\n([^`]*?)\s*```\s*```json\n(.*?)```", text, re.DOTALL)
    assert len(examples) == count
    for commands, shown in examples:
        url = shlex.split(commands.splitlines()[-1])[-1]
        reply = requests.get(url.replace(ADDRESS, demo_root), timeout=30)
        assert is_shown(json.loads(shown.replace(ADDRESS, demo_root)), reply.json()), (url, reply.text[:1000])


def test_json_is_as_shown(demo_root: str) -> None:
    (shown,) = re.findall(r"```json\n(\{\"origin\".*?)```", TEXT, re.DOTALL)
    query = {"featureIDList": "ENSG00000177757", "sampleIDList": "R1L1Kidney,R1L2Liver", "format": "json"}
    reply = requests.get(f"{demo_root}/rnaget/expressions/marioni_counts/bytes", query, timeout=30)
    assert is_shown(json.loads(shown), reply.json())


def test_headers_are_as_shown(demo_root: str) -> None:
    (url, shown) = re.findall(r"curl -i '(.*?)'\n```\s*```text\nHTTP/1.1 200 OK\n(.*?)```", TEXT, re.DOTALL)[0]
    headers = requests.get(url.replace(ADDRESS, demo_root), timeout=30).headers
    for line in shown.splitlines():
        name, _, value = line.partition(": ")
        assert headers[name] == value


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
