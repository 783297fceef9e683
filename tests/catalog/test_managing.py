"""Records that are removed and renamed: the YAML keeps what people wrote, and only files that nobody uses go."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import yaml

from rnaget_server.catalog import LiveCatalog, load, yaml_changes
from rnaget_server.catalog.located import located
from rnaget_server.catalog.removal import plan_removal
from rnaget_server.catalog.renaming import rename
from rnaget_server.catalog.yaml_entries import without_entry
from rnaget_server.errors import CatalogError, Problem

STUDY = """\
# The first study.
id: s   # short
name: "A 'quoted' name"
genome: GRCh38

expressions:
  # The main matrix.
  - id: a
    file: a.h5   # made by import
    units: TPM
    feature_id: gene
    sample_id: run

  # Of the same samples.
  - id: b
    file: shared.h5
    units: TPM
    feature_id: gene
    sample_id: run
    # inside b
# below all
continuous:
  - {id: t, units: signal, tracks: [{sample: x, file: t/x.bw}, {sample: y, file: ../../outside.bw}]}
reads:
- id: r
  files:
  - {format: BAM, file: r.bam, index: r.bam.bai}
- id: r
  files:
  - {format: VCF, file: r.vcf.gz, index: r.vcf.gz.tbi}
"""
OTHER = (
    "id: o\ngenome: GRCh38\nexpressions:\n- {id: c, file: ../s/shared.h5, units: TPM, feature_id: g, sample_id: s}\n"
)
FILES = ("a.h5", "shared.h5", "t/x.bw", "r.bam", "r.bam.bai", "r.vcf.gz", "r.vcf.gz.tbi")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    data = tmp_path / "data"
    for path, text in {
        "catalog.yaml": "id: c\nname: C\n",
        "p/project.yaml": "# mine\nid: p\n",
        "p/s/study.yaml": STUDY,
        "p/o/study.yaml": OTHER,
        "genomes/GRCh38/genome.yaml": "id: GRCh38  # the human\n",
        **{f"p/s/{name}": name for name in FILES},
    }.items():
        (data / path).parent.mkdir(parents=True, exist_ok=True)
        (data / path).write_text(text)
    (tmp_path / "outside.bw").write_text("x")
    (data / "outside.bw").symlink_to(tmp_path / "outside.bw")
    return data


def study(data: Path) -> str:
    return (data / "p/s/study.yaml").read_text()


def names(data: Path) -> set[str]:
    return {str(path.relative_to(data)) for path in data.rglob("*") if not path.is_dir()}


def test_a_matrix_goes_with_its_file_and_every_other_line_stays(data: Path) -> None:
    before = names(data)
    plan_removal(data, "a").run()
    assert before - names(data) == {"p/s/a.h5"}
    lines = STUDY.splitlines(keepends=True)
    assert study(data) == "".join(lines[:7] + lines[12:])
    assert load(data)[1] == []


def test_comments_inside_an_entry_go_and_those_around_it_stay(data: Path) -> None:
    removal = plan_removal(data, "b")
    assert removal.files == ()
    assert removal.remarks == (f"{data / 'p/s/shared.h5'} stays, since another record uses it",)
    removal.run()
    assert "inside b" not in study(data)
    assert "  # Of the same samples.\n# below all\ncontinuous:\n" in study(data)


def test_the_last_entry_leaves_an_empty_list(data: Path) -> None:
    plan_removal(data, "a").run()
    plan_removal(data, "b").run()
    assert "expressions: []\n  # The main matrix.\n" in study(data)
    assert yaml.safe_load(study(data))["expressions"] == []
    plan_removal(data, "c").run()
    assert (data / "p/o/study.yaml").read_text() == "id: o\ngenome: GRCh38\nexpressions: []\n"
    assert "p/s/shared.h5" not in names(data)


def test_tracks_go_with_their_directory_and_a_link_without_what_it_leads_to(data: Path, tmp_path: Path) -> None:
    plan_removal(data, "t").run()
    assert not (data / "p/s/t").exists()
    assert not (data / "outside.bw").is_symlink()
    assert (tmp_path / "outside.bw").exists()


def test_files_outside_the_catalogue_stay(data: Path, tmp_path: Path) -> None:
    path = data / "p/s/study.yaml"
    path.write_text(STUDY.replace("a.h5 ", "../../../outside.bw "))
    removal = plan_removal(data, "a")
    assert removal.remarks == (f"{data / 'p/s/../../../outside.bw'} stays, since it is outside the catalogue",)
    removal.run()
    assert (tmp_path / "outside.bw").exists()


def test_reads_and_variants_of_one_id_are_apart(data: Path) -> None:
    with pytest.raises(ValueError, match=r"say by --kind which is meant \(reads, variants\)"):
        plan_removal(data, "r")
    before = names(data)
    plan_removal(data, "r", "variants").run()
    assert before - names(data) == {"p/s/r.vcf.gz", "p/s/r.vcf.gz.tbi"}
    assert [record.kind for record in load(data)[0].read_sets.values()] == ["reads"]  # type: ignore[union-attr]
    rename(data, "r", "run/1")
    assert [id for _, id in load(data)[0].read_sets] == ["run/1"]  # type: ignore[union-attr]


def test_a_study_goes_whole_and_then_the_project(data: Path) -> None:
    with pytest.raises(ValueError, match=r"the project p is not empty: remove its studies first \(o, s\)"):
        plan_removal(data, "p")
    plan_removal(data, "o").run()
    assert not (data / "p/o").exists()
    (data / "p/s/notes.txt").write_text("by hand")
    remarks = plan_removal(data, "s").run()
    assert remarks == (f"the directory {data / 'p/s'} stays, since it has other files in it",)
    assert names(data) == {"catalog.yaml", "p/project.yaml", "p/s/notes.txt", "genomes/GRCh38/genome.yaml"}
    (data / "p/s/notes.txt").unlink()
    (data / "p/s").rmdir()
    plan_removal(data, "p").run()
    assert not (data / "p").exists()
    assert load(data)[1] == []


def test_a_genome_goes_with_its_directory(data: Path) -> None:
    removal = plan_removal(data, "GRCh38")
    assert removal.remarks == ("the studies on it (o, s) keep its name, and lose the links to its genes",)
    removal.run()
    assert not (data / "genomes").exists()


def test_nothing_goes_if_the_catalogue_does_not_check(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    removal = plan_removal(data, "a")
    before = names(data)
    with monkeypatch.context() as patch:
        loads = iter([load(data), (None, [Problem(data, 1, 1, "wrong")])])
        patch.setattr(yaml_changes, "load", lambda _: next(loads))
        with pytest.raises(CatalogError, match="wrong"):
            removal.run()
    assert names(data) == before
    assert study(data) == STUDY
    (data / "p/project.yaml").write_text("id: [\n")
    with pytest.raises(CatalogError):
        plan_removal(data, "a")


def test_a_plan_of_a_catalogue_that_has_changed_is_not_carried_out(data: Path) -> None:
    removal = plan_removal(data, "b")
    (data / "p/o/study.yaml").unlink()
    with pytest.raises(ValueError, match="changed meanwhile"):
        removal.run()
    assert (data / "p/s/shared.h5").exists()


def test_unknown_ids(data: Path) -> None:
    catalog = load(data)[0]
    assert catalog is not None
    with pytest.raises(ValueError, match="the catalogue has no record 'GRCh37': did you mean 'GRCh38'"):
        located(catalog, "GRCh37")
    with pytest.raises(ValueError, match="the catalogue has no study 'a'"):
        located(catalog, "a", "study")


def test_a_matrix_is_renamed_and_nothing_else(data: Path) -> None:
    assert rename(data, "a", "007").remarks == ()
    assert study(data) == STUDY.replace("- id: a\n", '- id: "007"\n')
    assert "007" in load(data)[0].matrices  # type: ignore[union-attr]


@pytest.mark.parametrize(("old", "new", "why"), [("a", "b", "already"), ("a", "c", "already"), ("a", "x y", "URL")])
def test_new_ids_that_are_not_free_or_not_fit(data: Path, old: str, new: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        rename(data, old, new)
    with pytest.raises(ValueError, match="digest"):
        rename(data, "GRCh38", "md5")
    assert study(data) == STUDY


def test_the_directory_of_a_study_and_of_a_project_goes_along(data: Path) -> None:
    assert rename(data, "p", "q").file == data / "q/project.yaml"
    assert (data / "q/project.yaml").read_text() == "# mine\nid: q\n"
    renaming = rename(data, "s", "s2")  # the study o uses a file in it
    assert renaming.file == data / "q/s/study.yaml"
    assert renaming.remarks == (f"the directory {data / 'q/s'} keeps its name",)
    assert rename(data, "o", "o2").file == data / "q/o2/study.yaml"
    catalog, problems = load(data)
    assert catalog is not None
    assert not problems
    assert catalog.matrices["c"].path.exists()


def test_studies_name_a_genome_by_its_new_id(data: Path) -> None:
    renaming = rename(data, "GRCh38", "hg38")
    assert renaming.file == data / "genomes/hg38/genome.yaml"
    assert renaming.remarks == ("the studies on it now name hg38: o, s",)
    assert renaming.file.read_text() == "id: hg38  # the human\n"
    assert study(data) == STUDY.replace("GRCh38", "hg38")


def test_a_running_server_takes_changes_over(data: Path) -> None:
    live = LiveCatalog(data, 0.01)
    rename(data, "a", "new")
    plan_removal(data, "b").run()
    time.sleep(0.05)
    assert set(live.current.matrices) == {"new", "c"}
    rename(data, "s", "s2")
    time.sleep(0.05)
    assert "s2" in live.current.studies


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("x: [{id: a}, {id: b}]\n", "x: [{id: b}]\n"),
        ("x:\n-\n  id: a\n- id: b\n", "x:\n- id: b\n"),
        ("x:\n- id: a\n  d: |\n    # no comment\n- id: b\ny: 1\n", "x:\n- id: b\ny: 1\n"),
        ("x:\n- id: a\n\n\n- id: b", "x:\n\n- id: b"),
    ],
)
def test_entries_in_other_styles(text: str, left: str) -> None:
    assert yaml.safe_load(without_entry(text, "x", 0)) == yaml.safe_load(left)
