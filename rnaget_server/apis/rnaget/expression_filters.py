"""The description of every parameter by which matrices can be filtered."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rnaget_server.apis.rnaget.listing import MOST_VALUES, described, field_type, of_records, of_table
from rnaget_server.catalog import Filter, Matrix
from rnaget_server.datasets.repository import View
from rnaget_server.query.table import LISTED_OF_MATRICES, Axis
from rnaget_server.stores.base import MatrixStore

_AXES: tuple[Axis, ...] = ("feature", "sample")


@dataclass(frozen=True)
class Findings:
    """A list made from all files that can be read, and the ids of the matrices whose files cannot."""

    payload: list[Any]
    omitted: tuple[str, ...]


def filters_of_matrices(view: View, formats: Sequence[str], kind: str | None) -> Findings:
    """Return the filters: those of whole matrices, of features and of samples; `kind` picks one axis."""
    read, omitted = view.read_each(lambda matrix, store: (store.units, _attributes(matrix, store, kind)))
    units = _union(units for units, _ in read.values())
    filters = [] if kind else of_records("matrix", view.catalog.matrices.values(), units, formats)
    attributes = {id: found for id, (_, found) in read.items()}
    for axis in _AXES:
        if kind in (None, axis):
            filters += of_table(spec for spec in LISTED_OF_MATRICES if spec.axis == axis)
            filters += _of_attributes(view, axis, attributes)
    return Findings(filters, omitted)


def units_of_matrices(view: View) -> Findings:
    """Return the units that some matrix has."""
    read, omitted = view.read_each(lambda _, store: store.units)
    return Findings(_union(read.values()), omitted)


def _attributes(matrix: Matrix, store: MatrixStore, axis: str | None) -> dict[str, tuple[str, list[str] | None]]:
    """Return the kind of each metadata filter of a matrix, and the values that it has if they are few."""
    axes = {"feature": store.features, "sample": store.samples}
    return {
        filter.name: (
            filter.type or axes[filter.axis].kind(filter.attribute),
            axes[filter.axis].values(filter.attribute, MOST_VALUES),
        )
        for filter in matrix.filters.values()
        if axis in (None, filter.axis)
    }


def _of_attributes(
    view: View, axis: str, attributes: Mapping[str, Mapping[str, tuple[str, list[str] | None]]]
) -> Iterator[dict[str, Any]]:
    """Yield the metadata filters of one axis, each once, with the values it has in all matrices if they are few."""
    by_name: dict[str, list[tuple[str, Filter]]] = {}
    for matrix in view.catalog.matrices.values():
        for filter in matrix.filters.values():
            if filter.axis == axis:
                by_name.setdefault(filter.name, []).append((matrix.id, filter))
    for name, uses in by_name.items():
        values: set[str] | None = set()
        kinds: set[str] = set()
        for kind, few in (attributes[id][name] for id, _ in uses if name in attributes.get(id, ())):
            kinds.add(kind)
            values = None if few is None or values is None else values | set(few)
        shown = sorted(values) if values and len(values) <= MOST_VALUES else None
        yield described(name, field_type(kinds), uses[0][1].description, shown)


def _union(parts: Iterable[Iterable[str]]) -> list[str]:
    return list(dict.fromkeys(name for part in parts for name in part))
