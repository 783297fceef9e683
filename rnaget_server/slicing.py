"""From a query to what a writer writes: which matrices match, what each contributes, and what is missing."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlencode

from numpy.typing import NDArray

from rnaget_server import __version__
from rnaget_server.catalog import Catalog, Matrix, TrackSet
from rnaget_server.catalog.models import fill_template, template_fields
from rnaget_server.errors import InvalidQuery, ResultTooLarge, Unavailable, UnknownId
from rnaget_server.join import Part, join
from rnaget_server.query import MatrixQuery, RegionQuery
from rnaget_server.query.parameters import shown, unknown_name
from rnaget_server.service import Services
from rnaget_server.stores.base import Axis, MatrixStore, Positions
from rnaget_server.stores.columns import as_texts
from rnaget_server.stores.select import Selection, select, within
from rnaget_server.writers.base import LayerInfo, Slice


@dataclass(frozen=True)
class Found:
    """A slice, the matrices or sets of tracks it is made of, and what was asked for and left out."""

    slice: Slice
    records: tuple[Matrix | TrackSet, ...]
    missing: tuple[str, ...] = ()
    omitted: tuple[str, ...] = ()

    @property
    def default_format(self) -> str:
        """The format of a request that names none."""
        return self.records[0].default_format


@dataclass(frozen=True)
class _Candidate:
    matrix: Matrix
    store: MatrixStore
    selection: Selection

    @property
    def empty(self) -> bool:
        return 0 in self.selection.size(self.store)


def slice_by_id(services: Services, matrix_id: str, query: MatrixQuery) -> Found:
    """Return the slice of one matrix.

    Raises
    ------
    UnknownId
        If there is no such matrix, or nothing of it matches.
    InvalidQuery
        If the matrix has no such filter or units.
    ResultTooLarge, Unavailable
        See `rnaget_server.errors`.
    """
    catalog = services.catalog.current
    matrix = record_by_id("expression matrix", matrix_id, catalog.matrices, query)
    store = services.stores.open(matrix)
    if query.units is not None and query.units not in store.units:
        raise InvalidQuery(f"{matrix.id} has no units {shown(query.units)}: it has {', '.join(store.units)}")
    return _made(services, query, [_Candidate(matrix, store, select(store, matrix, query))], ())


def slice_by_search(services: Services, query: MatrixQuery) -> Found:
    """Return the join of every matrix that matches; those in other units than the first are left out.

    Raises
    ------
    UnknownId
        If nothing matches.
    InvalidQuery
        If no matrix has the units asked for.
    ResultTooLarge, Unavailable
        See `rnaget_server.errors`.
    """
    catalog = services.catalog.current
    matching = [matrix for matrix in catalog.matrices.values() if belongs(matrix, query)]
    if not matching:
        raise UnknownId(no_record(catalog, query, "expression matrix"))
    candidates: list[_Candidate] = []
    omitted: list[str] = []
    units: set[str] = set()
    for matrix in matching:
        if not query.filters.keys() <= matrix.filters.keys():
            continue
        try:
            store = services.stores.open(matrix)
        except Unavailable:
            omitted.append(matrix.id)
            continue
        units.update(store.units)
        if query.units is None or query.units in store.units:
            candidates.append(_Candidate(matrix, store, select(store, matrix, query)))
    if not candidates and query.units is not None and query.units not in units:
        raise InvalidQuery(f"no matrix has the units {shown(query.units)}: there are {', '.join(sorted(units))}")
    if not candidates and omitted:
        raise Unavailable(f"the matrices {', '.join(omitted)} cannot be read at the moment")
    return _made(services, query, candidates, tuple(omitted))


def _made(services: Services, query: MatrixQuery, candidates: list[_Candidate], omitted: tuple[str, ...]) -> Found:
    missing = _missing(candidates)
    used = [one for one in candidates if not one.empty]
    if not used:
        chosen = [one.selection for one in candidates]
        raise UnknownId(not_found(missing, [one.found for one in chosen], [one.near for one in chosen], query.filters))
    units = query.units or used[0].matrix.units
    other = tuple(one.matrix.id for one in used if query.units is None and one.matrix.units != units)
    used = [one for one in used if one.matrix.id not in other]
    if query.minimum is not None or query.maximum is not None:
        used = [_narrowed(one, units, query) for one in used]
        used = [one for one in used if not one.empty]
        if not used:
            raise UnknownId(
                "no feature has every selected value between feature_min_value and feature_max_value: widen them"
            )
    catalog = services.catalog.current
    made = _single(catalog, used[0], units, query) if len(used) == 1 else _joined(catalog, used, units, query)
    _check_size(made, services.settings.max_cells)
    return Found(
        slice=made,
        records=tuple(one.matrix for one in used),
        missing=tuple(value for values in missing.values() for value in values),
        omitted=(*omitted, *other),
    )


Record = TypeVar("Record", Matrix, TrackSet)


def record_by_id(kind: str, id: str, records: Mapping[str, Record], query: MatrixQuery | RegionQuery) -> Record:
    """Return the matrix or set of tracks of that id, if it has the filters of the query and belongs where it says.

    Raises
    ------
    UnknownId
        If there is none, or it is of another project, study or version.
    InvalidQuery
        If it lacks a filter of the query.
    """
    record = records.get(id)
    if record is None:
        raise UnknownId(unknown_name(kind, id, records))
    for name in query.filters:
        if name not in record.filters:
            raise InvalidQuery(f"{record.id}: " + unknown_name("filter", name, record.filters))
    if not belongs(record, query):
        raise UnknownId(f"the {kind} {record.id} does not belong to that projectID, studyID and version")
    return record


def belongs(record: Matrix | TrackSet, query: MatrixQuery | RegionQuery) -> bool:
    """Return whether a record is of the project, study and version that the query names."""
    return (
        query.project_id in (None, record.project_id)
        and query.study_id in (None, record.study_id)
        and query.version in (None, record.version)
    )


def no_record(catalog: Catalog, query: MatrixQuery | RegionQuery, kind: str) -> str:
    """Return the message for a search to which no record belongs."""
    if query.project_id is not None and query.project_id not in catalog.projects:
        return unknown_name("project", query.project_id, catalog.projects)
    if query.study_id is not None and query.study_id not in catalog.studies:
        return unknown_name("study", query.study_id, catalog.studies)
    return f"no {kind} has that projectID, studyID and version together: leave one out"


def _missing(candidates: list[_Candidate]) -> Mapping[str, list[str]]:
    """Return the values asked for that no candidate has, by parameter."""
    if not candidates:
        return {}
    missing = {name: list(values) for name, values in candidates[0].selection.missing.items()}
    for one in candidates[1:]:
        for name, values in missing.items():
            absent = set(one.selection.missing[name])
            values[:] = [value for value in values if value in absent]
    return missing


def not_found(
    missing: Mapping[str, Sequence[str]],
    found: Sequence[Collection[str]],
    near: Sequence[Mapping[str, Sequence[str]]],
    filters: Collection[str],
) -> str:
    """Return the message for a query that selects nothing.

    Parameters
    ----------
    missing
        For each parameter, the values that no candidate has.
    found
        For each candidate, the parameters that select something by themselves.
    near
        For each candidate and parameter, values like those that were asked for.
    filters
        The metadata filters of the query.
    """
    if not found:
        return f"nothing can be filtered by {' and '.join(filters)} at once: ask with fewer filters"
    for name, values in missing.items():
        if any(name in one for one in found):
            continue
        if not values:
            return f"nothing here lies within {name}: widen them"
        named = ", ".join(shown(value) for value in values[:10])
        more = f" and {len(values) - 10:,} more" if len(values) > 10 else ""
        like = list(dict.fromkeys(text for one in near for text in one.get(name, ())))[:3]
        hint = f"did you mean {' or '.join(shown(text) for text in like)}?" if like else "check the spelling"
        return f"nothing here has the {name} {named}{more}: {hint}"
    return f"nothing matches {', '.join(missing)} together, though each alone matches: leave one out"


def _narrowed(one: _Candidate, units: str, query: MatrixQuery) -> _Candidate:
    features = within(one.store, units, one.selection, query.minimum, query.maximum)
    chosen = Selection(features, one.selection.samples, one.selection.missing, one.selection.found)
    return _Candidate(one.matrix, one.store, chosen)


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


def _labels(one: _Candidate) -> tuple[_AxisLabels, _AxisLabels]:
    matrix, store, chosen = one.matrix, one.store, one.selection
    return (
        _AxisLabels(store.features, chosen.features, matrix.feature_id, matrix.feature_name),
        _AxisLabels(store.samples, chosen.samples, matrix.sample_id, None),
    )


def _column_labels(one: _Candidate) -> list[str]:
    """Return the label of each selected sample in TSV, by the matrix's template."""
    template = one.matrix.tsv.column
    fields = template_fields(template)
    columns = [one.store.samples.column(name, one.selection.samples) for name in fields]
    if template == f"{{{fields[0]}}}":
        return as_texts(columns[0])
    rows = zip(*(as_texts(column) for column in columns), strict=True)
    return [fill_template(template, dict(zip(fields, row, strict=True))) for row in rows]


def _layer(one: _Candidate, units: str) -> LayerInfo:
    store, chosen = one.store, one.selection
    return LayerInfo(
        units=units,
        dtype=store.dtype(units),
        whole=store.whole(units),
        blocks=lambda: store.blocks(units, chosen.features, chosen.samples),
        sparse=store.sparse(units, chosen.features, chosen.samples),
    )


def _single(catalog: Catalog, one: _Candidate, units: str, query: MatrixQuery) -> Slice:
    features, samples = _labels(one)
    further = [name for name in one.store.units if name != units] if query.units is None else []
    return Slice(
        features=features,
        samples=samples,
        layers=tuple(_layer(one, name) for name in (units, *further)),
        tsv_labels=one.matrix.tsv.labels,
        tsv_columns=lambda: _column_labels(one),
        tsv_comments=one.matrix.tsv.comments,
        origin=origin(catalog, [one.matrix], units, query),
    )


def _joined(catalog: Catalog, used: list[_Candidate], units: str, query: MatrixQuery) -> Slice:
    parts = [
        Part(one.matrix.id, one.store, units, one.selection.features, one.selection.samples, *_labels(one))
        for one in used
    ]
    features, samples, layer = join(parts)
    first = used[0].matrix.tsv
    return Slice(
        features=features,
        samples=samples,
        layers=(layer,),
        tsv_labels=first.labels,
        tsv_columns=lambda: [label for one in used for label in _column_labels(one)],
        tsv_comments=first.comments,
        origin=origin(catalog, [one.matrix for one in used], units, query),
    )


def origin(
    catalog: Catalog, records: Sequence[Matrix | TrackSet], units: str, query: MatrixQuery | RegionQuery
) -> dict[str, str]:
    """Return where a download comes from, as it is written into it."""
    studies = [catalog.studies[one.study_id] for one in records if one.study_id in catalog.studies]
    kind = "expression" if isinstance(records[0], Matrix) else "continuous"
    told = {
        kind: ", ".join(one.id for one in records),
        "version": ", ".join(dict.fromkeys(one.version for one in records)),
        "study": ", ".join(dict.fromkeys(study.id for study in studies)),
        "genome": ", ".join(dict.fromkeys(study.genome for study in studies if study.genome)),
        "units": units,
        "license": ", ".join(dict.fromkeys(one.license for one in records if one.license)),
        "query": canonical(query.given)[:2000],
        "server": f"{catalog.service.name}, rnaget-server {__version__}",
    }
    return {key: value for key, value in told.items() if value}


def canonical(given: Sequence[tuple[str, str]]) -> str:
    """Return the parameters in one form whatever their order, without the format, which the file itself tells."""
    return urlencode(sorted(pair for pair in given if pair[0] != "format"))


def _check_size(made: Slice, limit: int) -> None:
    features, samples = made.shape
    if not limit or features * samples <= limit:
        return
    raise ResultTooLarge(
        f"{features:,} features × {samples:,} samples are more than the {limit:,} cells that this server "
        f"gives in one reply: {_smaller(made, limit)}"
    )


def _smaller(made: Slice, limit: int) -> str:
    features, samples = made.shape
    if limit >= features:
        some = made.samples.column(made.samples.id)[: min(3, limit // features)]
        return f"ask for at most {limit // features:,} samples at once, such as sampleIDList={','.join(some)}"
    some = made.features.column(made.features.id)[: max(1, min(3, limit // samples))]
    if limit >= samples:
        return f"ask for at most {limit // samples:,} features at once, such as featureIDList={','.join(some)}"
    column = made.samples.column(made.samples.id)[0]
    return f"ask for fewer of both, such as featureIDList={some[0]}&sampleIDList={column}"
