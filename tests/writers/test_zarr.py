"""AnnData as Zarr is written by a thread of its library, which must never wait for a lock that the writer holds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import zarr.storage
from h5py._objects import phil

from rnaget_server.testing.slices import feature_labels, layer_of, sample_labels, slice_of
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
