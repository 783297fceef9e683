"""Messages for a query that does not fit the matrix or set of tracks it is about: they name what that one has."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress

from rnaget_server.catalog import Matrix, TrackSet
from rnaget_server.datasets.repository import View
from rnaget_server.errors import InvalidQuery, StoreFailure, UnknownParameter, listed, shown
from rnaget_server.query import MatrixQuery, RegionQuery, parse_matrix_query, parse_region_query
from rnaget_server.query.parameters import parameter_names
from rnaget_server.query.table import OF_MATRICES, OF_TRACKS
from rnaget_server.spelling import most_alike, nearest_first

_NO_FILTER = "its provider can publish one"


def matrix_query_of(view: View, matrix_id: str, pairs: Collection[tuple[str, str]]) -> MatrixQuery:
    """Return the query for one matrix, see `parse_matrix_query`; errors list the parameters that it takes.

    Raises
    ------
    InvalidQuery
        If a parameter is unknown, empty or of the wrong type.
    """
    try:
        return parse_matrix_query(pairs, view.catalog.filter_names)
    except UnknownParameter as error:
        raise unknown_of_matrix(view, matrix_id, error) from None


def unknown_of_matrix(
    view: View, matrix_id: str, error: UnknownParameter, parameters: Iterable[str] = OF_MATRICES
) -> InvalidQuery:
    """Return the error for a parameter that a query for one matrix does not have: it names what that matrix knows.

    Lists of its features and samples take other `parameters` than slices.
    """
    matrix = view.catalog.matrices.get(matrix_id)

    def attributes() -> Mapping[str, str]:
        if matrix is None:
            return {}
        store = view.stores.open(matrix)
        names = {name: f"an attribute of features without a filter: {_NO_FILTER}" for name in store.features.attributes}
        of_samples = f"an attribute of samples without a filter: group_by groups by it, and {_NO_FILTER}"
        names |= dict.fromkeys(store.samples.attributes, of_samples)
        names[matrix.feature_id] = "the id of the features: ask by featureIDList"
        names[matrix.sample_id] = "the id of the samples: ask by sampleIDList"
        if matrix.feature_name is not None:
            names[matrix.feature_name] = "the name of the features: ask by featureNameList"
        return names

    return _explained(error, matrix, parameters, attributes)


def region_query_of(view: View, set_id: str, pairs: Collection[tuple[str, str]]) -> RegionQuery:
    """Return the query for one set of tracks, see `parse_region_query`; errors list the parameters that it takes.

    Raises
    ------
    InvalidQuery, ReversedRange, UnknownId
        See `parse_region_query`.
    """
    record = view.catalog.track_sets.get(set_id)

    def attributes() -> Mapping[str, str]:
        if record is None:
            return {}
        names = view.stores.open_tracks(record).tracks.attributes
        return {
            **dict.fromkeys(names, f"an attribute of the tracks without a filter: {_NO_FILTER}"),
            record.track_id: "the id of the tracks: ask by sampleIDList",
        }

    try:
        return parse_region_query(pairs, view.catalog.track_filter_names)
    except UnknownParameter as error:
        raise _explained(error, record, OF_TRACKS, attributes) from None


def _explained(
    error: UnknownParameter,
    record: Matrix | TrackSet | None,
    parameters: Iterable[str],
    attributes: Callable[[], Mapping[str, str]],
) -> InvalidQuery:
    if record is None:
        return error
    named: Mapping[str, str] = {}
    with suppress(StoreFailure):  # what the catalogue says is shown all the same
        named = attributes()
    return InvalidQuery(_message(error.name, record, tuple(parameters), named))


def _message(name: str, record: Matrix | TrackSet, parameters: tuple[str, ...], attributes: Mapping[str, str]) -> str:
    filters = list(record.filters)
    others = {attribute: meaning for attribute, meaning in attributes.items() if attribute not in record.filters}
    taken = (*parameters, *parameter_names(filters))
    hint = ""
    for meant in most_alike(name, (*taken, *others)):
        hint = f"did you mean {meant!r}? " if meant in taken else f"{meant} is {others[meant]}. "
    has = [f"the filters {listed(nearest_first(name, filters))}" if filters else "no filters"]
    if others:
        has.append(f"the further attributes {listed(nearest_first(name, others))}")
    plain = [parameter for parameter in parameters if parameter[-4:] != "_not"]
    return (
        f"there is no query parameter {shown(name)}: {hint}{record.id} has {' and '.join(has)}, "
        f"and takes {listed(nearest_first(name, plain))}"
    )
