"""Labels in AnnData's file format: a table for each axis, text as UTF-8 of variable length or as categories."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

import h5py
import numpy as np
from h5py import h5a, h5d, h5p, h5s, h5t
from numpy.typing import NDArray

from rnaget_server.model.columns import as_texts
from rnaget_server.model.labels import LABELS_AT_ONCE, is_text
from rnaget_server.model.slice import Labels
from rnaget_server.stores.layout import link_name
from rnaget_server.writers.categories import categories_of, without_nul

_TEXT = h5py.string_dtype()
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
    set_encoding(_new_dataset(group, link, np.array(without_nul([text])[0], _TEXT)), "string", "0.2.0")


def write_table(file: h5py.Group, link: str, labels: Labels, attributes: Iterable[str] | None = None) -> None:
    """Write the attributes along an axis, or some of them: the ids as the index, every other one as a column."""
    table = set_encoding(file.create_group(link), "dataframe", "0.2.0")
    index = link_name(table, labels.id)
    _write_texts(table, index, labels.pieces(labels.id), labels.size)
    columns = []
    for name in labels.attributes if attributes is None else attributes:
        if name != labels.id:
            free = link_name(table, f"{name}_" if name in _RESERVED else name)
            columns.append(free)
            _write_column(table, free, labels, name)
    table.attrs["_index"] = index
    table.attrs.create("column-order", np.array(columns, object), dtype=_TEXT)


def _write_column(table: h5py.Group, link: str, labels: Labels, name: str) -> None:
    if not is_text(labels, name):
        set_encoding(_new_dataset(table, link, labels.column(name)), "array", "0.2.0")
        return
    found = categories_of(labels, name)
    if found is None:
        _write_texts(table, link, labels.pieces(name), labels.size)
        return
    column = set_encoding(table.create_group(link), "categorical", "0.2.0")
    column.attrs["ordered"] = False
    set_encoding(_new_dataset(column, "codes", found.codes), "array", "0.2.0")
    texts = found.texts
    pieces = (texts[start : start + LABELS_AT_ONCE] for start in range(0, len(texts), LABELS_AT_ONCE))
    _write_texts(column, "categories", pieces, len(texts))


def _write_texts(group: h5py.Group, link: str, pieces: Iterator[NDArray[Any]], count: int) -> None:
    if count <= LABELS_AT_ONCE:
        few = [text for piece in pieces for text in _as_texts(piece)]
        set_encoding(_new_dataset(group, link, np.array(few, _TEXT)), "string-array", "0.2.0")
        return
    texts = set_encoding(group.create_dataset(link, (count,), _TEXT), "string-array", "0.2.0")
    start = 0
    for piece in map(_as_texts, pieces):
        texts[start : start + len(piece)] = piece
        start += len(piece)


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


def _as_texts(values: NDArray[Any]) -> Sequence[str | bytes]:
    """Return texts without NUL; those that are UTF-8 have none."""
    is_utf8 = values.dtype.kind == "S" or (len(values) and isinstance(values[0], bytes))
    return values.tolist() if is_utf8 else without_nul(as_texts(values))
