"""Which type whole numbers are served in."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import h5py
import numpy as np

from rnaget_server.stores.hdf5 import BLOCK_BYTES

_EXACT_IN_FLOAT32 = 2**24


def served_type(dataset: h5py.Dataset) -> Callable[[], np.dtype[Any]]:
    """Return what says whether cells are served as float32, or as float64 for whole numbers beyond 2**24.

    It looks at every value when it is first asked, if they are of a type that can hold such numbers.
    """
    return cache(lambda: np.dtype(np.float64 if _beyond(dataset) else np.float32))


def _beyond(dataset: h5py.Dataset) -> bool:
    if dataset.dtype.kind not in "iu" or dataset.dtype.itemsize < 4:
        return False
    width = int(np.prod(dataset.shape[1:])) * dataset.dtype.itemsize
    tall = dataset.chunks[0] if dataset.chunks else 1
    step = max(tall, BLOCK_BYTES // max(1, width) // tall * tall)
    for start in range(0, dataset.shape[0], step):
        part = dataset[start : start + step]
        if part.size and max(-int(part.min()), int(part.max())) > _EXACT_IN_FLOAT32:
            return True
    return False
