"""Records for which a test holds: how many, one after the other, or in the order of fields."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnaget_server.archive.masks import Test
from rnaget_server.archive.reading import Block
from rnaget_server.archive.table import Field

Records = NDArray[np.int64]
"""Numbers of records, counted from 0."""


def count(test: Test, blocks: Iterable[Block]) -> int:
    """Return for how many records a test holds."""
    masks = ((test.mask(block), block.size) for block in blocks)
    return sum(int(np.count_nonzero(mask)) * (size // mask.size) for mask, size in masks)


def select(test: Test, blocks: Iterable[Block], start: int = 0, end: int | None = None) -> Iterator[Records]:
    """Yield the records for which a test holds, block by block: of them all, those from `start` to `end`."""
    passed = 0
    for block in blocks:
        if end is not None and passed >= end:
            return
        found = np.flatnonzero(np.broadcast_to(test.mask(block), block.size)) + block.start
        wanted = found[max(start - passed, 0) : None if end is None else end - passed]
        passed += len(found)
        if len(wanted):
            yield wanted


def in_order(records: Records, blocks: Iterable[Block], fields: Sequence[Field], descending: bool) -> Records:
    """Return records by the values of fields, then by their numbers; those without a value are the least."""
    order: NDArray[np.intp] | None = None
    keys = _keys(records, blocks, fields)
    for key in reversed(keys):
        order = _sorted(key) if order is None else order[_sorted(key[order])]
    return records[order[::-1] if descending and order is not None else order]


def _keys(records: Records, blocks: Iterable[Block], fields: Sequence[Field]) -> list[NDArray[Any]]:
    """Return, for each field, numbers that are in the order of its values."""
    found = [np.empty(len(records), _type(field)) for field in fields]
    for block in blocks:
        first, last = np.searchsorted(records, (block.start, block.start + block.size))
        if first < last:
            at = records[first:last] - block.start
            for keys, field in zip(found, fields, strict=True):
                values = block.order(field)
                keys[first:last] = values[at] if values.size > 1 else values
    return found


def _type(field: Field) -> type[np.generic]:
    if not field.is_many:
        return np.uint16
    return np.float64 if field.kind == "number" else np.uint32


def _sorted(keys: NDArray[Any]) -> NDArray[np.intp]:
    """Return the order of keys, in which equal ones stay as they are."""
    if keys.dtype != np.uint32:
        return np.argsort(keys, kind="stable")
    # NumPy sorts numbers of 16 bits by their digits, which is faster than to compare longer ones.
    order = np.argsort(keys.astype(np.uint16), kind="stable")
    return order[np.argsort((keys >> np.uint32(16)).astype(np.uint16)[order], kind="stable")]
