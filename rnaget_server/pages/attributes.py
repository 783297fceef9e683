"""The attributes of features and samples as the pages of a matrix show them: counts, and values that are links."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from rnaget_server.catalog.records import Filter, Matrix
from rnaget_server.query.recommended import SUFFIXES
from rnaget_server.query.strings import Pair, query_string
from rnaget_server.slicing.attribute_counts import AttributeCounts, AxisName, axis_of

if TYPE_CHECKING:
    from rnaget_server.pages.site import Site
    from rnaget_server.slicing.candidates import MatrixSelection

MOST_ATTRIBUTES = 100
"""So many attributes of an axis are shown at most."""

_MOST_SHOWN = 5
# So many values are counted for one page; the rest when it is asked for, or by the next look at the page.
_COUNTED_AT_ONCE = 2_000_000


@dataclass(frozen=True)
class ValueView:
    """A value, how many features or samples have it, and the address that it leads to, if there is one."""

    text: str
    count: int
    link: str | None


@dataclass(frozen=True)
class AttributeView:
    """An attribute; `counts` is None where they are yet to be counted, `filter` None where it selects nothing.

    `role` says what it is besides: the ``id``, the ``name`` or nothing.
    """

    name: str
    role: str
    filter: Filter | None
    counts: AttributeCounts | None
    values: tuple[ValueView, ...]
    link: str


@dataclass(frozen=True)
class AttributesView:
    """The first attributes of an axis, and how many there are."""

    axis: AxisName
    shown: Sequence[AttributeView]
    total: int


class Links:
    """The addresses that values of the attributes of a matrix lead to.

    Parameters
    ----------
    root
        The path of the server.
    matrix
        The matrix.
    given
        The parameters that select already.
    has_samples
        Whether there are pages of samples.
    """

    def __init__(self, root: str, matrix: Matrix, given: Sequence[Pair] = (), has_samples: bool = True) -> None:
        self._root = root
        self._matrix = matrix
        self._given = given
        self._has_samples = has_samples
        self.page = f"{root}/matrices/{quote(matrix.id, safe='')}"

    def sample(self, id: str) -> str:
        """Return the page of a sample."""
        return f"{self._root}/samples/{quote(self._matrix.id, safe='')}/{quote(id, safe='')}"

    def gene(self, id: str) -> str:
        """Return the page of a gene."""
        return f"{self._root}/genes/{quote(id, safe='')}"

    def filtered(self, filter: Filter, value: str) -> str:
        """Return the page of the part of what is selected that has this value."""
        return self._with([*self._without(filter.name), (filter.name, value)])

    def without(self, name: str) -> str:
        """Return the page of what the other parameters select."""
        return self._with([pair for pair in self._given if pair[0] != name])

    def values(self, axis: AxisName, attribute: str) -> str:
        """Return the page of all values of an attribute."""
        return f"{self.page}/values?{query_string([('attribute', attribute), ('axis', axis)])}"

    def of_value(self, axis: AxisName, attribute: str, filter: Filter | None, value: str) -> str | None:
        """Return what a value of an attribute leads to."""
        matrix = self._matrix
        if axis == "sample" and attribute == matrix.sample_id:
            return self.sample(value) if self._has_samples else None
        if axis == "feature" and attribute in (matrix.feature_id, matrix.feature_name):
            return self.gene(value)
        return self.filtered(filter, value) if filter is not None else None

    def _without(self, name: str) -> Iterator[Pair]:
        names = {name + suffix for suffix in SUFFIXES}
        return (pair for pair in self._given if pair[0] not in names)

    def _with(self, pairs: Sequence[Pair]) -> str:
        return f"{self.page}?{query_string(pairs)}" if pairs else self.page


def attribute_views(site: Site, selected: MatrixSelection, links: Links) -> tuple[AttributesView, AttributesView]:
    """Return the attributes of samples and of features in what is selected.

    Raises
    ------
    StoreFailure
        If they cannot be read.
    """
    budget = _Budget(_COUNTED_AT_ONCE)
    samples, features = (_of_axis(site, selected, links, axis, budget) for axis in ("sample", "feature"))
    return samples, features


def filter_of(matrix: Matrix, axis: AxisName, attribute: str) -> Filter | None:
    """Return the filter that selects by an attribute."""
    filters = matrix.filters.values()
    return next((one for one in filters if one.axis == axis and one.attribute == attribute), None)


@dataclass
class _Budget:
    left: int

    def take(self, size: int) -> bool:
        """Return whether so many values may be counted; of one attribute always, if it is the first."""
        allowed = size <= self.left or self.left == _COUNTED_AT_ONCE
        self.left -= size if allowed else 0
        return allowed


def _of_axis(site: Site, selected: MatrixSelection, links: Links, axis: AxisName, budget: _Budget) -> AttributesView:
    matrix = selected.matrix
    id, name = (matrix.sample_id, None) if axis == "sample" else (matrix.feature_id, matrix.feature_name)
    views = []
    names = axis_of(selected.store, axis).attributes
    for attribute in names[:MOST_ATTRIBUTES]:
        role = "id" if attribute == id else "name" if attribute == name else ""
        filter = filter_of(matrix, axis, attribute)
        counts = None if role == "id" else _counts(site, selected, axis, attribute, budget)
        shown = () if counts is None or (counts.all_differ and counts.bounds) else counts.values[:_MOST_SHOWN]
        values = (ValueView(text, count, links.of_value(axis, attribute, filter, text)) for text, count in shown)
        views.append(AttributeView(attribute, role, filter, counts, tuple(values), links.values(axis, attribute)))
    return AttributesView(axis, views, len(names))


def _counts(
    site: Site, selected: MatrixSelection, axis: AxisName, attribute: str, budget: _Budget
) -> AttributeCounts | None:
    positions = selected.selection.samples if axis == "sample" else selected.selection.features
    known = site.counter.known(selected.matrix, selected.store, axis, attribute) if positions is None else None
    size = selected.shape[1 if axis == "sample" else 0]
    if known is None and budget.take(size):
        return site.counter.of(selected.matrix, selected.store, axis, attribute, positions)
    return known
