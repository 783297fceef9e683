"""Parts of the landing page that are taken from the labels of a matrix or of a set of tracks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from rnaget_server.catalog.records import Filter
from rnaget_server.pages.views import FilterView

if TYPE_CHECKING:
    from rnaget_server.model.axis import Axis

MOST_VALUES = 12
"""How many values of a filter are listed at most."""

# The stores index arrays by this; an array of positions would need numpy here.
_HEAD: Any = slice(20)


def filter_view(axis: Axis, filter_: Filter) -> FilterView:
    """Return a filter as the page shows it, with its values if they are at most 12."""
    return FilterView(filter_.name, filter_.description, tuple(axis.values(filter_.attribute, MOST_VALUES) or ()))


def first_of_axis(axis: Axis, attribute: str) -> str | None:
    """Return `first_value` of the first values of an attribute."""
    return first_value(axis.column(attribute, _HEAD))


def first_value(values: Iterable[object]) -> str | None:
    """Return the first value that can be used in a list as it is: text, not empty, without a comma."""
    for value in values:
        if isinstance(value, str) and value.strip() and "," not in value:
            return value
    return None
