"""The labels in an AnnData file: the columns of ``obs`` and ``var``, in every form that anndata 0.7 and later write."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from rnaget_server.stores import layout
from rnaget_server.stores.base import Axis
from rnaget_server.stores.columns import Column, FixedText, LongText, Mask, Numbers, as_text, members
from rnaget_server.stores.failures import UnfitFile
from rnaget_server.stores.text import encode_all, padding

_UNNAMED = ("_index", "index")
_INDEX = "_index"
_ORDER = "column-order"
_EXACT_IN_FLOAT64 = 2**53


class Categories:
    """A categorical column: texts, and which of them each member has (-1: none, which is the empty text)."""

    is_number = False

    def __init__(self, texts: NDArray[Any], codes: NDArray[Any]) -> None:
        if codes.size and (codes.max() >= len(texts) or codes.min() < -1):
            raise OSError("a categorical column has a code beyond its categories")
        self._texts = np.array([*texts, ""], object)
        self._codes = codes

    def take(self, positions: NDArray[np.int64] | None) -> NDArray[Any]:
        """Return the texts."""
        taken: NDArray[Any] = self._texts[self._codes if positions is None else self._codes[positions]]
        return taken

    def ascii(self, positions: NDArray[np.int64] | None) -> None:
        """Return None: each text is stored once."""

    def among(self, values: Sequence[str]) -> tuple[Mask, Mask]:
        """Return where the text is one of the values, and which of them are there."""
        # The empty text, which is the last, is that of the code -1.
        named, _ = members(self._texts, values)
        hit = np.asarray(named[self._codes])
        _, held = members(self._texts[np.unique(self._codes)], values)
        return hit, held

    def distinct(self, most: int) -> list[str] | None:
        """Return the texts that are in use, each once, if they are few."""
        used = sorted({str(self._texts[code]) for code in np.unique(self._codes)} - {""})
        return used if len(used) <= most else None


def frame_axis(frame: h5py.Group | h5py.Dataset, unnamed: str) -> Axis:
    """Return the index and the columns of a data frame as an axis; no column is read yet.

    The first attribute is the index, under the name it has in the file, or `unnamed` if it has none.

    Raises
    ------
    UnfitFile
        If the frame is of a version before anndata 0.7.
    """
    if isinstance(frame, h5py.Dataset):
        raise UnfitFile(
            "was written by an anndata older than 0.7: save it anew, in Python by "
            "`anndata.read_h5ad(FILE).write_h5ad(FILE)` with a current anndata"
        )
    index = layout.text_of(frame.attrs[_INDEX])
    size = frame[index].shape[0]
    listed = [layout.text_of(name) for name in np.asarray(frame.attrs.get(_ORDER, ())).tolist()]
    columns = {name: name for name in listed if name in frame and _is_column(frame[name], size)}
    shown = unnamed if index in _UNNAMED and unnamed not in columns else index
    sources = {shown: index, **columns}
    return Axis(size, tuple(sources), lambda name: _column(frame[sources[name]]))


def text_column(texts: NDArray[Any]) -> Column:
    """Return a column of texts in the form that suits their lengths."""
    if not len(texts) or not padding(texts)[1]:
        return FixedText(encode_all(texts))
    encoded = [text.encode() for text in texts]
    data = np.frombuffer(b"".join(encoded), np.uint8)
    return LongText(data, np.cumsum([0, *map(len, encoded)], dtype=np.int64))


def stored_texts(dataset: h5py.Dataset) -> NDArray[Any]:
    """Return a column of text as it is stored, of fixed or variable length."""
    texts: NDArray[Any] = dataset.asstr("utf-8", "replace")[()].astype(object)
    return texts


def _is_column(item: h5py.Group | h5py.Dataset, size: int) -> bool:
    """Return whether this is a column of one value a member, in a form that is known here."""
    if isinstance(item, h5py.Group):
        parts = ("codes",) if "categories" in item else ("values", "mask")
        return all(isinstance(item.get(part), h5py.Dataset) and item[part].shape == (size,) for part in parts)
    return item.shape == (size,) and (item.dtype.kind in "iufbS" or _is_text(item))


def _column(item: h5py.Group | h5py.Dataset) -> Column:
    if isinstance(item, h5py.Group):
        if "categories" in item:
            return _categorical(item["categories"], item["codes"][()])
        return _plain(item["values"], item["mask"][()].astype(bool))
    categories = item.attrs.get("categories")
    if isinstance(categories, h5py.Reference):  # as before anndata 0.8
        return _categorical(item.file[categories], item[()])
    return _plain(item, None)


def _categorical(categories: h5py.Dataset | h5py.Group, codes: NDArray[Any]) -> Column:
    column = _column(categories)
    if not column.is_number:
        return Categories(column.take(None), codes)
    numbers = column.take(None)
    if not codes.size or codes.min() >= 0:
        return Numbers(numbers[codes])
    if _is_exact(numbers):
        return Numbers(np.append(numbers.astype(np.float64), np.nan)[codes])
    return Categories(np.array([as_text(number) for number in numbers], object), codes)


def _plain(dataset: h5py.Dataset, missing: NDArray[np.bool_] | None) -> Column:
    if _is_text(dataset):
        texts = stored_texts(dataset)
    elif dataset.dtype.kind == "b":
        texts = np.array([str(value) for value in dataset[()].tolist()], object)
    else:
        return _number(dataset[()], missing)
    if missing is not None:
        texts[missing] = ""
    return text_column(texts)


def _number(raw: NDArray[Any], missing: NDArray[np.bool_] | None) -> Column:
    if raw.dtype.kind == "f":
        numbers = raw.astype(np.float64)
    elif raw.dtype.kind == "u" and raw.size and int(raw.max()) >= 2**63:
        return text_column(np.array([str(value) for value in raw.tolist()], object))
    else:
        numbers = raw.astype(np.int64)
    if missing is None or not missing.any():
        return Numbers(numbers)
    if not _is_exact(numbers[~missing]):
        texts = np.array([str(value) for value in raw.tolist()], object)
        texts[missing] = ""
        return text_column(texts)
    return Numbers(np.where(missing, np.nan, numbers.astype(np.float64)))


def _is_exact(numbers: NDArray[Any]) -> bool:
    """Return whether the numbers stay what they are as float64."""
    return numbers.dtype.kind == "f" or not numbers.size or int(np.abs(numbers).max()) <= _EXACT_IN_FLOAT64


def _is_text(dataset: h5py.Dataset) -> bool:
    return h5py.check_string_dtype(dataset.dtype) is not None
