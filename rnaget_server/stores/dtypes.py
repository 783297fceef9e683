"""The number types that can be served, and the type in which a layer is sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from rnaget_server.stores.blocks import BLOCK_BYTES
from rnaget_server.stores.failures import UnfitFile
from rnaget_server.stores.hdf5_dataset import Dataset, Member

_EXACT_IN_FLOAT32 = 2**24
_EXACT_IN_FLOAT64 = 2**53
_NARROW = 8


def check_cells(dataset: Dataset) -> None:
    """Refuse cells that are no numbers, or numbers that would lose something.

    Raises
    ------
    UnfitFile
        If they are complex numbers, named values (an enumeration), more precise than float64, or no numbers at all.
    """
    dtype = dataset.dtype
    if dtype.kind not in "iufb" or dtype.itemsize > _NARROW or is_enumeration(dtype):
        kind = "named values" if is_enumeration(dtype) else f"the type {dtype}"
        raise UnfitFile(
            f"has no numbers in {dataset.name.strip('/')} that can be served, which is of {kind}: write it as float32, "
            "float64 or whole numbers"
        )


def check_column(dataset: Dataset | Member) -> None:
    """Refuse an attribute whose values would lose something when they are served.

    Raises
    ------
    UnfitFile
        If they are named values (an enumeration) or more precise than float64.
    """
    if is_enumeration(dataset.dtype) or (dataset.dtype.kind == "f" and dataset.dtype.itemsize > _NARROW):
        kind = "named values" if is_enumeration(dataset.dtype) else f"the type {dataset.dtype}"
        raise UnfitFile(f"has {kind} in {dataset.name}, which would lose something: write that attribute as text")


def is_enumeration(dtype: np.dtype[Any]) -> bool:
    """Return whether numbers of this type stand for names, other than false and true."""
    return dtype.kind != "b" and h5py.check_enum_dtype(dtype) is not None


def cell_dtype(stored: np.dtype[Any]) -> np.dtype[Any]:
    """Return the type of cells whose values a native store has in this type: float32 for small whole numbers."""
    return stored if stored.kind == "f" else np.dtype(np.float32)


def least_type(count: int) -> np.dtype[Any]:
    """Return the type that numbers up to a count, without it, need: uint8, uint16 or int32."""
    least = np.min_scalar_type(max(0, count - 1))
    return least if least.itemsize < 4 else np.dtype(np.int32)


def output_dtype(dataset: Dataset) -> Callable[[], np.dtype[Any]]:
    """Return a function that returns float32, or float64 for whole numbers beyond 2**24.

    Its first call looks at every value, if they are of a type that can hold such numbers, and raises an `UnfitFile`
    if one is beyond 2**53, which float64 would change.
    """
    return cache(lambda: np.dtype(np.float64 if _largest(dataset) > _EXACT_IN_FLOAT32 else np.float32))


def _largest(dataset: Dataset) -> int:
    largest = 0
    if dataset.dtype.kind not in "iu" or dataset.dtype.itemsize < 4:
        return largest
    for part in _tiles(dataset):
        if part.size:
            largest = max(largest, -int(part.min()), int(part.max()))
        if largest > _EXACT_IN_FLOAT64:
            raise UnfitFile(
                f"has a whole number beyond 2**53 in {dataset.name.strip('/')}, which would not be served exactly: "
                "write the matrix as float64, or leave that value out"
            )
    return largest


def _tiles(dataset: Dataset) -> Iterator[NDArray[Any]]:
    """Yield all of a dataset of one or two dimensions in parts of bounded size, each chunk once."""
    rows = dataset.shape[0]
    columns = dataset.shape[1] if dataset.ndim > 1 else 1
    tall, wide = (*(dataset.chunks or (1, columns)), 1)[:2]
    step = max(wide, BLOCK_BYTES // max(1, tall * dataset.dtype.itemsize) // wide * wide)
    height = max(tall, BLOCK_BYTES // max(1, min(step, columns) * dataset.dtype.itemsize) // tall * tall)
    for row in range(0, rows, height):
        if dataset.ndim == 1:
            yield dataset[row : row + height]
            continue
        for column in range(0, columns, step):
            yield dataset[row : row + height, column : column + step]
