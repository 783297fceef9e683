"""AnnData as Zarr is written in small chunks, by a thread of its library that never waits for the writer's lock."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import zarr.storage
from h5py._objects import phil

from rnaget_server.model.slice import LayerInfo
from rnaget_server.model.sparse import CompressedBlock, Direction, SparseCells
from rnaget_server.testing.slices import feature_labels, layer_of, sample_labels, slice_of
from rnaget_server.writers import h5ad_cells
from rnaget_server.writers.zarr import ZarrWriter


def test_hdf5_is_free_while_zarr_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    """That thread collects garbage, too, and some of it may be of HDF5: it would wait for ever."""
    free: list[bool] = []

    class Store(zarr.storage.MemoryStore):
        async def set(self, key: str, value: Any, byte_range: Any = None) -> None:
            free.append(phil.acquire(False))
            if free[-1]:
                phil.release()
            await super().set(key, value, byte_range)

    monkeypatch.setattr(zarr.storage, "MemoryStore", Store)
    cells = np.arange(6, dtype=np.float32).reshape(2, 3)
    slice = slice_of(feature_labels(["a", "b"]), sample_labels(["x", "y", "z"]), layer_of(cells, whole=True))
    for _, content in ZarrWriter().files(slice):
        assert b"".join(content) is not None
    assert len(free) > 10 and all(free)


def test_texts_are_written_in_chunks_of_few() -> None:
    """Zarr holds those of a chunk in many forms at once: 131,072 would take a hundred megabytes."""
    count, most = 40_000, 1 << 14
    ids = [f"δ{number}" for number in range(count)]
    cells = np.zeros((1, count), np.float32)
    files = {
        path: b"".join(content)
        for path, content in ZarrWriter().files(slice_of(feature_labels(["a"]), sample_labels(ids), layer_of(cells)))
    }
    assert json.loads(files["obs/sample/.zarray"])["chunks"] == [most]
    found = zarr.open_group({path: zarr.core.buffer.cpu.Buffer.from_bytes(data) for path, data in files.items()})
    assert found["obs/sample"][:].tolist() == ids


def test_cells_are_let_go_before_what_comes_after_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last of a pass may be a panel of a million samples, and there are two passes."""
    monkeypatch.setattr(h5ad_cells, "_KEPT_CELLS", 0)
    monkeypatch.setattr(h5ad_cells, "_KEPT_INDICES", 0)
    passes: list[str] = []

    def pieces(by: Direction) -> Iterator[CompressedBlock]:
        passes.append("begun")
        try:
            yield CompressedBlock(np.array([0, 1, 2]), np.array([0, 1]), np.ones(2, np.float32))
        finally:
            passes.append("ended")

    layer = LayerInfo(
        "counts", np.dtype(np.float32), True, lambda: iter([]), SparseCells(lambda: 2, pieces, known=True)
    )
    paths, seen = [], []
    for path, _ in ZarrWriter().files(slice_of(feature_labels(["a", "b"]), sample_labels(["x", "y"]), layer)):
        paths.append(path)
        seen.append(tuple(passes))
    assert seen[paths.index("X/data/0")] == ("begun",)
    assert seen[paths.index("X/indices/0")] == ("begun", "ended", "begun")
    assert seen[paths.index("X/indptr/0")] == ("begun", "ended") * 2
