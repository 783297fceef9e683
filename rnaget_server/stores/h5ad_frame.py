"""The labels in an AnnData file: the columns of ``obs`` and ``var``, in every form that anndata has ever written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from rnaget_server.model.axis import Axis
from rnaget_server.model.columns import Column, FixedText, LongText, Mask, Numbers, as_text, members
from rnaget_server.model.text import encode_all, padding
from rnaget_server.stores.dtypes import check_column
from rnaget_server.stores.failures import UnfitFile
from rnaget_server.stores.h5ad_encodings import (
    CATEGORIES,
    MASK,
    VALUES,
    Item,
    Values,
    attribute_text,
    attribute_texts,
    length_of,
    obstacle,
    printable,
)
from rnaget_server.stores.hdf5_dataset import Dataset, Member
from rnaget_server.stores.hdf5_file import File, Group

_NO_NAMES = ("_index", "index")
_UNNAMED = {"feature": "var_names", "sample": "obs_names"}
_INDEX = "_index"
_ORDER = "column-order"
_OLD_CATEGORIES = "__categories"
_REWRITE = "write the file again, in Python by `anndata.read_h5ad(FILE).write_h5ad(NEW_FILE)`"
_MOST_NAMED = 20
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


@dataclass(frozen=True)
class Frame:
    """The rows of a data frame as an axis, and the columns that it lacks, each with the reason."""

    axis: Axis
    place: str
    left_out: Mapping[str, str]

    @property
    def remarks(self) -> tuple[str, ...]:
        """A line that names what is left out, or none."""
        if not self.left_out:
            return ()
        named = [f"{printable(name)} ({reason})" for name, reason in self.left_out.items()]
        more = f" and {len(named) - _MOST_NAMED} more" if len(named) > _MOST_NAMED else ""
        return (f"left out of {self.place}: {', '.join(named[:_MOST_NAMED])}{more}",)


def read_frame(file: File, place: str, kind: str, categories: Sequence[str] = ("uns",)) -> Frame:
    """Return the index and the columns of a data frame as an axis; no column is read yet.

    The first attribute is the index, under the name it has in the file, or as anndata calls it if it has none.

    Parameters
    ----------
    file, place
        Where the data frame is.
    kind
        What its rows are: ``feature`` or ``sample``.
    categories
        The groups that have the categories of its columns, if it is of a version before anndata 0.7.

    Raises
    ------
    UnfitFile
        If its index cannot be read.
    """
    frame = file.get(place)
    if frame is None:
        raise OSError(f"there is no {place}")
    if isinstance(frame, Dataset):
        return _compound_frame(file, frame, place, kind, categories)
    index = attribute_text(frame, _INDEX) or _INDEX
    size = _size(frame.get(index), file, f"{place}/{index}", kind)
    columns, left_out = _columns({name: frame.get(name) for name in _listed(frame, index)}, size)
    sources = {_shown(index, columns, kind): index, **{name: name for name in columns}}

    def read(name: str) -> Column:
        item = frame.get(sources[name])
        if item is None:
            raise OSError(f"there is no {place}/{sources[name]} any more")
        return read_column(item, file)

    return Frame(Axis(size, tuple(sources), read), place, left_out)


def listed_columns(frame: Group) -> list[str]:
    """Return the names of the columns of a data frame, without its index."""
    return _listed(frame, attribute_text(frame, _INDEX) or _INDEX)


def text_column(texts: NDArray[Any]) -> Column:
    """Return a column of texts in the form that suits their lengths."""
    if not len(texts) or not padding(texts)[1]:
        return FixedText(encode_all(texts))
    encoded = [text.encode() for text in texts]
    data = np.frombuffer(b"".join(encoded), np.uint8)
    return LongText(data, np.cumsum([0, *map(len, encoded)], dtype=np.int64))


def _compound_frame(file: File, dataset: Dataset, place: str, kind: str, categories: Sequence[str]) -> Frame:
    """Return a data frame as anndata wrote it before 0.7: one compound dataset, whose first member is the index."""
    names = dataset.dtype.names
    if not names or dataset.ndim != 1:
        raise UnfitFile(f"has no data frame in {place}: {_REWRITE}")
    index, members = names[0], {name: Member(dataset, name) for name in names}
    size = _size(members[index], file, f"{place}/{index}", kind)
    columns, left_out = _columns({name: members[name] for name in names[1:]}, size)
    sources = {_shown(index, columns, kind): index, **{name: name for name in columns}}

    def read(name: str) -> Column:
        member = members[sources[name]]
        if member.dtype.kind in "iu" and sources[name] != index:
            codes = member.whole()
            for group in categories:
                texts = file.get(f"{group}/{name}_categories")
                if isinstance(texts, Dataset) and _are_codes(codes, texts.size):
                    return _categorical(texts, codes, file)
        return _plain(member, None)

    return Frame(Axis(size, tuple(sources), read), place, left_out)


def _are_codes(codes: NDArray[Any], size: int) -> bool:
    return not codes.size or (int(codes.min()) >= -1 and int(codes.max()) < size)


def _size(index: Item | None, file: File, place: str, kind: str) -> int:
    """Return the number of rows of a data frame with this index."""
    size = length_of(index)
    wrong = obstacle(index, size or 0)
    if size is None or wrong is not None:
        raise UnfitFile(f"has no {kind} ids in {place} that can be read ({wrong}): {_REWRITE}")
    file.check_axis(size, kind)
    return size


def _listed(frame: Group, index: str) -> list[str]:
    listed = attribute_texts(frame, _ORDER)
    return [name for name in frame if name not in (index, _OLD_CATEGORIES)] if listed is None else listed


def _columns(items: Mapping[str, Item | None], size: int) -> tuple[list[str], dict[str, str]]:
    """Return the names of the columns that are read, and of the others with the reason."""
    reasons = {name: obstacle(item, size) if _is_utf8(name) else "its name is no UTF-8" for name, item in items.items()}
    left_out = {name: reason for name, reason in reasons.items() if reason is not None}
    return [name for name in items if name not in left_out], left_out


def _is_utf8(name: str) -> bool:
    return not any("\ud800" <= letter <= "\udfff" for letter in name)


def _shown(index: str, columns: Sequence[str], kind: str) -> str:
    """Return the name of the index as an attribute."""
    unnamed = _UNNAMED[kind]
    return unnamed if index in _NO_NAMES and unnamed not in columns else index


def read_column(item: Item, file: File) -> Column:
    """Return a column in any encoding of AnnData, of which `obstacle` says that it can be read."""
    if isinstance(item, Group):
        if CATEGORIES in item:
            return _categorical(item.get(CATEGORIES), item.dataset("codes").whole(), file)
        return _plain(item.dataset(VALUES), item.dataset(MASK).whole().astype(bool))
    categories = item.attrs.get("categories")
    if isinstance(categories, h5py.Reference):  # as before anndata 0.8
        return _categorical(file.dereferenced(categories), item.whole(), file)
    return _plain(item, None)


def _categorical(categories: Group | Dataset | None, codes: NDArray[Any], file: File) -> Column:
    if categories is None or codes.dtype.kind not in "iu":
        raise OSError("a categorical column lacks its categories, or its codes are no whole numbers")
    column = read_column(categories, file)
    if not column.is_number:
        return Categories(column.take(None), codes)
    numbers = column.take(None)
    if not _are_codes(codes, len(numbers)):
        raise OSError("a categorical column has a code beyond its categories")
    if not codes.size or codes.min() >= 0:
        return Numbers(numbers[codes])
    if _is_exact(numbers):
        return Numbers(np.append(numbers.astype(np.float64), np.nan)[codes])
    return Categories(np.array([as_text(number) for number in numbers], object), codes)


def _plain(dataset: Values, missing: NDArray[np.bool_] | None) -> Column:
    check_column(dataset)
    if dataset.is_text:
        texts = dataset.texts()
    elif dataset.dtype.kind == "b":
        texts = np.array([str(value) for value in dataset.whole().ravel().tolist()], object)
    else:
        return _number(dataset.whole().ravel(), missing)
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
