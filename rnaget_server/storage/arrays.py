"""Arrays in data files, read when they are needed and kept for a while."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnaget_server.model.columns import Stored
from rnaget_server.storage.source import ArraySource

_KEPT_BYTES = 64 << 20
_PART_BYTES = 8 << 20


class ArrayCache:
    """Arrays out of data files, those used last, of bounded size together. Safe to share among threads.

    Parameters
    ----------
    max_bytes
        Most bytes kept.
    """

    def __init__(self, max_bytes: int = _KEPT_BYTES) -> None:
        self.max_bytes = max_bytes
        """Most bytes kept; what has more is read whenever it is asked for."""
        self._lock = threading.Lock()
        self._arrays: OrderedDict[Hashable, NDArray[Any]] = OrderedDict()
        self._bytes = 0

    def get(self, key: Hashable, read: Callable[[], NDArray[Any]]) -> NDArray[Any]:
        """Return the array of a key, which `read` reads if it is not kept."""
        with self._lock:
            array = self._arrays.get(key)
            if array is not None:
                self._arrays.move_to_end(key)
                return array
        array = read()
        if array.nbytes <= self.max_bytes:
            with self._lock:
                self._keep(key, array)
        return array

    def _keep(self, key: Hashable, array: NDArray[Any]) -> None:
        if key in self._arrays:  # another thread read it meanwhile
            return
        self._arrays[key] = array
        self._bytes += array.nbytes
        while self._bytes > self.max_bytes:
            self._bytes -= self._arrays.popitem(last=False)[1].nbytes


class StoredArray(Stored):
    """A contiguous array in a file, read whole when it is called for and not kept in memory any more.

    Parameters
    ----------
    file
        The file.
    arrays
        Where it is kept for a while.
    offset, dtype, count
        Where it starts, the type of its elements, and their number.
    check
        Called with what was read; raises an OSError if it cannot be right.
    """

    __slots__ = ("_arrays", "_check", "_file", "_key", "count", "dtype", "offset")

    def __init__(
        self,
        file: ArraySource,
        arrays: ArrayCache,
        offset: int,
        dtype: np.dtype[Any],
        count: int,
        check: Callable[[NDArray[Any]], None] | None = None,
    ) -> None:
        self._file = file
        self._arrays = arrays
        self._check = check
        self.offset = offset
        self.dtype = dtype
        self.count = count
        # A damaged file may name one place twice: what was not checked is not taken for what was.
        self._key = (*file.version, offset, dtype.str, count, check is not None)

    def __call__(self) -> NDArray[Any]:
        """Return the array, not to be written to.

        Raises
        ------
        OSError
            If the file is cut off or was written to.
        """
        return self._arrays.get(self._key, self._read)

    def part(self, start: int, stop: int) -> NDArray[Any]:
        """Return the elements from one up to another; of an array too large to be kept, no others are read.

        For the errors see `__call__`.
        """
        if self._is_whole:
            return self()[start:stop]
        size = self.dtype.itemsize
        array = np.frombuffer(self._file.read_kept(self.offset + start * size, (stop - start) * size), self.dtype)
        self._file.check_unchanged()
        return array

    def take(self, positions: NDArray[np.int64]) -> NDArray[Any]:
        """Return the elements at some positions; of an array too large to be kept, a part at a time is read."""
        if self._is_whole:
            return self()[positions]
        taken = np.empty(len(positions), self.dtype)
        step = max(1, _PART_BYTES // self.dtype.itemsize)
        parts = positions // step
        for number in np.unique(parts).tolist():
            here = parts == number
            part = self.part(number * step, min((number + 1) * step, self.count))
            taken[here] = part[positions[here] - number * step]
        return taken

    @property
    def _is_whole(self) -> bool:
        """True if no part is read without the others: they are kept, or checked together."""
        return self._check is not None or self.count * self.dtype.itemsize <= self._arrays.max_bytes

    def _read(self) -> NDArray[Any]:
        array = np.frombuffer(self._file.read_kept(self.offset, self.count * self.dtype.itemsize), self.dtype)
        self._file.check_unchanged()
        if self._check is not None:
            self._check(array)
        return array


def load(arrays: Iterable[StoredArray]) -> list[NDArray[Any]]:
    """Return several arrays; for the errors see `StoredArray`."""
    return [array() for array in arrays]
