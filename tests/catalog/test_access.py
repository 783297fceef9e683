"""The key ``access``: what records have of it, and where mistakes in it are."""

from __future__ import annotations

from pathlib import Path

import pytest

from rnaget_server.catalog import Catalog, load
from rnaget_server.catalog.access_check import wider_than_above
from rnaget_server.model.access import Access, SampleAccess, SampleRule
from tests.catalog.test_load import ENTRY, write


def controlled(*grants: str) -> Access:
    return Access("controlled", frozenset(grants))


REGISTERED = Access("registered")


def loaded(data: Path, **files: str) -> Catalog:
    write(data, **files)
    catalog, problems = load(data)
    assert problems == []
    assert catalog is not None
    return catalog


def test_records_have_the_conditions_of_all_above(tmp_path: Path) -> None:
    study = (
        "id: s\naccess: {controlled: [b, a]}\n"
        f"expressions:\n{ENTRY}    access: {{controlled: c}}\n"
        "continuous:\n  - {id: t, units: x, file: t.loom, access: public}\n"
        "reads:\n  - {id: r, access: registered, files: [{format: BAM, file: r.bam}]}\n"
    )
    genome = tmp_path / "genomes" / "g" / "genome.yaml"
    genome.parent.mkdir(parents=True)
    genome.write_text("id: g\naccess: {controlled: [g]}\n")
    catalog = loaded(tmp_path, project="id: p\naccess: registered\n", study=study, other="id: t\n")
    assert catalog.projects["p"].access == catalog.studies["t"].access == (REGISTERED,)
    assert catalog.studies["s"].access == catalog.track_sets["t"].access == (REGISTERED, controlled("a", "b"))
    assert catalog.matrices["m"].access == (REGISTERED, controlled("a", "b"), controlled("c"))
    assert catalog.matrices["m"].sample_access is None
    assert catalog.read_sets["reads", "r"].access == (REGISTERED, controlled("a", "b"))
    assert catalog.genomes["g"].access == (controlled("g"),)


def test_rules_for_samples(tmp_path: Path) -> None:
    access = """\
    access:
      registered: true
      samples:
        - {where: {consent: [HMB, DS], age: 7}, controlled: [a, b]}
        - where: {country: IS}
          registered: true
      others_see: NaN
"""
    matrix = loaded(tmp_path, study=f"id: s\nexpressions:\n{ENTRY}{access}").matrices["m"]
    assert matrix.access == (REGISTERED,)
    first = SampleRule({"consent": frozenset(("HMB", "DS")), "age": frozenset("7")}, controlled("a", "b"))
    second = SampleRule({"country": frozenset(("IS",))}, REGISTERED)
    assert matrix.sample_access == SampleAccess((first, second), "NaN")


def test_a_file_without_the_key_is_for_all(tmp_path: Path) -> None:
    catalog = loaded(tmp_path, study=f"id: s\naccess: public\nexpressions:\n{ENTRY}")
    assert catalog.studies["s"].access == catalog.matrices["m"].access == ()


@pytest.mark.parametrize(
    ("access", "place", "message"),
    [
        ("", "8:5", "the access is empty: write `public`"),
        ("{}", "8:5", "the access is empty"),
        ("open", "8:13", "the access cannot be 'open': write `public`, `registered` or"),
        ("[a]", "8:5", "the access is not understood"),
        ("{controled: [a]}", "8:14", "did you mean 'controlled'?"),
        ("{controlled: []}", "8:14", "the value of 'controlled' is empty"),
        ("{controlled: [a, '']}", "8:30", "the value is empty"),
        ("{controlled: [a], registered: true}", "8:5", "leave `registered` out"),
        ("{registered: maybe}", "8:26", "the value of 'registered' is wrong"),
        ("{others_see: NaN}", "8:5", "`others_see` is here without `samples`"),
        ("{samples: [{where: {a: b}, controlled: [c]}]}", "8:5", "`samples` needs `others_see`"),
        ("{samples: [{where: {a: b}, controlled: [c]}], others_see: zero}", "8:71", "'NaN' or 'omit'"),
        ("{samples: [{where: {a: b}}], others_see: NaN}", "8:24", "everybody may see these samples"),
        ("{samples: [{where: {}, controlled: [c]}], others_see: NaN}", "8:25", "the value of 'where' is empty"),
        ("{samples: [{controlled: [c]}], others_see: NaN}", "8:24", "the key 'where' is missing"),
        ("{samples: [{where: {a: []}, controlled: [c]}], others_see: NaN}", "8:33", "the value of 'a' is empty"),
    ],
)
def test_mistakes_have_their_place_and_leave_the_file_out(
    tmp_path: Path, access: str, place: str, message: str
) -> None:
    write(tmp_path, study=f"id: s\nexpressions:\n{ENTRY}    access: {access}\n")
    catalog, problems = load(tmp_path)
    assert [str(problem) for problem in problems] == [f"{tmp_path}/p/s/study.yaml:{place}: {problems[0].message}"]
    assert message in problems[0].message
    assert catalog is not None and not catalog.studies


def test_rules_for_samples_are_for_matrices_alone(tmp_path: Path) -> None:
    write(tmp_path, study="id: s\naccess: {samples: [], others_see: NaN}\n")
    _, problems = load(tmp_path)
    assert {problem.message.partition(":")[0] for problem in problems} == {
        "the key 'samples' is not known here",
        "the key 'others_see' is not known here",
    }


@pytest.mark.parametrize(
    ("project", "study", "matrix", "places"),
    [
        ("registered", "public", "registered", ["2:9"]),
        ("registered", "registered", "{controlled: [a]}", []),
        ("{controlled: [a, b]}", "{controlled: [a]}", "{controlled: [b]}", ["9:5"]),
        ("{controlled: [a]}", "{controlled: [a, b]}", "public", ["2:1", "9:13", "9:13"]),
        (
            "{controlled: [a]}",
            "{controlled: [a]}",
            "{samples: [{where: {x: y}, controlled: [z]}], others_see: NaN}",
            [],
        ),
        ("public", "public", "public", []),
    ],
)
def test_what_is_wider_than_above_is_found(
    tmp_path: Path, project: str, study: str, matrix: str, places: list[str]
) -> None:
    text = f"id: s\naccess: {study}\nexpressions:\n{ENTRY}    access: {matrix}\n"
    catalog = loaded(tmp_path, project=f"id: p\naccess: {project}\n", study=text)
    found = [str(problem).removeprefix(f"{tmp_path}/p/s/study.yaml:") for problem in wider_than_above(catalog)]
    assert [":".join(text.split(":")[:2]) for text in found] == places
    assert all("warning: the " in text and "counts too" in text for text in found)
