"""The same sparse matrix, dense, in the native sparse store, and as its file is, answers every query alike."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from starlette.testclient import TestClient

from tests.conftest import client_of, import_matrix

MATRICES = ("sparse", "dense", "served")
QUERIES = [
    "",
    "featureIDList=RPS11,ELMO2",
    "featureIDList=RPS11&cell_type=Microglia/Macrophage",
    "cell_type=Oligodendrocytes (non-malignant)&chromosome=chr1",
    "feature_min_value=0.5",
    "feature_max_value=0.1&cell_type=malignant_93",
    "feature_max_value=0&cell_type=malignant_93",
]


@pytest.fixture(scope="module")
def source(shared_data: Path) -> anndata.AnnData:
    return anndata.read_h5ad(shared_data / "singlecell" / "infercnvpy" / "oligodendroglioma.h5ad")


@pytest.fixture(scope="module")
def client(
    source: anndata.AnnData, shared_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TestClient]:
    data = tmp_path_factory.mktemp("sparse")
    dense = source.copy()
    dense.X = source.X.toarray()
    dense.write_h5ad(data / "dense.h5ad")
    path = shared_data / "singlecell" / "infercnvpy" / "oligodendroglioma.h5ad"
    import_matrix(data / "cat", path, "--id", "sparse", "--units", "log")
    import_matrix(data / "cat", data / "dense.h5ad", "--id", "dense", "--units", "log")
    import_matrix(data / "cat", path, "--id", "served", "--units", "log", "--as-is")
    yield from client_of(data / "cat")


@pytest.mark.parametrize("query", QUERIES)
def test_answers_are_the_same(client: TestClient, query: str) -> None:
    replies = [client.get(f"/rnaget/expressions/{id}/bytes?format=tsv&{query}") for id in MATRICES]
    assert [reply.status_code for reply in replies] == [200] * 3
    assert replies[0].content == replies[1].content == replies[2].content


@pytest.mark.parametrize("id", MATRICES)
def test_answers_are_those_of_anndata(client: TestClient, source: anndata.AnnData, id: str) -> None:
    malignant = source.obs["cell_type"] == "malignant_93"
    reply = client.get(f"/rnaget/expressions/{id}/bytes?format=tsv&chromosome=chr7&cell_type=malignant_93")
    found = pd.read_csv(io.BytesIO(reply.content), sep="\t", index_col=0, float_precision="round_trip")
    expected = source[malignant, source.var["chromosome"] == "chr7"].to_df().T
    assert found.index.tolist() == expected.index.tolist()
    assert found.columns.tolist() == expected.columns.tolist()
    assert np.array_equal(found.to_numpy(np.float32), expected.to_numpy())


@pytest.mark.parametrize("id", MATRICES)
def test_bounds_count_the_zeros(client: TestClient, source: anndata.AnnData, id: str) -> None:
    reply = client.get(f"/rnaget/expressions/{id}/bytes?format=tsv&feature_min_value=0.1")
    low = np.asarray(source.X.min(axis=0).todense()).ravel() >= 0.1
    found = pd.read_csv(io.BytesIO(reply.content), sep="\t", index_col=0).index.tolist()
    assert low.any()
    assert found == source.var_names[low].tolist()
