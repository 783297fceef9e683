"""A look at what is selected of a matrix: its first cells, and a few of its rows and columns as a sample."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnaget_server.catalog import Matrix
from rnaget_server.datasets.repository import View
from rnaget_server.errors import InvalidQuery
from rnaget_server.model.axis import Axis, Positions
from rnaget_server.model.columns import as_text, as_texts
from rnaget_server.model.slice import LayerInfo, Slice
from rnaget_server.query import MatrixQuery
from rnaget_server.query.strings import Pair
from rnaget_server.query.table import SLOW_PARAMETERS
from rnaget_server.slicing.advice import matrix_query_of
from rnaget_server.slicing.candidates import MatrixSelection, slice_of

_RUNS = 20
_POOL, _POOL_COLUMNS = 2_000, 250
"""Among so many rows those are chosen that stand for all, by so many of their cells."""

_OTHERS = ", ".join((*sorted(SLOW_PARAMETERS - {"bins"}), "summary", "format"))


@dataclass(frozen=True)
class Cells:
    """Some rows of a matrix as text: id and name of the feature, then the cells; and the ids of the columns."""

    samples: tuple[str, ...]
    rows: tuple[tuple[str, str, tuple[str, ...]], ...]


def selecting_query(view: View, matrix_id: str, pairs: list[Pair]) -> MatrixQuery:
    """Return the query for features and samples of one matrix, which needs no look at the cells.

    Raises
    ------
    InvalidQuery
        If a parameter is unknown, empty or of the wrong type, or asks for more than to select.
    """
    query = matrix_query_of(view, matrix_id, pairs)
    if query.group_by is not None or query.top is not None or query.has_bounds or query.format is not None:
        raise InvalidQuery(f"this page selects by ids, names and filters alone: leave out {_OTHERS}, or ask by the API")
    return query


def first_cells(selected: MatrixSelection, units: str, rows: int, columns: int) -> Cells:
    """Return the first cells of what is selected.

    Raises
    ------
    StoreFailure
        If they cannot be read.
    """
    matrix, store = selected.matrix, selected.store
    features = _positions(selected.selection.features, store.shape[0])[:rows]
    samples = _positions(selected.selection.samples, store.shape[1])[:columns]
    cells = chain.from_iterable(store.blocks(units, features, samples))
    ids = as_texts(store.features.column(matrix.feature_id, features))
    names = as_texts(store.features.column(matrix.feature_name, features)) if matrix.feature_name else [""] * len(ids)
    return Cells(
        tuple(as_texts(store.samples.column(matrix.sample_id, samples))),
        tuple((id, name, tuple(map(_shown, row))) for id, name, row in zip(ids, names, cells, strict=True)),
    )


class Sampler:
    """Slices of a few rows and columns that stand for all that is selected; the cells of each are read once.

    Rows and columns are taken evenly. Of few rows, those are taken that have as many cells with a value as all have: a
    few features mostly have most of them.
    """

    def __init__(self, selected: MatrixSelection, query: MatrixQuery, origin: Mapping[str, str]) -> None:
        self._selected, self._query, self._origin = selected, query, origin
        self._units = query.units or selected.matrix.units
        self._slices: dict[tuple[int, int], Slice] = {}

    def __call__(self, rows: int, columns: int) -> Slice:
        """Return so many rows and columns, or as many as there are.

        Raises
        ------
        StoreFailure
            If they cannot be read.
        """
        if (rows, columns) not in self._slices:
            some = self._selected.with_features(self._features(rows)).with_samples(self._samples(columns))
            made = slice_of([some], self._units, self._query.units is None, self._origin)
            self._slices[rows, columns] = replace(made, layers=tuple(map(_read_once, made.layers)))
        return self._slices[rows, columns]

    def _samples(self, columns: int) -> Positions:
        return _evenly(self._selected.selection.samples, self._selected.store.shape[1], columns)

    def _features(self, rows: int) -> Positions:
        if not 1 < rows < min(_POOL, self._selected.shape[0]):
            return _evenly(self._selected.selection.features, self._selected.store.shape[0], rows)
        pool = self._by_filled
        return np.sort(pool[((np.arange(rows) + 0.5) * len(pool) / rows).astype(np.int64)])

    @cached_property
    def _by_filled(self) -> Positions:
        """Some features, from the one with the fewest cells that are not 0 to the one with the most."""
        store = self._selected.store
        pool = _evenly(self._selected.selection.features, store.shape[0], _POOL)
        blocks = store.blocks(self._units, pool, self._samples(_POOL_COLUMNS))
        filled = np.concatenate([np.count_nonzero(block, axis=1) for block in blocks])
        return np.asarray(pool[np.argsort(filled, kind="stable")])


def _read_once(layer: LayerInfo) -> LayerInfo:
    blocks = cache(lambda: tuple(layer.blocks()))
    return replace(layer, blocks=lambda: iter(blocks()))


def sample_ids(selected: MatrixSelection, start: int, count: int) -> list[str]:
    """Return the ids of some of the samples that are selected."""
    samples = _positions(selected.selection.samples, selected.store.shape[1])[start : start + count]
    return as_texts(selected.store.samples.column(selected.matrix.sample_id, samples))


def named_features(matrix: Matrix, axis: Axis, names: list[str]) -> list[str]:
    """Return which of some names a feature of a matrix has, by its name where features have names, else by its id."""
    _, missing = axis.find(matrix.feature_name or matrix.feature_id, names)
    return [name for name in names if name not in missing]


def _positions(chosen: Positions | None, size: int) -> Positions:
    return np.arange(size) if chosen is None else chosen


def _evenly(chosen: Positions | None, size: int, count: int) -> Positions:
    """Return so many of the positions, in some runs: those far from each other are read slowly."""
    some = _positions(chosen, size)
    if len(some) <= count:
        return some
    starts = np.linspace(0, len(some) - count, min(_RUNS, count)).astype(np.int64)
    numbers = np.arange(count)
    return np.asarray(some[numbers + starts[numbers * len(starts) // count]])


def _shown(cell: NDArray[Any]) -> str:
    return as_text(cell) if float(cell).is_integer() else str(cell)
