"""Embeddings of single cells from every source that has them, against what anndata and pandas say of the same files."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from scipy import sparse

from rnaget_server.cli.server import main
from rnaget_server.datasets.guarded import GuardedStore
from rnaget_server.datasets.repository import open_repository
from rnaget_server.settings import Settings
from rnaget_server.stores.embeddings import paired
from tests.conftest import SHARED

pytestmark = pytest.mark.filterwarnings("ignore")
CELLS, GENES = 12, 4


@pytest.fixture
def annotated() -> anndata.AnnData:
    """Twelve cells with embeddings of every form that anndata writes."""
    random = np.random.default_rng(5)
    ids = [f"cell {number}" for number in range(CELLS)]
    umap = random.normal(size=(CELLS, 2))
    umap[3, 1], umap[4] = np.nan, np.inf
    return anndata.AnnData(
        sparse.csr_matrix(random.poisson(1, (CELLS, GENES)).astype(np.float32)),
        obs=pd.DataFrame({"cluster": list("ab") * 6}, index=ids),
        var=pd.DataFrame(index=[f"G{number}" for number in range(GENES)]),
        obsm={
            "X_umap": umap,
            "X_pca": random.normal(size=(CELLS, 5)).astype(np.float32),
            "frame": pd.DataFrame({"x": range(CELLS), "label": "l", "y": random.normal(size=CELLS)}, index=ids),
            "counts": sparse.csr_matrix(np.eye(CELLS)),
            "single": random.normal(size=(CELLS, 1)),
        },
    )


@pytest.fixture
def imported(tmp_path: Path) -> Iterator[Callable[..., GuardedStore]]:
    """Import a file by the command, and open what is served."""
    runner = CliRunner()

    def run(path: Path, *options: str) -> GuardedStore:
        data = tmp_path / "data"
        common = ["--project", "p", "--study", "s", "--id", "m", "--units", "counts", "--data", str(data)]
        done = runner.invoke(main, ["import", str(path), *common, *options])
        assert done.exit_code == 0, done.output
        run.output = done.output  # type: ignore[attr-defined]
        view = open_repository(Settings(data=data)).visible_to()
        assert runner.invoke(main, ["check", str(data)]).exit_code == 0
        return view.stores.open(view.catalog.matrices["m"])

    yield run


def first_two(values: object) -> np.ndarray:
    """The points that stand for an array or data frame: what is not finite is no place."""
    points = np.asarray(values, float)[:, :2].astype(np.float32)
    points[~np.isfinite(points).all(axis=1)] = np.nan
    return points


def check(store: GuardedStore, data: anndata.AnnData) -> None:
    """Check that a store has what anndata has, of what can be drawn."""
    assert sorted(store.embeddings) == ["X_pca", "X_umap", "frame"]
    for name in ("X_pca", "X_umap"):
        assert np.array_equal(store.embedding(name), first_two(data.obsm[name]), equal_nan=True)
    assert np.array_equal(store.embedding("frame"), first_two(data.obsm["frame"][["x", "y"]]))


@pytest.mark.parametrize("options", [(), ("--as-is",)], ids=["native", "as it is"])
def test_h5ad(annotated, imported, tmp_path: Path, options: tuple[str, ...]) -> None:
    annotated.write_h5ad(tmp_path / "a.h5ad")
    check(imported(tmp_path / "a.h5ad", *options), anndata.read_h5ad(tmp_path / "a.h5ad"))
    assert "left out of obsm: counts (of the encoding csr_matrix), single (not two or more" in imported.output


def test_dense_h5ad(annotated, imported, tmp_path: Path) -> None:
    annotated.X = annotated.X.toarray()
    annotated.write_h5ad(tmp_path / "a.h5ad")
    check(imported(tmp_path / "a.h5ad"), annotated)
    assert "AnnData, matrix X, stored dense; embeddings X_pca, X_umap, frame" in imported.output


def test_zarr(annotated, imported, tmp_path: Path) -> None:
    annotated.write_zarr(tmp_path / "a.zarr")
    check(imported(tmp_path / "a.zarr"), annotated)


def test_modality_of_mudata(annotated, imported, tmp_path: Path) -> None:
    annotated.write_h5ad(tmp_path / "a.h5ad")
    with h5py.File(tmp_path / "a.h5ad") as own, h5py.File(tmp_path / "m.h5mu", "w") as file:
        file.attrs["encoding-type"] = "MuData"
        own.copy("/", file.create_group("mod"), "rna")
    check(imported(tmp_path / "m.h5mu"), annotated)


def test_anndata_before_0_7(imported, tmp_path: Path) -> None:
    members = np.zeros(3, [("X_tsne", "<f4", (2,)), ("one", "<f8")])
    members["X_tsne"] = [[1, 2], [3, np.nan], [5, 6]]
    with h5py.File(tmp_path / "old.h5ad", "w") as file:
        file["X"] = np.ones((3, 2), np.float32)
        file["obs"] = np.array([(b"a",), (b"b",), (b"c",)], [("index", "S1")])
        file["var"] = np.array([(b"G",), (b"H",)], [("index", "S1")])
        file["obsm"] = members
    store = imported(tmp_path / "old.h5ad")
    assert store.embeddings == ("X_tsne",)
    assert np.array_equal(store.embedding("X_tsne"), [[1, 2], [np.nan, np.nan], [5, 6]], equal_nan=True)


@pytest.mark.parametrize("options", [[], ["--as-is"]], ids=["native", "as it is"])
def test_wrong_length_is_refused(annotated, tmp_path: Path, options: list[str]) -> None:
    annotated.write_h5ad(tmp_path / "a.h5ad")
    with h5py.File(tmp_path / "a.h5ad", "a") as file:
        del file["obsm/X_umap"]
        file["obsm/X_umap"] = np.zeros((CELLS - 1, 2))
    common = ["--project", "p", "--study", "s", "--id", "m", "--units", "counts", "--data", str(tmp_path / "data")]
    done = CliRunner().invoke(main, ["import", str(tmp_path / "a.h5ad"), *common, *options])
    assert done.exit_code == 1
    assert "has obsm/X_umap of 11 rows for 12 samples" in done.output


def test_check_finds_a_damaged_embedding(annotated, imported, tmp_path: Path) -> None:
    annotated.write_h5ad(tmp_path / "a.h5ad", compression="gzip")
    imported(tmp_path / "a.h5ad", "--as-is")
    served = next((tmp_path / "data").rglob("m.h5ad"))
    with h5py.File(served, locking=False) as file:
        chunk = file["obsm/X_pca"].id.get_chunk_info(0)
    with served.open("r+b") as raw:
        raw.seek(chunk.byte_offset)
        raw.write(b"\xff" * chunk.size)
    done = CliRunner().invoke(main, ["check", str(tmp_path / "data")])
    assert done.exit_code == 1 and "expression m: " in done.output


def test_a_further_unit_keeps_embeddings_and_brings_its_own(annotated, imported, tmp_path: Path) -> None:
    imported_umap = annotated.obsm["X_umap"].copy()
    annotated.write_h5ad(tmp_path / "a.h5ad")
    imported(tmp_path / "a.h5ad")
    annotated.obsm["X_umap"] = np.zeros((CELLS, 2))
    annotated.obsm["X_late"] = np.arange(CELLS * 2.0).reshape(CELLS, 2)
    annotated.write_h5ad(tmp_path / "b.h5ad")
    store = imported(tmp_path / "b.h5ad", "--units", "again")
    assert np.array_equal(store.embedding("X_umap"), first_two(imported_umap), equal_nan=True)
    assert np.array_equal(store.embedding("X_late"), first_two(annotated.obsm["X_late"]))


def test_attributes_that_are_coordinates(imported, tmp_path: Path) -> None:
    (tmp_path / "m.tsv").write_text("gene\tc1\tc2\tc3\nG\t1\t2\t3\nH\t0\t0\t4\n")
    (tmp_path / "s.tsv").write_text(
        "cell\tUMAP_1\tUMAP_2\ttSNE_1\ttSNE_2\nc2\t3\t4\ta\tb\nc1\t1.5\t2\tc\td\nc3\t\t5\te\tf\n"
    )
    store = imported(tmp_path / "m.tsv", "--samples", str(tmp_path / "s.tsv"))
    assert store.embeddings == ("UMAP",)  # the others are no numbers
    assert np.array_equal(store.embedding("UMAP"), [[1.5, 2], [3, 4], [np.nan, np.nan]], equal_nan=True)


def test_names_of_coordinates() -> None:
    names = ["UMAP_1", "UMAP_2", "rna_tsne1", "rna_tsne2", "_X", "_Y", "PC1", "PC2", "PC3", "dose_1", "dose_2", "pan1"]
    pairs = {"UMAP": names[:2], "rna_tsne": names[2:4], "coordinates": names[4:6], "PC": names[6:8]}
    assert paired(names) == {name: tuple(pair) for name, pair in pairs.items()}


def test_real_loom(imported, tmp_path: Path) -> None:
    path = SHARED / "singlecell" / "scp" / "test_loom.loom"
    if not path.is_file():
        pytest.skip("the shared data is not here")
    shutil.copy(path, tmp_path / "scp.loom")
    store = imported(tmp_path / "scp.loom")
    assert set(store.embeddings) == {"X_pca", "X_umap"}
    with h5py.File(path) as file:
        for name in store.embeddings:
            assert np.array_equal(store.embedding(name), file[f"col_attrs/{name}"][:, :2].astype(np.float32))
