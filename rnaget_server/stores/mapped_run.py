"""Ranges of a contiguous dataset, seen where the system has them in memory: nothing is copied."""

from __future__ import annotations

import mmap
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnaget_server.stores.runs import Hdf5Run


class MappedRun:
    """A dataset that is flat (see `Dataset.is_flat`), read by ranges.

    The arrays that `read` returns may be views of the file, which nobody may cut short.
    """

    def __init__(self, run: Hdf5Run) -> None:
        self._dataset = run.dataset
        self.dtype = self._dataset.dtype
        self._file, self._cells = self._dataset.mapped()

    def read(self, begin: NDArray[np.int64], end: NDArray[np.int64]) -> NDArray[Any]:
        """Return the cells of ascending half-open ranges, of which there is at least one, one after another."""
        self._dataset.check_unchanged()
        if (begin[1:] == end[:-1]).all():
            return self._cells[int(begin[0]) : int(end[-1])]
        ranges = zip(begin.tolist(), end.tolist(), strict=True)
        return np.concatenate([self._cells[low:high] for low, high in ranges])

    def announce(self, begin: NDArray[np.int64], end: NDArray[np.int64]) -> None:
        """Do nothing: the system reads ahead."""

    def forget(self) -> None:
        """Have what was read and used no longer count as memory of this process.

        Raises
        ------
        OSError
            If the file was changed meanwhile.
        """
        self._file.madvise(mmap.MADV_DONTNEED)
        self._dataset.check_unchanged()
