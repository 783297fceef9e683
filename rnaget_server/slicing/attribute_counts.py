"""The values of an attribute of features or samples, and how many have each."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rnaget_server.catalog import Matrix
from rnaget_server.datasets.guarded import GuardedStore
from rnaget_server.model.axis import Axis, Positions
from rnaget_server.model.columns import as_text
from rnaget_server.model.kinds import Kind
from rnaget_server.model.recent import RecentValues
from rnaget_server.model.text import decode

AxisName = Literal["sample", "feature"]
MOST_VALUES = 10_000
"""So many different values of an attribute are kept at most, those that occur most often."""

_MOST_KEPT = 500_000
_AT_ONCE = 1 << 16
_MOST_COUNTED = 1 << 17
_LEAST_WEIGHT = 10


@dataclass(frozen=True)
class AttributeCounts:
    """The values of an attribute.

    Attributes
    ----------
    kind
        Whether they are numbers, dates or other text.
    missing
        How many features or samples have none.
    distinct
        How many different values there are.
    values
        The first `MOST_VALUES` of them as text, each with how many have it: the most frequent first.
    bounds
        The least and the greatest of numbers, as text; None of what is no number.
    """

    kind: Kind
    missing: int
    distinct: int
    values: tuple[tuple[str, int], ...]
    bounds: tuple[str, str] | None = None

    @property
    def all_differ(self) -> bool:
        """True if no value occurs twice."""
        return not self.values or self.values[0][1] == 1


class AttributeCounter:
    """Counts the values of attributes, and keeps what it counted of whole matrices by the version of their files."""

    def __init__(self) -> None:
        self._kept: RecentValues[tuple[object, ...], AttributeCounts] = RecentValues(
            _MOST_KEPT, lambda counts: _LEAST_WEIGHT + len(counts.values)
        )

    def known(self, matrix: Matrix, store: GuardedStore, axis: AxisName, attribute: str) -> AttributeCounts | None:
        """Return the counts of an attribute of a whole matrix, if they are kept."""
        return self._kept.known(_key(matrix, store, axis, attribute))

    def of(
        self, matrix: Matrix, store: GuardedStore, axis: AxisName, attribute: str, positions: Positions | None = None
    ) -> AttributeCounts:
        """Return the counts of an attribute at some positions; None: of the whole matrix, which is counted once.

        Raises
        ------
        StoreFailure
            If the file cannot be read.
        """
        labels = axis_of(store, axis)
        if positions is not None:
            return _counted(labels, attribute, positions)
        return self._kept.get(_key(matrix, store, axis, attribute), lambda: _counted(labels, attribute, None))


def axis_of(store: GuardedStore, axis: AxisName) -> Axis:
    """Return the features or the samples."""
    return store.features if axis == "feature" else store.samples


def _key(matrix: Matrix, store: GuardedStore, axis: AxisName, attribute: str) -> tuple[object, ...]:
    return (matrix.path, store.version, axis, attribute)


def _counted(axis: Axis, attribute: str, positions: Positions | None) -> AttributeCounts:
    texts = axis.ascii(attribute, positions)
    column = axis.column(attribute, positions) if texts is None else texts
    found, counts = _occurrences(column)
    is_number = column.dtype.kind in "iuf"
    has_value = ~np.isnan(found) if column.dtype.kind == "f" else found.astype(bool) | is_number
    present, numbers = found[has_value], counts[has_value]
    # Of equal counts, the order of the values is kept.
    order = np.argsort(-numbers, kind="stable")[:MOST_VALUES]
    return AttributeCounts(
        axis.kind(attribute),
        int(len(column) - numbers.sum()),
        len(present),
        tuple(zip(_as_texts(present[order]), numbers[order].tolist(), strict=True)),
        (as_text(present[0]), as_text(present[-1])) if is_number and len(present) else None,
    )


def _occurrences(column: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return the different values, sorted, and how often each is there."""
    if column.dtype.kind in "iuf":
        return np.unique(column, return_counts=True)
    counter: Counter[Any] = Counter()
    for start in range(0, len(column), _AT_ONCE):
        # Faster than to sort where values are few, and they mostly are.
        counter.update(column[start : start + _AT_ONCE].tolist())
        if column.dtype.kind == "S" and len(counter) > _MOST_COUNTED:
            return np.unique(column, return_counts=True)
    counted = sorted(counter.items())
    found = np.empty(len(counted), column.dtype)
    found[:] = [text for text, _ in counted]
    return found, np.array([count for _, count in counted], np.int64)


def _as_texts(found: NDArray[Any]) -> list[str]:
    return list(decode(found)) if found.dtype.kind == "S" else [as_text(value) for value in found]
