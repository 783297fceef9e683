"""The native store: one HDF5 file with the cells in two orientations. See `write_dense` for its layout."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnaget_server.model.axis import Positions
from rnaget_server.storage.access import FileAccess
from rnaget_server.storage.arrays import StoredArray
from rnaget_server.stores import layout
from rnaget_server.stores.base import Ranges
from rnaget_server.stores.blocks import BLOCK_BYTES, column_blocks, decoded_bytes, row_blocks
from rnaget_server.stores.chunk_reader import ChunkedCells
from rnaget_server.stores.hdf5_file import closes_on_failure
from rnaget_server.stores.native.file import NativeFile, ranges_of

# Reading by columns holds all selected samples of one chunk's height at a time.
_MOST_COLUMN_BYTES = 32 << 20


@dataclass(frozen=True)
class _Layer:
    """The cells of one layer by features and by samples, the ranges, and whether all are whole numbers."""

    rows: ChunkedCells
    columns: ChunkedCells
    ranges: tuple[StoredArray, ...]
    whole: bool


class NativeStore(NativeFile):
    """A matrix in the native store, dense."""

    kind = layout.DENSE

    @closes_on_failure
    def __init__(self, path: Path, units: str | None = None, access: FileAccess | None = None) -> None:
        super().__init__(path, access)
        matrix = self._file.part(layout.MATRIX)
        self._layers = {units or layout.text_of(matrix.attrs[layout.UNITS]): self._layer(layout.MATRIX, 0)}
        layers = [f"{layout.LAYERS}/{name}" for name in self._file.folder(layout.LAYERS).names]
        layers.sort(key=lambda path: int(self._file.part(path).attrs[layout.ORDER]))
        for number, further in enumerate(layers, 1):
            further_units = layout.text_of(self._file.part(further).attrs[layout.UNITS])
            self._layers[further_units] = self._layer(further, number)
        self.shape = next(iter(self._layers.values())).rows.shape

    @property
    def units(self) -> tuple[str, ...]:
        """The available units, those of the main matrix first."""
        return tuple(self._layers)

    def dtype(self, units: str) -> np.dtype[Any]:
        """Return float32, or float64 for whole numbers beyond 2**24."""
        return self._layers[units].rows.dtype

    def whole(self, units: str) -> bool:
        """Return whether every cell is a whole number or NaN."""
        return self._layers[units].whole

    def ranges(self, units: str) -> Ranges:
        """Return minimum, maximum and NaN count of each feature."""
        return ranges_of(self._layers[units].ranges)

    def blocks(
        self, units: str, features: Positions | None = None, samples: Positions | None = None
    ) -> Iterator[NDArray[Any]]:
        """Yield blocks of rows, out of the orientation that has fewer bytes to decode."""
        layer = self._layers[units]
        if samples is not None and self._by_columns(layer, features, samples):
            return column_blocks(layer.columns, features, samples, layer.rows.dtype)
        width = self.shape[1] if samples is None else len(samples)
        if features is not None and len(features) * width * layer.rows.dtype.itemsize <= BLOCK_BYTES:
            # One block, which nothing holds once it is given.
            return map(layer.rows.read, (features,), (slice(0, width) if samples is None else samples,))
        return row_blocks(layer.rows, features, samples, layer.rows.dtype)

    def held(self, units: str, features: Positions | None = None, samples: Positions | None = None) -> int:
        """Return what `blocks` holds of the selection between two blocks, at most; in bytes."""
        layer = self._layers[units]
        if samples is None or not self._by_columns(layer, features, samples):
            return 0
        return len(samples) * layer.columns.chunks[1] * layer.rows.dtype.itemsize

    def sparse(self, units: str, features: Positions | None = None, samples: Positions | None = None) -> None:
        """Return None: the cells are stored dense."""
        return None

    def _layer(self, path: str, number: int) -> _Layer:
        return _Layer(
            self._chunked(path, layout.chunks(number, "features")),
            self._chunked(layout.by_sample(number), layout.chunks(number, "samples")),
            self._range_arrays(number),
            bool(self._file.part(path).attrs[layout.WHOLE]),
        )

    @staticmethod
    def _by_columns(layer: _Layer, features: Positions | None, samples: Positions) -> bool:
        rows, columns = layer.rows, layer.columns
        held = len(samples) * columns.chunks[1] * rows.dtype.itemsize
        return held <= _MOST_COLUMN_BYTES and decoded_bytes(columns, samples, features) < decoded_bytes(
            rows, features, samples
        )
