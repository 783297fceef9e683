"""The form that values of a field are kept in for searches: arrays, one of each block of records, or joined texts."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

BLOCK = 1 << 15
"""So many records are in one array."""

TOGETHER = 1 << 10
"""So many texts are joined to one."""

TABLE = "CREATE TABLE pieces (key INTEGER PRIMARY KEY, type TEXT, data BLOB)"
_RECORDS = 32
Array = NDArray[Any]


class Part(IntEnum):
    """The parts of a field that are kept."""

    CODES = 0
    """For each record a number that stands for its value, 0 if it has none. Of many values, in the order of these."""

    NUMBERS = 1
    """The numbers that its values are, if these are many; those that are none are NaN."""

    TEXTS = 2
    """Its values, if they are many."""

    VALUES = 3
    """Its values, if they are few, as JSON; the first has the code 1."""


def key_of(field: int, part: Part, start: int = 0) -> int:
    """Return the key of the piece of a part of a field that begins with the record `start`, counted from 0."""
    return (field * len(Part) + part) << _RECORDS | start


def packed(array: Array) -> tuple[str, bytes]:
    """Return the type and the bytes of an array, in as few as there are types for; of one element if all are equal."""
    if len(array) and (array == array[0]).all():
        array = array[:1]
    if array.dtype.kind == "u":
        array = array.astype(np.min_scalar_type(array.max(initial=0)))
    return array.dtype.newbyteorder("<").str, array.astype(array.dtype.newbyteorder("<")).tobytes()
