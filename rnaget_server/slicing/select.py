"""The rows and columns of one matrix that a query selects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from rnaget_server.catalog.records import Filter, Matrix
from rnaget_server.errors import InvalidQuery, shown
from rnaget_server.model.axis import Axis, Near, Positions
from rnaget_server.model.kinds import is_date, number_of
from rnaget_server.model.suggestions import MOST_NAMES, Suggestions
from rnaget_server.query import Condition, MatrixQuery
from rnaget_server.slicing.bounds import Bounds, bounds_of
from rnaget_server.stores.base import MatrixStore


class AxisSelector:
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
        For each parameter that chose nothing, what looks for values that are like what was asked for.
    """

    def __init__(self, axis: Axis) -> None:
        self._axis = axis
        self.positions: Positions | None = None
        self.missing: dict[str, list[str]] = {}
        self.found: set[str] = set()
        self.near: dict[str, Near] = {}

    def by_id(
        self,
        name: str,
        attribute: str,
        values: tuple[str, ...] | None,
        excluded: tuple[str, ...] | None,
        other: tuple[str, str] | None = None,
    ) -> None:
        """Keep what has one of the ids or names `values`, and drop what has one of those `excluded`.

        `other` is the parameter for names and their attribute where these are ids, and the other way round.
        """
        if values is not None:
            self._keep(name, *self._axis.find(attribute, values), attribute)
            if name in self.near and other is not None:
                self.near[name] = partial(suggest_elsewhere, self._axis, attribute, self.missing[name], *other)
        if excluded is not None:
            self._drop(f"{name}_not", *self._axis.find(attribute, excluded))

    def by_condition(self, filter: Filter, condition: Condition) -> None:
        """Keep what fulfils a condition on the attribute of a metadata filter.

        Raises
        ------
        InvalidQuery
            If bounds are asked of an attribute that holds text, or that do not fit its kind.
        """
        name, attribute = filter.name, filter.attribute
        if condition.values is not None:
            self._keep(name, *self._axis.where(attribute, condition.values, filter.ignore_case), attribute)
        if condition.excluded is not None:
            self._drop(f"{name}_not", *self._axis.where(attribute, condition.excluded, filter.ignore_case))
        if condition.minimum is not None or condition.maximum is not None:
            positions = self._within(filter, condition.minimum, condition.maximum)
            self._keep(f"{name}_min and {name}_max", positions, [], attribute)

    def _within(self, filter: Filter, minimum: str | None, maximum: str | None) -> Positions:
        name, kind = filter.name, filter.type or self._axis.kind(filter.attribute)
        if kind == "text":
            raise InvalidQuery(f"{name} holds text, so {name}_min and {name}_max say nothing: ask for values")
        if kind == "date":
            for bound in (minimum, maximum):
                if bound is not None and not is_date(bound):
                    raise InvalidQuery(f"{name} holds dates: give bounds such as 2024-05-31, not {shown(bound)}")
            if minimum is not None and maximum is not None and minimum[: len(maximum)] > maximum:
                raise InvalidQuery(f"{name}_min {minimum} is after {name}_max {maximum}: swap them")
            return self._axis.between_dates(filter.attribute, minimum, maximum)
        low, high = (None if bound is None else number_of(bound) for bound in (minimum, maximum))
        for bound, number in ((minimum, low), (maximum, high)):
            if bound is not None and number is None:
                raise InvalidQuery(f"{name} holds numbers: give bounds such as 1.5, not {shown(bound)}")
        if low is not None and high is not None and low > high:
            raise InvalidQuery(f"{name}_min {low:g} is above {name}_max {high:g}: swap them")
        return self._axis.between(filter.attribute, low, high)

    def _keep(self, name: str, positions: Positions, missing: list[str], attribute: str) -> None:
        self.missing[name] = missing
        if positions.size:
            self.found.add(name)
        elif missing:
            self.near[name] = partial(self._axis.suggest, attribute, missing)
        kept = positions if self.positions is None else np.intersect1d(self.positions, positions, assume_unique=True)
        self.positions = kept

    def _drop(self, name: str, positions: Positions, missing: list[str]) -> None:
        self.missing[name] = missing
        self.found.add(name)
        here = np.arange(self._axis.size) if self.positions is None else self.positions
        self.positions = np.setdiff1d(here, positions, assume_unique=True)


def suggest_elsewhere(axis: Axis, attribute: str, missing: Sequence[str], parameter: str, other: str) -> Suggestions:
    """Return values like those that an attribute does not have, and which of them another has, or is like.

    Parameters
    ----------
    axis
        The axis.
    attribute
        The one that was asked for.
    missing
        The values that it does not have.
    parameter
        What asks for the other one.
    other
        The other attribute.
    """
    first = list(missing[:MOST_NAMES])
    _, unknown = axis.find(other, first)
    elsewhere = {name: f"{parameter}={name}" for name in first if name not in unknown}
    if elsewhere:
        return Suggestions(elsewhere=elsewhere)
    found = axis.suggest(attribute, first)
    if any(found.alike.values()):
        return found
    likes = axis.suggest(other, first).alike
    return replace(found, elsewhere={name: f"{parameter}={like[0]}" for name, like in likes.items() if like})


@dataclass(frozen=True)
class Selection:
    """Rows and columns (ascending positions; None for all), and what was asked for and is not here.

    `missing` has, for each list parameter of the query, the values that this matrix does not have;
    `found` names the list parameters of which it has at least one value; `near` gives likely meanings of the others.
    `bounds` are yet to be applied to the cells. `shape` is the number of selected features and samples.
    """

    features: Positions | None
    samples: Positions | None
    shape: tuple[int, int]
    missing: Mapping[str, list[str]] = field(default_factory=dict)
    found: frozenset[str] = frozenset()
    near: Mapping[str, Near] = field(default_factory=dict)
    bounds: Bounds = field(default_factory=Bounds)


def select(store: MatrixStore, matrix: Matrix, query: MatrixQuery) -> Selection:
    """Return what the ids, names and metadata filters of `query` select: they join with AND.

    Raises
    ------
    InvalidQuery
        If bounds are asked of an attribute that holds text.
    """
    rows, columns = AxisSelector(store.features), AxisSelector(store.samples)
    named = matrix.feature_name or matrix.feature_id
    by_name, by_id = ("featureNameList", named), ("featureIDList", matrix.feature_id)
    has_names = named != matrix.feature_id
    rows.by_id(*by_id, query.feature_ids, query.not_feature_ids, by_name if has_names else None)
    rows.by_id(*by_name, query.feature_names, query.not_feature_names, by_id if has_names else None)
    columns.by_id("sampleIDList", matrix.sample_id, query.samples, query.not_samples)
    for name, condition in query.filters.items():
        filter = matrix.filters[name]
        (rows if filter.axis == "feature" else columns).by_condition(filter, condition)
    bounds = bounds_of(store, matrix, query) if query.has_bounds else Bounds()
    features, samples = store.shape
    return Selection(
        rows.positions,
        columns.positions,
        (
            features if rows.positions is None else len(rows.positions),
            samples if columns.positions is None else len(columns.positions),
        ),
        rows.missing | columns.missing | dict(bounds.missing),
        bounds.found | rows.found | columns.found,
        rows.near | columns.near | dict(bounds.near),
        bounds,
    )
