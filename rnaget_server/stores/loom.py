"""A loom file served as it is (loom 1 to 3): ``/matrix`` with features as rows, ``/layers`` as further units."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from rnaget_server.stores import layout
from rnaget_server.stores.base import Axis, Positions, Raw
from rnaget_server.stores.columns import Column, column_of
from rnaget_server.stores.hdf5 import row_blocks

_EXACT_IN_FLOAT32 = 2**24


class LoomStore:
    """A matrix in a loom file. Its attributes of one value per feature or sample are the axes' attributes."""

    def __init__(
        self, path: Path, feature_id: str, feature_name: str | None, sample_id: str, units: str | None = None
    ) -> None:
        self._file = h5py.File(path, "r", locking=False)
        matrix = self._file[layout.MATRIX]
        self._layers = {units or layout.MATRIX: matrix}
        for name, further in self._file.get(layout.LAYERS, {}).items():
            if isinstance(further, h5py.Dataset) and further.shape == matrix.shape:
                self._layers.setdefault(name, further)
        self._types = {name: _served_type(layer) for name, layer in self._layers.items()}
        self.shape: tuple[int, int] = matrix.shape
        self.features = self._axis(layout.FEATURES.attributes, self.shape[0])
        self.samples = self._axis(layout.SAMPLES.attributes, self.shape[1])

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """Return whether the file has loom's groups and is not the native store."""
        with h5py.File(path, "r", locking=False) as file:
            matrix = file.get(layout.MATRIX)
            return (
                isinstance(matrix, h5py.Dataset)
                and matrix.ndim == 2
                and "row_attrs" in file
                and "col_attrs" in file
                and layout.DENSE.attribute not in file.attrs
            )

    @property
    def main(self) -> h5py.Dataset:
        """The main matrix."""
        return next(iter(self._layers.values()))

    @property
    def units(self) -> tuple[str, ...]:
        """The units of the main matrix, then the names of the layers."""
        return tuple(self._layers)

    def dtype(self, units: str) -> np.dtype[Any]:
        """Return float32, or float64 for integers beyond 2**24."""
        return self._types[units]

    def whole(self, units: str) -> bool:
        """Return whether the layer is stored as integers."""
        return bool(self._layers[units].dtype.kind in "iub")

    def ranges(self, units: str) -> None:
        """Return None: loom stores no ranges."""
        return None

    def blocks(
        self, units: str, features: Positions | None = None, samples: Positions | None = None
    ) -> Iterator[NDArray[Any]]:
        """Yield blocks of rows as float32 (float64 where whole numbers need it)."""
        return row_blocks(self._layers[units], features, samples, self._types[units])

    def sparse(self, units: str, features: Positions | None = None, samples: Positions | None = None) -> None:
        """Return None: the cells are stored dense."""
        return None

    def _axis(self, group: str, size: int) -> Axis:
        columns = self._file[group]
        names = [
            name
            for name, column in columns.items()
            if isinstance(column, h5py.Dataset) and column.shape == (size,) and column.dtype.kind in "SOiufb"
        ]

        def read(name: str) -> Column:
            return column_of(_stored(columns[name][()]))

        return Axis(size, names, read)


def _stored(raw: Raw) -> Raw:
    if raw.dtype.kind == "O":  # variable-length strings, as loompy 3 writes them: escaped already
        return np.array([_ascii(value) for value in raw], dtype=bytes)
    if raw.dtype.kind == "S":
        return raw
    return raw.astype(np.float64 if raw.dtype.kind == "f" else np.int64)


def _served_type(layer: h5py.Dataset) -> np.dtype[Any]:
    if layer.dtype.kind in "iu" and layer.dtype.itemsize >= 4:
        for block in row_blocks(layer, None, None, layer.dtype):
            if block.size and max(abs(int(block.min())), abs(int(block.max()))) > _EXACT_IN_FLOAT32:
                return np.dtype(np.float64)
    return np.dtype(np.float32)


def _ascii(value: bytes | str) -> bytes:
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    return text.encode("ascii", "xmlcharrefreplace")
