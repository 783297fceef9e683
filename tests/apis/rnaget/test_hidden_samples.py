"""Random rules, random queries, every format: what is read back is what pandas says without the hidden samples."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rnaget_server.model.access import SampleAccess
from rnaget_server.model.principal import ANYONE, Principal
from rnaget_server.plugins import Registry
from tests.conftest import examples
from tests.datasets.masked_material import GENES, KINDS, SAMPLES, rules
from tests.datasets.masked_server import DISEASE, Server, masked_server, masks
from tests.writers.readers import LONG, READERS

WRITERS = Registry("rnaget_server.writers")
FORMATS = [format for format in READERS if "expressions" in WRITERS[format].groups]
SUMMARIES = ("mean", "median", "min", "max", "std", "n", "fraction_nonzero", "q1", "q3")
# Of a sparse layer, these are made of the stored cells alone.
OF_STORED = ("mean", "sum", "min", "max", "std", "n", "fraction_nonzero")
MANY = {"deadline": None, "suppress_health_check": list(HealthCheck)}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with masked_server(tmp_path_factory.mktemp("hidden")) as server:
        yield server


@st.composite
def queries(draw: st.DrawFn) -> dict[str, Any]:
    few = {
        "featureIDList": st.lists(st.sampled_from(GENES), min_size=1, max_size=6),
        "sampleIDList": st.lists(st.sampled_from(SAMPLES), min_size=2, max_size=9),
        "sampleIDList_not": st.lists(st.sampled_from(SAMPLES), min_size=2, max_size=9),
        "tissue": st.lists(st.sampled_from(["liver", "heart", "β-cell"]), min_size=1, max_size=2),
        "age_max": st.integers(20, 24),
        "feature_max_value": st.sampled_from([2, 3]),
        "top": st.integers(1, 3),
    }
    return {name: draw(one) for name, one in few.items() if draw(st.integers(0, 2)) == 0}


def selected(cells: pd.DataFrame, samples: pd.DataFrame, query: dict[str, Any]) -> pd.DataFrame:
    """Return what a query selects by labels alone."""
    kept = pd.Series(True, samples.index)
    if "sampleIDList" in query:
        kept &= samples.index.isin(query["sampleIDList"])
    if "sampleIDList_not" in query:
        kept &= ~samples.index.isin(query["sampleIDList_not"])
    if "tissue" in query:
        kept &= samples["tissue"].isin(query["tissue"])
    kept &= samples["age"].astype(int) <= query.get("age_max", 99)
    return cells.loc[cells.index.isin(query.get("featureIDList", GENES)), kept]


def within(parts: list[pd.DataFrame], query: dict[str, Any]) -> list[pd.DataFrame]:
    """Return the parts that are not empty, without the features of which some cell of a part is too large or NaN."""
    parts = [part for part in parts if part.size]
    if "feature_max_value" in query:
        outside = {gene for part in parts for gene in part.index[~(part <= query["feature_max_value"]).all(axis=1)]}
        parts = [part[~part.index.isin(outside)] for part in parts]
    return [part for part in parts if part.size]


def with_highest(part: pd.DataFrame, count: int) -> pd.DataFrame:
    """Return the features that are among the highest of some column; of equal values the first."""
    ordered = (part[name].dropna().sort_values(ascending=False, kind="stable") for name in part)
    return part[part.index.isin({gene for column in ordered for gene in column.index[:count]})]


def expected(cells: pd.DataFrame, samples: pd.DataFrame, query: dict[str, Any]) -> pd.DataFrame | None:
    """Return the slice of a query by pandas; None where nothing is left."""
    parts = within([selected(cells, samples, query)], query)
    part = with_highest(parts[0], query["top"]) if parts and "top" in query else parts[0] if parts else pd.DataFrame()
    return part if part.size else None


def check_slice(server: Server, access: SampleAccess, id: str, query: dict[str, Any], format: str) -> None:
    """Check what a format holds, and that a ticket for it says the same."""
    server.hide(access)
    wanted, asked = expected(*server.visible(access), query), {**query, "format": format}
    reply, ticket = server.get(f"{id}/bytes", **asked), server.get(f"{id}/ticket", **asked)
    assert {reply.status_code, ticket.status_code} == {404 if wanted is None else 200}, reply.text
    if wanted is None:
        return
    assert ticket.json()["md5"] == hashlib.md5(reply.content).hexdigest()
    with tempfile.TemporaryDirectory() as directory:
        found = READERS[format](reply.content, Path(directory))
    if format in LONG:
        found = found.within(list(wanted.index), list(wanted.columns))
    assert (found.features, found.samples) == (list(wanted.index), list(wanted.columns)), format
    np.testing.assert_array_equal(found.cells.astype(np.float32), wanted.to_numpy(np.float32), format)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("others_see", ["NaN", "omit"])
def test_every_format(server: Server, others_see: str, format: str) -> None:
    for id in KINDS:
        check_slice(server, rules(others_see, DISEASE, {"tissue": "liver", "donor": "d0"}), id, {}, format)


@given(masks(), queries(), st.sampled_from(KINDS), st.sampled_from(FORMATS))
@settings(max_examples=examples(100), **MANY)
def test_any_query_by_any_rules(
    server: Server, access: SampleAccess, query: dict[str, Any], id: str, format: str
) -> None:
    check_slice(server, access, id, query, format)


@pytest.mark.parametrize("id", KINDS)
@pytest.mark.parametrize("others_see", ["NaN", "omit"])
def test_thresholds_are_of_visible_cells(server: Server, others_see: str, id: str) -> None:
    """The minima and maxima that a file has stored are of all samples."""
    for hidden in ({"tissue": "liver"}, {"donor": ["d0", "d1", "d2", "d3"]}):
        for query in ({}, {"tissue": ["heart", "β-cell"]}, {"sampleIDList": SAMPLES[16:]}):
            for most in (1, 2, 3, 4):
                check_slice(server, rules(others_see, hidden), id, {**query, "feature_max_value": most}, "json")


@given(
    masks(),
    st.sampled_from(["tissue", "donor"]),
    st.sampled_from(KINDS),
    st.booleans(),
    st.sampled_from([SUMMARIES, OF_STORED]),
)
@settings(max_examples=examples(40), **MANY)
def test_groups_are_those_of_pandas(
    server: Server, access: SampleAccess, by: str, id: str, of_part: bool, summaries: tuple[str, ...]
) -> None:
    server.hide(access)
    cells, samples = server.visible(access)
    cells, query = (cells[::2], {"featureIDList": GENES[::2]}) if of_part else (cells, {})
    reply = server.get(f"{id}/bytes", group_by=by, summary=",".join(summaries), format="json", **query)
    assert reply.status_code == (200 if cells.size else 404), reply.text
    if not cells.size:
        return
    found = reply.json()
    groups, order = cells.T.groupby(samples[by], sort=False), list(dict.fromkeys(samples[by]))
    assert found["samples"]["attributes"][by][:: len(summaries)] == order
    values = np.array(found["values"], float).reshape(len(cells), -1, len(summaries))
    for number, summary in enumerate(summaries):
        wanted = summarised(groups, summary).T[order].to_numpy(float)
        np.testing.assert_allclose(values[:, :, number], wanted, 1e-6, 1e-12, err_msg=summary)


def summarised(groups: Any, summary: str) -> pd.DataFrame:
    if summary in ("q1", "q3"):
        return groups.quantile(0.25 if summary == "q1" else 0.75)
    if summary == "n":
        return groups.count()
    if summary == "fraction_nonzero":
        return groups.agg(lambda cells: (cells.dropna() != 0).mean())
    return getattr(groups, summary)()


@given(masks(), masks(), queries())
@settings(max_examples=examples(25), **MANY)
def test_a_join_has_what_each_matrix_shows(
    server: Server, first: SampleAccess, second: SampleAccess, query: dict[str, Any]
) -> None:
    """Some samples of one matrix are hidden by some rules, of another by others, and the rest are whole."""
    query = {name: value for name, value in query.items() if name != "top"}
    server.policy.access = {"dense": first, "served": second}
    order = [matrix["id"] for matrix in server.get("info").json()["data"]]
    used = within([selected(*server.visible(server.policy.access.get(id)), query) for id in order], query)
    reply = server.get("bytes", **query, format="json")
    assert reply.status_code == (200 if used else 404), reply.text
    if used:
        wanted = pd.concat(used, axis=1)
        found = READERS["json"](reply.content, Path())
        assert (found.features, found.samples) == (list(wanted.index), list(wanted.columns))
        np.testing.assert_array_equal(found.cells.astype(np.float32), wanted.to_numpy(np.float32))


@pytest.mark.parametrize("id", ["sparse", "dense", "served"])
def test_embeddings_in_files(server: Server, id: str, tmp_path: Path) -> None:
    """The place of a cell is hidden with its values."""
    for others_see in ("NaN", "omit"):
        access = rules(others_see, DISEASE)
        server.hide(access)
        (tmp_path / "read.h5ad").write_bytes(server.get(f"{id}/bytes", format="h5ad").content)
        found = anndata.read_h5ad(tmp_path / "read.h5ad")
        hidden = server.source.hidden(access).to_numpy()
        umap = server.source.umap.copy()
        umap[hidden] = np.nan
        kept = slice(None) if others_see == "NaN" else ~hidden
        np.testing.assert_array_equal(found.obsm["X_umap"], umap[kept])
        places = server.source.samples["tsne_1"].mask(hidden)[kept]
        np.testing.assert_array_equal(found.obs["tsne_1"].to_numpy(float), places.to_numpy(float))
        assert list(found.obs["tissue"]) == list(server.source.samples["tissue"][kept])


def test_whole_numbers_stay_such(server: Server) -> None:
    """A matrix of counts has no decimal point because of a gap."""
    server.hide(rules("NaN", DISEASE), "dense")
    lines = server.get("dense/bytes", format="tsv", featureIDList="G0").text.splitlines()
    cells = server.visible(rules("NaN", DISEASE))[0].loc["G0"]
    assert lines[1].split("\t")[1:] == ["NaN" if value != value else str(int(value)) for value in cells]


def test_counts_lists_and_values_are_of_the_visible(server: Server) -> None:
    access = rules("omit", DISEASE)
    server.hide(access, "text")
    _, samples = server.visible(access)
    assert server.get("text/info").json()["shape"] == {"features": len(GENES), "samples": len(samples)}
    listed = server.get("text/samples", limit=3).json()
    assert listed["total"] == len(samples)
    assert [sample["id"] for sample in listed["data"]] == list(samples.index[:3])
    assert server.get("text/samples", search="disease").json()["total"] == 0
    found = {filter["filter"]: filter.get("values") for filter in server.get("filters", type="sample").json()}
    assert found["consent"] == ["disease", "disease,other", "general"]  # as the other matrices have them
    server.hide(access)
    found = {filter["filter"]: filter.get("values") for filter in server.get("filters", type="sample").json()}
    assert found["consent"] == ["general"]


@pytest.mark.parametrize("others_see", ["NaN", "omit"])
def test_entity_tags_are_not_those_of_others(server: Server, others_see: str) -> None:
    """A tag of the whole is not one of what another sees of it."""
    for query in ("featureIDList=G1", "group_by=tissue&summary=n", "sampleIDList=case-00"):
        path = f"text/bytes?format=tsv&{query}"
        server.hide(None)
        tags = [server.get(path).headers["ETag"]]
        for condition in (DISEASE, {"tissue": "liver"}):
            server.hide(rules(others_see, condition))
            reply = server.client.get(f"/rnaget/expressions/{path}", headers={"If-None-Match": ", ".join(tags)})
            assert reply.status_code == (404 if others_see == "omit" and "case" in query and tags[1:] else 200)
            tags += [reply.headers["ETag"]] if reply.status_code == 200 else []
            assert server.get(path).headers.get("ETag", tags[-1]) == tags[-1]
        assert len(set(tags)) == len(tags)


def test_one_who_holds_the_grant_sees_all(server: Server) -> None:
    server.hide(rules("omit", DISEASE), "text")
    names = {file["name"] for file in server.get("/files", study="s").json()["files"]}
    server.principal = Principal("member", frozenset({"all"}))
    try:
        found = READERS["json"](server.get("text/bytes", format="json").content, Path())
        np.testing.assert_array_equal(found.cells, server.source.cells)
        files = server.get("/files", study="s").json()["files"]
        (own,) = [file for file in files if file["name"] not in names]
        assert own["record"] == "text"
        # Without a signature, which would carry rights.
        signed = own["url"].removeprefix("http://testserver")
        address = signed.partition("?")[0]
        object = f"/ga4gh/drs/v1/objects/{own['file_id']}"
        assert server.get(signed).status_code == server.get(address).status_code == 200
        assert server.get(object).status_code == 200
    finally:
        server.principal = ANYONE
    assert server.get(address).status_code == server.get(object).status_code == 404
    assert server.get(f"/ga4gh/drs/v1/objects/checksum/{own['md5']}").status_code == 404
    cells = READERS["json"](server.get("text/bytes", format="json").content, Path()).cells
    np.testing.assert_array_equal(cells, server.visible(rules("omit", DISEASE))[0])
