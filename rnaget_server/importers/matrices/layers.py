"""A further unit of an existing matrix: labels of both, cells aligned by id."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnaget_server.catalog.records import Matrix
from rnaget_server.errors import ImportFailure
from rnaget_server.importers.base import SourceMatrix
from rnaget_server.importers.spool import SpooledCells
from rnaget_server.importers.text.columns import ColumnValues, same, take_or_fill, text_column
from rnaget_server.importers.text.tables import listed
from rnaget_server.model.axis import Axis, Positions
from rnaget_server.stores.base import MatrixStore, Points
from rnaget_server.stores.native.dense import NativeStore
from rnaget_server.stores.native.write_dense import AxisTable, LayerSource


@dataclass(frozen=True)
class MergedMatrix:
    """The matrix to write: both axes, every layer, the aligned spool (to be closed), and remarks."""

    features: AxisTable
    samples: AxisTable
    layers: tuple[LayerSource, ...]
    cells: SpooledCells
    remarks: tuple[str, ...]


class StoredValues:
    """The cells of a layer of a native store, with rows of NaN for `features` beyond its own."""

    def __init__(self, store: NativeStore, units: str, features: int) -> None:
        self._store = store
        self._units = units
        self._own, samples = store.shape
        self.shape = (features, samples)

    def rows(self, start: int, stop: int) -> NDArray[Any]:
        """Return the cells of features `start` to `stop`."""
        own = np.arange(start, min(stop, self._own))
        return self._read((stop - start, self.shape[1]), own, None)

    def columns(self, start: int, stop: int) -> NDArray[Any]:
        """Return the cells of samples `start` to `stop`."""
        return self._read((self.shape[0], stop - start), None, np.arange(start, stop))

    def _read(self, shape: tuple[int, int], features: Positions | None, samples: Positions | None) -> NDArray[Any]:
        cells = np.full(shape, np.nan, self._store.dtype(self._units))
        at = 0
        if features is None or features.size:
            for block in self._store.blocks(self._units, features, samples):
                cells[at : at + len(block)] = block
                at += len(block)
        return cells


def merge(
    matrix: Matrix, store: NativeStore, source: SourceMatrix, source_cells: SpooledCells, units: str, directory: Path
) -> MergedMatrix:
    """Return the stored matrix with the source as its layer `units`, new or in the place of the old one.

    Features that only one of them has get NaN in the other. Attributes that are there keep their values.

    Raises
    ------
    ImportFailure
        If the samples are not the same ones, or no feature is.
    """
    feature_ids = store.features.column(matrix.feature_id)
    sample_ids = store.samples.column(matrix.sample_id)
    new_ids = source.features.columns[source.features.id]
    check_samples(matrix, sample_ids, source.samples.columns[source.samples.id])
    added = _without(new_ids, feature_ids)
    if len(added) == len(new_ids):
        raise ImportFailure(
            f"no feature of this file is in the matrix {matrix.id}: {listed(added)}; import it under an id of its own"
        )
    features = positions_of([*feature_ids, *added], new_ids)
    samples = positions_of(sample_ids, source.samples.columns[source.samples.id])
    remarks = [_of_features(matrix, units, len(added), int((features < 0).sum()), len(features))]
    names = matrix.feature_id, matrix.feature_name
    feature_axis = extend_axis(store.features, names, source.features, features, remarks)
    sample_axis = extend_axis(store.samples, (matrix.sample_id, None), source.samples, samples, remarks)
    sample_axis = replace(sample_axis, embeddings=joined_embeddings(store, source.samples, samples))
    cells = source_cells
    if not (in_order(features, len(new_ids)) and in_order(samples, len(sample_ids))):
        cells = source_cells.aligned(features, samples, directory)
        source_cells.close()
    new = LayerSource(units, cells, cells.dtype, cells.whole)
    old = {
        name: LayerSource(name, StoredValues(store, name, len(features)), store.dtype(name), store.whole(name))
        for name in store.units
    }
    layers = tuple({**old, units: new}.values())
    return MergedMatrix(feature_axis, sample_axis, layers, cells, tuple(line for line in remarks if line))


def check_samples(matrix: Matrix, existing: ColumnValues, new: ColumnValues) -> None:
    """Refuse a further unit that is not of the same samples."""
    lacking, unknown = _without(existing, new), _without(new, existing)
    if lacking or unknown:
        parts = []
        if lacking:
            parts.append(f"this file lacks {listed(lacking)}")
        if unknown:
            parts.append(f"the matrix has no {listed(unknown)}")
        raise ImportFailure(
            f"a further unit of the matrix {matrix.id} needs the same samples, but {' and '.join(parts)}"
        )


def _without(ids: ColumnValues, others: ColumnValues) -> list[str]:
    """Return the ids that are not among the others, in their order."""
    known = set(others)
    return [id for id in ids if id not in known]


def positions_of(wanted: Sequence[str] | ColumnValues, ids: ColumnValues) -> Positions:
    """Return where each wanted id is among `ids`, or -1."""
    at = {id: position for position, id in enumerate(ids)}
    return np.array([at.get(id, -1) for id in wanted], np.int64)


def in_order(positions: Positions, size: int) -> bool:
    """Return whether these are all positions of an axis of that size, in their order."""
    return len(positions) == size and bool((positions == np.arange(size)).all())


def _of_features(matrix: Matrix, units: str, added: int, lacking: int, total: int) -> str:
    if not added and not lacking:
        return ""
    return (
        f"features joined to {total}: {added} of them were not in {matrix.id} yet, {lacking} of them "
        f"have no {units}; where a unit lacks a feature its cells are NaN"
    )


def extend_axis(
    axis: Axis, names: tuple[str, str | None], new: AxisTable, positions: Positions, remarks: list[str]
) -> AxisTable:
    """Return the stored axis with new members and new attributes; `positions` in the new axis of all members."""
    id, name = names
    all_ids = [*axis.column(id), *_without(new.columns[new.id], axis.column(id))]
    stored = np.where(np.arange(len(all_ids)) < axis.size, np.arange(len(all_ids)), -1)
    columns: dict[str, ColumnValues] = {}
    for attribute in axis.attributes:
        if attribute == id:
            columns[id] = text_column(all_ids)
            continue
        column = take_or_fill(axis.column(attribute), stored)
        if attribute in new.columns and attribute != new.id:
            other = take_or_fill(new.columns[attribute], positions)
            both = (stored >= 0) & (positions >= 0)
            differing = int((~same(column[both], other[both])).sum())
            if differing:
                remarks.append(
                    f"the attribute {attribute} differs in {differing} places; the values that were there stay"
                )
            column = _filled(column, other, stored < 0)
        columns[attribute] = column
    for attribute, column in new.columns.items():
        if attribute != new.id and attribute not in columns:
            columns[attribute] = take_or_fill(column, positions)
    return AxisTable(id, columns, name or new.name)


def joined_embeddings(store: MatrixStore, new: AxisTable, positions: Positions) -> dict[str, Points]:
    """Return the embeddings of the store, and those of the new samples at these positions; of one name, the stored."""
    taken = {name: points[positions] for name, points in new.embeddings.items()}
    return taken | {name: store.embedding(name) for name in store.embeddings}


def _filled(column: ColumnValues, other: ColumnValues, where: NDArray[np.bool_]) -> ColumnValues:
    """Return the column with the other's values at the places of new members; as text if the types differ."""
    if not where.any():
        return column
    if (column.dtype == object) != (other.dtype == object):
        column, other = (text_column(["" if v != v else str(v) for v in values]) for values in (column, other))
    column = column.copy()
    column[where] = other[where]
    return column
