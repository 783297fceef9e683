"""The encodings of AnnData's columns: those that are read, and in words why another one is left out."""

from __future__ import annotations

from typing import Any, TypeAlias

import h5py
import numpy as np
from h5py import h5s

from rnaget_server.stores.dtypes import check_column
from rnaget_server.stores.hdf5_dataset import Dataset, Member
from rnaget_server.stores.hdf5_file import Group

Values: TypeAlias = Dataset | Member
Item: TypeAlias = Group | Values

_TYPE, _CATEGORICAL, _NULL = "encoding-type", "categorical", "null"
_CODES, CATEGORIES, VALUES, MASK = "codes", "categories", "values", "mask"
# The kinds of values that a group of values and a mask may have; before anndata 0.8 encodings had no names.
_NULLABLE = {"nullable-integer": "iu", "nullable-boolean": "b", "nullable-string-array": "SO", "": "iufbSO"}
_PLAIN = ("", "array", "string-array")


def encoding_of(item: Item) -> str:
    """Return the name of the encoding, the empty text where none is given."""
    return attribute_text(item, _TYPE)


def is_null(item: Item | None) -> bool:
    """Return whether there is nothing here: no item, or one that means None."""
    if item is None or encoding_of(item) == _NULL:
        return True
    return isinstance(item, Dataset) and bool(item.id.get_space().get_simple_extent_type() == h5s.NULL)


def attribute_text(item: Item, name: str) -> str:
    """Return an attribute as text; the empty one where it is missing, or is no single value."""
    texts = attribute_texts(item, name)
    return texts[0] if texts is not None and len(texts) == 1 else ""


def attribute_texts(item: Item, name: str) -> list[str] | None:
    """Return the values of an attribute as texts, None where it is missing."""
    value = item.attrs.get(name)
    if value is None:
        return None
    if isinstance(value, h5py.Empty):
        return []
    values: list[Any] = np.asarray(value, object).ravel().tolist()
    return [text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text) for text in values]


def length_of(item: Item | None) -> int | None:
    """Return of how many members this is a column, None if it is none."""
    if isinstance(item, Group):
        item = item.get(_CODES) or item.get(VALUES)
        return None if isinstance(item, Group) else length_of(item)
    return item.shape[0] if item is not None and item.ndim == 1 else None


def obstacle(item: Item | None, size: int) -> str | None:
    """Return what keeps this from being read as a column of one value for each member, or None.

    Raises
    ------
    UnfitFile
        If it is such a column, and its values would lose something when they are served.
    """
    if not isinstance(item, Group):
        return _obstacle_of_values(item, size, "iufbSO")
    encoding = encoding_of(item)
    if encoding == _CATEGORICAL or (not encoding and CATEGORIES in item):
        codes = item.get(_CODES)
        categories = item.get(CATEGORIES)
        nested = isinstance(categories, Group) and CATEGORIES in categories
        if isinstance(codes, Group) or nested:
            return "in an unknown form"
        return _obstacle_of_values(codes, size, "iu") or obstacle(categories, length_of(categories) or 0)
    if encoding not in _NULLABLE:
        return f"of the encoding {printable(encoding)}"
    values, mask = item.get(VALUES), item.get(MASK)
    if isinstance(values, Group) or isinstance(mask, Group):
        return "in an unknown form"
    return _obstacle_of_values(values, size, _NULLABLE[encoding]) or _obstacle_of_values(mask, size, "biu")


def printable(name: str) -> str:
    """Return a name out of a file as it may be shown in a message."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in name)


def _obstacle_of_values(item: Values | None, size: int, kinds: str) -> str | None:
    if item is None:
        return "not all in the file"
    encoding = encoding_of(item)
    if is_null(item):
        return "null"
    if encoding not in _PLAIN:
        return f"of the encoding {printable(encoding)}"
    if item.ndim != 1:
        return f"of {item.ndim} dimensions" if item.ndim else "a single value"
    if item.shape != (size,):
        return f"of {item.shape[0]} values for {size}"
    if item.dtype.kind not in kinds or not (item.dtype.kind in "iufb" or item.is_text):
        return "of several values each" if item.dtype.kind == "V" else f"of the type {item.dtype}"
    check_column(item)
    return None
