"""Embeddings in the files that a slice is sent as, read by anndata and loompy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import anndata
import numpy as np
import pytest
from starlette.testclient import TestClient

from tests.conftest import client_of
from tests.pages.cells_material import catalogue_of, made_cells

pytestmark = pytest.mark.filterwarnings("ignore")
WANTED = [3, 1, 40]


@pytest.fixture(scope="module")
def cells() -> anndata.AnnData:
    return made_cells(60)


@pytest.fixture(scope="module")
def client(cells: anndata.AnnData, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    yield from client_of(catalogue_of(cells, tmp_path_factory.mktemp("cells")))


def downloaded(client: TestClient, directory: Path, path: str, suffix: str, **asked: str) -> Path:
    reply = client.get(f"/rnaget/expressions/{path}", params={"format": suffix, **asked})
    assert reply.status_code == 200, reply.text
    file = directory / f"slice.{suffix}"
    file.write_bytes(reply.content)
    return file


def test_h5ad_has_the_selected_cells(client: TestClient, cells: anndata.AnnData, tmp_path: Path) -> None:
    chosen = cells[sorted(WANTED)]
    file = downloaded(client, tmp_path, "sc/bytes", "h5ad", sampleIDList=",".join(chosen.obs_names))
    data = anndata.read_h5ad(file)
    assert list(data.obs_names) == list(chosen.obs_names)
    assert set(data.obsm) == set(cells.obsm)
    for name, points in data.obsm.items():
        assert np.array_equal(points, chosen.obsm[name][:, :2], equal_nan=True)


def test_loom_has_them_as_attributes(client: TestClient, cells: anndata.AnnData, tmp_path: Path) -> None:
    loompy = pytest.importorskip("loompy")
    with loompy.connect(str(downloaded(client, tmp_path, "sc/bytes", "loom")), "r") as loom:
        assert np.array_equal(loom.ca["X_umap"], cells.obsm["X_umap"], equal_nan=True)
        assert np.array_equal(loom.ca["X_pca"], cells.obsm["X_pca"][:, :2])


def test_groups_have_none(client: TestClient, tmp_path: Path) -> None:
    grouped = downloaded(client, tmp_path, "sc/bytes", "h5ad", group_by="plate", summary="mean")
    assert not anndata.read_h5ad(grouped).obsm
