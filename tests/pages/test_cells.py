"""The page of single cells and the addresses of its data, against pandas on the source."""

from __future__ import annotations

import gzip
import io
import re
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest
from flask.testing import FlaskClient

from rnaget_server.pages.pages import create_pages
from tests.conftest import import_matrix
from tests.pages.cells_material import TYPES, catalogue_of, made_cells
from tests.pages.test_pages import BROWSER, client_of, site_of

pytestmark = pytest.mark.filterwarnings("ignore")
COUNT = 600


@pytest.fixture(scope="module")
def cells() -> anndata.AnnData:
    return made_cells(COUNT)


@pytest.fixture(scope="module")
def data(cells: anndata.AnnData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return catalogue_of(cells, tmp_path_factory.mktemp("cells"))


@pytest.fixture(scope="module")
def client(data: Path) -> FlaskClient:
    return client_of(data)


def rows_of(page: str) -> pd.DataFrame:
    """The table of groups on a page, read as any reader of HTML does."""
    return pd.read_html(io.StringIO(page))[0].set_index("Group")


def test_points_are_those_of_the_file(client: FlaskClient, cells: anndata.AnnData) -> None:
    for name, address in (("X_umap", "X_umap"), ("X_pca", "X_pca"), ("b ü%", "b%20%C3%BC%25")):
        reply = client.get(f"/matrices/sc/embeddings/{address}")
        assert reply.mimetype == "application/octet-stream"
        points = np.frombuffer(reply.data, "<f4").reshape(-1, 2)
        assert np.array_equal(points, cells.obsm[name][:, :2], equal_nan=True)


def test_groups_are_counted_as_pandas_counts_them(client: FlaskClient, cells: anndata.AnnData) -> None:
    counts = cells.obs["cell_type"].value_counts()
    rows = rows_of(client.get("/matrices/sc/cells").text)
    assert rows["Cells"].to_dict() == {**counts, "no value": int(cells.obs["cell_type"].isna().sum())}
    codes = np.frombuffer(client.get("/matrices/sc/cells/groups?attribute=cell_type").data, "<u2")
    names = np.array([*rows.index[: len(counts)], "other", None], object)
    expected = cells.obs["cell_type"].astype(object)
    assert names[codes].tolist() == expected.where(expected.notna(), None).tolist()


def test_more_than_a_hundred_groups_leave_one_of_the_others(client: FlaskClient, cells: anndata.AnnData) -> None:
    page = client.get("/matrices/sc/cells?colour=barcode_group").text
    rows = rows_of(page)
    assert len(rows) == 101
    assert rows["Cells"].sum() == COUNT
    assert rows.loc["50 other values", "Cells"] == 200
    assert "50 further values of barcode_group are one group" in page
    codes = np.frombuffer(client.get("/matrices/sc/cells/groups?attribute=barcode_group").data, "<u2")
    assert (codes == 100).sum() == 200


def test_whole_numbers_that_are_few_are_groups(client: FlaskClient) -> None:
    rows = rows_of(client.get("/matrices/sc/cells?colour=plate").text)
    assert dict(zip(map(str, rows.index), rows["Cells"], strict=True)) == dict.fromkeys("0123", COUNT // 4)


@pytest.mark.parametrize("asked", ["CD3D", "ENSG00000000000"])
def test_a_gene_has_the_statistics_of_pandas_per_group(client: FlaskClient, cells: anndata.AnnData, asked: str) -> None:
    values = pd.Series(np.asarray(cells[:, "CD3D"].X.todense()).ravel())
    assert np.array_equal(np.frombuffer(client.get(f"/matrices/sc/cells/values?gene={asked}").data, "<f4"), values)
    rows = rows_of(client.get(f"/matrices/sc/cells?gene={asked}").text)
    by = values.groupby(cells.obs["cell_type"].astype(object).fillna("no value").to_numpy())
    assert rows["n"].to_dict() == by.count().to_dict()
    for column, expected in (("Mean", by.mean()), ("Median", by.median())):
        assert rows[column].astype(float).to_dict() == pytest.approx(expected.to_dict(), rel=1e-3)
    shares = by.agg(lambda part: 100 * (part != 0).mean())
    assert rows["Not 0"].str.rstrip(" %").astype(float).to_dict() == pytest.approx(shares.to_dict(), abs=0.06)


def test_real_cells_have_the_values_of_anndata(shared_data: Path, tmp_path: Path) -> None:
    source = anndata.read_h5ad(shared_data / "singlecell" / "infercnvpy" / "oligodendroglioma.h5ad")
    values = source.X.toarray().astype(np.float64)
    source.obsm["X_pca"] = (np.linalg.svd(values - values.mean(axis=0), full_matrices=False)[0][:, :2]).astype("f4")
    source.write_h5ad(tmp_path / "glioma.h5ad")
    import_matrix(tmp_path / "data", tmp_path / "glioma.h5ad", "--id", "glioma", "--units", "log2")
    client = client_of(tmp_path / "data")
    points = np.frombuffer(client.get("/matrices/glioma/embeddings/X_pca").data, "<f4").reshape(-1, 2)
    assert np.array_equal(points, source.obsm["X_pca"])
    kinds = source.obs["cell_type"].astype(str).to_numpy()
    for gene in ("GFAP", "OLIG1", "CD74"):
        expected = source[:, gene].X.toarray().ravel()
        shown = np.frombuffer(client.get(f"/matrices/glioma/cells/values?gene={gene}").data, "<f4")
        assert np.array_equal(shown, expected.astype("f4"))
        rows = rows_of(client.get(f"/matrices/glioma/cells?gene={gene}&colour=cell_type").text)
        means = pd.Series(expected.astype(np.float64)).groupby(kinds).mean()
        assert rows["Mean"].astype(float).to_dict() == pytest.approx(means.to_dict(), rel=1e-3, abs=1e-6)
    rows = rows_of(client.get("/matrices/glioma/cells?colour=cell_type").text)
    assert rows["Cells"].to_dict() == dict(zip(*np.unique(kinds, return_counts=True), strict=True))


def test_numbers_of_an_attribute(client: FlaskClient, cells: anndata.AnnData) -> None:
    score = cells.obs["score"]
    numbers = np.frombuffer(client.get("/matrices/sc/cells/values?attribute=score").data, "<f8")
    assert np.array_equal(numbers, score, equal_nan=True)
    rows = rows_of(client.get("/matrices/sc/cells?colour=score").text)
    by = score.groupby(cells.obs["cell_type"].astype(object).fillna("no value"))
    assert rows["n"].to_dict() == by.count().to_dict()
    assert rows["Median"].astype(float).to_dict() == pytest.approx(by.median().to_dict(), rel=1e-3)


def test_numbers_that_are_all_missing(client: FlaskClient) -> None:
    rows = rows_of(client.get("/matrices/sc/cells?colour=all_empty").text)
    assert rows["Cells"].to_dict() == {"no value": COUNT}


def test_slow_readers_of_tables_leave_threads_for_other_pages(data: Path) -> None:
    client = create_pages(site_of(data)).test_client()
    path = "/matrices/sc/cells/table?embedding=X_umap"
    slow = [client.get(path, buffered=False) for _ in range(4)]
    refused = client.get(path)
    assert refused.status_code == 503 and int(refused.headers["Retry-After"]) > 0
    for reply in slow:
        reply.close()
    # Nor does a place stay taken where nothing is read at all.
    assert [client.head(path, buffered=True).status_code for _ in range(6)] == [200] * 6
    assert client.get(path, buffered=True).text.count("\n") == COUNT + 1


def test_the_table_is_what_the_page_shows(client: FlaskClient, cells: anndata.AnnData) -> None:
    page = client.get("/matrices/sc/cells?gene=CD3D&colour=cell_type").text
    address = re.search(r'href="(/matrices/sc/cells/table[^"]*)"', page)[1].replace("&amp;", "&")  # type: ignore[index]
    reply = client.get(address)
    assert reply.headers["Content-Disposition"] == 'attachment; filename="sc-cells.tsv"'
    table = pd.read_csv(io.StringIO(reply.text), sep="\t", index_col=0)
    assert list(table.index) == list(cells.obs_names)
    assert np.array_equal(table[["x", "y"]].to_numpy(np.float32), cells.obsm["X_umap"], equal_nan=True)
    assert table["CD3D"].tolist() == np.asarray(cells[:, "CD3D"].X.todense()).ravel().tolist()
    assert table["cell_type"].isna().tolist() == cells.obs["cell_type"].isna().tolist()
    assert set(table["cell_type"].dropna()) == set(TYPES)


def test_a_cell_by_its_number(client: FlaskClient) -> None:
    assert client.get("/matrices/sc/cells/17").json == {"id": "cell/17 ü"}
    assert client.get(f"/matrices/sc/cells/{COUNT}").status_code == 404


def test_a_name_of_several_genes_offers_their_ids(client: FlaskClient) -> None:
    reply = client.get("/matrices/sc/cells?gene=TWICE")
    assert reply.status_code == 400
    assert "gene=ENSG00000000001" in reply.text and "gene=ENSG00000000002" in reply.text
    assert client.get("/matrices/sc/cells/values?gene=TWICE").status_code == 400


@pytest.mark.parametrize(
    ("address", "status", "word"),
    [
        ("sc/cells?gene=CD3E", 404, "CD3D"),
        ("sc/cells?embedding=X_uma", 404, "X_umap"),
        ("sc/cells?colour=cell_typ", 404, "cell_type"),
        ("sc/cells?gene=CD3D&units=TPM", 400, "counts"),
        ("sc/embeddings/none", 404, "X_umap"),
        ("sc/cells/groups", 400, "attribute"),
        ("sc/cells/groups?attribute=no", 404, "cell_type"),
        ("sc/cells/values?attribute=cell_type", 400, "no numbers"),
        ("sc/cells/table", 400, "embedding"),
        ("plain/cells", 404, "no embedding"),
        ("none/cells", 404, "there is no expression matrix"),
    ],
)
def test_what_is_not_there(client: FlaskClient, address: str, status: int, word: str) -> None:
    for accept in (BROWSER, {"Accept": "application/json"}):
        reply = client.get(f"/matrices/{address}", headers=accept)
        assert reply.status_code == status
        assert word in reply.text


def test_hostile_names_are_text(client: FlaskClient) -> None:
    for address in ("?gene=<script>alert(2)</script>", "?colour=barcode_group&gene=CD3D", ""):
        page = client.get(f"/matrices/sc/cells{address}").text
        assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_bytes_are_tagged_and_compressed_for_those_who_want_it(client: FlaskClient, data: Path) -> None:
    address = "/matrices/sc/cells/groups?attribute=cell_type"
    plain, packed = client.get(address), client.get(address, headers={"Accept-Encoding": "gzip"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.data) == plain.data
    tags = {reply.headers["ETag"] for reply in (plain, packed, client.get("/matrices/sc/embeddings/X_umap"))}
    assert len(tags) == 3
    again = client.get(address, headers={"If-None-Match": plain.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    assert client.get("/matrices/sc/cells/groups?attribute=plate").headers["ETag"] not in tags


def test_limits(data: Path) -> None:
    few = client_of(data, max_cells=COUNT)
    assert few.get("/matrices/sc/cells").status_code == 413
    assert few.get("/matrices/sc/embeddings/X_umap").status_code == 413
    assert few.get("/matrices/sc/cells/table?embedding=X_umap").status_code == 413


@pytest.mark.parametrize(
    ("settings", "status"),
    [({"switched_off": ("expressions",)}, 501), ({"require_tickets": True, "ticket_keys": ("k" * 40,)}, 403)],
)
def test_no_way_around_what_the_api_refuses(data: Path, settings: dict[str, Any], status: int) -> None:
    closed = client_of(data, **settings)
    for address in ("cells", "embeddings/X_umap", "cells/values?gene=CD3D", "cells/table?embedding=X_umap", "cells/1"):
        assert closed.get(f"/matrices/sc/{address}").status_code == status


def test_a_file_that_is_gone(cells: anndata.AnnData, tmp_path: Path) -> None:
    data = catalogue_of(cells, tmp_path)
    own = client_of(data)
    next(data.rglob("sc.h5")).unlink()
    assert own.get("/matrices/sc/cells", headers=BROWSER).status_code == 503
