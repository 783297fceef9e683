"""Parts of a Zarr store copied to an HDF5 file, where AnnData has the same groups, arrays and attributes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import h5py
import numpy as np

from rnaget_server.importers.base import Progress
from rnaget_server.storage.access import FileLimits
from rnaget_server.stores.failures import UnfitFile
from rnaget_server.stores.hdf5_dataset import shown_bytes

_BLOCK_BYTES = 16 << 20
_ALWAYS = 256 << 20
_TEXT_BYTES = 8  # of a reference to a text, the least
_TEXT = h5py.string_dtype()
_CATEGORIES = "categories"


class ZarrCopy:
    """Copies groups and arrays, with the bounds of `limits`, out of files of `size` bytes."""

    def __init__(self, source: Any, target: h5py.File, size: int, limits: FileLimits, progress: Progress) -> None:
        self._source = source
        self._target = target
        self._size = max(size, 1)
        self._limits = limits
        self._progress = progress

    def copy(self, places: Sequence[str]) -> None:
        """Copy what is at these paths, groups with all that is in them."""
        _attributes(self._source, self._target)
        for number, place in enumerate(places):
            self._item(self._source[place], place)
            self._progress((number + 1) / len(places))

    def lacking(self, place: str) -> tuple[str, ...]:
        """Return remarks on the chunks of a matrix that the store does not have, which Zarr reads as their fill value.

        Writers leave out chunks of zeros, which only dense matrices have many of; so does a copy that broke off.
        """
        item = self._source[place]
        arrays = (
            {f"{place}/{name}": array for name, array in item.arrays()} if hasattr(item, "arrays") else {place: item}
        )
        return tuple(
            f"warning: {array.nchunks - array.nchunks_initialized:,} of {array.nchunks:,} chunks of {name} are not in "
            f"the store, and their values are {array.fill_value}, as Zarr has it: if it was copied or downloaded, see "
            "that it is whole"
            for name, array in arrays.items()
            if array.nchunks_initialized < array.nchunks
        )

    def _item(self, item: Any, place: str) -> None:
        if not hasattr(item, "members"):
            self._array(item, place)
            return
        group = self._target.require_group(place)
        for name, member in item.members():
            self._item(member, f"{place}/{name}")
        _attributes(item, group)
        self._refer_to_categories(group)

    def _refer_to_categories(self, group: h5py.Group) -> None:
        """Put references in the place of the paths that anndata wrote before 0.8."""
        for column in group.values():
            path = column.attrs.get(_CATEGORIES)
            if isinstance(column, h5py.Dataset) and isinstance(path, str) and path in self._target:
                column.attrs[_CATEGORIES] = self._target[path].ref

    def _array(self, array: Any, place: str) -> None:
        kind = array.dtype.kind
        if kind not in "iufbOTUS":
            return  # a column that is missing is left out, and named
        self._check(array, place)
        text = kind in "OTU"
        target = self._target.create_dataset(place, array.shape, _TEXT if text else array.dtype)
        _attributes(array, target)
        if not array.shape:
            target[()] = _plain(array[()], text)
            return
        width = max(1, math.prod(array.shape[1:])) * self._itemsize(array)
        tall = (array.shards or array.chunks)[0]
        step = max(tall, _BLOCK_BYTES // width // tall * tall)
        for start in range(0, array.shape[0], step):
            target[start : start + step] = _plain(array[start : start + step], text)

    def _itemsize(self, array: Any) -> int:
        return _TEXT_BYTES if array.dtype.kind in "OT" else max(1, int(array.dtype.itemsize))

    def _check(self, array: Any, place: str) -> None:
        """Refuse chunks that are too large, and arrays that are far larger than the files can hold."""
        itemsize = self._itemsize(array)
        chunk = math.prod(array.shards or array.chunks) * itemsize
        band = (array.shards or array.chunks or (1,))[0] * math.prod(array.shape[1:]) * itemsize
        if max(chunk, min(band, array.size * itemsize)) > max(self._limits.chunk_bytes, self._limits.column_bytes):
            raise UnfitFile(
                f"has {place} in chunks of {shown_bytes(max(chunk, band))} for a row of them, more than are read at "
                "once: write it with smaller ones, as by `anndata.write_zarr(…, chunks=(100, 100))`"
            )
        decoded = array.size * itemsize
        if decoded > _ALWAYS and decoded > self._limits.expansion * self._size:
            raise UnfitFile(
                f"says that {place} has {shown_bytes(decoded)}, more than {self._limits.expansion:,} times what its "
                "files have: store it sparse, leave it out, or set max_expansion"
            )


def _plain(values: Any, text: bool) -> Any:
    """Return values as HDF5 takes them."""
    if not text:
        return values
    return np.array([*(_text(value) for value in np.ravel(values)), None], object)[:-1].reshape(np.shape(values))


def _text(value: Any) -> str:
    """Return a text that can be stored; HDF5 ends one at a NUL."""
    if value is None:
        return ""
    return (value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)).replace("\0", "\ufffd")


def _attributes(source: Any, target: Any) -> None:
    """Copy the attributes that are texts, numbers, or lists of either."""
    for name, value in dict(source.attrs).items():
        values = value if isinstance(value, list) else [value]
        if not name or "\0" in name or not all(isinstance(each, str | int | float) for each in values):
            continue
        texts = any(isinstance(each, str) for each in values) or not values
        if texts:
            values = [_text(each) for each in values]
            target.attrs.create(name, np.array(values, object) if isinstance(value, list) else values[0], dtype=_TEXT)
        else:
            target.attrs[name] = value
