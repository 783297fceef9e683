"""A dense layer whose rows are samples, as AnnData stores it, read in blocks of features."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnaget_server.model.axis import Positions
from rnaget_server.stores.base import selected
from rnaget_server.stores.blocks import BLOCK_BYTES, chunk_of, spans
from rnaget_server.stores.hdf5_dataset import Dataset

_PANEL_BYTES = 32 << 20
_READ_BYTES = 8 << 20
_WIDEST = 8
# A contiguous dataset has no chunks; runs of its columns this near one another are read together.
_NEAR = 1024


class TransposedLayer:
    """A dataset of samples × features."""

    def __init__(self, dataset: Dataset) -> None:
        self.values = dataset

    @property
    def shape(self) -> tuple[int, int]:
        """Number of features and of samples."""
        return self.values.shape[1], self.values.shape[0]

    def blocks(
        self, dtype: np.dtype[Any], features: Positions | None, samples: Positions | None
    ) -> Iterator[NDArray[Any]]:
        """Yield the selection as dense blocks of features."""
        count = self.values.shape[0] if samples is None else len(samples)
        positions = np.arange(self.values.shape[1]) if features is None else features
        width = max(1, _PANEL_BYTES // max(1, count * dtype.itemsize))
        chunk = self.values.chunks[1] if self.values.chunks else 1
        width = max(width // chunk * chunk, min(width, chunk))
        height = max(1, BLOCK_BYTES // max(1, count * dtype.itemsize))
        for part in np.split(positions, np.arange(width, len(positions), width)):
            panel = self._panel(part, samples, dtype)
            for start in range(0, len(part), height):
                yield np.ascontiguousarray(panel[:, start : start + height].T)

    def held(self, features: Positions | None, samples: Positions | None) -> int:
        """Return what `blocks` holds of the selection between two blocks, at most; in bytes."""
        return min(_PANEL_BYTES, selected(self.shape, features, samples) * _WIDEST)

    def _panel(self, features: Positions, samples: Positions | None, dtype: np.dtype[Any]) -> NDArray[Any]:
        """Return samples × features."""
        rows = np.arange(self.values.shape[0]) if samples is None else samples
        panel = np.empty((len(rows), len(features)), dtype)
        near = chunk_of(self.values)[1] if self.values.chunks else _NEAR
        tall = chunk_of(self.values)[0]
        for low, high, to_columns in spans(features, near):
            step = max(tall, _READ_BYTES // ((high - low) * self.values.dtype.itemsize) // tall * tall)
            for first, last, to_rows in _runs(rows, tall, step):
                part = self.values[first:last, low:high]
                cells = part[rows[to_rows] - first][:, features[to_columns] - low]
                with np.errstate(over="ignore"):
                    panel[to_rows, to_columns] = cells.astype(dtype, copy=False)
        return panel


def _runs(rows: Positions, tall: int, max_rows: int) -> Iterator[tuple[int, int, slice]]:
    """Yield runs (first, last + 1, which of `rows`) of rows that are near, none taller than `max_rows`."""
    for _, _, inside in spans(rows, tall):
        part = rows[inside]
        cuts = np.flatnonzero(np.diff(part // max_rows)) + 1
        at = inside.start
        for run in np.split(part, cuts):
            yield int(run[0]), int(run[-1]) + 1, slice(at, at + len(run))
            at += len(run)
