"""Lists of projects and studies filter by every field that they show."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.conftest import client_of


@pytest.fixture
def tagged(tmp_path: Path) -> Iterator[TestClient]:
    (tmp_path / "catalog.yaml").write_text("id: x\nname: X\n", encoding="utf-8")
    for project, tags in (("a", "[liver, bulk]"), ("b", "[bulk]"), ("c", "[]")):
        study = tmp_path / project / f"{project}1"
        study.mkdir(parents=True)
        (tmp_path / project / "project.yaml").write_text(f"id: {project}\nname: P{project}\ntags: {tags}\n")
        (study / "study.yaml").write_text(f"id: {project}1\ntags: {tags}\ngenome: G{project}\nlicense: CC0-1.0\n")
    yield from client_of(tmp_path)


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("projects?tags=bulk", "a b"),
        ("projects?tags=liver,none", "a"),
        ("projects?tags=bulk&name=Pb", "b"),
        ("projects?tags=Bulk", ""),
        ("projects?id=a&id=c", "a c"),
        ("studies?tags=liver&tags=bulk", "a1 b1"),
        ("studies?parentProjectID=b", "b1"),
        ("studies?genome=Ga,Gc&license=CC0-1.0", "a1 c1"),
    ],
)
def test_filters_of_lists(tagged: TestClient, query: str, ids: str) -> None:
    assert [one["id"] for one in tagged.get(f"/rnaget/{query}").json()] == ids.split()


def test_every_field_that_is_shown_is_a_filter(tagged: TestClient) -> None:
    for group in ("projects", "studies"):
        values_by_filter = {one["filter"]: one.get("values") for one in tagged.get(f"/rnaget/{group}/filters").json()}
        for record in tagged.get(f"/rnaget/{group}").json():
            for field, value in record.items():
                assert set([value] if isinstance(value, str) else value) <= set(values_by_filter[field])
