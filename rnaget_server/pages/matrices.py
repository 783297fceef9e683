"""A matrix on the landing page: its size, units, filters, and first queries."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rnaget_server.catalog.records import Matrix
from rnaget_server.pages.axes import filter_view, first_of_axis
from rnaget_server.pages.queries import Query, Source
from rnaget_server.pages.views import MatrixDetail

if TYPE_CHECKING:
    from rnaget_server.pages.site import Site
    from rnaget_server.stores.base import MatrixStore


def matrix_detail(site: Site, matrix: Matrix, base: str) -> MatrixDetail:
    """Return what the file of a matrix says, and queries that this server answers.

    Raises
    ------
    Unavailable
        If the file cannot be read.
    """
    store = site.view.stores.open(matrix)
    features, samples = store.shape
    axes = {"feature": store.features, "sample": store.samples}
    return MatrixDetail(
        features,
        samples,
        tuple(store.units),
        tuple(filter_view(axes[filter_.axis], filter_) for filter_ in matrix.filters.values()),
        () if "expressions" in site.settings.switched_off else tuple(_queries(site, matrix, store, base)),
    )


def _queries(site: Site, matrix: Matrix, store: MatrixStore, base: str) -> Iterator[Query]:
    features, samples = store.shape
    most = (site.view.limits.cells or features * samples * len(store.units)) // len(store.units)
    labelled_by_id = matrix.tsv.labels[:1] == (matrix.feature_id,)
    source = Source(
        base, f"expressions/{matrix.id}", labelled_by_id, matrix.tsv.comments, site.settings.require_tickets
    )
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
