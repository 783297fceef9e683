"""A slice with its samples summarised by group, made block by block."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnaget_server.catalog import Matrix
from rnaget_server.model.slice import LayerInfo, Slice
from rnaget_server.query.recommended import as_known
from rnaget_server.slicing.summaries.statistics import SUMMARY_OF, Cells, Summary
from rnaget_server.stores.base import MatrixStore

_GATHERED_BYTES = 256 << 10


def group_names(matrix: Matrix, store: MatrixStore) -> Mapping[str, str]:
    """Return the sample attribute that each name means by which a matrix can be grouped: of an attribute or filter."""
    filters = {filter.name: filter.attribute for filter in matrix.filters.values() if filter.axis == "sample"}
    return {name: name for name in store.samples.attributes} | filters


def group_attribute(name: str, matrix: Matrix, store: MatrixStore) -> str | None:
    """Return the sample attribute of a matrix that a query calls `name`, None if there is none."""
    names = group_names(matrix, store)
    return names.get(name if name in names else as_known(name, names))


class Grouping:
    """Samples by group.

    Parameters
    ----------
    attribute
        The sample attribute that defines the groups.
    texts
        Its value for each sample, in order; a sample for which it is empty belongs to no group.

    Attributes
    ----------
    values
        The value of each group, in order of first appearance.
    sizes
        How many samples each group has.
    ungrouped
        How many samples belong to no group.
    codes
        For each sample, which of the groups it belongs to, or -1.
    """

    def __init__(self, attribute: str, texts: Sequence[str]) -> None:
        self.attribute = attribute
        numbers: dict[str, int] = {}
        self.codes = np.array([numbers.setdefault(text, len(numbers)) if text.strip() else -1 for text in texts], int)
        self.values = tuple(numbers)
        self.sizes = np.bincount(self.codes[self.codes >= 0], minlength=len(numbers))
        self.ungrouped = int(np.count_nonzero(self.codes < 0))

    @cached_property
    def _order(self) -> NDArray[np.int64]:
        """The groups by size."""
        return np.argsort(self.sizes, kind="stable")

    @cached_property
    def _columns(self) -> NDArray[np.int64]:
        """The grouped samples, group after group in that order."""
        place = np.empty(len(self.values), np.int64)
        place[self._order] = np.arange(len(self.values))
        grouped = np.flatnonzero(self.codes >= 0)
        return grouped[np.argsort(place[self.codes[grouped]], kind="stable")]

    def summarise(self, block: Cells, summary: Callable[[Cells], Summary], dtype: np.dtype[Any]) -> NDArray[Any]:
        """Return features × groups for a block of features × samples."""
        # Much faster than indexing; every position is known to be there.
        cells = np.take(block, self._columns, axis=1, mode="clip")
        made = np.empty((len(block), len(self.values)), dtype)
        start = column = 0
        with np.errstate(all="ignore"):
            # Groups of one size are one array: thousands of groups are few calls.
            for size, groups in zip(*np.unique(self.sizes, return_counts=True), strict=True):
                stop = column + int(size * groups)
                shaped = cells[:, column:stop].reshape(len(block), groups, size)
                made[:, self._order[start : start + groups]] = summary(shaped)
                start, column = start + groups, stop
        return made


class GroupLabels:
    """The labels of groups in place of samples: their value, and how many samples they have."""

    name = None

    def __init__(self, grouping: Grouping) -> None:
        self._grouping = grouping
        self.id = grouping.attribute
        self.attributes = (self.id, "samples" if self.id != "samples" else "samples in group")

    @property
    def size(self) -> int:
        """Number of groups."""
        return len(self._grouping.values)

    def column(self, attribute: str) -> NDArray[Any]:
        """Return the values of the groups, or their sizes."""
        if attribute == self.id:
            return np.array([*self._grouping.values, None], object)[:-1]
        return self._grouping.sizes

    def ascii(self, attribute: str) -> None:
        """Return None: groups are few."""


def summarised_slice(slice: Slice, grouping: Grouping, summary: str, name: str) -> Slice:
    """Return the slice with a column for each group in place of its samples.

    Parameters
    ----------
    slice
        Features × samples, the samples those of `grouping` in order.
    grouping
        Which sample belongs to which group.
    summary
        One of `query.table.MATRIX_SUMMARIES`.
    name
        What the query calls the attribute.
    """
    notes = {"summary": f"{summary} by {name}"}
    if grouping.ungrouped:
        notes["ungrouped"] = f"{grouping.ungrouped:,} of {len(grouping.codes):,} samples, which have no {name}"
    return replace(
        slice,
        samples=GroupLabels(grouping),
        embeddings={},
        layers=tuple(_summarised(layer, grouping, summary) for layer in slice.layers),
        tsv_columns=lambda: [grouping.values],
        origin={**slice.origin, **notes},
    )


def _summarised(layer: LayerInfo, grouping: Grouping, summary: str) -> LayerInfo:
    dtype = np.dtype(np.float32) if summary == "n" else layer.dtype
    made = SUMMARY_OF[summary]
    return LayerInfo(
        units=layer.units,
        dtype=dtype,
        whole=summary == "n" or (layer.whole and summary in ("min", "max")),
        blocks=lambda: gathered(grouping.summarise(block, made, dtype) for block in layer.blocks()),
    )


def gathered(blocks: Iterator[NDArray[Any]]) -> Iterator[NDArray[Any]]:
    """Yield small blocks joined to such as are worth sending."""
    kept: list[NDArray[Any]] = []
    size = 0
    for block in blocks:
        kept.append(block)
        size += block.nbytes
        if size >= _GATHERED_BYTES:
            yield np.concatenate(kept)
            kept, size = [], 0
    if kept:
        yield np.concatenate(kept)
