"""What a query selects of one matrix, and the slice that one or several such selections make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnaget_server.catalog import Matrix
from rnaget_server.catalog.models import fill_template, template_fields
from rnaget_server.slicing.join import Part, join
from rnaget_server.stores.base import Axis, MatrixStore, Positions, held_by
from rnaget_server.stores.bounds import within
from rnaget_server.stores.columns import as_texts
from rnaget_server.stores.select import Selection
from rnaget_server.writers.base import Labels, LayerInfo, Slice


@dataclass(frozen=True)
class Candidate:
    """A matrix, its open file, and what is selected of it."""

    matrix: Matrix
    store: MatrixStore
    selection: Selection
    version: tuple[object, ...] = ()
    """What tells this version of the cells from all others; taken before the file was opened."""

    @property
    def shape(self) -> tuple[int, int]:
        """Number of selected features and samples."""
        return self.selection.size(self.store)

    @property
    def empty(self) -> bool:
        """Whether nothing is selected."""
        return 0 in self.shape

    def with_features(self, features: Positions) -> Candidate:
        """Return the same with other features."""
        return replace(self, selection=replace(self.selection, features=features))

    def with_samples(self, samples: Positions) -> Candidate:
        """Return the same with other samples."""
        return replace(self, selection=replace(self.selection, samples=samples))

    def feature_ids(self) -> NDArray[Any]:
        """Return the ids of the selected features."""
        return self.store.features.column(self.matrix.feature_id, self.selection.features)

    def without(self, ids: Set[str]) -> Candidate:
        """Return the same without the features of these ids."""
        kept = np.array([id not in ids for id in self.feature_ids()], bool)
        features = np.arange(self.store.shape[0]) if self.selection.features is None else self.selection.features
        return self.with_features(features[kept])

    def within_bounds(self, units: str) -> Candidate:
        """Return the same with those features only whose cells lie within the bounds of the query."""
        chosen = self.selection
        return self.with_features(within(self.store, units, chosen.features, chosen.samples, chosen.bounds))


def slice_of(used: Sequence[Candidate], units: str, further: bool, origin: Mapping[str, str]) -> Slice:
    """Return the slice of one candidate, or the join of several.

    Parameters
    ----------
    used
        At least one; all have the units.
    units
        Of the main layer.
    further
        Whether the other units of a single matrix are layers as well.
    origin
        Where the slice comes from, as it is written into downloads.
    """
    first = used[0]
    features: Labels
    samples: Labels
    layers: tuple[LayerInfo, ...]
    if len(used) == 1:
        features, samples = _labels(first)
        names = [name for name in first.store.units if name != units] if further else []
        layers = tuple(_layer(first, name) for name in (units, *names))
    else:
        features, samples, layer = join([_part(one, units) for one in used])
        layers = (layer,)
    return Slice(
        features=features,
        samples=samples,
        layers=layers,
        tsv_labels=first.matrix.tsv.labels,
        tsv_columns=lambda: map(_column_labels, used),
        tsv_comments=first.matrix.tsv.comments,
        origin=origin,
    )


@dataclass(frozen=True)
class _AxisLabels:
    """The labels of the selected part of one axis of a matrix."""

    axis: Axis
    positions: Positions | None
    id: str
    name: str | None

    @property
    def size(self) -> int:
        return self.axis.size if self.positions is None else len(self.positions)

    @property
    def attributes(self) -> tuple[str, ...]:
        return self.axis.attributes

    def column(self, attribute: str) -> NDArray[Any]:
        return self.axis.column(attribute, self.positions)

    def ascii(self, attribute: str) -> NDArray[np.bytes_] | None:
        return self.axis.ascii(attribute, self.positions)


def _labels(one: Candidate) -> tuple[_AxisLabels, _AxisLabels]:
    matrix, store, chosen = one.matrix, one.store, one.selection
    return (
        _AxisLabels(store.features, chosen.features, matrix.feature_id, matrix.feature_name),
        _AxisLabels(store.samples, chosen.samples, matrix.sample_id, None),
    )


def _part(one: Candidate, units: str) -> Part:
    return Part(one.matrix.id, one.store, units, one.selection.features, one.selection.samples, *_labels(one))


def _column_labels(one: Candidate) -> Sequence[str] | NDArray[np.bytes_]:
    """Return the label of each selected sample in TSV, by the matrix's template."""
    template = one.matrix.tsv.column
    fields = template_fields(template)
    alone = template == f"{{{fields[0]}}}"
    if alone and (found := one.store.samples.ascii(fields[0], one.selection.samples)) is not None:
        return found
    columns = [one.store.samples.column(name, one.selection.samples) for name in fields]
    if alone:
        return as_texts(columns[0])
    rows = zip(*(as_texts(column) for column in columns), strict=True)
    return [fill_template(template, dict(zip(fields, row, strict=True))) for row in rows]


def _layer(one: Candidate, units: str) -> LayerInfo:
    store, chosen = one.store, one.selection
    return LayerInfo(
        units=units,
        dtype=store.dtype(units),
        whole=store.whole(units),
        blocks=lambda: store.blocks(units, chosen.features, chosen.samples),
        sparse=store.sparse(units, chosen.features, chosen.samples),
        held=held_by(store, units, chosen.features, chosen.samples),
    )
