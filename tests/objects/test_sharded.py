"""A matrix of many files in object storage: their heads, and then their cells, are asked for side by side."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.sparse import csr_array

from rnaget_server.catalog import load
from rnaget_server.catalog.object_storage import directory_of
from rnaget_server.datasets.opening import open_store
from rnaget_server.plugins import STORES, Registry
from rnaget_server.storage.access import FileAccess
from rnaget_server.stores.base import MatrixStore
from rnaget_server.stores.native.write_dense import AxisTable
from rnaget_server.stores.sharded import IndexPlace, look
from rnaget_server.stores.sharded import cells as sharded_cells
from tests.conftest import new_study
from tests.objects.test_published import done
from tests.objects.unruly import CALM, Unruly
from tests.stores.sharded.cutting import write_part

_FILES = 8
_TOGETHER = 4
_PATIENCE = 60


def _meeting() -> tuple[Callable[[str, str], str], threading.Barrier]:
    """Return moods by which the first requests for files wait until several are there, and where they do so."""
    barrier, left = threading.Barrier(_TOGETHER), iter(range(_TOGETHER))

    def mood(method: str, path: str) -> str:
        if method == "GET" and "part-" in path and next(left, None) is not None:
            barrier.wait(_PATIENCE)
        return CALM

    return mood, barrier


def _read(store: MatrixStore) -> NDArray[np.float32]:
    """Return all cells, by those that are stored where a file has no others."""
    stored = store.sparse("TPM")
    if stored is None:
        return np.concatenate(list(store.blocks("TPM")))
    return np.vstack(
        [
            csr_array((piece.data, piece.indices, piece.indptr), (len(piece.indptr) - 1, _FILES * 40)).toarray()
            for piece in stored.compressed_along("features")
        ]
    )


@pytest.mark.parametrize("kind", ["dense", "sparse"])
def test_files_are_asked_for_side_by_side(
    tmp_path: Path, url: str, proxy: Unruly, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(look, "FEW", 0)
    monkeypatch.setattr(sharded_cells, "PANEL", 49 * _FILES * 40)
    study = new_study(
        tmp_path / "data",
        "id: s\nexpressions:\n  - {id: m, files: part-*, units: TPM, feature_id: gene, sample_id: sample}\n",
    )
    genes = AxisTable("gene", {"gene": np.array([f"G{number}" for number in range(50)], object)})
    cells = np.arange(50 * _FILES * 40, dtype=np.float32).reshape(50, -1)
    for number in range(_FILES):
        ids = np.array([f"s{number}-{sample}" for sample in range(40)], object)
        some = np.ascontiguousarray(cells[:, number * 40 : (number + 1) * 40])
        samples = AxisTable("sample", {"sample": ids}, embeddings={"X_umap": np.zeros((40, 2), np.float32)})
        write_part(study / f"part-{number}", kind, genes, samples, [("TPM", some, True)])
    done("publish", tmp_path / "data", url)
    catalog, problems = load(directory_of(url))
    assert catalog is not None and not problems
    matrix, kinds = catalog.matrices["m"], Registry(STORES)
    place = IndexPlace(tmp_path / "index", FileAccess(), "the matrix m")

    proxy.mood, opening = _meeting()
    store = open_store(matrix, kinds, index=place)
    assert not opening.broken
    proxy.mood, reading = _meeting()
    np.testing.assert_array_equal(_read(store), cells)
    assert not reading.broken

    proxy.mood = lambda method, path: CALM
    proxy.requests.clear()
    again = open_store(matrix, kinds, index=place)
    assert again.samples.find("sample", ["s3-7"])[0].tolist() == [3 * 40 + 7]
    assert not [path for _, path, _ in proxy.requests if "part-" in path and "part-0" not in path]
