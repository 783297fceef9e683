"""All names that a catalogue and its matrices have, read once and searched in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from rnaget_server.catalog import Catalog, Matrix
from rnaget_server.datasets.repository import View
from rnaget_server.errors import CatalogChanged, StoreFailure
from rnaget_server.model.axis import Axis
from rnaget_server.slicing.search.pool import EMPTY, MOST_ENTRIES, AxisContent, Pool, few_values, pool_of, values_of
from rnaget_server.slicing.search.records import Records, records_of
from rnaget_server.slicing.search.values import Values, ValuesOfAttribute
from rnaget_server.storage.local import FileVersion, version_at_all

_LARGE = ""
"""In place of the digest of an axis that is too long to be kept."""


@dataclass(frozen=True)
class MatrixLabels:
    """The labels of a matrix as far as they are known: the digests of its axes, and the values of its attributes.

    `failed` is true if the file could not be read.
    """

    matrix: Matrix
    version: FileVersion
    features: str = _LARGE
    samples: str = _LARGE
    attributes: tuple[ValuesOfAttribute, ...] = ()
    failed: bool = False


@dataclass(frozen=True)
class SearchIndex:
    """The names of one catalogue.

    Attributes
    ----------
    catalog
        The catalogue.
    records
        What the catalogue itself says.
    labels
        What is known of each matrix, by id.
    features, samples
        Those of all matrices.
    values
        The attributes and their values.
    is_complete
        Whether all matrices have been looked at.
    left_out
        Ids of the matrices of which some names are not kept, since there are too many.
    """

    catalog: Catalog
    records: Mapping[str, Records]
    labels: Mapping[str, MatrixLabels] = field(default_factory=dict)
    features: Pool = EMPTY
    samples: Pool = EMPTY
    values: Values = field(default_factory=Values)
    is_complete: bool = False
    left_out: tuple[str, ...] = ()

    @property
    def unavailable(self) -> tuple[str, ...]:
        """The ids of the matrices whose files cannot be read."""
        return tuple(id for id, labels in self.labels.items() if labels.failed)

    @property
    def nbytes(self) -> int:
        """Memory that the names of features, samples and values take."""
        return self.features.nbytes + self.samples.nbytes + self.values.nbytes

    def is_current(self) -> bool:
        """Return whether no file of a matrix has changed since."""
        return all(version_at_all(known.matrix.paths) == known.version for known in self.labels.values())

    def matrices_with(self, axis: str, digests: Iterable[str]) -> list[Matrix]:
        """Return the matrices, in the order of the catalogue, whose features or samples have one of these digests."""
        wanted = frozenset(digests)
        return [known.matrix for known in self.labels.values() if getattr(known, axis) in wanted]


def first_index(catalog: Catalog, before: SearchIndex | None) -> SearchIndex:
    """Return an index of what the catalogue says; the matrices are as an older one has them, until they are read."""
    records = before.records if before is not None and before.catalog is catalog else records_of(catalog)
    if before is None:
        return SearchIndex(catalog, records)
    # What is no longer in the catalogue, or no longer visible, must not be found.
    labels = {id: known for id, known in before.labels.items() if catalog.matrices.get(id) == known.matrix}
    values = before.values if len(labels) == len(before.labels) else _values(labels)
    return replace(before, catalog=catalog, records=records, labels=labels, values=values, is_complete=False)


def full_index(view: View, before: SearchIndex, pause: Callable[[], None] = lambda: None) -> SearchIndex:
    """Return the index of a view: of the matrices only those are read that have changed since an index before.

    Parameters
    ----------
    view
        What is searched.
    before
        The index of `first_index`.
    pause
        Called after each matrix.
    """
    labels: dict[str, MatrixLabels] = {}
    contents: dict[str, dict[str, Callable[[], AxisContent]]] = {"features": {}, "samples": {}}
    for matrix in view.catalog.matrices.values():
        version = version_at_all(matrix.paths)
        known = before.labels.get(matrix.id)
        if known is None or known.failed or known.version != version or known.matrix != matrix:
            known = _read(view, matrix, version)
            pause()
        labels[matrix.id] = known
        for axis, of_axis in contents.items():
            digest = getattr(known, axis)
            if digest != _LARGE:
                of_axis.setdefault(digest, partial(_content, view, matrix, axis))
    features, too_many = pool_of(contents["features"], before.features)
    samples, more = pool_of(contents["samples"], before.samples)
    left_out = [id for id, known in labels.items() if _is_left_out(known, too_many, more)]
    values = before.values if labels == before.labels else _values(labels)
    return SearchIndex(view.catalog, before.records, labels, features, samples, values, True, tuple(left_out))


def _read(view: View, matrix: Matrix, version: FileVersion) -> MatrixLabels:
    try:
        store = view.stores.open(matrix)
        axes = {"features": store.features, "samples": store.samples}
        digests = {
            name: _content(view, matrix, name).digest if axis.size <= MOST_ENTRIES else _LARGE
            for name, axis in axes.items()
        }
        attributes = tuple(found for name, axis in axes.items() for found in _attributes(matrix, name, axis))
        return MatrixLabels(matrix, version, digests["features"], digests["samples"], attributes)
    except (StoreFailure, CatalogChanged):  # the log says why
        return MatrixLabels(matrix, version, failed=True)


def _content(view: View, matrix: Matrix, axis: str) -> AxisContent:
    store = view.stores.open(matrix)
    if axis == "features":
        few = few_values(axis, store.features.size)
        return AxisContent.of(store.features, matrix.feature_id, matrix.feature_name, few)
    return AxisContent.of(store.samples, matrix.sample_id, None, few_values(axis, store.samples.size))


def _attributes(matrix: Matrix, axis: str, labels: Axis) -> Iterable[ValuesOfAttribute]:
    """Yield the attributes of an axis, with their values if they are few and text."""
    own = (matrix.feature_id, matrix.feature_name) if axis == "features" else (matrix.sample_id,)
    filters = {filter.attribute: filter.name for filter in matrix.filters.values() if f"{filter.axis}s" == axis}
    most = few_values(axis, labels.size)
    for attribute in labels.attributes:
        if attribute not in own:
            few = values_of(labels, attribute, most) if labels.kind(attribute) == "text" else None
            yield ValuesOfAttribute(matrix.id, axis, attribute, filters.get(attribute), tuple(few or ()))


def _values(labels: Mapping[str, MatrixLabels]) -> Values:
    return Values.of(attribute for known in labels.values() for attribute in known.attributes)


def _is_left_out(known: MatrixLabels, *too_many: frozenset[str]) -> bool:
    left_out = frozenset((_LARGE,)).union(*too_many)
    return not known.failed and not left_out.isdisjoint((known.features, known.samples))
