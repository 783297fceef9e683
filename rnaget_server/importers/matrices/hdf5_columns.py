"""Axes of HDF5 files that keep each attribute as a dataset of its own: GCTX, ARCHS4, Seurat."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from rnaget_server.model.axis import Axis
from rnaget_server.model.columns import Column, Numbers, as_texts
from rnaget_server.stores.h5ad_encodings import Item, attribute_text, attribute_texts, obstacle, printable
from rnaget_server.stores.h5ad_frame import read_column, text_column
from rnaget_server.stores.hdf5_dataset import Dataset, Member
from rnaget_server.stores.hdf5_file import File, Group

_LEVELS, _VALUES = "levels", "values"
_CLASS, _TRUTHS = "s3class", "logicals"
_MISSING = -(2**31)
_MOST_NAMED = 20


def items_of(file: File, place: str) -> dict[str, Item | None]:
    """Return what is in a group, or the members of a compound dataset, by name; nothing if there is neither."""
    group = file.get(place)
    if isinstance(group, Dataset):
        return {name: Member(group, name) for name in group.dtype.names or ()}
    return {name: group.get(name) for name in group} if isinstance(group, Group) else {}


def column_axis(
    file: File,
    items: Mapping[str, Item | None],
    size: int,
    kind: str,
    changed: Callable[[str, Column], Column] = lambda _, column: column,
) -> tuple[Axis, tuple[str, ...]]:
    """Return the axis of these columns, and a remark on those that are left out.

    Parameters
    ----------
    file
        The open file.
    items
        The columns by name. A factor of R is a group of levels and values.
    size, kind
        Number of features or samples, and which of both they are: ``feature`` or ``sample``.
    changed
        Returns what a column of this name is in the end.
    """
    file.check_axis(size, kind)
    reasons = {name: _obstacle(item, size) for name, item in items.items()}

    def read(name: str) -> Column:
        item = items[name]
        assert item is not None
        column = _factor(item, file) if _is_factor(item) else read_column(item, file)
        return changed(name, column)

    axis = Axis(size, tuple(name for name, reason in reasons.items() if reason is None), read)
    left_out = [f"{printable(name)} ({reason})" for name, reason in reasons.items() if reason is not None]
    if not left_out:
        return axis, ()
    more = f" and {len(left_out) - _MOST_NAMED} more" if len(left_out) > _MOST_NAMED else ""
    return axis, (f"left out of the attributes of {kind}s: {', '.join(left_out[:_MOST_NAMED])}{more}",)


def of_r(file: File, place: str) -> Callable[[str, Column], Column]:
    """Return a function that turns a column of the data frame of R at a place into what it is in R.

    R writes a missing whole number as the least of 32 bits, and truth values as numbers, which attributes name.
    """
    items = items_of(file, place)
    frame = file.get(place)
    truths = set(attribute_texts(frame, _TRUTHS) or ()) if isinstance(frame, Dataset) else set()

    def changed(name: str, column: Column) -> Column:
        item = items.get(name)
        if not isinstance(item, Dataset | Member) or item.dtype.kind not in "iu":
            return column
        values = column.take(None)
        if name in truths or attribute_text(item, _CLASS) == "logical":
            return text_column(np.array(["False", "True", ""], object)[np.where(np.isin(values, (0, 1)), values, 2)])
        missing = values == _MISSING
        return Numbers(np.where(missing, np.nan, values)) if item.dtype.itemsize == 4 and missing.any() else column

    return changed


def chosen(axis: Axis, positions: NDArray[np.int64]) -> Axis:
    """Return the axis of some members alone."""

    def read(name: str) -> Column:
        values = axis.column(name, positions)
        return text_column(values) if values.dtype.kind == "O" else Numbers(values)

    return Axis(len(positions), axis.attributes, read)


def _is_factor(item: Item | None) -> bool:
    return isinstance(item, Group) and _LEVELS in item and _VALUES in item


def _obstacle(item: Item | None, size: int) -> str | None:
    if not isinstance(item, Group) or not _is_factor(item):
        return obstacle(item, size)
    levels, values = item.get(_LEVELS), item.get(_VALUES)
    if not isinstance(levels, Dataset) or not isinstance(values, Dataset):
        return "in an unknown form"
    return obstacle(levels, levels.size) or obstacle(values, size)


def _factor(item: Item, file: File) -> Column:
    """Return the texts of a factor, whose values count its levels from 1; others are missing."""
    assert isinstance(item, Group)
    levels = as_texts(read_column(item.dataset(_LEVELS), file).take(None))
    codes = item.dataset(_VALUES).whole()
    texts = np.array([*levels, "", None], object)[:-1]
    known = (codes >= 1) & (codes <= len(levels))
    return text_column(texts[np.where(known, codes, 0).astype(np.int64) - 1])
