"""Summaries of groups, highest features and thresholds of single features, as pandas has them on the source files."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from starlette.testclient import TestClient

from rnaget_server.query.table import MATRIX_SUMMARIES
from tests.conftest import client_of, import_matrix, read_source
from tests.slicing.summaries.reference import summary_by_pandas

BYTES = "/rnaget/expressions/{}/bytes"
SOURCES = {
    "uhlen": ("uhlen/uhlen.htseq.tpm.pooled.tsv.gz", "TPM"),
    "bodymap": ("bodymap/ibm.htseq.fpkm.tsv.gz", "FPKM"),
    "brawand": ("brawand/brawand.htseq.fpkm.tsv.gz", "FPKM"),
}


def tissue(sample: str) -> str:
    """The tissue of a sample such as Heart2; of none, for the test's sake, if it is a Temporal or Adrenal one."""
    return "" if sample.startswith(("Temporal", "Adrenal")) else re.sub(r"\d+$", "", sample)


@pytest.fixture(scope="module")
def frames(shared_data: Path) -> dict[str, pd.DataFrame]:
    return {name: read_source(shared_data / path) for name, (path, _) in SOURCES.items()}


@pytest.fixture(scope="module")
def bulk(
    shared_data: Path, frames: dict[str, pd.DataFrame], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TestClient]:
    """The matrices of bulk RNA-seq with a table of the tissues."""
    data = tmp_path_factory.mktemp("bulk")
    for name, (path, units) in SOURCES.items():
        samples = data.parent / f"{name}-{data.name}.tsv"
        columns = frames[name].columns
        table = pd.DataFrame({"Sample": columns, "Tissue": [tissue(one) for one in columns]})
        table["Initial"] = [one[0] for one in columns]
        table.to_csv(samples, sep="\t", index=False)
        import_matrix(data, shared_data / path, "--id", name, "--units", units, "--samples", str(samples), study=name)
    yield from client_of(data)


@pytest.fixture(scope="module")
def tcga(tcga_catalog: Path) -> Iterator[TestClient]:
    yield from client_of(tcga_catalog)


@pytest.fixture(scope="module")
def genes(tcga_frames: tuple[pd.DataFrame, pd.DataFrame]) -> pd.DataFrame:
    return tcga_frames[0]


@pytest.fixture(scope="module")
def patients(tcga_frames: tuple[pd.DataFrame, pd.DataFrame]) -> pd.DataFrame:
    return tcga_frames[1]


def read(content: bytes) -> pd.DataFrame:
    frame = pd.read_csv(io.BytesIO(content), sep="\t", index_col=0, float_precision="round_trip")
    frame.index = frame.index.astype(str)
    return frame


def same(made: pd.DataFrame, expected: pd.DataFrame) -> None:
    assert made.index.tolist() == expected.index.tolist()
    assert made.columns.tolist() == expected.columns.tolist()
    np.testing.assert_allclose(made.to_numpy(np.float64), expected.to_numpy(np.float64), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("summary", MATRIX_SUMMARIES)
def test_of_thousands_of_samples_by_disease(
    tcga: TestClient, genes: pd.DataFrame, patients: pd.DataFrame, summary: str
) -> None:
    reply = tcga.get(BYTES.format("tcga"), params={"group_by": "acronym", "summary": summary, "format": "tsv"})
    assert reply.status_code == 200, reply.text
    expected = summary_by_pandas(genes, patients["acronym"].tolist(), summary)
    assert expected.shape == (15, 32)
    same(read(reply.content), expected)
    if summary == "n":
        assert "." not in reply.text.split("\n", 1)[1]


@pytest.mark.parametrize("method", ["get", "post"])
def test_several_summaries_in_one_reply(
    tcga: TestClient, genes: pd.DataFrame, patients: pd.DataFrame, method: str
) -> None:
    summaries, gene = ["q1", "median", "q3", "min", "max", "n"], genes.index[3]
    texts = patients["acronym"].tolist()
    query = {"group_by": "acronym", "featureIDList": gene, "format": "tsv"}
    if method == "post":
        reply = tcga.post(BYTES.format("tcga"), json={**query, "summary": summaries})
    else:
        reply = tcga.get(BYTES.format("tcga"), params={**query, "summary": ",".join(summaries)})
    alone = [summary_by_pandas(genes.loc[[gene]], texts, summary) for summary in summaries]
    expected = {
        f"{group} {summary}": made[group] for group in alone[0] for summary, made in zip(summaries, alone, strict=True)
    }
    same(read(reply.content), pd.DataFrame(expected))
    turned = tcga.get(BYTES.format("tcga"), params={**query, "summary": ",".join(summaries[::-1])})
    assert read(turned.content).columns[0] == read(reply.content).columns[5]
    assert turned.headers["ETag"] != reply.headers["ETag"]
    url = tcga.get("/rnaget/expressions/tcga/ticket", params={**query, "summary": ",".join(summaries)}).json()["url"]
    assert tcga.get(url).content == reply.content


def test_of_some_samples_by_an_attribute_with_gaps(
    tcga: TestClient, genes: pd.DataFrame, patients: pd.DataFrame
) -> None:
    query = {"group_by": "race", "summary": "q3", "age_diagnosed_max": "40", "format": "json"}
    payload = tcga.get(BYTES.format("tcga"), params=query).json()
    ages = pd.to_numeric(patients["age_diagnosed"])
    chosen = patients.index[ages <= 40]
    texts = patients.loc[chosen, "race"].tolist()
    labels = payload["samples"]
    assert labels["id"] == "race"
    assert labels["attributes"] == {
        "race": list(dict.fromkeys(text for text in texts if text)),
        "samples": [texts.count(text) for text in dict.fromkeys(texts) if text],
    }
    assert payload["origin"]["summary"] == "q3 by race"
    assert payload["origin"]["ungrouped"] == f"28 of {len(texts):,} samples, which have no race"
    features = payload["features"]
    made = pd.DataFrame(payload["values"], features["attributes"][features["id"]], labels["attributes"]["race"])
    same(made, summary_by_pandas(genes[chosen], texts, "q3"))


def test_by_a_number(tcga: TestClient, genes: pd.DataFrame, patients: pd.DataFrame) -> None:
    reply = tcga.get(BYTES.format("tcga"), params={"group_by": "age_diagnosed", "summary": "median", "format": "tsv"})
    texts = [text and f"{float(text):g}" for text in patients["age_diagnosed"]]
    assert "" in texts
    same(read(reply.content), summary_by_pandas(genes, texts, "median"))


@pytest.mark.parametrize(
    ("matrix", "name", "summary"),
    [
        pytest.param(matrix, name, summary, marks=() if summary in (first, second) else pytest.mark.long)
        for matrix, name, first, second in (
            ("uhlen", "Initial", "mean", ""),
            ("bodymap", "Initial", "median", ""),
            ("brawand", "Tissue", "std", "fraction_nonzero"),
        )
        for summary in ("mean", "median", "std", "fraction_nonzero")
    ],
)
def test_of_whole_matrices(
    bulk: TestClient, frames: dict[str, pd.DataFrame], matrix: str, name: str, summary: str
) -> None:
    frame = frames[matrix]
    texts = [one[0] if name == "Initial" else tissue(one) for one in frame.columns]
    expected = summary_by_pandas(frame, texts, summary)
    query = {"group_by": name, "summary": summary}
    same(read(bulk.get(BYTES.format(matrix), params=query).content), expected)
    some = expected.iloc[[3, 4000, -1]]
    query["featureIDList"] = ",".join(some.index)
    same(read(bulk.get(BYTES.format(matrix), params=query).content), some)


def test_groups_of_joined_matrices_are_pooled(bulk: TestClient, frames: dict[str, pd.DataFrame]) -> None:
    query = {"group_by": "Tissue", "summary": "mean", "units": "FPKM", "format": "tsv"}
    reply = bulk.get("/rnaget/expressions/bytes", params=query)
    one, two = frames["bodymap"], frames["brawand"]
    order = [*one.index, *two.index.difference(one.index, sort=False)]
    joined = pd.concat([one, two], axis=1).reindex(order)
    expected = summary_by_pandas(joined, [tissue(sample) for sample in joined.columns], "mean")
    assert {"Heart", "Prefrontal", "Thyroid"} <= set(expected.columns)
    same(read(reply.content), expected)


@pytest.mark.parametrize("count", [1, 25])
def test_highest_features(bulk: TestClient, frames: dict[str, pd.DataFrame], count: int) -> None:
    frame = frames["brawand"]
    chosen = {gene for sample in frame for gene in frame[sample].nlargest(count, keep="first").index}
    reply = bulk.get(BYTES.format("brawand"), params={"top": count})
    same(read(reply.content), frame[frame.index.isin(chosen)])
    lone = read(bulk.get(BYTES.format("brawand"), params={"top": count, "sampleIDList": "Liver2"}).content)
    of_liver = frame["Liver2"].nlargest(count, keep="first").index
    assert lone.index.tolist() == frame.index[frame.index.isin(of_liver)].tolist()
    groups = {"group_by": "Tissue", "summary": "median"}
    expected = summary_by_pandas(frame, [tissue(one) for one in frame.columns], "median")
    chosen = {gene for name in expected for gene in expected[name].nlargest(count, keep="first").index}
    made = read(bulk.get(BYTES.format("brawand"), params={**groups, "top": count}).content)
    same(made, expected[expected.index.isin(chosen)])


@pytest.mark.parametrize("method", ["get", "post"])
def test_thresholds_of_single_features(bulk: TestClient, frames: dict[str, pd.DataFrame], method: str) -> None:
    frame = frames["brawand"].iloc[:50]
    low = {gene: float(value) for gene, value in frame.iloc[:40].median(axis=1).items()}
    low |= {frame.index[1]: float(frame.iloc[1].min()), "NOSUCH": 1.0}
    high = {frame.index[45]: float(frame.iloc[45].max()), frame.index[46]: float(frame.iloc[46].max()) - 1e-3}
    keep = [
        (cells >= np.float32(low.get(gene, -np.inf))).all() and (cells <= np.float32(high.get(gene, np.inf))).all()
        for gene, cells in frame.iterrows()
    ]
    assert keep[1] and keep[45] and not keep[46] and keep[49] and sum(keep) < 30
    asked = {"featureIDList": frame.index.tolist(), "format": "tsv"}
    thresholds = {"feature_min_value": low, "feature_max_value": high}
    if method == "post":
        reply = bulk.post(BYTES.format("brawand"), json={**asked, **thresholds})
    else:
        texts = {name: json.dumps(numbers) for name, numbers in thresholds.items()}
        reply = bulk.get(BYTES.format("brawand"), params={**asked, **texts})
    assert reply.status_code == 200, reply.text
    assert reply.headers["RNAget-Missing"] == "NOSUCH"
    same(read(reply.content), frame[keep])


@pytest.mark.parametrize("id", ["brawand/", ""])
def test_several_summaries_of_the_highest_features_within_thresholds(
    bulk: TestClient, frames: dict[str, pd.DataFrame], id: str
) -> None:
    summaries = ["q1", "mean", "n"]
    one, two = frames["bodymap"], frames["brawand"]
    order = [*one.index, *two.index.difference(one.index, sort=False)]
    frame = two if id else pd.concat([one, two], axis=1).reindex(order)
    known = frame.dropna().iloc[:300]
    low = {gene: float(value) for gene, value in known.quantile(0.1, axis=1).items()}
    low |= {gene: float(value) for gene, value in known.iloc[::2].min(axis=1).items()}
    keep = [(cells >= np.float32(low[gene])).all() for gene, cells in known.iterrows()]
    within = known[keep]
    texts = [tissue(sample) for sample in frame.columns]
    alone = {summary: summary_by_pandas(within, texts, summary) for summary in summaries}
    groups = alone["n"].columns
    expected = pd.DataFrame({f"{group} {name}": alone[name][group] for group in groups for name in summaries})
    chosen = {gene for name in expected for gene in expected[name].nlargest(2, keep="first").index}
    expected = expected[expected.index.isin(chosen)]
    assert len(chosen) < len(within) < len(known)
    query = {"group_by": "Tissue", "summary": summaries, "top": 2, "units": "FPKM", "format": "tsv"}
    query |= {"featureIDList": known.index.tolist(), "feature_min_value": low}
    reply = bulk.post(f"/rnaget/expressions/{id}bytes", json=query)
    assert reply.status_code == 200, reply.text
    same(read(reply.content), expected)
    ticket = bulk.post(f"/rnaget/expressions/{id}ticket", json=query)
    assert bulk.get(ticket.json()["url"]).content == reply.content


def test_a_ticket_of_thresholds_can_be_used(client: TestClient) -> None:
    body = {"feature_min_value": {"ENSG00000187634": 24, "ENSG00000177757": 1.5}, "length_min": 20000}
    posted = client.post(BYTES.format("marioni_counts"), json=body)
    url = client.post("/rnaget/expressions/marioni_counts/ticket", json=body).json()["url"]
    got = client.get(url)
    assert (got.status_code, got.content) == (posted.status_code, posted.content)
    other = client.post(BYTES.format("marioni_counts"), json={**body, "feature_min_value": {"ENSG00000187634": 23}})
    assert other.headers["ETag"] != posted.headers["ETag"]


@pytest.mark.parametrize(
    ("query", "status", "message"),
    [
        ("group_by=Tisue", 400, "did you mean 'Tissue'?"),
        ("group_by=xyz", 400, "there are Sample, Tissue, TissueRun"),
        ("summary=mean", 400, "add group_by"),
        ("group_by=Tissue&summary=avg", 400, "mean, median, q1, q3, min, max, std, sum, fraction, fraction_nonzero, n"),
        ("top=ten", 400, "whole number"),
        ("top=10001", 400, "from 1 to 10000"),
        ('feature_min_value={"ENSG00000187634"}', 400, "no JSON object"),
        ('feature_min_value={"ENSG00000187635":1}', 404, "feature_min_value 'ENSG00000187635'"),
        ('feature_min_value={"ENSG00000187634":1e9}%26featureIDList=ENSG00000187634', 400, "no JSON object"),
        ('feature_min_value={"ENSG00000187634":1e9}&featureIDList=ENSG00000187634', 404, "relax the bounds"),
    ],
)
def test_refusals(client: TestClient, query: str, status: int, message: str) -> None:
    reply = client.get(f"{BYTES.format('marioni_counts')}?{query}")
    assert (reply.status_code, message in reply.json()["message"]) == (status, True), reply.text


def test_the_limit_is_on_what_is_sent(demo: Path) -> None:
    for client in client_of(demo, max_cells=12_000):
        path = BYTES.format("marioni_counts")
        assert client.get(path).status_code == 413
        assert client.get(path, params={"group_by": "Tissue"}).status_code == 200
        refused = client.get(path, params={"group_by": "Sample"})
        assert refused.status_code == 413
        message = refused.json()["message"]
        assert "× 10 groups" in message
        works = re.search(r"featureIDList=(\S+)", message)
        assert works is not None
        query = {"group_by": "Sample", "featureIDList": works[1]}
        assert client.get(path, params=query).status_code == 200
    for client in client_of(demo, max_cells=9):
        query = {"group_by": "Sample", "featureIDList": "ENSG00000187634"}
        refused = client.get(path, params=query)
        assert (refused.status_code, "samples of at most 9 groups" in refused.json()["message"]) == (413, True)
        query["summary"] = "min,median,max"
        refused = client.get(path, params=query)
        message = refused.json()["message"]
        assert (refused.status_code, "× 30 columns" in message, "at most 3 groups" in message) == (413, True, True)
        some = client.get(path, params={**query, "sampleIDList": "R1L1Kidney,R1L2Liver,R1L3Kidney"})
        assert some.status_code == 200, some.text


@pytest.mark.parametrize("format", ["tsv", "loom", "json", "h5ad", "parquet"])
@pytest.mark.parametrize("summary", ["median", "q1,median,n"])
def test_every_format_holds_groups(client: TestClient, format: str, summary: str) -> None:
    query = {"group_by": "Tissue", "summary": summary, "format": format}
    reply = client.get(BYTES.format("marioni_counts"), params=query)
    assert reply.status_code == 200
    assert len(reply.content) > 10_000


def test_the_columns_of_several_summaries_say_what_they_are(client: TestClient) -> None:
    query = {"group_by": "Tissue", "summary": "q1,n", "featureIDList": "ENSG00000187634", "format": "json"}
    reply = client.get(BYTES.format("marioni_counts"), params=query).json()
    assert reply["samples"]["id"] == "column"
    assert reply["samples"]["attributes"] == {
        "column": ["Kidney q1", "Kidney n", "Liver q1", "Liver n"],
        "Tissue": ["Kidney", "Kidney", "Liver", "Liver"],
        "summary": ["q1", "n", "q1", "n"],
        "samples": [5, 5, 5, 5],
    }
    assert reply["origin"]["summary"] == "q1, n by Tissue"
