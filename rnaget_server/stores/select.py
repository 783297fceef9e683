"""Which rows and columns of one matrix a query selects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from rnaget_server.catalog.records import Matrix
from rnaget_server.errors import InvalidQuery
from rnaget_server.query import Condition, MatrixQuery
from rnaget_server.stores.base import Axis, MatrixStore, Positions


class Chooser:
    """Narrows an axis by what a query asks of it: everything joins with AND.

    Attributes
    ----------
    positions
        What is chosen, ascending; None while nothing was asked.
    missing
        For each parameter, the values asked for that the axis does not have.
    found
        The parameters that chose something by themselves.
    near
        For each parameter that chose nothing, values that are like what was asked for.
    """

    def __init__(self, axis: Axis) -> None:
        self._axis = axis
        self.positions: Positions | None = None
        self.missing: dict[str, list[str]] = {}
        self.found: set[str] = set()
        self.near: dict[str, list[str]] = {}

    def by_id(
        self, name: str, attribute: str, values: tuple[str, ...] | None, excluded: tuple[str, ...] | None
    ) -> None:
        """Keep what has one of the ids or names `values`, and drop what has one of those `excluded`."""
        if values is not None:
            self._keep(name, *self._axis.find(attribute, values), attribute)
        if excluded is not None:
            self._drop(f"{name}_not", *self._axis.find(attribute, excluded))

    def by_condition(self, name: str, attribute: str, condition: Condition) -> None:
        """Keep what fulfils a condition on an attribute.

        Raises
        ------
        InvalidQuery
            If bounds are asked of an attribute that holds text.
        """
        if condition.values is not None:
            self._keep(name, *self._axis.where(attribute, condition.values), attribute)
        if condition.excluded is not None:
            self._drop(f"{name}_not", *self._axis.where(attribute, condition.excluded))
        if condition.minimum is not None or condition.maximum is not None:
            if not self._axis.is_number(attribute):
                raise InvalidQuery(f"{name} holds text, so {name}_min and {name}_max say nothing: ask for values")
            positions = self._axis.between(attribute, condition.minimum, condition.maximum)
            self._keep(f"{name}_min and {name}_max", positions, [], attribute)

    def _keep(self, name: str, positions: Positions, missing: list[str], attribute: str) -> None:
        self.missing[name] = missing
        if positions.size:
            self.found.add(name)
        elif missing:
            self.near[name] = self._axis.nearest(attribute, missing[0])
        kept = positions if self.positions is None else np.intersect1d(self.positions, positions, assume_unique=True)
        self.positions = kept

    def _drop(self, name: str, positions: Positions, missing: list[str]) -> None:
        self.missing[name] = missing
        self.found.add(name)
        here = np.arange(self._axis.size) if self.positions is None else self.positions
        self.positions = np.setdiff1d(here, positions, assume_unique=True)


@dataclass(frozen=True)
class Selection:
    """Rows and columns (ascending positions; None for all), and what was asked for and is not here.

    `missing` has, for each list parameter of the query, the values that this matrix does not have;
    `found` names the list parameters of which it has at least one value; `near` has likely meanings of the others.
    """

    features: Positions | None
    samples: Positions | None
    missing: Mapping[str, list[str]] = field(default_factory=dict)
    found: frozenset[str] = frozenset()
    near: Mapping[str, list[str]] = field(default_factory=dict)

    def size(self, store: MatrixStore) -> tuple[int, int]:
        """Return the number of selected features and samples."""
        rows, columns = store.shape
        return (
            rows if self.features is None else len(self.features),
            columns if self.samples is None else len(self.samples),
        )


def select(store: MatrixStore, matrix: Matrix, query: MatrixQuery) -> Selection:
    """Return what the ids, names and metadata filters of `query` select: they join with AND.

    Raises
    ------
    InvalidQuery
        If bounds are asked of an attribute that holds text.
    """
    rows, columns = Chooser(store.features), Chooser(store.samples)
    named = matrix.feature_name or matrix.feature_id
    rows.by_id("featureIDList", matrix.feature_id, query.feature_ids, query.not_feature_ids)
    rows.by_id("featureNameList", named, query.feature_names, query.not_feature_names)
    columns.by_id("sampleIDList", matrix.sample_id, query.samples, query.not_samples)
    for name, condition in query.filters.items():
        one = matrix.filters[name]
        (rows if one.axis == "feature" else columns).by_condition(name, one.attribute, condition)
    return Selection(
        rows.positions,
        columns.positions,
        rows.missing | columns.missing,
        frozenset(rows.found | columns.found),
        rows.near | columns.near,
    )


def within(
    store: MatrixStore, units: str, selection: Selection, minimum: float | None, maximum: float | None
) -> Positions:
    """Return the selected features of which every selected cell lies within the closed interval.

    The bounds are taken in the type of the cells, so that 0.7 includes a cell written as 0.7. A NaN cell
    lies nowhere. The stored ranges decide what they can; only the other features are read.
    """
    cell = store.dtype(units).type
    with np.errstate(over="ignore"):  # a bound beyond float32 is as good as infinite
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
