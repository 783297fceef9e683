"""Served slices equal what pandas gives on the source files, cell by cell, in every format."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from starlette.testclient import TestClient

from tests.conftest import client_of, read_source

SOURCES = {
    ("uhlen", "TPM"): "uhlen/uhlen.htseq.tpm.pooled.tsv.gz",
    ("uhlen", "counts"): "uhlen/uhlen.htseq.raw.pooled.tsv.gz",
    ("bodymap", "counts"): "bodymap/ibm.htseq.raw.tsv.gz",
    ("bodymap", "FPKM"): "bodymap/ibm.htseq.fpkm.tsv.gz",
    ("brawand", "FPKM"): "brawand/brawand.htseq.fpkm.tsv.gz",
}


@pytest.fixture(scope="module")
def client(real_catalog: Path) -> Iterator[TestClient]:
    yield from client_of(real_catalog)


@pytest.fixture(scope="module")
def source(shared_data: Path) -> Callable[[str, str], pd.DataFrame]:
    frames: dict[tuple[str, str], pd.DataFrame] = {}

    def get(matrix: str, units: str) -> pd.DataFrame:
        if (matrix, units) not in frames:
            frames[matrix, units] = read_source(shared_data / SOURCES[matrix, units])
        return frames[matrix, units]

    return get


def read_tsv(content: bytes) -> pd.DataFrame:
    return pd.read_csv(io.BytesIO(content), sep="\t", header=0, index_col=0, float_precision="round_trip").astype(
        np.float32
    )


def read_loom(content: bytes) -> pd.DataFrame:
    with h5py.File(io.BytesIO(content)) as file:
        assert file["matrix"].dtype == np.float32
        labels = [[v.decode() for v in file[k][()]] for k in ("row_attrs/gene_id", "col_attrs/Sample")]
        return pd.DataFrame(file["matrix"][()], *labels)


def read_json(content: bytes) -> pd.DataFrame:
    payload = json.loads(content)
    labels = [payload[axis]["attributes"][payload[axis]["id"]] for axis in ("features", "samples")]
    return pd.DataFrame(np.array(payload["values"], dtype=np.float32), *labels)


READERS = {"tsv": read_tsv, "loom": read_loom, "json": read_json}


def check(client: TestClient, matrix: str, query: dict[str, object], expected: pd.DataFrame) -> None:
    for format, read in READERS.items():
        reply = client.get(f"/rnaget/expressions/{matrix}/bytes", params={**query, "format": format})
        assert reply.status_code == 200, reply.text
        served = read(reply.content)
        assert served.index.tolist() == expected.index.tolist()
        assert served.columns.tolist() == expected.columns.tolist()
        assert np.array_equal(served.to_numpy(), expected.to_numpy(), equal_nan=True)


@pytest.mark.parametrize(("matrix", "units"), SOURCES)
def test_single_gene(client, source, matrix: str, units: str) -> None:
    frame = source(matrix, units)
    gene = frame.index[1234]
    check(client, matrix, {"featureIDList": gene, "units": units}, frame.loc[[gene]])


@pytest.mark.parametrize(("matrix", "units"), SOURCES)
def test_three_samples(client, source, matrix: str, units: str) -> None:
    frame = source(matrix, units)
    samples = frame.columns[[8, 2, 5]]
    expected = frame.iloc[:, [2, 5, 8]]
    if (matrix, units) == ("bodymap", "FPKM"):  # the counts have four genes more
        expected = expected.reindex(source("bodymap", "counts").index)
    check(client, matrix, {"sampleIDList": list(samples), "units": units}, expected)


@pytest.mark.parametrize(("matrix", "units"), SOURCES)
def test_genes_and_samples(client, source, matrix: str, units: str) -> None:
    frame = source(matrix, units)
    genes, samples = frame.index[::997], frame.columns[::4]
    query = {"featureIDList": ",".join(reversed(genes)), "sampleIDList": ",".join(samples), "units": units}
    check(client, matrix, query, frame.loc[genes, samples])


def test_two_hundred_genes_by_name(client, source, shared_data: Path) -> None:
    frame = source("uhlen", "TPM")
    table = pd.read_csv(shared_data / "genes" / "geneInfoEns76.tsv.gz", sep="\t", index_col=0, dtype=str)
    names = table.loc[frame.index, "gene_name"]
    asked = names.dropna().drop_duplicates().iloc[::150][:200].tolist()
    assert len(asked) == 200
    check(client, "uhlen", {"featureNameList": asked, "units": "TPM"}, frame[names.isin(asked).to_numpy()])


def test_whole_matrix_with_both_units(client, source) -> None:
    reply = client.get("/rnaget/expressions/uhlen/bytes", params={"format": "loom"})
    with h5py.File(io.BytesIO(reply.content)) as file:
        assert np.array_equal(file["matrix"][()], source("uhlen", "TPM").to_numpy())
        counts = source("uhlen", "counts").reindex(source("uhlen", "TPM").index).to_numpy()
        assert np.array_equal(file["layers/counts"][()], counts, equal_nan=True)


@pytest.mark.parametrize("samples", [None, ["Liver", "Heart", "Kidney"]])
@pytest.mark.parametrize("interval", [(100, None), (None, 0), (1, 20.5), (0.7, None)])
def test_min_and_max_values(client, source, samples, interval) -> None:
    frame = source("uhlen", "TPM")
    frame = frame if samples is None else frame[[name for name in frame.columns if name in samples]]
    low, high = (None if bound is None else np.float32(bound) for bound in interval)
    keep = np.ones(len(frame), bool)
    keep &= True if low is None else (frame >= low).all(axis=1).to_numpy()
    keep &= True if high is None else (frame <= high).all(axis=1).to_numpy()
    assert keep.any()
    query = {
        "units": "TPM",
        "feature_min_value": interval[0],
        "feature_max_value": interval[1],
        "sampleIDList": samples,
    }
    check(client, "uhlen", {key: value for key, value in query.items() if value is not None}, frame[keep])


def test_nan_cells_lie_within_no_interval(client, source) -> None:
    """The FPKM of bodymap lack four genes that the counts have."""
    reply = client.get("/rnaget/expressions/bodymap/bytes?units=FPKM&feature_min_value=0&format=tsv")
    lacking = set(source("bodymap", "counts").index) - set(source("bodymap", "FPKM").index)
    assert len(lacking) == 4
    assert read_tsv(reply.content).index.tolist() == [
        gene for gene in source("bodymap", "counts").index if gene not in lacking
    ]


def test_counts_print_as_whole_numbers(client, source) -> None:
    gene = source("bodymap", "counts").index[0]
    reply = client.get(f"/rnaget/expressions/bodymap/bytes?units=counts&featureIDList={gene}")
    assert reply.text.splitlines()[1].split("\t")[1:] == [
        str(int(value)) for value in source("bodymap", "counts").iloc[0]
    ]


def test_floats_print_in_their_shortest_form(client, source, shared_data: Path) -> None:
    """A source with at most seven digits comes back as it was written."""
    text = pd.read_csv(shared_data / SOURCES["brawand", "FPKM"], sep="\t", index_col=0, dtype=str)
    reply = client.get("/rnaget/expressions/brawand/bytes", params={"featureIDList": list(text.index[:50])})
    served = pd.read_csv(io.StringIO(reply.text), sep="\t", index_col=0, dtype=str)
    assert served.equals(text.iloc[:50])


@pytest.mark.parametrize("genes", [None, 50])
def test_search_joins_matrices_of_the_same_units(client, source, genes: int | None) -> None:
    """bodymap's main matrix are counts, brawand's FPKM, uhlen's TPM: by units they join."""
    frames = [source("bodymap", "FPKM"), source("brawand", "FPKM")]
    query: dict[str, object] = {"format": "tsv", "units": "FPKM"}
    if genes:
        asked = [*frames[0].index[:genes], *(g for g in frames[1].index if g not in frames[0].index)][: genes * 2]
        query["featureIDList"] = ",".join(asked)
        frames = [frame.loc[frame.index.isin(asked)] for frame in frames]
    reply = client.get("/rnaget/expressions/bytes", params=query)
    assert reply.status_code == 200
    served = read_tsv(reply.content)
    everything = source("bodymap", "counts").index if not genes else frames[0].index
    order = [*everything, *(gene for gene in frames[1].index if gene not in everything)]
    expected = pd.concat(frames, axis=1).reindex(order)
    assert served.index.tolist() == order
    assert served.columns.tolist() == expected.columns.tolist()
    assert np.array_equal(served.to_numpy(), expected.to_numpy(), equal_nan=True)


def test_search_without_units_leaves_out_other_units_and_says_so(client, source) -> None:
    gene = source("bodymap", "counts").index[0]
    reply = client.get(f"/rnaget/expressions/bytes?format=tsv&featureIDList={gene}")
    assert reply.headers["RNAget-Omitted"] == "brawand,uhlen"
    assert read_tsv(reply.content).shape == (1, 16)
    joined = client.get(f"/rnaget/expressions/bytes?format=json&units=counts&featureIDList={gene}").json()
    assert joined["shape"] == [1, 48]
    assert joined["samples"]["attributes"]["expressionID"] == ["bodymap"] * 16 + ["uhlen"] * 32
    expected = [*source("bodymap", "counts").loc[gene], *source("uhlen", "counts").loc[gene]]
    assert np.array_equal(np.array(joined["values"][0], np.float32), expected)
