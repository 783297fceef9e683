"""How data files are read: the bounds of one read, and the memory for what is read again and again."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

_KEPT_BYTES = 64 << 20


@dataclass(frozen=True)
class FileLimits:
    """What a data file may ask of the process that reads it; a file that asks for more is refused.

    Attributes
    ----------
    chunk_bytes
        Most bytes of one chunk, decoded.
    column_bytes
        Most bytes that are decoded at once: one attribute of all features or samples, one line of a sparse matrix.
    expansion
        How many times larger than the file a dataset of more than 256 MiB may be, decoded.
    min_free_bytes
        Bytes of the disk that an import leaves free. 0: none.
    """

    chunk_bytes: int = 64 << 20
    column_bytes: int = 256 << 20
    expansion: int = 1000
    min_free_bytes: int = 0


DEFAULT_LIMITS = FileLimits()


class ArrayCache:
    """Arrays out of data files, those used last, of bounded size together. Safe to share among threads.

    Parameters
    ----------
    most_bytes
        Most bytes kept.
    """

    def __init__(self, most_bytes: int = _KEPT_BYTES) -> None:
        self._most = most_bytes
        self._lock = threading.Lock()
        self._arrays: OrderedDict[Hashable, NDArray[Any]] = OrderedDict()
        self._bytes = 0

    @property
    def kept_bytes(self) -> int:
        """Number of bytes kept."""
        return self._bytes

    def get(self, key: Hashable, read: Callable[[], NDArray[Any]]) -> NDArray[Any]:
        """Return the array of a key, which `read` reads if it is not kept."""
        with self._lock:
            array = self._arrays.get(key)
            if array is not None:
                self._arrays.move_to_end(key)
                return array
        array = read()
        if array.nbytes <= self._most:
            with self._lock:
                self._keep(key, array)
        return array

    def _keep(self, key: Hashable, array: NDArray[Any]) -> None:
        if key in self._arrays:  # another thread read it meanwhile
            return
        self._arrays[key] = array
        self._bytes += array.nbytes
        while self._bytes > self._most:
            self._bytes -= self._arrays.popitem(last=False)[1].nbytes


@dataclass(frozen=True)
class FileAccess:
    """What every store of a process is opened with."""

    limits: FileLimits = DEFAULT_LIMITS
    arrays: ArrayCache = field(default_factory=ArrayCache)
