"""Attributes → public query parameters."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from rnaget_server.catalog.models import RESERVED_PARAMETERS, FilterEntry
from rnaget_server.query.recommended import recommended

Key = tuple[str, str]


def make_filters(
    sample_attributes: Iterable[str], feature_attributes: Iterable[str], there: Mapping[str, FilterEntry]
) -> dict[str, FilterEntry]:
    """Return a filter for each attribute that none of those `there` names yet.

    A filter has the name of its attribute, made fit for a URL, or as RNAget spells it where that is a name it
    recommends. Where that is a parameter of the standard,
    or an attribute of the other axis has it as well, ``sample_`` or ``feature_`` stands in front.
    """
    named = {(one.axis, one.attribute) for one in there.values()}
    wanted: list[Key] = [("sample", name) for name in sample_attributes]
    wanted += [("feature", name) for name in feature_attributes]
    wanted = [key for key in wanted if key not in named]
    by_axis = {axis: {url_safe(name) for kind, name in wanted if kind == axis} for axis in ("sample", "feature")}
    shared = by_axis["sample"] & by_axis["feature"]
    made: dict[str, FilterEntry] = {}
    for axis, attribute in wanted:
        name = recommended(attribute) or url_safe(attribute)
        if name in RESERVED_PARAMETERS or name in shared or name in there or not name[:1].isalpha():
            name = f"{axis}_{name}".rstrip("_")
        name = _free(name, {*there, *made})
        made[name] = FilterEntry.model_validate({"attribute": attribute, "axis": axis})
    return made


def url_safe(name: str) -> str:
    """Return `name` with runs of anything but letters, digits, ``.``, ``_`` and ``-`` as one underscore."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", name).strip("_")


def _free(name: str, taken: set[str]) -> str:
    number = 2
    free = name
    while free in taken:
        free = f"{name}_{number}"
        number += 1
    return free
