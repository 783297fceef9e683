"""The common part of both native stores: labels, indexes and ranges, read from the file when they are needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rnaget_server.model.axis import Axis, Index, Positions
from rnaget_server.model.columns import Column, FixedText, LongText, Numbers
from rnaget_server.storage.access import FileAccess
from rnaget_server.storage.arrays import StoredArray, load
from rnaget_server.stores import layout
from rnaget_server.stores.base import Points, Ranges
from rnaget_server.stores.chunk_reader import ChunkedCells, chunk_places
from rnaget_server.stores.hdf5_dataset import Part
from rnaget_server.stores.hdf5_file import File, check_axis, closes_on_failure
from rnaget_server.stores.native.contents import Contents, Folder

_RANGES = ("minimum", "maximum", "nans")


class NativeFile:
    """A file of a native store.

    Ids, attributes, indexes and ranges are read from it whole when they are needed, and kept in a memory that is
    bounded for all files together, so that an open file costs none that grows with the matrix.
    """

    kind: ClassVar[layout.Kind]
    shape: tuple[int, int]
    """Number of features and of samples."""

    @closes_on_failure
    def __init__(self, path: Path, access: FileAccess | None = None) -> None:
        inside = (layout.MATRIX, layout.LAYERS, *layout.ATTRIBUTES, layout.OWN)
        self._file = Contents(path, inside, self.kind, access)

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """Return whether the file says that it is a native store of this kind."""
        with File(path) as file:
            return cls.kind.attribute in file.attrs

    # Of a file of many that are one matrix, an index has the labels, and to look for them takes a third of its opening.
    @cached_property
    def features(self) -> Axis:
        """The features."""
        return self._axis(layout.FEATURES, self.shape[0])

    @cached_property
    def samples(self) -> Axis:
        """The samples."""
        return self._axis(layout.SAMPLES, self.shape[1])

    @property
    def embeddings(self) -> tuple[str, ...]:
        """The names of the embeddings."""
        return tuple(self._embeddings)

    def embedding(self, name: str) -> Points:
        """Return the points of one of the embeddings."""
        return self._embeddings[name]().reshape(-1, 2)

    def close(self) -> None:
        """Close the file for all that read it."""
        self._file.close()

    def _chunked(self, path: str, places: str) -> ChunkedCells:
        stored = self._file.get(places)
        if isinstance(stored, Part):
            return ChunkedCells(self._file.descriptor, self._file.part(path), self._stored(stored))
        table = chunk_places(self._file.file.dataset(path))
        return ChunkedCells(self._file.descriptor, self._file.part(path), lambda: table)

    def _range_arrays(self, number: int) -> tuple[StoredArray, ...]:
        return tuple(self._stored(self._file.part(f"{layout.ranges(number)}/{name}")) for name in _RANGES)

    def _axis(self, axis: layout.AxisLayout, size: int) -> Axis:
        file = self._file
        check_axis(size, axis.kind, file.access.limits)
        order: dict[str, int] = {}
        columns: dict[str, str] = {}
        for key, column in file.parts(axis.attributes):
            name = layout.text_of(column.attrs[layout.NAME])
            columns[name], order[name] = key, int(column.attrs[layout.ORDER])
            for further in (axis.long_text, axis.index):
                file.get(f"{further}/{key}")  # while the file is as it was
        # Not a method of this object, which would keep the file open until cycles are looked for.
        stored = partial(_stored_array, file)

        def read(name: str) -> Column:
            text = f"{axis.long_text}/{columns[name]}"
            if isinstance(file.get(text), Folder):
                return LongText(stored(file.part(f"{text}/data")), stored(file.part(f"{text}/offsets"), _rising(size)))
            array = stored(file.part(f"{axis.attributes}/{columns[name]}"))
            return FixedText(array) if array.dtype.kind == "S" else Numbers(array)

        @cache
        def arrays(name: str) -> tuple[StoredArray, StoredArray] | None:
            index = f"{axis.index}/{columns[name]}"
            if not isinstance(file.get(index), Folder):
                return None
            return stored(file.part(f"{index}/ordered")), stored(
                file.part(f"{index}/positions"), _positions_within(size)
            )

        def index(name: str) -> Index | None:
            stored_index = arrays(name)
            return None if stored_index is None else Index(*load(stored_index))

        return Axis(size, sorted(columns, key=order.__getitem__), read, index)

    @cached_property
    def _embeddings(self) -> Mapping[str, StoredArray]:
        """The embeddings by name, those of a store made before there were any being none."""
        samples = self.shape[1]
        if not isinstance(self._file.get(layout.EMBEDDINGS), Folder):
            return {}
        datasets = [part for _, part in self._file.parts(layout.EMBEDDINGS)]
        for dataset in datasets:
            if dataset.shape != (samples, 2) or dataset.dtype != np.dtype("<f4"):
                raise OSError(f"{dataset.name} is no embedding of {samples} samples")
        datasets.sort(key=lambda dataset: int(dataset.attrs[layout.ORDER]))
        return {layout.text_of(dataset.attrs[layout.NAME]): self._stored(dataset) for dataset in datasets}

    def _stored(self, dataset: Part, check: Callable[[NDArray[Any]], None] | None = None) -> StoredArray:
        return _stored_array(self._file, dataset, check)


def _stored_array(file: Contents, dataset: Part, check: Callable[[NDArray[Any]], None] | None = None) -> StoredArray:
    return StoredArray(file.descriptor, file.access.arrays, dataset.offset, dataset.dtype, dataset.size, check)


def ranges_of(arrays: tuple[StoredArray, ...]) -> Ranges:
    """Return ranges out of the arrays that hold them."""
    return Ranges(*load(arrays))


def _positions_within(size: int) -> Callable[[Positions], None]:
    def check(positions: Positions) -> None:
        if len(positions) and not (positions.min() >= 0 and positions.max() < size):
            raise OSError("an index names a place beyond its axis")

    return check


def _rising(size: int) -> Callable[[NDArray[np.int64]], None]:
    def check(offsets: NDArray[np.int64]) -> None:
        if len(offsets) != size + 1 or (np.diff(offsets) < 0).any():
            raise OSError("the places of long texts are not in order")

    return check
