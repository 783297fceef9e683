"""From a query to what a writer writes: which matrices match, what each contributes, and what is missing."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain

import numpy as np

from rnaget_server.datasets.repository import View
from rnaget_server.errors import InvalidQuery, StoreFailure, Unavailable, UnknownId, shown, unknown_choice, unknown_name
from rnaget_server.model.cancellation import Cancellation
from rnaget_server.model.columns import as_texts
from rnaget_server.model.labels import texts_of
from rnaget_server.model.slice import Labels, ResolvedSlice, Slice
from rnaget_server.query import MatrixQuery
from rnaget_server.query.strings import value_list
from rnaget_server.slicing.candidates import MatrixSelection, slice_of
from rnaget_server.slicing.in_parts import highest_in_parts, in_parts
from rnaget_server.slicing.lookup import (
    matching,
    missing_from_all,
    not_found,
    origin,
    record_by_id,
)
from rnaget_server.slicing.select import select
from rnaget_server.slicing.summaries import (
    Grouping,
    SummaryCache,
    group_attribute,
    group_names,
    summarised_slice,
)
from rnaget_server.slicing.top import PANEL_MEMORY, with_highest

_GROUPS = "filter or attribute of samples"


@dataclass(frozen=True)
class MatrixSlice(ResolvedSlice):
    """A slice of one matrix, or of several that are joined.

    Attributes
    ----------
    columns
        What its columns are: ``samples``, ``groups``, or ``columns`` of several summaries of each group.
    per_group
        How many columns a group has.
    """

    columns: str = "samples"
    per_group: int = 1

    def suggest_smaller(self, cells: int) -> str:
        """Return how to ask for a slice of at most so many cells."""
        slice, columns = self.slice, self.columns
        features, others = slice.shape
        if columns != "samples" and cells < self.per_group:
            return f"ask for at most {cells:,} summaries at once"
        if columns != "samples" and cells < others:
            return f"select samples of at most {cells // self.per_group:,} groups"
        if columns == "samples" and cells >= features:
            some = _first(slice.samples)[: min(3, cells // features)]
            return f"ask for at most {cells // features:,} samples at once, such as sampleIDList={value_list(some)}"
        some = _first(slice.features)[: max(1, min(3, cells // others))]
        if cells >= others:
            return f"ask for at most {cells // others:,} features at once, such as featureIDList={value_list(some)}"
        column = value_list(_first(slice.samples)[:1])
        return f"ask for fewer of both, such as featureIDList={value_list(some[:1])}&sampleIDList={column}"


def _first(labels: Labels) -> list[str]:
    """Return the first ids."""
    return texts_of(next(labels.pieces(labels.id, 3))[:3])


def slice_by_id(
    view: View, matrix_id: str, query: MatrixQuery, cancellation: Cancellation | None = None
) -> MatrixSlice:
    """Return the slice of one matrix, whose cells are read until that is cancelled.

    Raises
    ------
    UnknownId
        If there is no such matrix, or nothing of it matches.
    InvalidQuery
        If the matrix has no such filter or units, or cannot be grouped so.
    ResultTooLarge, Unavailable
        See `rnaget_server.errors`.
    """
    return _resolve(view, query, [selection_by_id(view, matrix_id, query, cancellation)], ())


def selection_by_id(
    view: View, matrix_id: str, query: MatrixQuery, cancellation: Cancellation | None = None
) -> MatrixSelection:
    """Return what a query selects of one matrix, which may be nothing; no cell is read.

    Raises
    ------
    UnknownId
        If there is no such matrix.
    InvalidQuery
        If the matrix has no such filter or units, or cannot be grouped so.
    Unavailable
        If its file cannot be read.
    """
    matrix = record_by_id("expression matrix", matrix_id, view.catalog.matrices, query)
    store = view.stores.open(matrix, cancellation)
    if query.units is not None and query.units not in store.units:
        start = f"{matrix.id} has no units {shown(query.units)}"
        raise InvalidQuery(unknown_choice(start, query.units, store.units, "it has"))
    if query.group_by is not None and group_attribute(query.group_by, matrix, store) is None:
        raise InvalidQuery(f"{matrix.id}: " + unknown_name(_GROUPS, query.group_by, group_names(matrix, store)))
    return MatrixSelection(matrix, store, select(store, matrix, query))


def slice_by_search(
    view: View, query: MatrixQuery, without: Collection[str] = (), cancellation: Cancellation | None = None
) -> MatrixSlice:
    """Return the join of every matrix that matches; those in other units than the first are left out.

    So are those that cannot be read, and those whose ids are in `without`: their cells could not be read before. It is
    looked for, and the cells are read, until that is cancelled.

    Raises
    ------
    UnknownId
        If nothing matches.
    InvalidQuery
        If no matrix has the units asked for, or none can be grouped so.
    ResultTooLarge, Unavailable
        See `rnaget_server.errors`.
    """
    candidates: list[MatrixSelection] = []
    omitted: list[str] = []
    units: dict[str, None] = {}
    groups: dict[str, str] = {}
    cancellation = cancellation or Cancellation()
    for matrix in matching("expression matrix", view.catalog, view.catalog.matrices, query):
        cancellation.check()
        if not query.filters.keys() <= matrix.filters.keys():
            continue
        try:
            if matrix.id in without:
                raise StoreFailure("its cells cannot be read", matrix.id)
            store = view.stores.open(matrix, cancellation)
            fits = query.group_by is None or group_attribute(query.group_by, matrix, store) is not None
            if fits and (query.units is None or query.units in store.units):
                candidates.append(MatrixSelection(matrix, store, select(store, matrix, query)))
            units |= dict.fromkeys(store.units)
            groups |= group_names(matrix, store)
        except StoreFailure:
            omitted.append(matrix.id)
    if not candidates and omitted:
        raise Unavailable(f"the matrices {', '.join(omitted)} cannot be read at the moment")
    if not candidates and query.units is not None and query.units not in units:
        start = f"no matrix has the units {shown(query.units)}"
        raise InvalidQuery(unknown_choice(start, query.units, sorted(units)))
    if not candidates and query.group_by is not None and groups:
        raise InvalidQuery(unknown_name(_GROUPS, query.group_by, groups))
    return _resolve(view, query, candidates, tuple(omitted))


def _resolve(
    view: View, query: MatrixQuery, candidates: list[MatrixSelection], omitted: tuple[str, ...]
) -> MatrixSlice:
    missing = (
        candidates[0].selection.missing
        if len(candidates) == 1
        else missing_from_all([selected.selection.missing for selected in candidates])
    )
    used = _not_empty(candidates, missing, query)
    units = query.units or used[0].matrix.units
    other = tuple(selected.matrix.id for selected in used if query.units is None and selected.matrix.units != units)
    used = [selected for selected in used if query.units is not None or selected.matrix.units == units]
    if query.has_bounds:
        used = _within_bounds(used, units)
    grouping = None if query.group_by is None else _grouping(used, query.group_by)
    described, digest, references = origin(view, [selected.matrix for selected in used], units, query)

    def make(some: Sequence[MatrixSelection], groups: Grouping | None) -> Slice:
        made = slice_of(some, units, query.units is None, described)
        return made if groups is None else _summarised(view, query, made, some, groups)

    if query.top is not None:
        memory = view.memory.reservation()
        try:
            memory.grow_in_thread(PANEL_MEMORY)
            judge = partial(highest_in_parts, view.compute, view.stores.limits, units, query.top)
            used = with_highest(used, query.top, grouping, make, judge, len(query.summaries))
        finally:
            memory.release()
    resolved = MatrixSlice(
        slice=make(used, grouping),
        sources=tuple(selected.matrix for selected in used),
        missing=tuple(dict.fromkeys(chain.from_iterable(missing.values()))),
        omitted=(*omitted, *other),
        query=digest,
        ungrouped=grouping.ungrouped if grouping is not None else 0,
        references=references,
        columns="samples" if grouping is None else "groups" if len(query.summaries) == 1 else "columns",
        per_group=len(query.summaries),
    )
    view.limits.check_cells(resolved.slice.shape, resolved.columns, resolved.suggest_smaller)
    return resolved


def _not_empty(
    candidates: list[MatrixSelection], missing: Mapping[str, list[str]], query: MatrixQuery
) -> list[MatrixSelection]:
    """Return the candidates of which something is selected.

    Raises
    ------
    UnknownId
        If nothing is, or if no feature that has a threshold of its own is there.
    """
    used = [selected for selected in candidates if 0 not in selected.selection.shape]
    found = frozenset[str]().union(*(selected.selection.found for selected in candidates))
    if used and found.issuperset(name for selected in candidates for name in selected.selection.bounds.missing):
        return used
    chosen = [selected.selection for selected in candidates]
    raise UnknownId(
        not_found(
            missing, [selected.found for selected in chosen], [selected.near for selected in chosen], query.filters
        )
    )


def _within_bounds(used: list[MatrixSelection], units: str) -> list[MatrixSelection]:
    """Return the candidates with only those features that are within the bounds in all of them.

    Raises
    ------
    UnknownId
        If there is none.
    """
    narrowed = [selected.within_bounds(units) for selected in used]
    if len(used) > 1:
        outside = [
            set(selected.feature_ids()).difference(within.feature_ids())
            for selected, within in zip(used, narrowed, strict=True)
        ]
        narrowed = [selected.without(set().union(*outside)) for selected in narrowed]
    if all(selected.empty for selected in narrowed):
        raise UnknownId(
            "no feature has every selected value between feature_min_value and feature_max_value: relax the bounds"
        )
    return [selected for selected in narrowed if not selected.empty]


def _grouping(used: list[MatrixSelection], name: str) -> Grouping:
    attributes = [group_attribute(name, selected.matrix, selected.store) or name for selected in used]
    texts: list[str] = []
    codes = []
    for selected, attribute in zip(used, attributes, strict=True):
        axis, samples = selected.store.samples, selected.selection.samples
        factorized = axis.factorized(attribute)
        chosen = factorized.codes if samples is None else factorized.codes[samples]
        codes.append(chosen if not texts else chosen.astype(np.int64) + len(texts))
        texts += as_texts(axis.column(attribute, factorized.first))
    grouping = Grouping(attributes[0], texts, np.concatenate(codes))
    if not grouping.values:
        raise UnknownId(f"no selected sample has a {name}, so there are no groups: group_by another attribute")
    return grouping


def _summarised(
    view: View, query: MatrixQuery, made: Slice, used: Sequence[MatrixSelection], grouping: Grouping
) -> Slice:
    made = summarised_slice(made, grouping, query.summaries, str(query.group_by))
    first = used[0]
    features, samples = first.store.shape
    if len(used) > 1:
        return made
    made = in_parts(view.compute, view.stores.limits, first, made, grouping, query.summaries)
    if first.shape[1] < samples:
        return made
    chosen = None if first.shape[0] == features else first.selection.features
    version = (str(first.matrix.path), *first.store.version, first.matrix.units)
    return SummaryCache(view.summaries, version, features).of(made, query.summaries, grouping.attribute, chosen)
