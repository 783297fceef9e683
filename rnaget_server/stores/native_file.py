"""What both native stores share: labels, indexes and ranges, mapped from the file."""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import ClassVar

import h5py
import hdf5plugin  # noqa: F401  (registers the Blosc filter with HDF5)
import numpy as np

from rnaget_server.stores import layout
from rnaget_server.stores.base import Axis, Index, Ranges, Raw
from rnaget_server.stores.chunks import ChunkedCells, Descriptor, chunk_places
from rnaget_server.stores.columns import Column, LongText, column_of


class NativeFile:
    """A file of a native store.

    Ids, attributes, indexes and ranges are mapped from it, so workers share them through the page cache and
    opening costs no memory that grows with the matrix.
    """

    kind: ClassVar[layout.Kind]

    def __init__(self, path: Path) -> None:
        self._file = h5py.File(path, "r", locking=False)
        if self._file.attrs.get(self.kind.attribute) != self.kind.version:
            raise OSError("the file is no native store of this version")
        self._descriptor = Descriptor(path)
        with path.open("rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """Return whether the file says that it is a native store of this kind."""
        with h5py.File(path, "r", locking=False) as file:
            return cls.kind.attribute in file.attrs

    def _chunked(self, dataset: h5py.Dataset, places: str) -> ChunkedCells:
        stored = self._file.get(places)
        table = chunk_places(dataset) if stored is None else self._mapped(stored).reshape(-1, 2)
        return ChunkedCells(self._descriptor, dataset, table)

    def _ranges(self, number: int) -> Ranges:
        group = self._file[layout.ranges(number)]
        return Ranges(*(self._mapped(group[name]) for name in ("minimum", "maximum", "nans")))

    def _axis(self, axis: layout.AxisLayout, size: int) -> Axis:
        names = {layout.text_of(column.attrs[layout.NAME]): key for key, column in self._file[axis.attributes].items()}
        order = sorted(names, key=lambda name: int(self._file[axis.attributes][names[name]].attrs[layout.ORDER]))

        def read(name: str) -> Column:
            text = self._file.get(f"{axis.long_text}/{names[name]}")
            if text is not None:
                return LongText(self._mapped(text["data"]), self._mapped(text["offsets"]))
            return column_of(self._mapped(self._file[f"{axis.attributes}/{names[name]}"]))

        def index(name: str) -> Index | None:
            group = self._file.get(f"{axis.index}/{names[name]}")
            if group is None:
                return None
            return Index(self._mapped(group["ordered"]), self._mapped(group["positions"]))

        return Axis(size, order, read, index)

    def _mapped(self, dataset: h5py.Dataset) -> Raw:
        return np.frombuffer(self._map, dataset.dtype, dataset.size, dataset.id.get_offset())
