"""The native store: one HDF5 file with the cells in two orientations. `native_writer` says how it is laid out."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin  # noqa: F401  (registers the Blosc filter with HDF5)
import numpy as np
from numpy.typing import NDArray

from rnaget_server.stores import layout
from rnaget_server.stores.base import Axis, Index, Positions, Ranges, Raw
from rnaget_server.stores.columns import Column, LongText, column_of
from rnaget_server.stores.hdf5 import column_blocks, decoded_bytes, row_blocks

# Reading by columns holds all selected samples of one chunk's height at a time.
_MOST_COLUMN_BYTES = 32 << 20


class NativeStore:
    """A matrix in the native store.

    Ids, attributes, indexes and ranges are mapped from the file, so workers share them through the
    page cache and opening costs no memory that grows with the matrix.
    """

    def __init__(
        self, path: Path, feature_id: str, feature_name: str | None, sample_id: str, units: str | None = None
    ) -> None:
        self._file = h5py.File(path, "r", locking=False)
        with path.open("rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        if self._file.attrs.get(layout.VERSION_ATTRIBUTE) != layout.VERSION:
            raise OSError("the file is no native store of this version")
        matrix = self._file[layout.MATRIX]
        main = units or layout.text_of(matrix.attrs[layout.UNITS])
        self._layers = {main: (matrix, self._file[layout.by_sample(0)])}
        for number, name in enumerate(layout.layer_names(self._file), 1):
            further = self._file[f"{layout.LAYERS}/{name}"]
            self._layers[layout.text_of(further.attrs[layout.UNITS])] = (
                further,
                self._file[layout.by_sample(number)],
            )
        self._number = {name: number for number, name in enumerate(self._layers)}
        self.shape: tuple[int, int] = matrix.shape
        self.features = self._axis(layout.FEATURES, self.shape[0])
        self.samples = self._axis(layout.SAMPLES, self.shape[1])

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """Return whether the file says that it is a native store."""
        with h5py.File(path, "r", locking=False) as file:
            return layout.VERSION_ATTRIBUTE in file.attrs

    @property
    def units(self) -> tuple[str, ...]:
        """The units to be had, those of the main matrix first."""
        return tuple(self._layers)

    def dtype(self, units: str) -> np.dtype[Any]:
        """Return float32, or float64 for whole numbers beyond 2**24."""
        dtype: np.dtype[Any] = self._layers[units][0].dtype
        return dtype

    def whole(self, units: str) -> bool:
        """Return whether every cell is a whole number or NaN."""
        return bool(self._layers[units][0].attrs[layout.WHOLE])

    def ranges(self, units: str) -> Ranges:
        """Return minimum, maximum and NaN count of each feature."""
        group = self._file[layout.ranges(self._number[units])]
        return Ranges(*(self._mapped(group[name]) for name in ("minimum", "maximum", "nans")))

    def blocks(
        self, units: str, features: Positions | None = None, samples: Positions | None = None
    ) -> Iterator[NDArray[Any]]:
        """Yield blocks of rows, out of the orientation that has fewer bytes to decode."""
        rows, columns = self._layers[units]
        if samples is not None and self._by_columns(rows, columns, features, samples):
            return column_blocks(columns, features, samples, rows.dtype)
        return row_blocks(rows, features, samples, rows.dtype)

    def sparse(self, units: str, features: Positions | None = None, samples: Positions | None = None) -> None:
        """Return None: the cells are stored dense."""
        return None

    @staticmethod
    def _by_columns(rows: h5py.Dataset, columns: h5py.Dataset, features: Positions | None, samples: Positions) -> bool:
        held = len(samples) * columns.chunks[1] * rows.dtype.itemsize
        return held <= _MOST_COLUMN_BYTES and decoded_bytes(columns, samples, features) < decoded_bytes(
            rows, features, samples
        )

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
