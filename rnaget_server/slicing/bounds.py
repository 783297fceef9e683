"""Features whose cells lie within bounds: the same for all features, or for each its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnaget_server.catalog.records import Matrix
from rnaget_server.model.axis import Near, Positions
from rnaget_server.model.columns import Mask
from rnaget_server.model.suggestions import Suggestions, merged
from rnaget_server.query import MatrixQuery
from rnaget_server.stores.base import MatrixStore


@dataclass(frozen=True)
class Bounds:
    """The limits between which the cells of features must lie, both included.

    `low` and `high` hold for every feature, `lows` and `highs` for the features at these positions. `missing` has
    for each parameter the features named that the matrix does not have, `near` gives likely meanings of them,
    and `found` the parameters that name one it has.
    """

    low: float | None = None
    high: float | None = None
    lows: Mapping[int, float] = field(default_factory=dict)
    highs: Mapping[int, float] = field(default_factory=dict)
    missing: Mapping[str, list[str]] = field(default_factory=dict)
    near: Mapping[str, Near] = field(default_factory=dict)
    found: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        """Return whether any feature is bounded."""
        return self.low is not None or self.high is not None or bool(self.lows) or bool(self.highs)


def bounds_of(store: MatrixStore, matrix: Matrix, query: MatrixQuery) -> Bounds:
    """Return the bounds that a query sets to the features of one matrix, named by id or else by name."""
    missing: dict[str, list[str]] = {}
    near: dict[str, Near] = {}
    found: dict[str, Mapping[int, float]] = {}
    asked = (("feature_min_value", query.minimum, 1), ("feature_max_value", query.maximum, -1))
    for parameter, thresholds, sign in asked:
        if thresholds.of_each:
            found[parameter], missing[parameter] = _resolved(store, matrix, thresholds.of_each, sign)
            if not found[parameter]:
                near[parameter] = partial(_near, store, matrix, missing[parameter])
    return Bounds(
        query.minimum.of_all,
        query.maximum.of_all,
        found.get("feature_min_value", {}),
        found.get("feature_max_value", {}),
        missing,
        near,
        frozenset(parameter for parameter, numbers in found.items() if numbers),
    )


def _near(store: MatrixStore, matrix: Matrix, missing: list[str]) -> Suggestions:
    """Return ids like names that no feature has, and names like them, as either may have been meant."""
    attributes = dict.fromkeys((matrix.feature_id, matrix.feature_name or matrix.feature_id))
    return merged(store.features.suggest(attribute, missing) for attribute in attributes)


def _resolved(
    store: MatrixStore, matrix: Matrix, of_each: Mapping[str, float], sign: int
) -> tuple[dict[int, float], list[str]]:
    """Return the number of each feature by its position, and the names that no feature has.

    Of several numbers for one feature the greatest is taken, or the least if `sign` is -1.
    """
    names = list(of_each)
    numbers = np.fromiter(of_each.values(), np.float64, len(of_each))
    positions, owners = store.features.index(matrix.feature_id).locate(names)
    held = np.zeros(len(names), bool)
    held[owners] = True
    if matrix.feature_name is not None and not held.all():
        others = np.flatnonzero(~held)
        named, of = store.features.index(matrix.feature_name).locate([names[number] for number in others.tolist()])
        positions, owners = np.concatenate([positions, named]), np.concatenate([owners, others[of]])
        held[owners] = True
    # The last one stays.
    order = np.argsort(sign * numbers[owners], kind="stable")
    resolved = dict(zip(positions[order].tolist(), numbers[owners][order].tolist(), strict=True))
    return resolved, [names[number] for number in np.flatnonzero(~held).tolist()]


def within(
    store: MatrixStore, units: str, features: Positions | None, samples: Positions | None, bounds: Bounds
) -> Positions:
    """Return the selected features of which every selected cell is within its bounds.

    The bounds are taken in the type of the cells, so that 0.7 includes a cell written as 0.7. A NaN cell
    lies nowhere; a feature without a bound stays with any cells. The stored ranges decide what they can;
    only the other features are read.
    """
    chosen = np.arange(store.shape[0]) if features is None else features
    low, has_low = _bound_of_each(chosen, bounds.low, bounds.lows, -np.inf, store.dtype(units))
    high, has_high = _bound_of_each(chosen, bounds.high, bounds.highs, np.inf, store.dtype(units))
    ranges = store.ranges(units)
    sure = ~(has_low | has_high)
    if ranges is None:
        unsure = ~sure
    else:
        least, greatest, nans = (part[chosen] for part in (ranges.minimum, ranges.maximum, ranges.nans))
        unsure = ~sure & (greatest >= low) & (least <= high)
        sure |= (least >= low) & (greatest <= high) & (nans == 0)
        unsure &= ~sure
        if samples is None:
            unsure[:] = False
    if unsure.any():
        low, high = low[unsure][:, None], high[unsure][:, None]
        inside: list[Mask] = []
        at = 0
        for block in store.blocks(units, chosen[unsure], samples):
            rows = slice(at, at + len(block))
            inside.append(np.asarray(((block >= low[rows]) & (block <= high[rows])).all(axis=1)))
            at = rows.stop
        sure[unsure] = np.concatenate(inside)
    return chosen[sure]


def _bound_of_each(
    features: Positions, of_all: float | None, of_some: Mapping[int, float], none: float, dtype: np.dtype[Any]
) -> tuple[NDArray[Any], Mask]:
    """Return the bound of each feature in the type of the cells, and which features have one."""
    values = np.full(len(features), none if of_all is None else of_all, np.float64)
    has = np.full(len(features), of_all is not None)
    if of_some:
        positions = np.fromiter(of_some, np.int64, len(of_some))
        numbers = np.fromiter(of_some.values(), np.float64, len(of_some))
        order = np.argsort(positions)
        at = np.searchsorted(positions[order], features).clip(max=len(positions) - 1)
        has |= (hit := positions[order][at] == features)
        values[hit] = numbers[order][at][hit]
    with np.errstate(over="ignore"):  # a bound beyond float32 is as good as infinite
        return values.astype(dtype), has
