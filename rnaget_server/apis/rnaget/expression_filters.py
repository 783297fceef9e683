"""The description of every parameter by which matrices can be filtered."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rnaget_server.apis.rnaget.listing import described, field_type
from rnaget_server.catalog import Filter
from rnaget_server.query.matrix import SUMMARIES
from rnaget_server.service import Services

_MOST_VALUES = 100


def filters_of_matrices(services: Services, kind: str | None) -> list[dict[str, Any]]:
    """Return the filters: those of whole matrices, of features and of samples; `kind` picks one axis."""
    told = [] if kind else list(_of_matrices(services))
    for axis, standard in (("feature", _OF_FEATURES), ("sample", _OF_SAMPLES)):
        if kind in (None, axis):
            told += [described(*one) for one in standard]
            told += list(_of_attributes(services, axis))
    return told


def units_of_matrices(services: Services) -> list[str]:
    """Return the units that some matrix has."""
    return list(dict.fromkeys(name for store in services.readable_stores().values() for name in store.units))


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


def _of_matrices(services: Services) -> Iterator[dict[str, Any]]:
    catalog = services.catalog.current
    matrices = catalog.matrices.values()
    yield described("projectID", "string", "project of the matrix", sorted({one.project_id for one in matrices}))
    yield described("studyID", "string", "study of the matrix", sorted({one.study_id for one in matrices}))
    yield described("version", "string", "version of the matrix", sorted({one.version for one in matrices}))
    yield described("units", "string", "units of the values", units_of_matrices(services))
    yield described("format", "string", "format of the file", list(services.formats_of("expressions")))


def _of_attributes(services: Services, axis: str) -> Iterator[dict[str, Any]]:
    """Yield the metadata filters of one axis, each once, with the values it has in all matrices if they are few."""
    matrices = services.catalog.current.matrices
    by_name: dict[str, list[tuple[str, Filter]]] = {}
    for matrix in matrices.values():
        for one in matrix.filters.values():
            if one.axis == axis:
                by_name.setdefault(one.name, []).append((matrix.id, one))
    stores = services.readable_stores()
    for name, uses in by_name.items():
        values: set[str] | None = set()
        kinds: set[str] = set()
        for matrix_id, one in uses:
            if matrix_id not in stores:
                continue
            labels = stores[matrix_id].features if axis == "feature" else stores[matrix_id].samples
            kinds.add(one.type or labels.kind(one.attribute))
            few = labels.values(one.attribute, _MOST_VALUES)
            values = None if few is None or values is None else values | set(few)
        shown = sorted(values) if values and len(values) <= _MOST_VALUES else None
        yield described(name, field_type(kinds), uses[0][1].description, shown)
