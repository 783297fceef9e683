"""A loom file served as it is (loom 1 to 3): ``/matrix`` with features as rows, ``/layers`` as further units."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnaget_server.model.axis import Axis, Positions
from rnaget_server.model.columns import Column, column_of
from rnaget_server.storage.access import FileAccess
from rnaget_server.stores import layout
from rnaget_server.stores.base import Points
from rnaget_server.stores.blocks import row_blocks
from rnaget_server.stores.dtypes import check_cells, check_column, output_dtype
from rnaget_server.stores.embeddings import is_embedding, points_from
from rnaget_server.stores.failures import UnfitFile
from rnaget_server.stores.hdf5_dataset import Dataset
from rnaget_server.stores.hdf5_file import File, closes_on_failure

LOOM_GROUPS = (layout.MATRIX, layout.LAYERS, *layout.ATTRIBUTES, "row_graphs", "col_graphs", "attrs")


class LoomStore:
    """A matrix in a loom file. Its attributes of one value per feature or sample are the axes' attributes."""

    @closes_on_failure
    def __init__(self, path: Path, units: str | None = None, access: FileAccess | None = None) -> None:
        self._file = File(path, LOOM_GROUPS, access)
        self._file.check_links()
        matrix = self._file.dataset(layout.MATRIX)
        self._layers = {units or layout.MATRIX: matrix}
        if layout.LAYERS in self._file:
            for name, further in self._file.group(layout.LAYERS).items():
                if isinstance(further, Dataset) and further.shape == matrix.shape:
                    self._layers.setdefault(name, further)
        for layer in self._layers.values():
            check_cells(layer)
        self.shape: tuple[int, int] = matrix.shape[0], matrix.shape[1]
        self.features = self._axis(layout.FEATURES, self.shape[0])
        self.samples = self._axis(layout.SAMPLES, self.shape[1])
        self._embeddings = {
            name: item
            for name, item in self._file.group(layout.SAMPLES.attributes).items()
            if isinstance(item, Dataset) and is_embedding(item, self.shape[1])
        }
        self._types = {name: output_dtype(layer)() for name, layer in self._layers.items()}

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """Return whether the file has loom's groups and is not the native store."""
        with File(path, LOOM_GROUPS) as file:
            matrix = file.get(layout.MATRIX)
            return (
                isinstance(matrix, Dataset)
                and matrix.ndim == 2
                and all(name in file for name in layout.ATTRIBUTES)
                and layout.DENSE.attribute not in file.attrs
            )

    @property
    def main(self) -> Dataset:
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

    @property
    def embeddings(self) -> tuple[str, ...]:
        """The names of the sample attributes that have two or more numbers for each sample."""
        return tuple(self._embeddings)

    def embedding(self, name: str) -> Points:
        """Return the first two numbers of each sample."""
        return points_from(self._embeddings[name][: self.shape[1], 0:2])

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

    def close(self) -> None:
        """Close the file for all that read it."""
        self._file.close()

    def _axis(self, axis: layout.AxisLayout, size: int) -> Axis:
        self._file.check_axis(size, axis.kind)
        group = self._file.group(axis.attributes)
        columns = {
            name: column
            for name, column in group.items()
            if isinstance(column, Dataset)
            and column.shape == (size,)
            and (column.dtype.kind in "iufb" or column.is_text)
        }
        for column in columns.values():
            check_column(column)

        def read(name: str) -> Column:
            return column_of(_stored(group.dataset(name)))

        return Axis(size, tuple(columns), read)


def _stored(column: Dataset) -> NDArray[Any]:
    raw = column.whole()
    if raw.dtype.kind == "O":  # variable-length strings, as loompy 3 writes them: escaped already
        return np.array([_ascii(value) for value in raw], dtype=bytes)
    if raw.dtype.kind == "S":
        return raw
    if raw.dtype.kind == "u" and raw.size and int(raw.max()) >= 2**63:
        raise UnfitFile(f"has a number beyond 2**63 in {column.name}: write that attribute as text")
    return raw.astype(np.float64 if raw.dtype.kind == "f" else np.int64)


def _ascii(value: bytes | str) -> bytes:
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    return text.encode("ascii", "xmlcharrefreplace")
