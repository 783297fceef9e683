"""The description of every parameter by which matrices can be filtered."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rnaget_server.apis.rnaget.listing import described, field_type
from rnaget_server.catalog import Filter, Matrix
from rnaget_server.query.matrix import SUMMARIES
from rnaget_server.service import Services
from rnaget_server.stores.base import MatrixStore

_MOST_VALUES = 100


@dataclass(frozen=True)
class Told:
    """A list made from all files that can be read, and the ids of the matrices whose files cannot."""

    payload: list[Any]
    omitted: tuple[str, ...]


def filters_of_matrices(services: Services, kind: str | None) -> Told:
    """Return the filters: those of whole matrices, of features and of samples; `kind` picks one axis."""
    read, omitted = services.read_each(lambda matrix, store: (store.units, _attributes(matrix, store, kind)))
    told = [] if kind else list(_of_matrices(services, _union(units for units, _ in read.values())))
    attributes = {id: found for id, (_, found) in read.items()}
    for axis, standard in (("feature", _OF_FEATURES), ("sample", _OF_SAMPLES)):
        if kind in (None, axis):
            told += [described(*one) for one in standard]
            told += list(_of_attributes(services, axis, attributes))
    return Told(told, omitted)


def units_of_matrices(services: Services) -> Told:
    """Return the units that some matrix has."""
    read, omitted = services.read_each(lambda _, store: store.units)
    return Told(_union(read.values()), omitted)


_OF_FEATURES = (
    ("featureIDList", "string", "ids of features, separated by commas or repeated"),
    ("featureNameList", "string", "names of features, separated by commas or repeated"),
    ("feature_min_value", "float", "keeps features whose selected values all are at least this"),
    ("feature_max_value", "float", "keeps features whose selected values all are at most this"),
    ("top", "integer", "keeps features that are among this many highest of some sample or group"),
)
_OF_SAMPLES = (
    ("sampleIDList", "string", "ids of samples, separated by commas or repeated"),
    ("group_by", "string", "attribute of samples by which they are grouped, a column for each group"),
    ("summary", "string", "how the values of a group become one", SUMMARIES),
)


def _attributes(matrix: Matrix, store: MatrixStore, axis: str | None) -> dict[str, tuple[str, list[str] | None]]:
    """Return the kind of each metadata filter of a matrix, and the values that it has if they are few."""
    axes = {"feature": store.features, "sample": store.samples}
    return {
        one.name: (
            one.type or axes[one.axis].kind(one.attribute),
            axes[one.axis].values(one.attribute, _MOST_VALUES),
        )
        for one in matrix.filters.values()
        if axis in (None, one.axis)
    }


def _of_matrices(services: Services, units: list[str]) -> Iterator[dict[str, Any]]:
    matrices = services.catalog.current.matrices.values()
    yield described("projectID", "string", "project of the matrix", sorted({one.project_id for one in matrices}))
    yield described("studyID", "string", "study of the matrix", sorted({one.study_id for one in matrices}))
    yield described("version", "string", "version of the matrix", sorted({one.version for one in matrices}))
    yield described("units", "string", "units of the values", units)
    yield described("format", "string", "format of the file", list(services.formats_of("expressions")))


def _of_attributes(
    services: Services, axis: str, attributes: Mapping[str, Mapping[str, tuple[str, list[str] | None]]]
) -> Iterator[dict[str, Any]]:
    """Yield the metadata filters of one axis, each once, with the values it has in all matrices if they are few."""
    by_name: dict[str, list[tuple[str, Filter]]] = {}
    for matrix in services.catalog.current.matrices.values():
        for one in matrix.filters.values():
            if one.axis == axis:
                by_name.setdefault(one.name, []).append((matrix.id, one))
    for name, uses in by_name.items():
        values: set[str] | None = set()
        kinds: set[str] = set()
        for kind, few in (attributes[id][name] for id, _ in uses if name in attributes.get(id, ())):
            kinds.add(kind)
            values = None if few is None or values is None else values | set(few)
        shown = sorted(values) if values and len(values) <= _MOST_VALUES else None
        yield described(name, field_type(kinds), uses[0][1].description, shown)


def _union(parts: Iterable[Iterable[str]]) -> list[str]:
    return list(dict.fromkeys(name for part in parts for name in part))
