"""From a query to what a writer writes: which matrices match, what each contributes, and what is missing."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rnaget_server import __version__
from rnaget_server.cancellation import Cancellation
from rnaget_server.catalog import Catalog, Matrix, TrackSet
from rnaget_server.errors import InvalidQuery, ResultTooLarge, StoreFailure, Unavailable, UnknownId
from rnaget_server.query import MatrixQuery, RegionQuery
from rnaget_server.query.parameters import shown, unknown_name
from rnaget_server.query.strings import by_name, digest, start_of_query_string
from rnaget_server.service import Services
from rnaget_server.slicing.candidates import Candidate, slice_of
from rnaget_server.slicing.finding import belongs, no_record, not_found, record_by_id
from rnaget_server.slicing.size import check_size, smaller
from rnaget_server.slicing.summaries import (
    Grouping,
    KeptSummaries,
    file_version,
    group_attribute,
    group_names,
    summarised_slice,
)
from rnaget_server.slicing.top import PANEL_MEMORY, with_highest
from rnaget_server.stores.base import MatrixStore
from rnaget_server.stores.columns import as_texts
from rnaget_server.stores.select import select
from rnaget_server.stores.watched import WatchedStore
from rnaget_server.writers.base import Slice

_MOST_OF_QUERY = 2000
_GROUPS = "filter or attribute of samples"


@dataclass(frozen=True)
class Stored:
    """A file of the provider that holds exactly a slice, in the format of that media type."""

    path: Path
    media_type: str


def _less(cells: int) -> str:
    return f"ask for fewer cells, such as {cells:,}"


@dataclass(frozen=True)
class Found:
    """A slice, the matrices or sets of tracks it is made of, and what was asked for and left out."""

    slice: Slice
    records: tuple[Matrix | TrackSet, ...]
    missing: tuple[str, ...] = ()
    omitted: tuple[str, ...] = ()
    query: str = ""
    """A digest of the query, without its format."""

    smaller: Callable[[int], str] = _less
    """Says how to ask for a slice of at most so many cells."""

    stored: Stored | None = None
    too_large: ResultTooLarge | None = None
    """Why nothing but the stored file can be sent."""

    ungrouped: int = 0
    """How many selected samples belong to no group."""

    @property
    def default_format(self) -> str:
        """The format of a request that names none."""
        return self.records[0].default_format


def slice_by_id(
    services: Services, matrix_id: str, query: MatrixQuery, cancellation: Cancellation | None = None
) -> Found:
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
    matrix = record_by_id("expression matrix", matrix_id, services.catalog.current.matrices, query)
    version, store = _opened(services, matrix, cancellation or Cancellation())
    if query.units is not None and query.units not in store.units:
        raise InvalidQuery(f"{matrix.id} has no units {shown(query.units)}: it has {', '.join(store.units)}")
    if query.group_by is not None and group_attribute(query.group_by, matrix, store) is None:
        raise InvalidQuery(f"{matrix.id}: " + unknown_name(_GROUPS, query.group_by, group_names(matrix, store)))
    return _made(services, query, [Candidate(matrix, store, select(store, matrix, query), version)], ())


def slice_by_search(
    services: Services, query: MatrixQuery, without: Collection[str] = (), cancellation: Cancellation | None = None
) -> Found:
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
    catalog = services.catalog.current
    matching = [matrix for matrix in catalog.matrices.values() if belongs(matrix, query)]
    if not matching:
        raise UnknownId(no_record(catalog, query, "expression matrix"))
    candidates: list[Candidate] = []
    omitted: list[str] = []
    units: dict[str, None] = {}
    groups: dict[str, str] = {}
    cancellation = cancellation or Cancellation()
    for matrix in matching:
        cancellation.check()
        if not query.filters.keys() <= matrix.filters.keys():
            continue
        try:
            if matrix.id in without:
                raise StoreFailure("its cells cannot be read", matrix.id)
            version, store = _opened(services, matrix, cancellation)
            fits = query.group_by is None or group_attribute(query.group_by, matrix, store) is not None
            if fits and (query.units is None or query.units in store.units):
                candidates.append(Candidate(matrix, store, select(store, matrix, query), version))
            units |= dict.fromkeys(store.units)
            groups |= group_names(matrix, store)
        except StoreFailure:
            omitted.append(matrix.id)
    if not candidates and omitted:
        raise Unavailable(f"the matrices {', '.join(omitted)} cannot be read at the moment")
    if not candidates and query.units is not None and query.units not in units:
        raise InvalidQuery(f"no matrix has the units {shown(query.units)}: there are {', '.join(sorted(units))}")
    if not candidates and query.group_by is not None and groups:
        raise InvalidQuery(unknown_name(_GROUPS, query.group_by, groups))
    return _made(services, query, candidates, tuple(omitted))


def _opened(services: Services, matrix: Matrix, cancellation: Cancellation) -> tuple[tuple[object, ...], MatrixStore]:
    """Return the open file of a matrix, and its version before, so that nothing old passes for new."""
    version = (*file_version(matrix.path), matrix.units)
    return version, WatchedStore(services.stores.open(matrix), cancellation)


def _made(services: Services, query: MatrixQuery, candidates: list[Candidate], omitted: tuple[str, ...]) -> Found:
    missing = missing_from_all([one.selection.missing for one in candidates])
    used = _not_empty(candidates, missing, query)
    units = query.units or used[0].matrix.units
    other = tuple(one.matrix.id for one in used if query.units is None and one.matrix.units != units)
    used = [one for one in used if query.units is not None or one.matrix.units == units]
    if query.minimum or query.maximum:
        used = _within_bounds(used, units)
    grouping = None if query.group_by is None else _grouping(used, query.group_by)
    asked = canonical(query)
    told = origin(services.catalog.current, [one.matrix for one in used], units, asked)

    def make(some: Sequence[Candidate], groups: Grouping | None) -> Slice:
        made = slice_of(some, units, query.units is None, told)
        return made if groups is None else _summarised(services, query, made, some, groups)

    if query.top is not None:
        share = services.workload.share()
        try:
            share.grow_in_thread(PANEL_MEMORY)
            used = with_highest(used, query.top, grouping, make)
        finally:
            share.free()
    made = make(used, grouping)
    columns = "samples" if grouping is None else "groups"
    check_size(made, services.settings.max_cells, columns)
    return Found(
        slice=made,
        records=tuple(one.matrix for one in used),
        missing=tuple(dict.fromkeys(value for values in missing.values() for value in values)),
        omitted=(*omitted, *other),
        query=digest(asked),
        smaller=partial(smaller, made, columns),
        ungrouped=grouping.ungrouped if grouping is not None else 0,
    )


def _not_empty(candidates: list[Candidate], missing: Mapping[str, list[str]], query: MatrixQuery) -> list[Candidate]:
    """Return the candidates of which something is selected.

    Raises
    ------
    UnknownId
        If nothing is, or if no feature that has a threshold of its own is there.
    """
    used = [one for one in candidates if not one.empty]
    found = frozenset[str]().union(*(one.selection.found for one in candidates))
    if used and found.issuperset(name for one in candidates for name in one.selection.bounds.missing):
        return used
    chosen = [one.selection for one in candidates]
    raise UnknownId(not_found(missing, [one.found for one in chosen], [one.near for one in chosen], query.filters))


def _within_bounds(used: list[Candidate], units: str) -> list[Candidate]:
    """Return the candidates with those features only that lie within the bounds wherever they are.

    Raises
    ------
    UnknownId
        If there is none.
    """
    narrowed = [one.within_bounds(units) for one in used]
    if len(used) > 1:
        outside = [
            set(one.feature_ids()).difference(two.feature_ids()) for one, two in zip(used, narrowed, strict=True)
        ]
        narrowed = [one.without(set().union(*outside)) for one in narrowed]
    if all(one.empty for one in narrowed):
        raise UnknownId(
            "no feature has every selected value between feature_min_value and feature_max_value: widen them"
        )
    return [one for one in narrowed if not one.empty]


def _grouping(used: list[Candidate], name: str) -> Grouping:
    attributes = [group_attribute(name, one.matrix, one.store) or name for one in used]
    columns = [
        one.store.samples.column(attribute, one.selection.samples)
        for one, attribute in zip(used, attributes, strict=True)
    ]
    grouping = Grouping(attributes[0], [text for column in columns for text in as_texts(column)])
    if not grouping.values:
        raise UnknownId(f"no selected sample has a {name}, so there are no groups: group_by another attribute")
    return grouping


def _summarised(
    services: Services, query: MatrixQuery, made: Slice, used: Sequence[Candidate], grouping: Grouping
) -> Slice:
    made = summarised_slice(made, grouping, query.summary, str(query.group_by))
    one = used[0]
    features, samples = one.store.shape
    if len(used) > 1 or one.shape[1] < samples:
        return made
    chosen = None if one.shape[0] == features else one.selection.features
    return KeptSummaries(services.kept_summaries, one.version, features).of(made, query.summary, chosen)


def missing_from_all(missing: Sequence[Mapping[str, list[str]]]) -> Mapping[str, list[str]]:
    """Return the values asked for that none of the candidates has, by parameter, given what each lacks."""
    if not missing:
        return {}
    common = {}
    for name, values in missing[0].items():
        lacking = [frozenset(one[name]) for one in missing[1:]]
        common[name] = [value for value in values if all(value in one for one in lacking)] if lacking else values
    return common


def origin(
    catalog: Catalog, records: Sequence[Matrix | TrackSet], units: str, asked: Mapping[str, list[str]]
) -> dict[str, str]:
    """Return where a download comes from, as it is written into it; `asked` is the query in one form."""
    studies = [catalog.studies[one.study_id] for one in records if one.study_id in catalog.studies]
    kind = "expression" if isinstance(records[0], Matrix) else "continuous"
    told = {
        kind: ", ".join(one.id for one in records),
        "version": ", ".join(dict.fromkeys(one.version for one in records)),
        "study": ", ".join(dict.fromkeys(study.id for study in studies)),
        "genome": ", ".join(dict.fromkeys(study.genome for study in studies if study.genome)),
        "units": units,
        "license": ", ".join(dict.fromkeys(one.license for one in records if one.license)),
        "query": start_of_query_string(asked, _MOST_OF_QUERY),
        "server": f"{catalog.service.name}, rnaget-server {__version__}",
    }
    return {key: value for key, value in told.items() if value}


def canonical(query: MatrixQuery | RegionQuery) -> dict[str, list[str]]:
    """Return the parameters in one form whatever their order, without the format, which the file itself tells."""
    return by_name(pair for pair in query.given if pair[0] != "format")
