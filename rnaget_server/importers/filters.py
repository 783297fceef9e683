"""Attributes → public query parameters."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import numpy as np

from rnaget_server.catalog.models import FilterEntry
from rnaget_server.catalog.records import Filter
from rnaget_server.importers.text.columns import ColumnValues, free_name
from rnaget_server.query.recommended import recommended
from rnaget_server.query.table import RESERVED

AxisAttribute = tuple[str, str]

_FEW_VALUES, _LONG_TEXT = 20, 60


def entry_filters(
    kept: Iterable[Filter], sample_attributes: Iterable[str], feature_attributes: Iterable[str]
) -> tuple[dict[str, dict[str, str]], tuple[str, ...]]:
    """Return the filters of a catalogue entry, those kept first, and the names of the new ones."""
    existing = {filter.name: FilterEntry(attribute=filter.attribute, axis=filter.axis) for filter in kept}
    new = make_filters(sample_attributes, feature_attributes, existing)
    filters = {**existing, **new}.items()
    return {name: {"attribute": filter.attribute, "axis": filter.axis} for name, filter in filters}, tuple(new)


def worth_filtering(columns: Mapping[str, ColumnValues], names: Iterable[str]) -> tuple[str, ...]:
    """Return the attributes that queries can select by: those with a value that is no long text of a single member.

    An attribute without any value selects nothing, and nobody asks for a description or for the addresses of files
    word by word: their values are long, and most are of one member alone.
    """
    return tuple(name for name in names if _is_worth(columns[name]))


def _is_worth(column: ColumnValues) -> bool:
    if column.dtype.kind == "f":
        return not bool(np.isnan(column).all())
    if column.dtype != object:
        return True
    present = [str(value) for value in column if value != ""]
    distinct = set(present)
    if len(distinct) <= max(_FEW_VALUES, len(present) / 2):
        return bool(distinct)
    return sum(map(len, distinct)) <= _LONG_TEXT * len(distinct)


def make_filters(
    sample_attributes: Iterable[str], feature_attributes: Iterable[str], existing: Mapping[str, FilterEntry]
) -> dict[str, FilterEntry]:
    """Return a filter for each attribute that none of the `existing` ones names yet.

    A filter has the name of its attribute, made fit for a URL, or as RNAget spells it where that is a name it
    recommends. Where that is a parameter of the standard, or an attribute of the other axis has it as well,
    ``sample_`` or ``feature_`` is put in front.
    """
    named = {(filter.axis, filter.attribute) for filter in existing.values()}
    wanted: list[AxisAttribute] = [("sample", name) for name in sample_attributes]
    wanted += [("feature", name) for name in feature_attributes]
    wanted = [key for key in wanted if key not in named]
    by_axis = {axis: {url_safe(name) for kind, name in wanted if kind == axis} for axis in ("sample", "feature")}
    shared = by_axis["sample"] & by_axis["feature"]
    filters: dict[str, FilterEntry] = {}
    for axis, attribute in wanted:
        name = recommended(attribute) or url_safe(attribute)
        if name in RESERVED or name in shared or name in existing or not name[:1].isalpha():
            name = f"{axis}_{name}".rstrip("_")
        name = free_name(name, {*existing, *filters})
        filters[name] = FilterEntry.model_validate({"attribute": attribute, "axis": axis})
    return filters


def url_safe(name: str) -> str:
    """Return `name` with runs of anything but letters, digits, ``.``, ``_`` and ``-`` as one underscore."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", name).strip("_")
