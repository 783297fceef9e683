"""A store whose cells are read only for as long as somebody waits for them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from rnaget_server.cancellation import Cancellation
from rnaget_server.stores.base import Axis, Compressed, Direction, MatrixStore, Positions, Ranges, SparseCells, held_by

Piece = TypeVar("Piece")


class WatchedStore:
    """Another store, asked for its cells on behalf of one request: reading ends when that is cancelled.

    Parameters
    ----------
    store
        Where the cells are.
    cancellation
        Is asked before every block.
    """

    def __init__(self, store: MatrixStore, cancellation: Cancellation) -> None:
        self._store = store
        self._cancellation = cancellation

    @property
    def shape(self) -> tuple[int, int]:
        """Number of features and of samples."""
        return self._store.shape

    @property
    def features(self) -> Axis:
        """The rows."""
        return self._store.features

    @property
    def samples(self) -> Axis:
        """The columns."""
        return self._store.samples

    @property
    def units(self) -> tuple[str, ...]:
        """The units to be had."""
        return self._store.units

    def dtype(self, units: str) -> np.dtype[Any]:
        """Return the type of the cells."""
        return self._store.dtype(units)

    def held(self, units: str, features: Positions | None = None, samples: Positions | None = None) -> int:
        """Return how many bytes `blocks` holds of the selection between two blocks, at most."""
        return held_by(self._store, units, features, samples)

    def whole(self, units: str) -> bool:
        """Return whether every cell is known to be a whole number."""
        return self._store.whole(units)

    def ranges(self, units: str) -> Ranges | None:
        """Return the stored ranges of the features."""
        return self._store.ranges(units)

    def blocks(
        self, units: str, features: Positions | None = None, samples: Positions | None = None
    ) -> Iterator[NDArray[Any]]:
        """Yield the blocks of the selection."""
        return self._watched(self._store.blocks(units, features, samples))

    def sparse(
        self, units: str, features: Positions | None = None, samples: Positions | None = None
    ) -> SparseCells | None:
        """Return the same selection without its zeros."""
        cells = self._store.sparse(units, features, samples)
        if cells is None:
            return None
        along = cells.along

        def pieces(direction: Direction) -> Iterator[Compressed]:
            return self._watched(along(direction))

        return SparseCells(cells.count, pieces)

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """Return False: no file is of this kind."""
        return False

    def _watched(self, pieces: Iterator[Piece]) -> Iterator[Piece]:
        self._cancellation.check()
        for piece in pieces:
            self._cancellation.check()
            yield piece
