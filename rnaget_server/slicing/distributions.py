"""The values of one feature by group: the numbers of box and violin plots, exact."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnaget_server.catalog import Matrix
from rnaget_server.datasets.repository import View
from rnaget_server.errors import InvalidQuery, UnknownId, unknown_name
from rnaget_server.model.columns import as_texts
from rnaget_server.model.observation import stage
from rnaget_server.query import MatrixQuery
from rnaget_server.slicing.densities import Density, density
from rnaget_server.slicing.matrices import slice_by_id
from rnaget_server.slicing.summaries import Grouping, group_attribute, group_names
from rnaget_server.stores.base import MatrixStore

SUMMARIES = ("n", "q1", "median", "q3", "min", "max")
"""The numbers of a group, by the names that a query has for them."""

# So many groups are shown, those with the highest medians.
_MOST_GROUPS = 60

MOST_CHOICES = 2_000
"""An attribute of more values is not offered for groups."""

_MOST_OUTLIERS = 5_000
_FENCE = 1.5


@dataclass(frozen=True)
class GroupValues:
    """The values of a feature in one group, with None for what is no number.

    Attributes
    ----------
    name
        The value of the attribute.
    samples
        How many samples the group has.
    n
        How many of them have a value.
    q1, median, q3, min, max
        As `summary` of a query gives them.
    low, high
        The whiskers: the least and greatest values within 1.5 times q3 - q1 of the quartiles.
    outliers
        The values beyond, ascending; of very many those that are farthest from the box.
    more_outliers
        How many outliers there are besides.
    density
        The density of the values, where it was asked for and there are different ones.
    """

    name: str
    samples: int
    n: int
    q1: float | None
    median: float | None
    q3: float | None
    min: float | None
    max: float | None
    low: float | None
    high: float | None
    outliers: tuple[float, ...]
    more_outliers: int
    density: Density | None


@dataclass(frozen=True)
class Distribution:
    """The values of one feature by group.

    Attributes
    ----------
    matrix
        The matrix.
    units
        The units of the values.
    groups
        The groups with the highest medians, highest first; groups without any value come last.
    total
        How many groups there are in all.
    samples
        How many samples are selected.
    ungrouped
        How many of them belong to no group.
    least
        The least value of all; None if there is none.
    """

    matrix: Matrix
    units: str
    groups: tuple[GroupValues, ...]
    total: int
    samples: int
    ungrouped: int
    least: float | None


def distribution(view: View, matrix_id: str, query: MatrixQuery, group_by: str | None, shape: str = "") -> Distribution:
    """Return the values of the one feature that a query selects, by group.

    Parameters
    ----------
    view
        The data.
    matrix_id
        The matrix.
    query
        Selects one feature, and samples.
    group_by
        The attribute or filter whose values are the groups; None: all samples are one.
    shape
        For the density of each group: ``linear``, or ``log`` for that of log(x + 1) if no value is below 0;
        empty for none.

    Raises
    ------
    UnknownId
        If there is no such matrix, or nothing of it matches.
    InvalidQuery
        If it cannot be grouped so.
    ResultTooLarge, Unavailable
        See `rnaget_server.errors`.
    """
    with stage("select"):
        found = slice_by_id(view, matrix_id, query)
    matrix = view.catalog.matrices[matrix_id]
    layer = found.slice.layers[0]
    cells = np.concatenate(list(layer.blocks()))[0]
    texts = ["all samples"] * len(cells)
    attribute = "" if group_by is None else _attribute(matrix, view.stores.open(matrix), group_by)
    if attribute:
        texts = as_texts(found.slice.samples.column(attribute))
    grouping = Grouping(attribute, texts)
    if not grouping.values:
        raise UnknownId(f"no selected sample has a {group_by}, so there are no groups: group_by another attribute")
    present = cells[~np.isnan(cells)]
    least = float(present.min()) if present.size else None
    if shape == "log" and least is not None and least < 0:
        shape = "linear"
    return Distribution(
        matrix,
        layer.units,
        tuple(_groups(cells, grouping, shape)),
        len(grouping.values),
        len(cells),
        grouping.ungrouped,
        least,
    )


def _attribute(matrix: Matrix, store: MatrixStore, group_by: str) -> str:
    attribute = group_attribute(group_by, matrix, store)
    if attribute is None:
        known = unknown_name("filter or attribute of samples", group_by, group_names(matrix, store))
        raise InvalidQuery(f"{matrix.id}: {known}")
    return attribute


def _groups(cells: NDArray[Any], grouping: Grouping, shape: str) -> list[GroupValues]:
    exact = grouping.summarise(cells[np.newaxis], SUMMARIES, np.dtype(np.float64)).reshape(-1, len(SUMMARIES))
    medians = exact[:, SUMMARIES.index("median")]
    order = np.lexsort((np.arange(len(medians)), -medians, np.isnan(medians)))[:_MOST_GROUPS]
    by_group = np.argsort(grouping.codes, kind="stable")
    ends = np.searchsorted(grouping.codes[by_group], np.arange(len(medians)), side="right")
    most = _MOST_OUTLIERS // max(1, len(order))
    groups = []
    for number in order.tolist():
        values = cells[by_group[ends[number] - grouping.sizes[number] : ends[number]]]
        groups.append(_group(grouping.values[number], values, exact[number], shape, most))
    return groups


def _group(name: str, values: NDArray[Any], numbers: NDArray[np.float64], shape: str, most: int) -> GroupValues:
    # Numbers have the type of the cells, as those that a query for summaries gets.
    n, q1, median, q3, least, greatest = (_shortest(number) for number in numbers.astype(values.dtype))
    present = np.sort(values[~np.isnan(values)])
    below, above = float(numbers[SUMMARIES.index("q1")]), float(numbers[SUMMARIES.index("q3")])
    with np.errstate(invalid="ignore"):
        reach = _FENCE * (above - below)
        inside = (present >= below - reach) & (present <= above + reach)
        within, outliers = present[inside], present[~inside]
        far = np.argsort(-np.maximum(below - outliers, outliers - above), kind="stable")[:most]
    return GroupValues(
        name,
        len(values),
        int(n or 0),
        q1,
        median,
        q3,
        least,
        greatest,
        low=_shortest(within[0]) if within.size else None,
        high=_shortest(within[-1]) if within.size else None,
        outliers=tuple(number for value in np.sort(outliers[far]) if (number := _shortest(value)) is not None),
        more_outliers=len(outliers) - len(far),
        density=density(present, shape) if shape else None,
    )


def _shortest(value: Any) -> float | None:
    """Return a cell as the shortest number that means it; None for what is not finite."""
    return float(str(value)) if np.isfinite(value) else None


@dataclass(frozen=True)
class GroupChoice:
    """An attribute or filter of samples, and how many values it has."""

    name: str
    values: int


def group_choices(matrix: Matrix, store: MatrixStore) -> Sequence[GroupChoice]:
    """Return by which attributes the samples of a matrix can be grouped: filters first, each attribute once."""
    names = group_names(matrix, store)
    filters = [filter.name for filter in matrix.filters.values() if filter.axis == "sample"]
    chosen: dict[str, GroupChoice] = {}
    for name in dict.fromkeys([*filters, *names]):
        attribute = names[name]
        values = None if attribute in chosen else store.samples.values(attribute, MOST_CHOICES)
        if values is not None and len(values) > 1:
            chosen[attribute] = GroupChoice(name, len(values))
    return tuple(chosen.values())
