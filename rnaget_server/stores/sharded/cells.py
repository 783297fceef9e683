"""The cells of several files side by side: some features of all files at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnaget_server.model.axis import Positions
from rnaget_server.model.sparse import Array, CompressedBlock, Direction, SparseCells
from rnaget_server.stores.blocks import panel_rows, parts_of_panel, steps
from rnaget_server.stores.compressed import PIECE
from rnaget_server.stores.sharded.files import OpenShards, is_far
from rnaget_server.stores.sharded.parts import Part, side_by_side
from rnaget_server.stores.sparse_layer import PANEL, SORTED, transposed

# Fewer are read by one thread.
_MANY = 1 << 19
_BYTES_OF_CELL = 12
_WIDEST_INT32 = 1 << 31


@dataclass(frozen=True)
class Selection:
    """The cells of some features and samples of a sharded matrix, in one unit.

    Attributes
    ----------
    parts
        The samples, by file.
    units, dtype
        The layer, and its type in all files.
    features
        Which features, ascending; None for all.
    height
        How many features.
    opened
        Where files are open.
    """

    parts: Sequence[Part]
    units: str
    dtype: np.dtype[Any]
    features: Positions | None
    height: int
    opened: OpenShards

    @cached_property
    def width(self) -> int:
        """Number of samples."""
        return sum(part.width for part in self.parts)

    def blocks(self) -> Iterator[NDArray[Any]]:
        """Yield blocks of rows of the dense cells."""
        step, height = self._panel_rows
        for start, stop in steps(self.height, height):
            # Kept by no variable here, or it would be held while the next one is made.
            yield from parts_of_panel(self._panel(start, stop), step)

    @property
    def _panel_rows(self) -> tuple[int, int]:
        return panel_rows(self.width * self.dtype.itemsize, len(self.parts))

    def _panel(self, start: int, stop: int) -> NDArray[Any]:
        panel = np.empty((stop - start, self.width), self.dtype)
        wanted = self._rows(start, stop)
        self._run([partial(part.read, self.units, wanted, panel[:, part.columns]) for part in self.parts], panel.size)
        return panel

    def sparse(self) -> SparseCells:
        """Return the cells without zeros, where all files have them so."""
        is_separable = all(part.shard.separable for part in self.parts)
        return SparseCells(self.count, self.compressed_along, self._without if is_separable else None)

    def count(self) -> int:
        """Return how many cells are stored."""
        return sum(part.count(self.units, self.features) for part in self.parts)

    def compressed_along(self, direction: Direction) -> Iterator[CompressedBlock]:
        """Yield the stored cells compressed along one axis."""
        if direction == "samples":
            return self._by_samples(None)
        if not self.parts:
            nothing = np.empty(0, np.int32)
            return iter([CompressedBlock(np.zeros(self.height + 1, np.int64), nothing, nothing.astype(self.dtype))])
        if all(part.shard.facts.both_ways for part in self.parts) or self.height * self.width <= PANEL:
            return self._by_features()
        return transposed(_BySamples(self), None, None, self.dtype)

    def _without(self, direction: Direction, array: Array) -> Iterator[CompressedBlock]:
        return self._by_samples(array) if direction == "samples" else self.compressed_along(direction)

    def _by_samples(self, without: Array | None) -> Iterator[CompressedBlock]:
        for part in self.parts:
            yield from part.columns_of(self.units, self.features, self.dtype, without)

    def _by_features(self) -> Iterator[CompressedBlock]:
        """Yield as many features at a time as have about `PIECE` cells; the first ones show how many those are."""
        index = np.dtype(np.int32 if self.width < _WIDEST_INT32 else np.int64)
        start, step = 0, max(1, PANEL // max(1, self.width))
        if step < self.height and self._is_one_piece():
            step = self.height
        while start < self.height:
            stop = min(start + step, self.height)
            wanted = self._rows(start, stop)
            found: list[CompressedBlock | None] = [None] * len(self.parts)

            def read(number: int, wanted: Positions | None = wanted, found: list[Any] = found) -> None:
                found[number] = self.parts[number].rows(self.units, wanted, self.dtype)

            self._run([partial(read, number) for number in range(len(found))], (stop - start) * self.width)
            blocks = [block for block in found if block is not None]
            piece = side_by_side(blocks, [part.columns.start for part in self.parts], index)
            del blocks, found, read
            yield piece
            step = int(min(2 * step, max(1, step * PIECE // max(1, int(piece.indptr[-1])))))
            start = stop

    def _is_one_piece(self) -> bool:
        """Return whether it is known, without reading any, that no more cells are stored than one piece has.

        Not of so many files that the places where their features start would take more than cells do, nor of files in
        object storage, which would be asked one after another.
        """
        if len(self.parts) * self.height > PANEL or any(part.samples is not None for part in self.parts):
            return False
        if any(is_far(part.shard.file) for part in self.parts):
            return False
        left = PIECE
        for part in self.parts:
            left -= part.count(self.units, self.features)
            if left < 0:
                return False
        return True

    def _rows(self, start: int, stop: int) -> Positions | None:
        if start == 0 and stop == self.height:
            return self.features
        return np.arange(start, stop) if self.features is None else self.features[start:stop]

    def _run(self, tasks: Sequence[Callable[[], None]], cells: int) -> None:
        """Do something with each part."""
        if cells >= _MANY or any(is_far(part.shard.file) for part in self.parts):
            self.opened.run([(part.shard.file, task) for part, task in zip(self.parts, tasks, strict=True)])
            return
        for task in tasks:
            task()

    def held(self, sparse: bool) -> int:
        """Return what is held of the selection between two blocks, at most; in bytes."""
        cells = self.height * self.width
        if sparse:
            return min(cells, SORTED + 2 * PIECE) * _BYTES_OF_CELL
        return min(cells, self._panel_rows[1] * self.width) * self.dtype.itemsize


class _BySamples:
    """A selection as `transposed` takes it: compressed along the samples, of which all are asked for."""

    def __init__(self, selection: Selection) -> None:
        self._selection = selection
        self.major_size = selection.width
        self.minor_size = selection.height

    @cached_property
    def _count(self) -> int:
        return self._selection.count()

    def cells(self, major: Positions | None) -> int:
        """Return how many cells are stored."""
        return self._count

    def counts(self, major: Positions | None, minor: Positions | None) -> NDArray[np.int64]:
        """Return how many cells of each feature are stored."""
        counts = np.zeros(self.minor_size, np.int64)
        for piece in self._selection.compressed_along("samples"):
            counts += np.bincount(piece.indices, minlength=self.minor_size)
        return counts if minor is None else counts[minor]

    def pieces(
        self, major: Positions | None, minor: Positions | None, dtype: np.dtype[Any]
    ) -> Iterator[CompressedBlock]:
        """Yield the cells of some of the features."""
        whole = self._selection
        features = whole.features
        if minor is not None:
            features = minor if features is None else features[minor]
        height = self.minor_size if minor is None else len(minor)
        part = Selection(whole.parts, whole.units, dtype, features, height, whole.opened)
        return part.compressed_along("samples")
