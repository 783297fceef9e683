"""The parts of a matrix: its size, its units, and its features and samples page by page."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from rnaget_server.catalog import Matrix
from rnaget_server.datasets.repository import View
from rnaget_server.errors import UnknownId
from rnaget_server.model.axis import Axis, Positions
from rnaget_server.query import MatrixQuery
from rnaget_server.slicing.lookup import not_found, record_by_id
from rnaget_server.slicing.search.axis import search_axis
from rnaget_server.slicing.select import select


@dataclass(frozen=True)
class Page:
    """Some features or samples, each with its attributes; how many there are in all; which ids were not found.

    `suggestions` are names like one that a search did not find.
    """

    items: list[dict[str, Any]]
    total: int
    missing: tuple[str, ...]
    suggestions: tuple[str, ...] = ()


def axis_page(
    view: View,
    matrix_id: str,
    axis: Literal["feature", "sample"],
    query: MatrixQuery,
    offset: int,
    limit: int,
    search: str | None = None,
) -> Page:
    """Return the features or samples of a matrix that the query selects, `limit` of them from `offset` on (0: all).

    With `search`, those of them that it finds, the best first, each with how it is found.

    Raises
    ------
    UnknownId
        If there is no such matrix, or nothing of it matches.
    InvalidQuery
        If the matrix has no such filter, or `search` is none.
    Unavailable
        If its file cannot be read.
    """
    matrix = record_by_id("expression matrix", matrix_id, view.catalog.matrices, query)
    store = view.stores.open(matrix)
    chosen = select(store, matrix, query)
    if 0 in chosen.shape:
        raise UnknownId(not_found(chosen.missing, [chosen.found], [chosen.near], query.filters))
    if axis == "feature":
        labels, positions, id, name = store.features, chosen.features, matrix.feature_id, matrix.feature_name
    else:
        labels, positions, id, name = store.samples, chosen.samples, matrix.sample_id, None
    part = slice(offset, offset + limit if limit else None)
    missing = tuple(value for values in chosen.missing.values() for value in values)
    if search is not None:
        hits = search_axis(view, matrix, store, axis, search, positions)
        items = _items(labels, hits.positions[part], id, name)
        items = [{**item, "matched": match} for item, match in zip(items, hits.matches(part), strict=True)]
        return Page(items, len(hits.positions), missing, hits.suggestions)
    if positions is None:
        positions = np.arange(labels.size)
    return Page(_items(labels, positions[part], id, name), len(positions), missing)


def matrix_details(view: View, matrix: Matrix) -> Mapping[str, Any]:
    """Return shape, units and attributes of a matrix.

    Raises
    ------
    Unavailable
        If its file cannot be read.
    """
    store = view.stores.open(matrix)
    features, samples = store.shape
    return {
        "units": list(store.units),
        "shape": {"features": features, "samples": samples},
        "featureAttributes": list(store.features.attributes),
        "sampleAttributes": list(store.samples.attributes),
    }


def _items(axis: Axis, wanted: Positions, id: str, name: str | None) -> list[dict[str, Any]]:
    columns = {attribute: _plain(axis.column(attribute, wanted)) for attribute in axis.attributes}
    items = []
    for row in range(len(wanted)):
        attributes = {attribute: values[row] for attribute, values in columns.items()}
        item = {"id": attributes[id], "name": attributes[name]} if name is not None else {"id": attributes[id]}
        items.append({**item, "attributes": attributes})
    return items


def _plain(values: Any) -> list[Any]:
    """Return a column as JSON has it: what is no finite number is null."""
    return [None if isinstance(value, float) and not math.isfinite(value) else value for value in values.tolist()]
