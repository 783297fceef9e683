"""A slice with its samples summarised by group, made block by block."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
from numcodecs import blosc
from numpy.typing import NDArray

from rnaget_server.catalog import Matrix
from rnaget_server.model.labels import WholeLabels
from rnaget_server.model.slice import LayerInfo, Slice
from rnaget_server.query.recommended import as_known
from rnaget_server.slicing.summaries.sparse import OF_STORED_CELLS, summarise_stored
from rnaget_server.slicing.summaries.statistics import Cells, summarise
from rnaget_server.stores.base import MatrixStore

_GATHERED_BYTES = 256 << 10
_EXACT_IN_FLOAT32 = 1 << 24
_OF_WHOLE_NUMBERS = ("min", "max", "sum")
_RECKONED = frozenset({"mean", "std", "fraction", "fraction_nonzero"})


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
    codes
        Where `texts` are different values instead: which of them each sample has.

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

    def __init__(self, attribute: str, texts: Sequence[str], codes: NDArray[Any] | None = None) -> None:
        self.attribute = attribute
        chosen = np.arange(len(texts)) if codes is None else codes
        first = np.full(len(texts), len(chosen))
        first[chosen[::-1]] = np.arange(len(chosen))[::-1]  # the last that is put into a place stays
        numbers: dict[str, int] = {}
        group_of = np.full(len(texts), -1, np.int32)
        for place in np.argsort(first, kind="stable")[: np.count_nonzero(first < len(chosen))].tolist():
            if texts[place].strip():
                group_of[place] = numbers.setdefault(texts[place], len(numbers))
        self.values = tuple(numbers)
        self.codes = group_of[chosen]
        counts = np.bincount(self.codes + 1, minlength=len(numbers) + 1)
        self.sizes = counts[1:]
        self.ungrouped = int(counts[0])

    def __getstate__(self) -> dict[str, Any]:
        """Return what is sent to other processes: a byte or less for each sample."""
        state = {name: vars(self)[name] for name in ("attribute", "values", "sizes", "ungrouped")}
        return state | {"codes": blosc.compress(self.codes, b"zstd", 1)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take over what was sent."""
        vars(self).update(state | {"codes": np.frombuffer(blosc.decompress(state["codes"]), np.int32)})

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

    def summarise(self, block: Cells, summaries: Sequence[str], dtype: np.dtype[Any]) -> NDArray[Any]:
        """Return a block of features × samples as features × columns: group by group, each of the summaries of it."""
        # Much faster than indexing; every position is known to be there.
        cells = np.take(block, self._columns, axis=1, mode="clip")
        made = np.empty((len(block), len(self.values), len(summaries)), dtype)
        start = column = 0
        with np.errstate(all="ignore"):
            # Groups of one size are one array: thousands of groups are few calls.
            for size, groups in zip(*np.unique(self.sizes, return_counts=True), strict=True):
                stop = column + int(size * groups)
                shaped = cells[:, column:stop].reshape(len(block), groups, size)
                chosen = self._order[start : start + groups]
                for number, values in enumerate(summarise(shaped, summaries)):
                    made[:, chosen, number] = values
                start, column = start + groups, stop
        return made.reshape(len(block), len(self.values) * len(summaries))


class GroupLabels(WholeLabels):
    """The labels of groups in place of samples: their value, and how many samples they have."""

    name = None

    def __init__(self, grouping: Grouping) -> None:
        self._grouping = grouping
        self.id = grouping.attribute
        self.attributes = (self.id, _named("samples", self.id))

    @property
    def size(self) -> int:
        """Number of groups."""
        return len(self._grouping.values)

    def column(self, attribute: str) -> NDArray[Any]:
        """Return the values of the groups, or their sizes."""
        if attribute == self.id:
            return _texts(self._grouping.values)
        return self._grouping.sizes

    def ascii(self, attribute: str) -> None:
        """Return None: groups are few."""


class SummaryLabels(WholeLabels):
    """The labels of several summaries of each group in place of samples: an id, the labels of the group, the summary.

    The id is the group, a space and the summary. No summary has a space in its name, so an id is that of one summary of
    one group.
    """

    name = None

    def __init__(self, grouping: Grouping, summaries: Sequence[str]) -> None:
        self._groups = GroupLabels(grouping)
        self._summaries = tuple(summaries)
        group, samples = self._groups.attributes
        self.id, self._summary = _named("column", group), _named("summary", group)
        self.attributes = (self.id, group, self._summary, samples)

    @property
    def size(self) -> int:
        """Number of columns."""
        return self._groups.size * len(self._summaries)

    def column(self, attribute: str) -> NDArray[Any]:
        """Return an attribute of the columns."""
        if attribute == self._summary:
            return _texts(self._summaries * self._groups.size)
        if attribute != self.id:
            return np.repeat(self._groups.column(attribute), len(self._summaries))
        groups = self._groups.column(self._groups.id)
        return _texts([f"{group} {summary}" for group in groups for summary in self._summaries])

    def ascii(self, attribute: str) -> None:
        """Return None: columns are few."""


def _named(name: str, group: str) -> str:
    """Return a name of an attribute of groups that is not that of the groups themselves."""
    return f"{name} in group" if name == group else name


def _texts(values: Sequence[str]) -> NDArray[Any]:
    return np.array([*values, None], object)[:-1]


def summarised_slice(slice: Slice, grouping: Grouping, summaries: Sequence[str], name: str) -> Slice:
    """Return the slice with a column for each group, or for each summary of each group, in place of its samples.

    Parameters
    ----------
    slice
        Features × samples, the samples those of `grouping` in order.
    grouping
        Which sample belongs to which group.
    summaries
        Some of `query.table.MATRIX_SUMMARIES`.
    name
        What the query calls the attribute.
    """
    notes = {"summary": f"{', '.join(summaries)} by {name}"}
    if grouping.ungrouped:
        notes["ungrouped"] = f"{grouping.ungrouped:,} of {len(grouping.codes):,} samples, which have no {name}"
    labels = GroupLabels(grouping) if len(summaries) == 1 else SummaryLabels(grouping, summaries)
    return replace(
        slice,
        samples=labels,
        embeddings=tuple,
        layers=tuple(_summarised(layer, grouping, summaries) for layer in slice.layers),
        tsv_columns=lambda: [labels.column(labels.id).tolist()],
        origin={**slice.origin, **notes},
    )


def _summarised(layer: LayerInfo, grouping: Grouping, summaries: Sequence[str]) -> LayerInfo:
    dtype = _dtype(layer, grouping, summaries)

    return LayerInfo(
        units=layer.units,
        dtype=dtype,
        whole=all(summary == "n" or (layer.whole and summary in _OF_WHOLE_NUMBERS) for summary in summaries),
        blocks=lambda: gathered(summarised_blocks(layer, grouping, summaries, dtype)),
        held=lambda: layer.held() + grouping.codes.nbytes,
    )


def summarised_blocks(
    layer: LayerInfo, grouping: Grouping, summaries: Sequence[str], dtype: np.dtype[Any]
) -> Iterator[NDArray[Any]]:
    """Return blocks of the summaries of a layer, each of which is the same in any part of it."""
    if layer.sparse is not None and OF_STORED_CELLS.issuperset(summaries):
        return summarise_stored(layer.sparse, grouping.codes, grouping.sizes, summaries, dtype)
    return (grouping.summarise(block, summaries, dtype) for block in layer.blocks())


def _dtype(layer: LayerInfo, grouping: Grouping, summaries: Sequence[str]) -> np.dtype[Any]:
    """Return the type of the summaries: sums, and numbers of very many samples, are beyond what float32 holds.

    Means, deviations and fractions of sparse layers keep all digits, with or without sums.
    """
    if layer.sparse is not None and not _RECKONED.isdisjoint(summaries):
        return np.dtype(np.float64)
    if "sum" in summaries or ("n" in summaries and len(grouping.codes) > _EXACT_IN_FLOAT32):
        return np.dtype(np.float64)
    return np.dtype(np.float32) if set(summaries) == {"n"} else layer.dtype


def gathered(blocks: Iterable[NDArray[Any]]) -> Iterator[NDArray[Any]]:
    """Yield rows in blocks large enough to send: of one height, however they come, since some formats show it."""
    kept: list[NDArray[Any]] = []
    rows = 0
    for block in blocks:
        height = max(1, _GATHERED_BYTES // max(1, block.shape[1] * block.itemsize))
        start = 0
        while start < len(block):
            part = block[start : start + height - rows]
            kept.append(part)
            start, rows = start + len(part), rows + len(part)
            if rows == height:
                yield kept[0] if len(kept) == 1 else np.concatenate(kept)
                kept, rows = [], 0
    if kept:
        yield np.concatenate(kept)
