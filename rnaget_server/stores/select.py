"""Which rows and columns of one matrix a query selects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import reduce

import numpy as np

from rnaget_server.catalog.records import Matrix
from rnaget_server.query import MatrixQuery
from rnaget_server.stores.base import MatrixStore, Positions


@dataclass(frozen=True)
class Selection:
    """Rows and columns (ascending positions; None for all), and what was asked for and is not here.

    `missing` has, for each list parameter of the query, the values that this matrix does not have;
    `found` names the list parameters of which it has at least one value.
    """

    features: Positions | None
    samples: Positions | None
    missing: Mapping[str, list[str]] = field(default_factory=dict)
    found: frozenset[str] = frozenset()

    def size(self, store: MatrixStore) -> tuple[int, int]:
        """Return the number of selected features and samples."""
        rows, columns = store.shape
        return (
            rows if self.features is None else len(self.features),
            columns if self.samples is None else len(self.samples),
        )


def select(store: MatrixStore, matrix: Matrix, query: MatrixQuery) -> Selection:
    """Return what the ids, names and metadata filters of `query` select: they join with AND."""
    rows: list[Positions] = []
    columns: list[Positions] = []
    missing: dict[str, list[str]] = {}
    found = set()

    def note(name: str, result: tuple[Positions, list[str]], to: list[Positions]) -> None:
        positions, absent = result
        to.append(positions)
        missing[name] = absent
        if positions.size:
            found.add(name)

    if query.feature_ids is not None:
        note("featureIDList", store.features.find(matrix.feature_id, query.feature_ids), rows)
    if query.feature_names is not None:
        named = matrix.feature_name or matrix.feature_id
        note("featureNameList", store.features.find(named, query.feature_names), rows)
    if query.samples is not None:
        note("sampleIDList", store.samples.find(matrix.sample_id, query.samples), columns)
    for name, values in query.filters.items():
        one = matrix.filters[name]
        axis, to = (store.features, rows) if one.axis == "feature" else (store.samples, columns)
        note(name, axis.where(one.attribute, values), to)
    return Selection(_all_of(rows), _all_of(columns), missing, frozenset(found))


def within(
    store: MatrixStore, units: str, selection: Selection, minimum: float | None, maximum: float | None
) -> Positions:
    """Return the selected features of which every selected cell lies within the closed interval.

    The bounds are taken in the type of the cells, so that 0.7 includes a cell written as 0.7. A NaN cell
    lies nowhere. The stored ranges decide what they can; only the other features are read.
    """
    cell = store.dtype(units).type
    low = cell(-np.inf if minimum is None else minimum)
    high = cell(np.inf if maximum is None else maximum)
    features = np.arange(store.shape[0]) if selection.features is None else selection.features
    ranges = store.ranges(units)
    if ranges is None:
        sure, unsure = np.zeros(len(features), bool), np.ones(len(features), bool)
    else:
        least, greatest, nans = (part[features] for part in (ranges.minimum, ranges.maximum, ranges.nans))
        sure = (least >= low) & (greatest <= high) & (nans == 0)
        unsure = ~sure & (greatest >= low) & (least <= high)
        if selection.samples is None:
            unsure[:] = False
    if unsure.any():
        blocks = store.blocks(units, features[unsure], selection.samples)
        inside = [((block >= low) & (block <= high)).all(axis=1) for block in blocks]
        sure[unsure] = np.concatenate(inside)
    return features[sure]


def _all_of(parts: list[Positions]) -> Positions | None:
    if not parts:
        return None
    return reduce(lambda one, other: np.intersect1d(one, other, assume_unique=True), parts)
