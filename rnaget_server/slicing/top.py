"""The features that are among the highest of some sample, or of some group of samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnaget_server.datasets.guarded import GuardedStore
from rnaget_server.errors import UnknownId
from rnaget_server.model.axis import Positions
from rnaget_server.model.columns import Mask, as_texts
from rnaget_server.model.slice import LayerInfo, Slice
from rnaget_server.slicing.candidates import MatrixSelection
from rnaget_server.slicing.summaries import Grouping

# Whole columns are judged, some of them at a time.
_PANEL_BYTES = 32 << 20
_CHUNK = 64
PANEL_MEMORY = 3 * _PANEL_BYTES
"""What is held while columns are judged: whole ones, what they are computed from, and parts of them."""

Make = Callable[[Sequence[MatrixSelection], Grouping | None], Slice]
Judge = Callable[[MatrixSelection], Mask]


def with_highest(
    used: Sequence[MatrixSelection],
    count: int,
    grouping: Grouping | None,
    make: Make,
    judge: Judge,
    per_group: int = 1,
) -> list[MatrixSelection]:
    """Return the candidates with those features only that are among the `count` highest of some column.

    Parameters
    ----------
    used
        What is selected of each matrix.
    count
        How many features to take of each column. NaN is never among them; of equal ones, the first are.
    grouping
        Groups of the samples, if the columns are to be summaries of them.
    make
        Returns the slice of some candidates, summarised by a grouping of their samples.
    judge
        Returns which features of a candidate are among the `count` highest of some sample.
    per_group
        How many columns it has for each group.

    Raises
    ------
    UnknownId
        If no cell has a value.
    """
    ids: set[str] = set()
    if grouping is None:
        for selected in used:
            ids.update(np.array(as_texts(selected.feature_ids()), object)[judge(selected)])
    else:
        for panel, groups in _group_panels(used, grouping, per_group):
            panel_slice = make(panel, groups)
            chosen = _among_highest(_cells(panel_slice.layers[0], panel_slice.shape), count)
            ids.update(np.array(as_texts(panel_slice.features.column(panel_slice.features.id)), object)[chosen])
    if not ids:
        raise UnknownId("no cell that is selected has a value, so none is among the highest: leave out top")
    return [_with_ids(selected, ids) for selected in used]


def highest(store: GuardedStore, units: str, features: Positions | None, samples: Positions | None, count: int) -> Mask:
    """Return which of some features are among the `count` highest of one of some samples."""
    height = store.shape[0] if features is None else len(features)
    chosen = np.zeros(height, bool)
    for panel, size in _sample_panels(samples, store.shape[1], _width(height)):
        chosen |= _among_highest(_cells(store.layer(units, features, panel), (height, size)), count)
    return chosen


def _sample_panels(samples: Positions | None, size: int, width: int) -> Iterator[tuple[Positions | None, int]]:
    """Yield as many samples as fit, and how many these are."""
    number = size if samples is None else len(samples)
    if width >= number:
        yield samples, number
        return
    for start in range(0, number, width):
        stop = min(start + width, number)
        yield np.arange(start, stop) if samples is None else samples[start:stop], stop - start


def _group_panels(
    used: Sequence[MatrixSelection], grouping: Grouping, per_group: int
) -> Iterator[tuple[list[MatrixSelection], Grouping]]:
    """Yield as many groups as fit, and what of each candidate belongs to them."""
    width = max(1, _width(sum(selected.shape[0] for selected in used)) // per_group)
    if width >= len(grouping.values):
        yield list(used), grouping
        return
    borders = np.cumsum([selected.shape[1] for selected in used])[:-1]
    values = np.array(grouping.values, object)
    for start in range(0, len(values), width):
        inside = (grouping.codes >= start) & (grouping.codes < start + width)
        panel = []
        for selected, mask in zip(used, np.split(inside, borders), strict=True):
            chosen = np.arange(len(mask)) if selected.selection.samples is None else selected.selection.samples
            if mask.any():
                panel.append(selected.with_samples(chosen[mask]))
        yield panel, Grouping(grouping.attribute, values[grouping.codes[inside]].tolist())


def _width(features: int) -> int:
    """Return how many columns to hold at once: whole chunks if possible."""
    width = max(1, _PANEL_BYTES // (features * np.dtype(np.float32).itemsize))
    return width - width % _CHUNK if width > _CHUNK else width


def _cells(layer: LayerInfo, shape: tuple[int, int]) -> NDArray[Any]:
    """Return a layer with columns as rows."""
    cells = np.empty(shape[::-1], layer.dtype)
    at = 0
    for block in layer.blocks():
        cells[:, at : at + len(block)] = block.T
        at += len(block)
    return cells


def _among_highest(columns: NDArray[Any], count: int) -> NDArray[np.bool_]:
    """Return which cells of any column are among its `count` highest."""
    chosen = np.zeros(columns.shape[1], bool)
    for column in columns:
        present = column[~np.isnan(column)]
        if len(present) <= count:
            chosen |= ~np.isnan(column)
            continue
        border = np.partition(present, len(present) - count)[len(present) - count]
        above = column > border
        chosen |= above
        chosen[np.flatnonzero(column == border)[: count - np.count_nonzero(above)]] = True
    return chosen


def _with_ids(selected: MatrixSelection, ids: set[str]) -> MatrixSelection:
    chosen = selected.selection.features
    column = as_texts(selected.store.features.column(selected.matrix.feature_id, chosen))
    among = np.fromiter((id in ids for id in column), bool, len(column))
    return selected.with_features(np.flatnonzero(among) if chosen is None else chosen[among])
