"""A matrix in a list: its size and units; and the first queries on it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rnaget_server.catalog.records import Matrix
from rnaget_server.pages.axes import first_of_axis
from rnaget_server.pages.queries import Query, Source
from rnaget_server.pages.views import MatrixDetail

if TYPE_CHECKING:
    from rnaget_server.pages.site import Site
    from rnaget_server.stores.base import MatrixStore


def matrix_detail(site: Site, matrix: Matrix, _: str = "") -> MatrixDetail:
    """Return what the file of a matrix says.

    Raises
    ------
    Unavailable
        If the file cannot be read.
    """
    store = site.view.stores.open(matrix)
    features, samples = store.shape
    return MatrixDetail(features, samples, tuple(store.units))


def matrix_queries(site: Site, matrix: Matrix, store: MatrixStore, base: str) -> Iterator[Query]:
    """Yield queries on a matrix that this server answers.

    Raises
    ------
    Unavailable
        If the file cannot be read.
    """
    features, samples = store.shape
    most = (site.view.limits.cells or features * samples * len(store.units)) // len(store.units)
    source = Source.of_matrix(base, matrix, site.settings.require_tickets)
    feature = first_of_axis(store.features, matrix.feature_id)
    if feature and samples <= most:
        yield source.part("One feature in all samples", {"featureIDList": feature})
        if chosen := _filter_value(store, matrix):
            name, value = chosen
            yield source.part(f"The same feature where {name} is {value}", {"featureIDList": feature, name: value})
    if feature and features * samples <= most:
        yield source.whole("The whole matrix")


def _filter_value(store: MatrixStore, matrix: Matrix) -> tuple[str, str] | None:
    """Return a filter on samples and a value that some sample has, so that one feature is left of any."""
    for filter_ in matrix.filters.values():
        if filter_.axis == "sample" and (value := first_of_axis(store.samples, filter_.attribute)):
            return filter_.name, value
    return None
