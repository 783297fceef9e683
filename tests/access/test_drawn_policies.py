"""Drawn policies end to end: real tokens by HTTP, conditions of YAML, and cells that are those that pandas leaves."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from rnaget_server.app import create_app
from rnaget_server.http.auth.token_file import change_tokens, new_token
from rnaget_server.settings import Settings
from tests.datasets.masked_material import Source, made_source, published_text

GRANTS = ("a", "b", "c")
PEOPLE: dict[str, frozenset[str] | None] = {
    "anyone": None,
    "nothing": frozenset(),
    "a": frozenset("a"),
    "b": frozenset("b"),
    "all": frozenset("abc"),
}
VALUES = {"consent": ["general", "disease", "disease,other"], "tissue": ["liver", "heart"], "donor": ["d0", "d1", "d4"]}
Policy = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """The catalogue, which each policy is written into, what is in it, and the headers of each person."""

    data: Path
    source: Source
    headers: dict[str, dict[str, str]]


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    source = made_source()
    data = published_text(source, tmp_path_factory.mktemp("drawn"))
    made = {who: new_token(who, grants=tuple(sorted(grants))) for who, grants in PEOPLE.items() if grants is not None}
    change_tokens(data / "tokens.json", lambda _: [record for _, record in made.values()])
    return Case(data, source, {who: {"Authorization": f"Bearer {token}"} for who, (token, _) in made.items()})


def levels() -> st.SearchStrategy[Any]:
    some = st.sets(st.sampled_from(GRANTS), min_size=1).map(sorted)
    return st.sampled_from(["public", "registered"]) | some.map(lambda grants: {"controlled": grants})


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    """Conditions of the project, the study and the matrix, and rules for its samples."""
    policy = {"project": draw(levels()), "study": draw(levels()), "matrix": draw(levels()), "rules": [], "see": None}
    for _ in range(draw(st.integers(0, 3))):
        names = draw(st.sets(st.sampled_from(sorted(VALUES)), min_size=1, max_size=2))
        where = {name: sorted(draw(st.sets(st.sampled_from(VALUES[name]), min_size=1))) for name in sorted(names)}
        level = draw(levels().filter(lambda one: one != "public"))
        policy["rules"].append({"where": where, "level": level})
        policy["see"] = policy["see"] or draw(st.sampled_from(["NaN", "omit"]))
    return policy


def admits(level: Any, grants: frozenset[str] | None) -> bool:
    if level == "public":
        return True
    return grants is not None and (level == "registered" or not grants.isdisjoint(level["controlled"]))


def keys_of(level: Any) -> dict[str, Any]:
    return level if isinstance(level, dict) else {"registered": True} if level == "registered" else {}


def write(data: Path, policy: Policy) -> None:
    (study,) = data.glob("*/*/study.yaml")
    content = yaml.safe_load(study.read_text()) | {"access": policy["study"]}
    access = policy["matrix"]
    if policy["rules"]:
        samples = [{"where": rule["where"], **keys_of(rule["level"])} for rule in policy["rules"]]
        access = {**keys_of(access), "samples": samples, "others_see": policy["see"]}
    (matrix,) = content["expressions"]
    matrix["access"] = access
    study.write_text(json.dumps(content))
    project = study.parent.parent / "project.yaml"
    project.write_text(json.dumps(yaml.safe_load(project.read_text()) | {"access": policy["project"]}))


def left(source: Source, policy: Policy, grants: frozenset[str] | None) -> pd.DataFrame | None:
    """The cells that pandas leaves to one who holds grants; None if he does not see the matrix."""
    if not all(admits(policy[what], grants) for what in ("project", "study", "matrix")):
        return None
    hidden = pd.Series(False, source.samples.index)
    for rule in policy["rules"]:
        if not admits(rule["level"], grants):
            about = [source.samples[name].isin(values) for name, values in rule["where"].items()]
            hidden |= np.logical_and.reduce(about)
    cells = source.cells.astype(np.float64)
    return cells.loc[:, ~hidden] if policy["see"] == "omit" else cells.mask(np.broadcast_to(hidden, cells.shape))


def replies(client: TestClient, headers: dict[str, str]) -> Iterator[tuple[str, pd.DataFrame | None]]:
    """The table by bytes, and by the URL of a ticket, which needs no credentials."""
    path, query = "/rnaget/expressions/text", "format=tsv"
    answer = client.get(f"{path}/bytes?{query}", headers=headers)
    ticket = client.get(f"{path}/ticket?{query}", headers=headers)
    assert answer.status_code == ticket.status_code
    if answer.status_code == 404:
        listed = client.get("/rnaget/studies", headers=headers)
        assert "text" not in listed.text
        yield "none", None
        return
    for what, reply in (("bytes", answer), ("ticket", client.get(ticket.json()["url"]))):
        assert reply.status_code == 200, reply.text
        yield what, pd.read_csv(io.StringIO(reply.text), sep="\t", index_col=0)


def check(case: Case, policy: Policy) -> None:
    write(case.data, policy)
    options = Settings(data=case.data, auth={"tokens": case.data / "tokens.json"}, reload_seconds=0, rate_limit="")
    with TestClient(create_app(options)) as client:
        for who, grants in PEOPLE.items():
            headers = case.headers.get(who, {})
            expected = left(case.source, policy, grants)
            for what, found in replies(client, headers):
                if expected is None or found is None:
                    assert (expected is None) == (found is None), (who, what)
                    continue
                pd.testing.assert_frame_equal(found.astype(np.float64), expected, check_names=False)


QUIET = {"deadline": None, "suppress_health_check": list(HealthCheck)}


@given(policies())
@settings(max_examples=6, derandomize=True, **QUIET)
def test_cells_are_those_that_the_policy_leaves(case: Case, policy: Policy) -> None:
    check(case, policy)


@pytest.mark.long
@given(policies())
@settings(max_examples=150, **QUIET)
def test_cells_are_those_that_many_policies_leave(case: Case, policy: Policy) -> None:
    check(case, policy)
