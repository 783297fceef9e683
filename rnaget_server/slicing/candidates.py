"""The selection of a query in one matrix, and the slice that one or several selections make."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnaget_server.catalog import Matrix
from rnaget_server.catalog.models import fill_template
from rnaget_server.datasets.guarded import GuardedStore
from rnaget_server.datasets.guarded_labels import GuardedLabels
from rnaget_server.model.axis import Positions
from rnaget_server.model.labels import texts_of
from rnaget_server.model.slice import Labels, LayerInfo, Slice
from rnaget_server.slicing.bounds import within
from rnaget_server.slicing.join import Part, join
from rnaget_server.slicing.select import Selection
from rnaget_server.stores.base import Points


@dataclass(frozen=True)
class MatrixSelection:
    """A matrix, its open file, and what is selected of it."""

    matrix: Matrix
    store: GuardedStore
    selection: Selection

    @property
    def shape(self) -> tuple[int, int]:
        """Number of selected features and samples."""
        return self.selection.shape

    @property
    def empty(self) -> bool:
        """True if nothing is selected."""
        return 0 in self.shape

    def with_features(self, features: Positions) -> MatrixSelection:
        """Return the same with other features."""
        return replace(self, selection=replace(self.selection, features=features, shape=(len(features), self.shape[1])))

    def with_samples(self, samples: Positions) -> MatrixSelection:
        """Return the same with other samples."""
        return replace(self, selection=replace(self.selection, samples=samples, shape=(self.shape[0], len(samples))))

    def feature_ids(self) -> NDArray[Any]:
        """Return the ids of the selected features."""
        return self.store.features.column(self.matrix.feature_id, self.selection.features)

    def without(self, ids: Set[str]) -> MatrixSelection:
        """Return the same without the features of these ids."""
        kept = np.array([id not in ids for id in self.feature_ids()], bool)
        features = np.arange(self.store.shape[0]) if self.selection.features is None else self.selection.features
        return self.with_features(features[kept])

    def within_bounds(self, units: str) -> MatrixSelection:
        """Return the same with those features only whose cells lie within the bounds of the query."""
        chosen = self.selection
        return self.with_features(within(self.store, units, chosen.features, chosen.samples, chosen.bounds))


def slice_of(used: Sequence[MatrixSelection], units: str, further: bool, origin: Mapping[str, str]) -> Slice:
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
        chosen = first.selection
        layers = tuple(first.store.layer(name, chosen.features, chosen.samples) for name in (units, *names))
    else:
        features, samples, layer = join([_part(selected, units) for selected in used])
        layers = (layer,)
    return Slice(
        features=features,
        samples=samples,
        layers=layers,
        tsv_labels=first.matrix.tsv.labels,
        tsv_columns=partial(_tsv_columns, used),
        tsv_comments=first.matrix.tsv.comments,
        origin=origin,
        embeddings=partial(_embeddings, first) if len(used) == 1 else tuple,
    )


def _tsv_columns(used: Sequence[MatrixSelection]) -> Iterator[Sequence[str] | NDArray[Any]]:
    pieces = [_column_labels(selected) for selected in used]
    return pieces[0] if len(pieces) == 1 else chain.from_iterable(pieces)


def _embeddings(selected: MatrixSelection) -> Iterator[tuple[str, Points]]:
    """Yield the names of embeddings, and the selected samples' points in each."""
    samples = selected.selection.samples
    for name in selected.store.embeddings:
        points = selected.store.embedding(name)
        yield name, points if samples is None else points[samples]


def _labels(selected: MatrixSelection) -> tuple[GuardedLabels, GuardedLabels]:
    matrix, store, chosen = selected.matrix, selected.store, selected.selection
    features, samples = chosen.shape
    return (
        GuardedLabels(store.features, chosen.features, features, matrix.feature_id, matrix.feature_name),
        GuardedLabels(store.samples, chosen.samples, samples, matrix.sample_id, None),
    )


def _part(selected: MatrixSelection, units: str) -> Part:
    return Part(
        selected.matrix.id,
        selected.store,
        units,
        selected.selection.features,
        selected.selection.samples,
        *_labels(selected),
    )


def _column_labels(selected: MatrixSelection) -> Iterator[Sequence[str] | NDArray[Any]]:
    """Return the label of each selected sample in TSV, by the matrix's template, some at a time."""
    template, fields = selected.matrix.tsv.column, selected.matrix.tsv.fields
    pieces = [selected.store.samples.pieces(name, selected.selection.samples) for name in fields]
    if template == f"{{{fields[0]}}}":
        return pieces[0]

    def filled(columns: Sequence[NDArray[Any]]) -> list[str]:
        rows = zip(*map(texts_of, columns), strict=True)
        return [fill_template(template, dict(zip(fields, row, strict=True))) for row in rows]

    return map(filled, zip(*pieces, strict=True))
