"""The native sparse store: the native store's labels, and only the stored cells, compressed along both axes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnaget_server.model.axis import Positions
from rnaget_server.model.sparse import Direction, SparseCells
from rnaget_server.storage.access import FileAccess
from rnaget_server.storage.arrays import StoredArray
from rnaget_server.stores import layout
from rnaget_server.stores.base import Ranges
from rnaget_server.stores.chunk_reader import chunk_places
from rnaget_server.stores.chunked_run import ChunkedRun
from rnaget_server.stores.compressed import CompressedMatrix, check_parts
from rnaget_server.stores.dtypes import cell_dtype
from rnaget_server.stores.hdf5_dataset import Part
from rnaget_server.stores.hdf5_file import closes_on_failure
from rnaget_server.stores.native.file import NativeFile, ranges_of
from rnaget_server.stores.runs import Hdf5Run, Run, gap_of
from rnaget_server.stores.sparse_layer import SparseLayer

_TYPES = tuple(map(np.dtype, (np.uint8, np.uint16, np.float32, np.float64)))


class NativeSparseStore(NativeFile):
    """A matrix in the native store without its zeros."""

    kind = layout.SPARSE
    both_ways = True
    """True: few features are read as fast as few samples."""

    @closes_on_failure
    def __init__(self, path: Path, units: str | None = None, access: FileAccess | None = None) -> None:
        super().__init__(path, access)
        count = len(self._file.folder(layout.BY_FEATURE).names)
        stored = [self._file.folder(layout.by_feature(number)) for number in range(count)]
        self._number = {layout.text_of(group.attrs[layout.UNITS]): number for number, group in enumerate(stored)}
        if units is not None:
            self._number = {units if number == 0 else name: number for name, number in self._number.items()}
        self._whole = [bool(group.attrs[layout.WHOLE]) for group in stored]
        self._types: list[np.dtype[Any]] = [
            self._file.part(f"{layout.by_feature(number)}/{layout.VALUES}").dtype for number in range(count)
        ]
        self._layers = [self._layer(number) for number in range(len(stored))]
        self.shape = self._layers[0].shape

    @property
    def units(self) -> tuple[str, ...]:
        """The available units, those of the main matrix first."""
        return tuple(self._number)

    def dtype(self, units: str) -> np.dtype[Any]:
        """Return float32, or float64 for whole numbers beyond 2**24."""
        return cell_dtype(self.stored_dtype(units))

    def stored_dtype(self, units: str) -> np.dtype[Any]:
        """Return the type of the values in the file: that of the cells, or uint8 or uint16."""
        return self._types[self._number[units]]

    def whole(self, units: str) -> bool:
        """Return whether every cell is a whole number or NaN."""
        return self._whole[self._number[units]]

    def ranges(self, units: str) -> Ranges:
        """Return minimum, maximum and NaN count of each feature, its zeros included."""
        return ranges_of(self._ranges[self._number[units]])

    @cached_property
    def _ranges(self) -> list[tuple[StoredArray, ...]]:
        return [self._range_arrays(number) for number in range(len(self._layers))]

    def blocks(
        self, units: str, features: Positions | None = None, samples: Positions | None = None
    ) -> Iterator[NDArray[Any]]:
        """Yield blocks of rows, out of the orientation that has fewer cells to decode."""
        return self._layers[self._number[units]].blocks(self.dtype(units), features, samples)

    def sparse(self, units: str, features: Positions | None = None, samples: Positions | None = None) -> SparseCells:
        """Return the selection without its zeros."""
        return self._layers[self._number[units]].sparse(self.dtype(units), features, samples)

    def held(self, units: str, features: Positions | None = None, samples: Positions | None = None) -> int:
        """Return what `blocks` and `sparse` hold of the selection between two blocks, at most; in bytes."""
        return self._layers[self._number[units]].held(features, samples)

    def _layer(self, number: int) -> SparseLayer:
        by_feature, by_sample = layout.by_feature(number), layout.by_sample(number)
        features, samples = (self._file.part(f"{group}/{layout.INDPTR}").size - 1 for group in (by_feature, by_sample))
        return SparseLayer(
            {
                "features": self._matrix(number, "features", by_feature, features, samples),
                "samples": self._matrix(number, "samples", by_sample, samples, features),
            }
        )

    def _matrix(
        self, number: int, direction: Direction, group: str, major_size: int, minor_size: int
    ) -> CompressedMatrix:
        indices, data = self._file.part(f"{group}/{layout.INDICES}"), self._file.part(f"{group}/{layout.VALUES}")
        if data.dtype not in _TYPES:
            raise OSError(f"{data.name} holds neither float32 nor float64, nor small whole numbers")

        def check(indptr: NDArray[np.int64]) -> None:
            check_parts(indptr, indices, data)

        indptr = self._stored(self._file.part(f"{group}/{layout.INDPTR}"), check)
        runs = (
            self._run(f"{group}/{layout.INDICES}", layout.run_chunks(number, direction, layout.INDICES)),
            self._run(f"{group}/{layout.VALUES}", layout.run_chunks(number, direction, layout.VALUES)),
        )
        gap = runs[0].chunk if isinstance(runs[0], ChunkedRun) else gap_of(indices)
        return CompressedMatrix(indptr, major_size, runs, gap, minor_size, canonical=True)

    def _run(self, path: str, places: str) -> Run:
        """Return what reads a dataset: past HDF5, if it is still as it was written."""
        part = self._file.part(path)
        if not part.plain:
            return Hdf5Run(self._file.file.dataset(path))
        stored = self._file.get(places)
        if isinstance(stored, Part):
            frames = replace(part, chunks=(_frame(stored, part),))
            return ChunkedRun(self._file.descriptor, frames, self._stored(stored))
        # A store of an earlier version has no table of them.
        dataset = self._file.file.dataset(path)
        arrays, key = self._file.access.arrays, (*self._file.descriptor.version, dataset.name)
        return ChunkedRun(self._file.descriptor, part, lambda: arrays.get(key, lambda: chunk_places(dataset)))


def _frame(places: Part, run: Part) -> int:
    """Return the number of cells of each frame of a dataset, by the table of their places."""
    chunk = run.chunks[0] if run.chunks else 1
    frame = places.attrs.get(layout.FRAME, chunk)
    if not isinstance(frame, int | np.integer) or frame < 1 or chunk % int(frame):
        raise OSError(f"the table {places.name} is damaged")
    return int(frame)
