"""Conditions that change while the server runs, and the one way to records."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from rnaget_server.app import create_app
from rnaget_server.settings import Settings
from tests.access.marked import ANYONE, PEOPLE, Client, dump, write_matrix
from tests.conftest import ROOT, new_study

BYTES = "/rnaget/expressions/m/bytes"
PATHS = (BYTES, "/rnaget/expressions/m/ticket", "/matrices/m", "/samples/m/sample-zqox-1", "/rnaget/studies/s")


@pytest.fixture
def study(tmp_path: Path) -> Path:
    directory = new_study(tmp_path / "data")
    write_matrix(directory / "m.loom", "zqox", 5)
    return directory


def put(study: Path, access: object) -> None:
    entry = {"id": "m", "file": "m.loom", "units": "u", "feature_id": "gene", "sample_id": "sample"}
    dump(study / "study.yaml", {"id": "s", "access": access, "expressions": [entry]})


@pytest.fixture
def client(study: Path) -> Iterator[Client]:
    put(study, "public")
    with Client(create_app(Settings(data=study.parent.parent, reload_seconds=1e-9))) as client:
        yield client


def test_what_becomes_controlled_is_gone_at_once(client: Client, study: Path) -> None:
    before = {path: client.get(path) for path in PATHS}
    assert {reply.status_code for reply in before.values()} == {200}
    tag = {"If-None-Match": before[BYTES].headers["ETag"]}
    assert client.get(BYTES, headers=tag).status_code == 304
    assert "authorization" not in before[BYTES].headers["Vary"].lower()
    put(study, {"controlled": ["grant-a"]})
    for path in (*PATHS, before["/rnaget/expressions/m/ticket"].json()["url"]):
        assert client.get(path, headers=tag).status_code == 404
    assert client.get("/rnaget/studies").json() == []
    assert "authorization" in client.get("/rnaget/studies").headers["Vary"].lower()
    client.principal = PEOPLE["one grant"]
    assert client.get(BYTES).content == before[BYTES].content
    assert client.get(BYTES, headers=tag).status_code == 200, "the same bytes by other rights"
    url = client.get("/rnaget/expressions/m/ticket").json()["url"]
    put(study, {"controlled": ["grant-b"]})
    assert client.get(BYTES).status_code == 404
    client.principal = ANYONE
    assert client.get(url).status_code == 404, "a ticket is for what one who has its grants may see now"
    put(study, "public")
    assert client.get(BYTES).headers["ETag"] == before[BYTES].headers["ETag"]


def test_a_mistake_in_changed_conditions_opens_nothing(client: Client, study: Path) -> None:
    put(study, {"controlled": ["grant-a"]})
    assert client.get(BYTES).status_code == 404
    for mistake in ({"controled": ["grant-a"]}, {"controlled": []}, "everybody", None):
        put(study, mistake)
        assert client.get(BYTES).status_code == 404, mistake
    with Client(create_app(Settings(data=study.parent.parent))) as another:
        assert another.get(BYTES).status_code == 404


def test_records_are_reached_by_one_way() -> None:
    """The catalogue in service is asked for by the repository alone, which leaves out what is hidden."""
    modules = (ROOT / "rnaget_server").rglob("*.py")
    used = {path.name for path in modules if re.search(r"\blive\.(current|loaded)\b", path.read_text(encoding="utf-8"))}
    assert used == {"repository.py"}
