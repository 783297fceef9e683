"""Memory for arrays that are read again and again; without numpy, which settings and most commands do not need."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

_KEPT_BYTES = 64 << 20


class ArrayCache:
    """Arrays out of data files, those used last, of bounded size together. Safe to share among threads.

    Parameters
    ----------
    max_bytes
        Most bytes kept.
    """

    def __init__(self, max_bytes: int = _KEPT_BYTES) -> None:
        self._max_bytes = max_bytes
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
        if array.nbytes <= self._max_bytes:
            with self._lock:
                self._keep(key, array)
        return array

    def _keep(self, key: Hashable, array: NDArray[Any]) -> None:
        if key in self._arrays:  # another thread read it meanwhile
            return
        self._arrays[key] = array
        self._bytes += array.nbytes
        while self._bytes > self._max_bytes:
            self._bytes -= self._arrays.popitem(last=False)[1].nbytes
