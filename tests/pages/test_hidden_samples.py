"""The pages of a matrix with hidden samples: what they show is what pandas says without these."""

from __future__ import annotations

import io
import re
import time
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rnaget_server.datasets import archive_index
from rnaget_server.model.access import SampleAccess
from tests.conftest import examples
from tests.datasets.masked_material import KINDS, SAMPLES, rules
from tests.datasets.masked_server import DISEASE, Server, masked_server, masks

MANY = {"deadline": None, "suppress_health_check": list(HealthCheck)}
SOME = ["G3", "G1", "G7"]
BOTH = pytest.mark.parametrize("others_see", ["NaN", "omit"])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with masked_server(tmp_path_factory.mktemp("pages")) as server:
        yield server


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow machine may need longer to make the index of the archive than a request waits for it."""
    monkeypatch.setattr(archive_index, "_PATIENCE", 60.0)


def numbers(values: object) -> np.ndarray:
    return np.array(values, float)


@given(masks(), st.sampled_from(KINDS), st.sampled_from(["tissue", "donor"]))
@settings(max_examples=examples(25), **MANY)
def test_a_gene_by_group(server: Server, access: SampleAccess, id: str, by: str) -> None:
    server.hide(access)
    cells, samples = server.visible(access)
    reply = server.get("/genes/G3", matrix=id, group_by=by, format="json")
    assert reply.status_code == (200 if len(samples) else 404)
    if not len(samples):
        return
    found = {group["name"]: group for group in reply.json()["groups"]}
    assert found.keys() == set(samples[by])
    for name, values in cells.loc["G3"].groupby(samples[by]):
        group = found[name]
        assert (group["samples"], group["n"]) == (len(values), values.count())
        wanted = [values.min(), values.quantile(0.25), values.median(), values.quantile(0.75), values.max()]
        shown = numbers([group[part] for part in ("min", "q1", "median", "q3", "max")])
        np.testing.assert_allclose(shown, wanted, 1e-6)


@given(masks(), st.sampled_from(KINDS), st.sampled_from(["tissue", "sample"]))
@settings(max_examples=examples(25), **MANY)
def test_a_heat_map(server: Server, access: SampleAccess, id: str, by: str) -> None:
    server.hide(access)
    cells, samples = server.visible(access)
    asked = {"ids": SOME, "matrix": id, "group_by": by, "summary": "mean", "scale": "linear"}
    reply, page = server.get("/genes.json", **asked), server.get("/genes", **asked)
    assert {reply.status_code, page.status_code} == {200 if len(samples) else 404}
    if not len(samples):
        return
    found = reply.json()
    shown = pd.DataFrame(
        numbers(found["values"]), [gene["id"] for gene in found["genes"]], [group["name"] for group in found["groups"]]
    )
    of_groups = cells.loc[SOME].T.groupby(samples[by] if by == "tissue" else samples.index.to_series()).mean().T
    np.testing.assert_allclose(shown.loc[of_groups.index, of_groups.columns], of_groups, 1e-6)
    sizes = {group["name"]: group["samples"] for group in found["groups"]}
    assert sizes == dict((samples[by] if by == "tissue" else samples.index.to_series()).value_counts())


@given(masks(), st.sampled_from([id for id in KINDS if id != "text"]))
@settings(max_examples=examples(25), **MANY)
def test_cells(server: Server, access: SampleAccess, id: str) -> None:
    """Their places, values and groups in the form that the page draws, and as a table."""
    server.hide(access)
    cells, samples = server.visible(access)
    hidden, whole = server.source.hidden(access), server.source
    kept = np.isin(SAMPLES, samples.index)
    path = f"/matrices/{id}"
    replies = [
        server.get(f"{path}/embeddings/X_umap"),
        server.get(f"{path}/cells/values", gene="G3"),
        server.get(f"{path}/cells/values", attribute="tsne_1"),
        server.get(f"{path}/cells/table", embedding="X_umap", gene="G3"),
        server.get(f"{path}/cells", gene="G3", colour="tissue"),
    ]
    assert {reply.status_code for reply in replies} == {200 if len(samples) else 404}
    if not len(samples):
        return
    umap = np.where(hidden.to_numpy()[:, None], np.nan, whole.umap)[kept]
    np.testing.assert_array_equal(np.frombuffer(replies[0].content, "<f4").reshape(-1, 2), umap)
    np.testing.assert_array_equal(np.frombuffer(replies[1].content, "<f4"), cells.loc["G3"])
    places = whole.samples["tsne_1"].mask(hidden)[kept]
    np.testing.assert_array_equal(np.frombuffer(replies[2].content, "<f8"), places)
    table = pd.read_csv(io.BytesIO(replies[3].content), sep="\t", float_precision="round_trip")
    assert list(table["sample"]) == list(samples.index)
    np.testing.assert_array_equal(table[["x", "y"]].to_numpy(np.float32), umap)
    np.testing.assert_array_equal(table.iloc[:, -1], cells.loc["G3"])
    groups = np.frombuffer(server.get(f"{path}/cells/groups", attribute="tissue").content, "<u2")
    sizes = samples["tissue"].value_counts()
    assert sorted(np.bincount(groups, minlength=len(sizes))) == sorted(sizes)


@BOTH
@pytest.mark.parametrize("id", ["dense", "sparse", "text"])
def test_a_sample(server: Server, others_see: str, id: str) -> None:
    access = rules(others_see, DISEASE)
    server.hide(access)
    cells, samples = server.visible(access)
    page = server.get(f"/samples/{id}/case-02").text
    position = list(samples.index).index("case-02")
    assert f"Sample {position + 1} of {len(samples)}" in page
    above = cells["case-02"]
    assert facts(page)["Above 0"].startswith(f"{(above > 0).sum()} of")
    for direction, place in (("prev", position - 1), ("next", position + 1)):
        assert re.search(rf'rel="{direction}" href="/samples/{id}/([^"]+)"', page)[1] == samples.index[place]
    hidden = server.get(f"/samples/{id}/case-01")
    if others_see == "omit":
        assert hidden.status_code == 404
        none = server.get(f"/samples/{id}/case-99")
        assert hidden.text.replace("case-01", "case-99") == none.text
    else:
        assert hidden.status_code == 200
        assert "disease" in hidden.text
        assert facts(hidden.text)["Above 0"].startswith("0 of")
        assert facts(hidden.text)["Without a value"] == f"{len(cells)} features"


def facts(page: str) -> dict[str, str]:
    return dict(re.findall(r"<dt>([^<]*)</dt><dd>([^<]*)</dd>", page))


@BOTH
def test_a_matrix(server: Server, others_see: str) -> None:
    access = rules(others_see, DISEASE)
    server.hide(access, "sparse")
    _, samples = server.visible(access)
    counts = server.get("/matrices/sparse/values", attribute="consent", axis="sample").text
    shown = dict(re.findall(r'<th scope="row"><a [^>]*>([^<]*)</a></th><td class="number"[^>]*>(\d+)<', counts))
    wanted = samples["consent"][samples["consent"] != ""].value_counts()
    assert shown == {name: str(count) for name, count in wanted.items()}
    assert facts(counts)["Missing"] == str((samples["consent"] == "").sum())
    of_places = facts(server.get("/matrices/sparse/values", attribute="tsne_1", axis="sample").text)["Range"]
    visible = server.source.samples["tsne_1"][~server.source.hidden(access)]
    assert of_places == f"{visible.min()} to {visible.max()}"
    page = server.get("/matrices/sparse", sampleIDList=["case-00", "case-01", "case-02"], featureIDList="G1").text
    row = next(row for row in re.findall(r"<tr>.*?</tr>", page, re.S) if ">N1</td>" in row)
    shown = re.findall(r"<td[^>]*>([^<]*)</td>", row)[1:]
    cells = {name: f"{server.source.cells.at['G1', name]:g}" for name in ("case-00", "case-02")}
    assert shown == [cells["case-00"], *(["nan"] if others_see == "NaN" else []), cells["case-02"]]
    assert "/files/" not in page
    assert "/files/" in server.get("/matrices/dense").text


@BOTH
def test_searches(server: Server, others_see: str) -> None:
    server.hide(rules(others_see, DISEASE))
    assert ("case-01" in suggested(server, "case-0")) == (others_see == "NaN")
    assert ("disease" in suggested(server, "disease")) == (others_see == "NaN")
    assert "case-02" in suggested(server, "case-0")


def suggested(server: Server, text: str) -> list[str]:
    """Return what a search box offers, once all matrices have been looked at."""
    until = time.monotonic() + 60
    while not (found := server.get("/search/suggestions", q=text).json())["complete"]:
        assert time.monotonic() < until
        time.sleep(0.05)
    return [result["label"] for group in found["groups"] for result in group["results"]]


@BOTH
def test_the_archive(server: Server, others_see: str) -> None:
    access = rules(others_see, DISEASE)
    server.hide(access)
    _, samples = server.visible(access)
    rows = server.get("/ena/portal/api/search", result="sample", format="json", fields="consent,tsne_1").json()
    assert [row["sample_accession"] for row in rows] == list(samples.index)
    assert [row["consent"] for row in rows] == list(samples["consent"])
    places = server.source.samples["tsne_1"].mask(server.source.hidden(access))[samples.index]
    np.testing.assert_array_equal([float(row["tsne_1"] or "nan") for row in rows], places)
    (count,) = server.get("/ena/portal/api/count", result="sample").text.splitlines()[1:]
    assert count == str(len(samples))
    analyses = server.get("/ena/portal/api/search", result="analysis", format="json", fields="sample_count").json()
    assert {row["sample_count"] for row in analyses} == {str(len(samples))}


PAGES = [
    "/", "/studies/s", "/status", "/files", "/search?q=case", "/search?q=consent", "/search/suggestions?q=case-",
    "/genes/G3", "/genes?ids=G1,G3", "/rnaget/expressions/filters", "/rnaget/expressions/info",
    "/rnaget/expressions/bytes?format=json", "/ena/portal/api/search?result=sample&fields=all",
    "/ena/portal/api/search?result=analysis&fields=all",
]  # fmt: skip
OF_MATRIX = [
    "/matrices/{}", "/matrices/{}?tissue=liver", "/matrices/{}/values?attribute=consent&axis=sample",
    "/matrices/{}/values?attribute=sample&axis=sample", "/samples/{}/case-00", "/samples/{}/case-99",
    "/matrices/{}/cells?embedding=tsne&colour=consent&gene=G3", "/matrices/{}/cells/table?embedding=tsne",
    "/genes/G3?matrix={}&group_by=consent", "/genes?ids=G1,G3&matrix={}&group_by=sample",
    "/genes.json?ids=G1,G3&matrix={}&group_by=consent", "/rnaget/expressions/{}/info", "/rnaget/expressions/{}",
    "/rnaget/expressions/{}/samples", "/rnaget/expressions/{}/samples?search=case-0",
    "/rnaget/expressions/{}/bytes?format=json&consent=nothing", "/rnaget/expressions/{}/bytes?format=tsv",
    "/rnaget/expressions/{}/bytes?format=json&sampleIDList=case-0", "/rnaget/expressions/{}/ticket?consent_not=general",
    "/rnaget/expressions/{}/bytes?format=json&group_by=consent",
]  # fmt: skip


def test_nothing_names_a_sample_that_does_not_exist(server: Server) -> None:
    access = rules("omit", DISEASE)
    server.hide(access)
    hidden = server.source.hidden(access)
    words = [*hidden.index[hidden], "disease"]
    for path in [*PAGES, *(path.format(id) for path in OF_MATRIX for id in ("sparse", "text"))]:
        reply = server.get(path)
        assert reply.status_code in (200, 202, 404), (path, reply.text)
        text = reply.text + repr(reply.headers)
        assert not [word for word in words if word in text], path


@BOTH
def test_no_sample_is_left(server: Server, others_see: str) -> None:
    """A rule about an attribute that the file does not have hides all, and every page says so in its way."""
    server.hide(rules(others_see, {"agreed": "yes"}))
    for path in [*PAGES, *(path.format(id) for path in OF_MATRIX for id in ("sparse", "text"))]:
        reply = server.get(path)
        assert reply.status_code in (200, 202, 204, 404), (path, reply.text)
        if others_see == "omit":
            assert "case-05" not in reply.text, path
        else:
            assert reply.status_code != 404 or re.search("case-99|nothing|case-0$", path), path
