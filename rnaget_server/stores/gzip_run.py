"""Ranges of a dataset of one dimension in chunks of gzip, past HDF5: chunks are unpacked by several threads.

HDF5 has one thread at a time unpack, by a library that takes twice as long.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import h5py
import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

from rnaget_server.stores.hdf5_dataset import Dataset
from rnaget_server.stores.runs import Hdf5Run, Run

_ISAL: Any = isal_zlib  # typed as if its error were no class
_PLAIN = ([h5py.h5z.FILTER_DEFLATE], [h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_DEFLATE])


class GzipRun:
    """A dataset that `by_threads` found to be in chunks of gzip; it is read by ranges without gaps."""

    def __init__(self, dataset: Dataset, run: Run, chunk: int, is_shuffled: bool) -> None:
        self._dataset = dataset
        self._run = run
        self._chunk = chunk
        self._is_shuffled = is_shuffled
        self.dtype = dataset.dtype

    def read(self, begin: NDArray[np.int64], end: NDArray[np.int64]) -> NDArray[Any]:
        """Return the cells of ascending half-open ranges, of which there is at least one, one after another.

        Raises
        ------
        OSError
            If a chunk is damaged; an `UnfitFile` if they are more than may be decoded at once.
        """
        low, high = int(begin[0]), int(end[-1])
        first = low // self._chunk
        if (begin[1:] != end[:-1]).any() or high - low <= self._chunk:
            return self._run.read(begin, end)
        self._dataset.check_count(high - low)
        out = np.empty(high - low, self.dtype)

        def unpack(starts: range) -> None:
            for start in starts:
                cells = self._unpacked(start)
                since, until = max(low, start), min(high, start + self._chunk)
                out[since - low : until - low] = cells[since - start : until - start]

        # Not a chunk each: a chunk may have one cell, and what is to be done about it takes a kilobyte.
        starts, count = range(first * self._chunk, high, self._chunk), os.cpu_count() or 1
        with ThreadPoolExecutor(count) as threads:
            for done in [threads.submit(unpack, starts[number::count]) for number in range(min(count, len(starts)))]:
                done.result()
        return out

    def announce(self, begin: NDArray[np.int64], end: NDArray[np.int64]) -> None:
        """Do nothing: chunks are read one by one."""

    def _unpacked(self, start: int) -> NDArray[Any]:
        """Return the cells of the chunk that starts at a cell."""
        stop = start + self._chunk
        # A writer may have had the last chunk left as it is if it is not full, which is not said of the chunk.
        left_out, data = self._dataset.stored_chunk((start,)) if stop <= self._dataset.size else (True, b"")
        if left_out:  # it was stored without one of the filters
            return self._run.read(np.array([start]), np.array([min(stop, self._dataset.size)]))
        size = self._chunk * self.dtype.itemsize
        unpacker = _ISAL.decompressobj()
        try:
            cells = unpacker.decompress(data, size + 1)
        except _ISAL.error:
            raise OSError(f"a chunk of {self._dataset.name} is damaged") from None
        if len(cells) != size or not unpacker.eof:
            raise OSError(f"a chunk of {self._dataset.name} does not have what it should: the file is damaged")
        if self._is_shuffled:
            cells = np.frombuffer(cells, np.uint8).reshape(self.dtype.itemsize, -1).T.tobytes()
        return np.frombuffer(cells, self.dtype)


def by_threads(run: Run) -> Run:
    """Return what reads the same cells by several threads, where they are in chunks of gzip; else what is given."""
    dataset = run.dataset if isinstance(run, Hdf5Run) else None
    if dataset is None or dataset.chunks is None or dataset.ndim != 1 or not _is_plain(dataset):
        return run
    plist = dataset.id.get_create_plist()
    filters = [plist.get_filter(number) for number in range(plist.get_nfilters())]
    is_shuffled = len(filters) > 1
    if [code for code, *_ in filters] not in _PLAIN or (is_shuffled and filters[0][2] != (dataset.dtype.itemsize,)):
        return run
    # A chunk that is not there is full of a value that HDF5 knows.
    if dataset.id.get_num_chunks() != -(-dataset.size // dataset.chunks[0]):
        return run
    return GzipRun(dataset, run, dataset.chunks[0], is_shuffled)


def _is_plain(dataset: Dataset) -> bool:
    """Return whether the cells are stored as numpy has them."""
    kind = dataset.id.get_type()
    return dataset.dtype.kind in "iuf" and bool(kind.equal(h5py.h5t.py_create(dataset.dtype)))
