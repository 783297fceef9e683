from __future__ import annotations

from pathlib import Path

import pytest

from rnaget_server.catalog import load


def write(data: Path, **files: str) -> None:
    names = {
        "catalog": "catalog.yaml",
        "project": "p/project.yaml",
        "study": "p/s/study.yaml",
        "other": "p/t/study.yaml",
    }
    defaults = {"catalog": "id: c\nname: C\n", "project": "id: p\n"}
    for key, text in {**defaults, **files}.items():
        path = data / names[key]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


ENTRY = """\
  - id: m
    file: m.h5
    units: TPM
    feature_id: gene
    sample_id: sample
"""


def test_a_sound_catalogue(tmp_path: Path) -> None:
    write(tmp_path, study=f"id: s\nversion: 1.10\nlicense: CC0-1.0\nexpressions:\n{ENTRY}")
    catalog, problems = load(tmp_path)
    assert problems == []
    assert catalog is not None
    matrix = catalog.matrices["m"]
    assert (matrix.version, matrix.license, matrix.study_id, matrix.project_id) == ("1.10", "CC0-1.0", "s", "p")
    assert matrix.path == tmp_path / "p" / "s" / "m.h5"
    assert (matrix.tsv.labels, matrix.tsv.column, matrix.tsv.comments) == (("gene",), "{sample}", False)


def test_three_mistakes_are_told_at_once_with_their_places(tmp_path: Path) -> None:
    study = f"id: s\nverson: 2\nexpressions:\n{ENTRY}    tsv: {{labels: [a], column: Sample}}\n    unit: TPM\n"
    write(tmp_path, study=study, other="id: t\n")
    catalog, problems = load(tmp_path)
    assert catalog is not None
    assert list(catalog.studies) == ["t"]
    messages = [str(problem).removeprefix(f"{tmp_path}/p/s/") for problem in problems]
    assert len(messages) == 3
    assert any(one.startswith("study.yaml:2:") and "did you mean 'version'" in one for one in messages)
    assert any(one.startswith("study.yaml:9:") and "{attribute}" in one for one in messages)
    assert any(one.startswith("study.yaml:10:") and "did you mean 'units'" in one for one in messages)


@pytest.mark.parametrize(
    ("study", "place", "message"),
    [
        ("id: s\nid: t\n", "2:1", "twice"),
        ("id: s\n  name: [", "2:7", "not YAML"),
        ("id: a/b\n", "1:5", "cannot be used in a URL"),
        ("id: formats\n", "1:5", "name of a route"),
        ("- id: s\n", "1:1", "`key: value` lines"),
        ("id: s\nname: [a]\n", "2:1", "must be text"),
        ("id: s\nexpressions: {a: b}\n", "2:1", "must be a list"),
        (f"id: s\nexpressions:\n{ENTRY}{ENTRY}", "8:9", "already used"),
        (
            f"id: s\nexpressions:\n{ENTRY}    filters: {{units: {{attribute: a, axis: sample}}}}\n",
            "8:15",
            "parameter of the",
        ),
        (f"id: s\nexpressions:\n{ENTRY.replace('    units: TPM', '')}", "3:5", "the key 'units' is missing"),
    ],
)
def test_mistakes(tmp_path: Path, study: str, place: str, message: str) -> None:
    write(tmp_path, study=study)
    _, problems = load(tmp_path)
    assert len(problems) == 1
    assert str(problems[0]).startswith(f"{tmp_path}/p/s/study.yaml:{place}: ")
    assert message in problems[0].message


def test_mistakes_below_a_mistake_are_told_too(tmp_path: Path) -> None:
    write(
        tmp_path,
        catalog="id: c\nname: C\nsettings: {prot: 1}\n",
        project="id: p\nnmae: x\n",
        study="id: s\nverson: 1\n",
    )
    catalog, problems = load(tmp_path)
    assert [problem.path.name for problem in problems] == ["catalog.yaml", "project.yaml", "study.yaml"]
    assert catalog is not None
    assert not catalog.projects


def test_files_that_are_no_text(tmp_path: Path) -> None:
    write(tmp_path, study="id: s\n")
    (tmp_path / "p" / "s" / "study.yaml").write_bytes(b"id: \xff\xfe")
    _, problems = load(tmp_path)
    assert "UTF-8" in problems[0].message


def test_without_catalog_yaml_there_is_no_catalogue(tmp_path: Path) -> None:
    catalog, problems = load(tmp_path)
    assert catalog is None
    assert "cannot be read" in problems[0].message


def test_a_study_without_its_project_is_told(tmp_path: Path) -> None:
    write(tmp_path, study="id: s\n")
    (tmp_path / "p" / "project.yaml").unlink()
    _, problems = load(tmp_path)
    assert "project.yaml" in problems[0].message


def test_settings_are_checked_too(tmp_path: Path) -> None:
    write(tmp_path, catalog="id: c\nname: C\nsettings:\n  prot: 80\n  workers: many\n")
    _, problems = load(tmp_path)
    assert sorted(f"{one.line}:{one.message.split(':')[0]}" for one in problems) == [
        "4:the key 'prot' is not known here",
        "5:the value of 'workers' is wrong",
    ]
