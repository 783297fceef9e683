"""Summaries of large matrices, and their highest features, cut into ranges on which the workers of a cluster work.

A worker opens the file itself; numbers say which cells it is to read, which is decided here. Since the summaries of
a feature are the same in any part of a matrix, the parts in their order are what one process makes of the whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnaget_server.compute import Compute
from rnaget_server.datasets.guarded import GuardedStore
from rnaget_server.datasets.portable import PortableMatrix, pack, portable, unpack
from rnaget_server.model.axis import Positions
from rnaget_server.model.columns import Mask
from rnaget_server.model.slice import LayerInfo, Slice
from rnaget_server.slicing.candidates import MatrixSelection
from rnaget_server.slicing.summaries.grouping import Grouping, gathered, summarised_blocks
from rnaget_server.slicing.top import highest
from rnaget_server.storage.access import FileLimits
from rnaget_server.stores.blocks import steps

LEAST_CELLS = 1 << 28
"""Cells of which the summaries are made in this process: workers would not be done much sooner."""

PART_CELLS = 1 << 26
"""Cells of a part."""

_SPARSE = 10
_RESULT_BYTES = 4 << 20
# Mostly all of them: a worker that finds the file replaced then costs the request, and not a reply that has begun.
_AHEAD_BYTES = 32 << 20
_Range = tuple[int, int]


@dataclass(frozen=True)
class _Cells:
    """The cells of a matrix, of which each part takes some features or samples."""

    matrix: PortableMatrix
    units: str
    features: bytes | None
    samples: bytes | None

    @classmethod
    def of(cls, selected: MatrixSelection, units: str, limits: FileLimits) -> _Cells:
        """Return what is selected of one matrix."""
        chosen, (rows, columns) = selected.selection, selected.store.shape
        matrix = portable(selected.matrix, selected.store, limits)
        return cls(matrix, units, pack(chosen.features, rows), pack(chosen.samples, columns))

    def open(self) -> tuple[GuardedStore, Positions | None, Positions | None]:
        """Return the open store, and which features and samples; called on a worker."""
        store = self.matrix.open()
        rows, columns = store.shape
        return store, unpack(self.features, rows), unpack(self.samples, columns)


@dataclass(frozen=True)
class _Plan:
    """The part of the work that is common to all ranges of features of one layer."""

    cells: _Cells
    grouping: Grouping
    summaries: tuple[str, ...]
    dtype: np.dtype[Any]


def in_parts(
    compute: Compute,
    limits: FileLimits,
    selected: MatrixSelection,
    summarised: Slice,
    grouping: Grouping,
    summaries: Sequence[str],
) -> Slice:
    """Return the summaries of one matrix as made by the workers of a cluster, if there is one and they are large.

    Parameters
    ----------
    compute
        What works on the parts.
    limits
        The bounds within which files are read.
    selected
        The matrix, and what is selected of it.
    summarised
        Its summaries, as made in this process.
    grouping
        The groups of the selected samples.
    summaries
        Which summaries of each group there are.
    """
    if compute.is_local:
        return summarised

    def layer(of: LayerInfo) -> LayerInfo:
        features, samples = selected.shape
        width = _width(selected, of.units, samples)
        if features * width < LEAST_CELLS:
            return of
        row_bytes = len(grouping.values) * len(summaries) * of.dtype.itemsize
        height = max(1, min(PART_CELLS // width, _RESULT_BYTES // row_bytes))

        def blocks() -> Iterator[NDArray[Any]]:
            plan = _Plan(_Cells.of(selected, of.units, limits), grouping, tuple(summaries), of.dtype)
            return _results(compute, selected, partial(_summarised_part, plan), steps(features, height))

        ahead = min(_AHEAD_BYTES, features * row_bytes)
        return replace(of, blocks=lambda: gathered(blocks()), held=lambda: of.held() + ahead, ahead=ahead)

    return replace(summarised, layers=tuple(layer(of) for of in summarised.layers))


def highest_in_parts(compute: Compute, limits: FileLimits, units: str, count: int, selected: MatrixSelection) -> Mask:
    """Return which features are among the `count` highest of some sample, for which workers judge ranges of samples.

    For the parameters see `in_parts`.
    """
    features, samples = selected.shape
    height = _width(selected, units, features)
    chosen = selected.selection
    if compute.is_local or height * samples < LEAST_CELLS:
        return highest(selected.store, units, chosen.features, chosen.samples, count)
    judge = partial(_highest_part, _Cells.of(selected, units, limits), count)
    found = np.zeros(features, bool)
    for part in _results(compute, selected, judge, steps(samples, max(1, PART_CELLS // height))):
        found |= part
    return found


def _width(selected: MatrixSelection, units: str, cells: int) -> int:
    """Return how many cells to reckon with where there are so many with their zeros."""
    return max(1, cells // (1 if selected.store.sparse(units) is None else _SPARSE))


def _results(
    compute: Compute,
    selected: MatrixSelection,
    function: Callable[[_Range], NDArray[Any]],
    parts: Iterator[_Range],
) -> Iterator[NDArray[Any]]:
    """Yield the results of workers for as long as they are wanted."""
    with closing(compute.map(function, parts, selected.store.cancellation)) as results:
        yield from results


def _summarised_part(plan: _Plan, features: _Range) -> NDArray[Any]:
    """Return the summaries of some features; called on a worker."""
    store, rows, columns = plan.cells.open()
    layer = store.layer(plan.cells.units, _some(rows, features), columns)
    return np.concatenate(list(summarised_blocks(layer, plan.grouping, plan.summaries, plan.dtype)))


def _highest_part(cells: _Cells, count: int, samples: _Range) -> NDArray[Any]:
    """Return which features are among the highest of some samples; called on a worker."""
    store, rows, columns = cells.open()
    return highest(store, cells.units, rows, _some(columns, samples), count)


def _some(positions: Positions | None, part: _Range) -> Positions:
    """Return a range of selected positions."""
    return np.arange(*part) if positions is None else positions[slice(*part)]
