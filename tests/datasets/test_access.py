"""The part of a catalogue that each principal sees, against a rule worked out from what was drawn."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnaget_server.catalog import Catalog, load
from rnaget_server.datasets.access import AccessPolicy
from rnaget_server.model.principal import ANYONE, OPERATOR, Principal
from tests.conftest import examples, new_study

GRANTS = ("a", "b", "c")
Spec = dict[str, Any]

conditions = st.one_of(
    st.sampled_from(["public", "registered"]),
    st.lists(st.sampled_from(GRANTS), min_size=1, max_size=2, unique=True).map(lambda grants: {"controlled": grants}),
)
rules = st.lists(
    st.lists(st.sampled_from(GRANTS), min_size=1, max_size=2, unique=True).map(
        lambda grants: {"where": {"x": "y"}, "controlled": grants}
    ),
    max_size=2,
)
records = st.lists(st.tuples(st.sampled_from(["expressions", "continuous", "reads"]), conditions, rules), max_size=3)
studies = st.lists(st.tuples(conditions, records), max_size=2)
catalogues = st.tuples(st.lists(st.tuples(conditions, studies), max_size=3), st.lists(conditions, max_size=2))
principals = st.builds(
    Principal,
    name=st.sampled_from([None, "one", "two"]),
    grants=st.frozensets(st.sampled_from((*GRANTS, "of another server"))),
    projects=st.none() | st.frozensets(st.sampled_from(["p0", "p1", "p9"])),
)


def written(data: Path, drawn: Any) -> Catalog:
    """Return the catalogue of what was drawn; JSON is YAML."""
    projects, genomes = drawn
    files: dict[str, Spec] = {"catalog": {"id": "c", "name": "C"}}
    for number, access in enumerate(genomes):
        files[f"genomes/g{number}/genome"] = {"id": f"g{number}", "access": access}
    for p, (project_access, below) in enumerate(projects):
        files[f"p{p}/project"] = {"id": f"p{p}", "access": project_access}
        for s, (study_access, entries) in enumerate(below):
            files[f"p{p}/s{s}/study"] = study = {"id": f"s{p}{s}", "access": study_access}
            for r, (kind, access, samples) in enumerate(entries):
                study.setdefault(kind, []).append(entry_of(kind, f"r{p}{s}{r}", access, samples))
    for name, content in files.items():
        path = data / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))
    catalog, problems = load(data)
    assert catalog is not None and not problems, problems
    return catalog


def entry_of(kind: str, id: str, access: Any, samples: list[Spec]) -> Spec:
    if kind == "reads":
        return {"id": id, "access": access, "files": [{"format": "BAM", "file": "x.bam"}]}
    entry = {"id": id, "units": "x", "file": f"{id}.loom", "access": access}
    if kind == "expressions":
        entry |= {"feature_id": "g", "sample_id": "x"}
        if samples:
            keys = {"registered": "true"} if access == "registered" else access if access != "public" else {}
            entry["access"] = {**keys, "samples": samples, "others_see": "omit"}
    return entry


def meets(access: Any, principal: Principal) -> bool:
    if access == "public" or principal.is_operator:
        return True
    return principal.name is not None and (access == "registered" or bool({*access["controlled"]} & principal.grants))


def expected(drawn: Any, principal: Principal) -> Iterator[tuple[str, Any]]:
    """Yield the id of all that a principal may see, and of matrices how many rules for samples hold for him."""
    projects, genomes = drawn
    yield from ((f"g{number}", None) for number, access in enumerate(genomes) if meets(access, principal))
    for p, (project_access, below) in enumerate(projects):
        is_meant = principal.is_operator or principal.projects is None or f"p{p}" in principal.projects
        if not (is_meant and meets(project_access, principal)):
            continue
        yield f"p{p}", None
        for s, (study_access, entries) in enumerate(below):
            if not meets(study_access, principal):
                continue
            yield f"s{p}{s}", None
            for r, (kind, access, samples) in enumerate(entries):
                if meets(access, principal):
                    hiding = [rule for rule in samples if not meets(rule, principal)]
                    yield f"r{p}{s}{r}", len(hiding) if kind == "expressions" else None


def shown(catalog: Catalog) -> Iterator[tuple[str, Any]]:
    yield from ((id, None) for id in (*catalog.genomes, *catalog.projects, *catalog.studies, *catalog.track_sets))
    yield from ((id, None) for _, id in catalog.read_sets)
    for matrix in catalog.matrices.values():
        yield matrix.id, len(matrix.sample_access.rules) if matrix.sample_access is not None else 0


@settings(deadline=None, max_examples=examples(50))
@given(catalogues, st.lists(principals, min_size=1, max_size=4))
def test_each_sees_what_all_conditions_admit_him_to(drawn: Any, several: list[Principal]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        catalog = written(Path(directory), drawn)
    policy = AccessPolicy(most=2)
    seen: dict[str, list[tuple[str, Any]]] = {}
    for principal in (*several, ANYONE, OPERATOR, *several):
        visible = policy.visible(catalog, principal)
        ids = sorted(shown(visible), key=str)
        assert ids == sorted(expected(drawn, principal), key=str)
        rights = policy.rights(catalog, principal)
        assert seen.setdefault(rights, ids) == ids, "the same rights for what is not the same"
        assert rights or visible is catalog
        narrowed = policy.narrowed(catalog, principal)
        assert narrowed.is_operator or narrowed.grants <= principal.grants & set(GRANTS)
        assert policy.rights(catalog, narrowed) == rights


def catalog_of(data: Path, access: str) -> Catalog:
    new_study(data, f"id: s\naccess: {access}\n")
    catalog, problems = load(data)
    assert catalog is not None and not problems
    return catalog


def test_an_open_catalogue_is_the_same_for_all_at_no_cost(tmp_path: Path) -> None:
    policy, catalog = AccessPolicy(), catalog_of(tmp_path, "public")
    for principal in (ANYONE, OPERATOR, Principal("one", frozenset("a")), Principal("p", projects=frozenset("pq"))):
        assert policy.visible(catalog, principal) is catalog
        assert policy.rights(catalog, principal) == ""
    apart = Principal("q", projects=frozenset("q"))
    assert not policy.visible(catalog, apart).projects
    assert policy.rights(catalog, apart)


def test_those_with_the_same_rights_have_the_same_objects(tmp_path: Path) -> None:
    policy, catalog = AccessPolicy(), catalog_of(tmp_path, "{controlled: [a, b]}")
    one, other = (Principal(name, frozenset(("a", name))) for name in ("one", "other"))
    assert policy.visible(catalog, one) is policy.visible(catalog, other)
    assert policy.rights(catalog, one) == policy.rights(catalog, other)
    assert policy.visible(catalog, one).projects["p"] is catalog.projects["p"], "nothing of it is hidden"
    unknown = Principal("one", frozenset(("x",)))
    assert policy.visible(catalog, unknown) is policy.visible(catalog, ANYONE)
    assert not policy.visible(catalog, ANYONE).studies


def test_few_parts_are_kept(tmp_path: Path) -> None:
    policy, catalog = AccessPolicy(most=2), catalog_of(tmp_path, "{controlled: [a, b, c]}")
    seen = [policy.visible(catalog, Principal("one", frozenset(grants))) for grants in ("a", "b", "c")]
    assert policy.visible(catalog, Principal("one", frozenset("b"))) is seen[1]
    assert policy.visible(catalog, Principal("one", frozenset("a"))) is not seen[0]


@pytest.mark.parametrize("after", ["public", "{controlled: [b]}", "{controlled: [a, b]}"])
def test_other_conditions_are_other_rights(tmp_path: Path, after: str) -> None:
    policy = AccessPolicy()
    before, changed = catalog_of(tmp_path / "before", "{controlled: [a]}"), catalog_of(tmp_path / "after", after)
    for principal in (ANYONE, OPERATOR, Principal("one", frozenset("a"))):
        assert policy.rights(before, principal) != policy.rights(changed, principal)
        assert policy.rights(before, principal) == AccessPolicy().rights(before, principal)
