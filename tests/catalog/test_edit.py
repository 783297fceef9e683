from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from rnaget_server.catalog import load, yaml_changes
from rnaget_server.catalog.edit import CatalogEdit
from rnaget_server.catalog.yaml_text import read_yaml
from rnaget_server.errors import CatalogError, Problem

ENTRY: dict[str, Any] = {
    "id": "m2",
    "file": "m2.h5",
    "units": "TPM",
    "version": "2.0",
    "feature_id": "gene",
    "feature_name": None,
    "sample_id": "Sample",
    "filters": {"Tissue": {"attribute": "Tissue", "axis": "sample"}},
    "tsv": {"labels": ["gene"], "column": "{Sample}", "comments": False},
}

STUDY = """\
# written by hand
id: 007          # an id that looks like a number
version: 1.0
name: "A study"
tags: [a, 1e3]
description: >-
  two
  lines
expressions:
- id: m1   # the first
  file: m1.h5
  units: TPM
  feature_id: gene
  sample_id: Sample
  filters:
    organ: {attribute: Tissue, axis: sample, description: where it is from}
  # the end of m1
"""


def make(data: Path, study: str = STUDY) -> Path:
    path = data / "dir_p" / "dir_s" / "study.yaml"
    path.parent.mkdir(parents=True)
    (data / "catalog.yaml").write_text("id: c\nname: C\n")
    (data / "dir_p" / "project.yaml").write_text("id: p\n")
    path.write_text(study)
    return path


def put(data: Path, project: str, study: str, entry: dict[str, Any], genome: str | None = None) -> CatalogEdit:
    edit = CatalogEdit(data, project, study)
    edit.put("expressions", entry, genome)
    edit.commit()
    return edit


def test_everything_is_made(tmp_path: Path) -> None:
    data = tmp_path / "my data"
    edit = put(data, "p", "s", ENTRY, "GRCh38")
    assert edit.study_file == data / "p" / "s" / "study.yaml"
    catalog, problems = load(data)
    assert not problems
    assert catalog is not None
    assert catalog.service.id == "my-data"
    matrix = catalog.matrices["m2"]
    assert (matrix.version, matrix.tsv.column, matrix.filters["Tissue"].axis) == ("2.0", "{Sample}", "sample")
    assert catalog.studies["s"].genome == "GRCh38"
    assert {path.name for path in data.rglob("*") if path.is_file()} == {"catalog.yaml", "project.yaml", "study.yaml"}


def test_hand_written_text_survives(tmp_path: Path) -> None:
    path = make(tmp_path)
    put(tmp_path, "p", "007", ENTRY)
    text = path.read_text()
    first, comment = STUDY.split("  # the end")
    assert text.startswith(first)
    assert f"  # the end{comment}" in text
    assert read_yaml(path)[0]["expressions"][0] == read_yaml_text(tmp_path, STUDY)["expressions"][0]
    put(tmp_path, "p", "007", ENTRY)
    assert path.read_text() == text


def read_yaml_text(folder: Path, text: str) -> Any:
    path = folder / "other.yaml"
    path.write_text(text)
    return read_yaml(path)[0]


def test_an_entry_is_brought_up_to_date(tmp_path: Path) -> None:
    path = make(tmp_path)
    kept = {"organ": {"attribute": "Tissue", "axis": "sample"}, "Sex": {"attribute": "Sex", "axis": "sample"}}
    put(tmp_path, "p", "007", {"id": "m1", "units": "FPKM", "feature_name": "symbol", "filters": kept})
    expected = STUDY.replace("units: TPM", "units: FPKM").replace(
        "  # the end of m1\n", "    # the end of m1\n    Sex: {attribute: Sex, axis: sample}\n  feature_name: symbol\n"
    )
    assert sorted(line.strip() for line in path.read_text().splitlines()) == sorted(
        line.strip() for line in expected.splitlines()
    )
    content = read_yaml(path)[0]["expressions"][0]
    assert content["feature_name"] == "symbol"
    assert content["filters"]["organ"]["description"] == "where it is from"
    put(tmp_path, "p", "007", {"id": "m1", "feature_name": None, "filters": {}})
    content = read_yaml(path)[0]["expressions"][0]
    assert "feature_name" not in content
    assert "filters" not in content


@pytest.mark.parametrize("id", ["null", "1.0", "true", "1e5", "0x1f", "2020-01-01"])
def test_ids_that_look_like_something_else(tmp_path: Path, id: str) -> None:
    put(tmp_path, id, id, {**ENTRY, "id": id})
    catalog, problems = load(tmp_path)
    assert not problems
    assert catalog is not None
    assert (list(catalog.projects), list(catalog.studies), list(catalog.matrices)) == ([id], [id], [id])
    assert CatalogEdit(tmp_path, id, id).matrix(id) is not None


def test_directories_are_found_by_the_ids_inside(tmp_path: Path) -> None:
    path = make(tmp_path)
    assert CatalogEdit(tmp_path, "p", "007").study_file == path
    assert CatalogEdit(tmp_path, "p", "new").study_file == tmp_path / "dir_p" / "new" / "study.yaml"


@pytest.mark.parametrize(
    ("project", "study", "message"),
    [
        ("q", "007", "the study '007' belongs to the project 'p' already"),
        ("dir_p", "s", "holds a project of another id"),
        ("p", "dir_s", "holds a study of another id"),
        ("a/b", "s", "cannot be used in a URL"),
        ("p", "..", "cannot be used in a URL"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path: Path, project: str, study: str, message: str) -> None:
    make(tmp_path)
    with pytest.raises(ValueError, match=re.escape(message)):
        CatalogEdit(tmp_path, project, study)


def test_a_matrix_belongs_to_one_study(tmp_path: Path) -> None:
    make(tmp_path)
    with pytest.raises(ValueError, match="belongs to a matrix of the study '007' already"):
        CatalogEdit(tmp_path, "p", "new").matrix("m1")
    assert CatalogEdit(tmp_path, "p", "new").matrix("m2") is None


def test_a_study_has_one_genome(tmp_path: Path) -> None:
    make(tmp_path, STUDY + "genome: GRCh37\n")
    CatalogEdit(tmp_path, "p", "007").check_genome("GRCh37")
    with pytest.raises(ValueError, match="on the genome 'GRCh37'"):
        CatalogEdit(tmp_path, "p", "007").check_genome("GRCh38")


def test_a_catalogue_with_mistakes_is_not_changed(tmp_path: Path) -> None:
    make(tmp_path, STUDY + "nmae: x\n")
    with pytest.raises(CatalogError, match="nmae"):
        CatalogEdit(tmp_path, "p", "007")


def test_projects_without_a_catalogue_are_not_passed_over(tmp_path: Path) -> None:
    make(tmp_path)
    (tmp_path / "catalog.yaml").unlink()
    with pytest.raises(CatalogError, match=r"catalog\.yaml"):
        CatalogEdit(tmp_path, "p", "007")


def test_an_entry_that_would_not_check_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="filters"):
        CatalogEdit(tmp_path, "p", "s").put(
            "expressions", {**ENTRY, "filters": {"format": {"attribute": "a", "axis": "sample"}}}
        )
    assert not list(tmp_path.iterdir())


def test_all_files_go_back_if_the_result_does_not_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make(tmp_path)
    edit = CatalogEdit(tmp_path, "p", "007")
    edit.put("expressions", ENTRY)
    monkeypatch.setattr(yaml_changes, "load", lambda _: (None, [Problem(path, 1, 1, "wrong")]))
    with pytest.raises(CatalogError, match="wrong"):
        edit.commit()
    assert path.read_text() == STUDY
    assert {one.name for one in tmp_path.rglob("*") if one.is_file()} == {"catalog.yaml", "project.yaml", "study.yaml"}


def test_the_mode_of_a_file_stays(tmp_path: Path) -> None:
    path = make(tmp_path)
    path.chmod(0o640)
    put(tmp_path, "p", "007", ENTRY)
    assert path.stat().st_mode & 0o777 == 0o640
