"""The labels in an AnnData file: the columns of ``obs`` and ``var``, in every form that anndata 0.7 and later write."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from rnaget_server.model.axis import Axis
from rnaget_server.model.columns import Column, FixedText, LongText, Mask, Numbers, as_text, members
from rnaget_server.model.text import encode_all, padding
from rnaget_server.stores import layout
from rnaget_server.stores.dtypes import check_column
from rnaget_server.stores.failures import UnfitFile
from rnaget_server.stores.hdf5_dataset import Dataset
from rnaget_server.stores.hdf5_file import File, Group

_NO_NAMES = ("_index", "index")
_UNNAMED = {"feature": "var_names", "sample": "obs_names"}
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

    def distinct(self, limit: int) -> list[str] | None:
        """Return the texts that are in use, each once, if they are few."""
        used = sorted({str(self._texts[code]) for code in np.unique(self._codes)} - {""})
        return used if len(used) <= limit else None


def frame_axis(file: File, place: str, kind: str) -> Axis:
    """Return the index and the columns of a data frame as an axis; no column is read yet.

    The first attribute is the index, under the name it has in the file, or as anndata calls it if it has none.

    Parameters
    ----------
    file, place
        Where the data frame is.
    kind
        What its rows are: ``feature`` or ``sample``.

    Raises
    ------
    UnfitFile
        If the frame is of a version before anndata 0.7.
    """
    frame = file.get(place)
    if isinstance(frame, Dataset):
        raise UnfitFile(
            "was written by an anndata older than 0.7: save it anew, in Python by "
            "`anndata.read_h5ad(FILE).write_h5ad(FILE)` with a current anndata"
        )
    if frame is None:
        raise OSError(f"there is no {place}")
    index = layout.text_of(frame.attrs[_INDEX])
    size = frame.dataset(index).shape[0]
    file.check_axis(size, kind)
    listed = [layout.text_of(name) for name in np.asarray(frame.attrs.get(_ORDER, ())).tolist()]
    items = {name: frame.get(name) for name in listed}
    columns = {name: name for name, item in items.items() if item is not None and _is_column(item, size)}
    unnamed = _UNNAMED[kind]
    shown = unnamed if index in _NO_NAMES and unnamed not in columns else index
    sources = {shown: index, **columns}

    def read(name: str) -> Column:
        item = frame.get(sources[name])
        if item is None:
            raise OSError(f"there is no {place}/{sources[name]} any more")
        return _column(item, file)

    return Axis(size, tuple(sources), read)


def text_column(texts: NDArray[Any]) -> Column:
    """Return a column of texts in the form that suits their lengths."""
    if not len(texts) or not padding(texts)[1]:
        return FixedText(encode_all(texts))
    encoded = [text.encode() for text in texts]
    data = np.frombuffer(b"".join(encoded), np.uint8)
    return LongText(data, np.cumsum([0, *map(len, encoded)], dtype=np.int64))


def _is_column(item: Group | Dataset, size: int) -> bool:
    """Return whether this is a column of one value a member, in a form that is known here.

    Raises
    ------
    UnfitFile
        If it is one, and its values would lose something when they are served.
    """
    if isinstance(item, Group):
        parts = [item.get(part) for part in (("codes",) if "categories" in item else ("values", "mask"))]
        return all(isinstance(part, Dataset) and part.shape == (size,) for part in parts)
    if item.shape != (size,) or not (item.dtype.kind in "iufb" or item.is_text):
        return False
    check_column(item)
    return True


def _column(item: Group | Dataset, file: File) -> Column:
    if isinstance(item, Group):
        if "categories" in item:
            return _categorical(item.get("categories"), item.dataset("codes").whole(), file)
        return _plain(item.dataset("values"), item.dataset("mask").whole().astype(bool))
    categories = item.attrs.get("categories")
    if isinstance(categories, h5py.Reference):  # as before anndata 0.8
        return _categorical(file.dereferenced(categories), item.whole(), file)
    return _plain(item, None)


def _categorical(categories: Group | Dataset | None, codes: NDArray[Any], file: File) -> Column:
    if categories is None or codes.dtype.kind not in "iu":
        raise OSError("a categorical column lacks its categories, or its codes are no whole numbers")
    column = _column(categories, file)
    if not column.is_number:
        return Categories(column.take(None), codes)
    numbers = column.take(None)
    if not codes.size or codes.min() >= 0:
        return Numbers(numbers[codes])
    if _is_exact(numbers):
        return Numbers(np.append(numbers.astype(np.float64), np.nan)[codes])
    return Categories(np.array([as_text(number) for number in numbers], object), codes)


def _plain(dataset: Dataset, missing: NDArray[np.bool_] | None) -> Column:
    check_column(dataset)
    if dataset.is_text:
        texts = dataset.texts()
    elif dataset.dtype.kind == "b":
        texts = np.array([str(value) for value in dataset.whole().tolist()], object)
    else:
        return _number(dataset.whole(), missing)
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
