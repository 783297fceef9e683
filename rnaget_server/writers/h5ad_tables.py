"""Labels in AnnData's file format: a table for each axis, text as UTF-8 of variable length or as categories."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, TypeVar

import h5py
import numpy as np
from h5py import h5a, h5d, h5p, h5s, h5t
from numpy.typing import NDArray

from rnaget_server.model.columns import as_texts
from rnaget_server.model.slice import Labels, stored_values
from rnaget_server.stores.layout import link_name

_TEXT = h5py.string_dtype()
_AT_ONCE = 1 << 16
# AnnData keeps these names within a table to itself.
_RESERVED = ("_index", "__categories")

Element = TypeVar("Element", h5py.Group, h5py.Dataset)


def set_encoding(element: Element, kind: str, version: str) -> Element:
    """Set the encoding attributes of a new element of the file, and return the element."""
    # h5py would make each under another name first, in case there is one already.
    text, scalar = h5t.py_create(_TEXT, logical=True), h5s.create(h5s.SCALAR)
    for name, value in ((b"encoding-type", kind), (b"encoding-version", version)):
        h5a.create(element.id, name, text, scalar).write(np.array(value, _TEXT))
    return element


def write_text(group: h5py.Group, link: str, text: str) -> None:
    """Write a single text."""
    set_encoding(_new_dataset(group, link, np.array(_without_nul([text])[0], _TEXT)), "string", "0.2.0")


def write_table(file: h5py.Group, link: str, labels: Labels, attributes: Iterable[str] | None = None) -> None:
    """Write the attributes along an axis, or some of them: the ids as the index, every other one as a column."""
    table = set_encoding(file.create_group(link), "dataframe", "0.2.0")
    index = link_name(table, labels.id)
    _write_texts(table, index, stored_values(labels, labels.id))
    columns = []
    for name in labels.attributes if attributes is None else attributes:
        if name != labels.id:
            free = link_name(table, f"{name}_" if name in _RESERVED else name)
            columns.append(free)
            _write_column(table, free, stored_values(labels, name))
    table.attrs["_index"] = index
    table.attrs.create("column-order", np.array(columns, object), dtype=_TEXT)


def _write_column(table: h5py.Group, link: str, values: NDArray[Any]) -> None:
    if values.dtype.kind not in "OSU":
        set_encoding(_new_dataset(table, link, values), "array", "0.2.0")
        return
    categories = _categories(values)
    if len(categories) == len(values):
        _write_texts(table, link, values)
        return
    column = set_encoding(table.create_group(link), "categorical", "0.2.0")
    column.attrs["ordered"] = False
    kind = next(kind for kind in (np.int8, np.int16, np.int32) if len(categories) <= np.iinfo(kind).max)
    set_encoding(_new_dataset(column, "codes", _codes(values, categories, kind)), "array", "0.2.0")
    _write_texts(column, "categories", categories)


def _categories(values: NDArray[Any]) -> NDArray[Any]:
    """Return the different texts, sorted; of ASCII, as it is."""
    if values.dtype.kind == "S":
        return np.unique(values)
    return np.array(sorted(set(chain.from_iterable(_pieces(values)))), object)


def _codes(values: NDArray[Any], categories: NDArray[Any], kind: type[np.signedinteger[Any]]) -> NDArray[Any]:
    """Return which of the categories each text is."""
    if values.dtype.kind == "S":
        codes = np.empty(len(values), kind)
        for start in range(0, len(values), _AT_ONCE):
            part = np.s_[start : start + _AT_ONCE]
            codes[part] = np.searchsorted(categories, values[part])
        return codes
    number = {category: number for number, category in enumerate(categories)}
    return np.fromiter((number[text] for text in chain.from_iterable(_pieces(values))), kind, len(values))


def _write_texts(group: h5py.Group, link: str, values: NDArray[Any]) -> None:
    if len(values) <= _AT_ONCE:
        set_encoding(_new_dataset(group, link, np.array(_as_texts(values), _TEXT)), "string-array", "0.2.0")
        return
    texts = set_encoding(group.create_dataset(link, (len(values),), _TEXT), "string-array", "0.2.0")
    for number, piece in enumerate(_pieces(values)):
        texts[number * _AT_ONCE : number * _AT_ONCE + len(piece)] = piece


def _new_dataset(group: h5py.Group, link: str, values: NDArray[Any]) -> h5py.Dataset:
    """Write an array as `create_dataset` would, in a fraction of the time where it is small."""
    kind = h5t.py_create(values.dtype, logical=True)
    plist = h5p.create(h5p.DATASET_CREATE)
    plist.set_obj_track_times(False)  # or equal slices would differ by the second in which they are made
    space = h5s.create_simple(values.shape) if values.ndim else h5s.create(h5s.SCALAR)
    dataset = h5d.create(group.id, link.encode(), kind, space, dcpl=plist)
    if values.size:
        dataset.write(h5s.ALL, h5s.ALL, values, mtype=h5t.py_create(values.dtype))
    return h5py.Dataset(dataset)


def _pieces(values: NDArray[Any]) -> Iterator[list[str]]:
    for start in range(0, len(values), _AT_ONCE):
        yield _as_texts(values[start : start + _AT_ONCE])


def _as_texts(values: NDArray[Any]) -> list[str]:
    return _without_nul(as_texts(values.astype("U").astype(object) if values.dtype.kind == "S" else values))


def _without_nul(texts: Sequence[str]) -> list[str]:
    """Return texts without the one character that HDF5 cannot hold in them."""
    return [text.replace("\0", "") for text in texts] if "\0" in "".join(texts) else list(texts)
