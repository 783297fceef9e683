"""The features that are among the highest of some sample, or of some group of samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnaget_server.errors import UnknownId
from rnaget_server.slicing.candidates import Candidate
from rnaget_server.slicing.summaries import Grouping
from rnaget_server.stores.columns import as_texts
from rnaget_server.writers.base import Slice

# Whole columns are judged, some of them at a time.
_PANEL_BYTES = 32 << 20
_CHUNK = 64
PANEL_MEMORY = 3 * _PANEL_BYTES
"""What is held while columns are judged: whole ones, what they are made of, and parts of them."""

Make = Callable[[Sequence[Candidate], Grouping | None], Slice]


def with_highest(used: Sequence[Candidate], count: int, grouping: Grouping | None, make: Make) -> list[Candidate]:
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

    Raises
    ------
    UnknownId
        If no cell has a value.
    """
    ids: set[str] = set()
    panels = _sample_panels(used) if grouping is None else _group_panels(used, grouping)
    for panel, groups in panels:
        made = make(panel, groups)
        chosen = _among_highest(_cells(made), count)
        ids.update(np.array(as_texts(made.features.column(made.features.id)), object)[chosen])
    if not ids:
        raise UnknownId("no cell that is selected has a value, so none is among the highest: leave out top")
    return [_with_ids(one, ids) for one in used]


def _sample_panels(used: Sequence[Candidate]) -> Iterator[tuple[list[Candidate], None]]:
    for one in used:
        features, samples = one.shape
        width = _width(features)
        if width >= samples:
            yield [one], None
            continue
        chosen = np.arange(samples) if one.selection.samples is None else one.selection.samples
        for start in range(0, samples, width):
            yield [one.with_samples(chosen[start : start + width])], None


def _group_panels(used: Sequence[Candidate], grouping: Grouping) -> Iterator[tuple[list[Candidate], Grouping]]:
    """Yield as many groups as fit, and what of each candidate belongs to them."""
    width = _width(sum(one.shape[0] for one in used))
    if width >= len(grouping.values):
        yield list(used), grouping
        return
    borders = np.cumsum([one.shape[1] for one in used])[:-1]
    values = np.array(grouping.values, object)
    for start in range(0, len(values), width):
        inside = (grouping.codes >= start) & (grouping.codes < start + width)
        panel = []
        for one, mask in zip(used, np.split(inside, borders), strict=True):
            chosen = np.arange(len(mask)) if one.selection.samples is None else one.selection.samples
            if mask.any():
                panel.append(one.with_samples(chosen[mask]))
        yield panel, Grouping(grouping.attribute, values[grouping.codes[inside]].tolist())


def _width(features: int) -> int:
    """Return how many columns to hold at once: whole chunks if possible."""
    width = max(1, _PANEL_BYTES // (features * np.dtype(np.float32).itemsize))
    return width - width % _CHUNK if width > _CHUNK else width


def _cells(slice: Slice) -> NDArray[Any]:
    """Return the main layer with columns as rows."""
    cells = np.empty(slice.shape[::-1], slice.layers[0].dtype)
    at = 0
    for block in slice.layers[0].blocks():
        cells[:, at : at + len(block)] = block.T
        at += len(block)
    return cells


def _among_highest(columns: NDArray[Any], count: int) -> NDArray[np.bool_]:
    """Return which cells of any column are among its `count` highest."""
    chosen = np.zeros(columns.shape[1], bool)
    for column in columns:
        there = column[~np.isnan(column)]
        if len(there) <= count:
            chosen |= ~np.isnan(column)
            continue
        border = np.partition(there, len(there) - count)[len(there) - count]
        above = column > border
        chosen |= above
        chosen[np.flatnonzero(column == border)[: count - np.count_nonzero(above)]] = True
    return chosen


def _with_ids(one: Candidate, ids: set[str]) -> Candidate:
    chosen = one.selection.features
    column = as_texts(one.store.features.column(one.matrix.feature_id, chosen))
    among = np.fromiter((id in ids for id in column), bool, len(column))
    return one.with_features(np.flatnonzero(among) if chosen is None else chosen[among])
