"""Ranges of a dataset of one dimension: the cells of any rows of a sparse matrix."""

from __future__ import annotations

import itertools
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rnaget_server.stores.hdf5_dataset import Dataset, Part

# A gap shorter than a chunk is read over; a contiguous dataset has none.
_GAP = 4096


class Run(Protocol):
    """A dataset of one dimension, read by ranges."""

    dtype: np.dtype[Any]

    def read(self, begin: NDArray[np.int64], end: NDArray[np.int64]) -> NDArray[Any]:
        """Return the cells of ascending half-open ranges, of which there is at least one, one after another."""

    def announce(self, begin: NDArray[np.int64], end: NDArray[np.int64]) -> None:
        """Have the system fetch what `read` needs for these ranges, if that is of use."""


class Hdf5Run:
    """A dataset of any layout, read by HDF5: ranges that are near one another by one call."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        self._gap = gap_of(dataset)
        self.dtype = dataset.dtype

    def read(self, begin: NDArray[np.int64], end: NDArray[np.int64]) -> NDArray[Any]:
        """Return the cells of ascending half-open ranges, of which there is at least one, one after another."""
        near = begin[1:] - end[:-1] <= self._gap
        if near.all():
            return self._read_near(begin, end)
        cuts = [0, *(np.flatnonzero(~near) + 1).tolist(), len(begin)]
        return np.concatenate([self._read_near(begin[a:b], end[a:b]) for a, b in itertools.pairwise(cuts)])

    def announce(self, begin: NDArray[np.int64], end: NDArray[np.int64]) -> None:
        """Do nothing: HDF5 reads what is between ranges, too."""

    def _read_near(self, begin: NDArray[np.int64], end: NDArray[np.int64]) -> NDArray[Any]:
        low, high = int(begin[0]), int(end[-1])
        cells = self.dataset[low:high]
        lengths = end - begin
        count = int(lengths.sum())
        if count == high - low:
            return cells
        return np.asarray(cells[np.arange(count) + np.repeat(begin - low - (np.cumsum(lengths) - lengths), lengths)])


def gap_of(dataset: Dataset | Part) -> int:
    """Return how many cells between two ranges are decoded anyhow, or read faster than by another call."""
    return dataset.chunks[0] if dataset.chunks else _GAP
