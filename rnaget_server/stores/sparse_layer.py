"""A layer whose zeros are not stored, whatever kind of file it is in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnaget_server.stores.base import Compressed, Direction, Positions, SparseCells, selected
from rnaget_server.stores.compressed import PANEL, PIECE, Lines, passes, turned
from rnaget_server.stores.hdf5 import BLOCK_BYTES

_OTHER: Mapping[Direction, Direction] = {"features": "samples", "samples": "features"}
# Position and value, the former twice as wide in a piece as in a panel.
_BYTES_OF_CELL = 12


class SparseLayer:
    """Cells compressed along features, along samples, or both ways.

    Parameters
    ----------
    by
        The cells, by the axis along which they are compressed; at least one.
    """

    def __init__(self, by: Mapping[Direction, Lines]) -> None:
        self._by = by

    @property
    def shape(self) -> tuple[int, int]:
        """Number of features and of samples."""
        if "features" in self._by:
            return self._by["features"].size, self._by["features"].across
        return self._by["samples"].across, self._by["samples"].size

    def blocks(
        self, dtype: np.dtype[Any], features: Positions | None, samples: Positions | None
    ) -> Iterator[NDArray[Any]]:
        """Yield the selection as dense blocks of rows."""
        width = self.shape[1] if samples is None else len(samples)
        return dense(self.along("features", dtype, features, samples), width, dtype)

    def sparse(self, dtype: np.dtype[Any], features: Positions | None, samples: Positions | None) -> SparseCells:
        """Return the selection without its zeros."""
        return SparseCells(
            count=lambda: self._count(features, samples),
            along=lambda direction: self.along(direction, dtype, features, samples),
        )

    def held(self, features: Positions | None, samples: Positions | None) -> int:
        """Return what `blocks` and `sparse` hold of the selection between two pieces, at most; in bytes."""
        chosen: dict[Direction, Positions | None] = {"features": features, "samples": samples}
        straight = all(self._straight(direction, chosen) for direction in _OTHER)
        most = PIECE if straight else PIECE + PANEL
        return min(most, selected(self.shape, features, samples)) * _BYTES_OF_CELL

    def along(
        self, direction: Direction, dtype: np.dtype[Any], features: Positions | None, samples: Positions | None
    ) -> Iterator[Compressed]:
        """Yield the selection compressed along `direction`, out of the cells that are read with less decoding."""
        chosen: dict[Direction, Positions | None] = {"features": features, "samples": samples}
        other = _OTHER[direction]
        if self._straight(direction, chosen):
            return self._by[direction].pieces(chosen[direction], chosen[other], dtype)
        return turned(self._by[other], chosen[other], chosen[direction], dtype)

    def _straight(self, direction: Direction, chosen: Mapping[Direction, Positions | None]) -> bool:
        other = _OTHER[direction]
        if other not in self._by:
            return True
        if direction not in self._by:
            return False
        if chosen[other] is None:
            return True
        to_turn = self._by[other]
        cost = to_turn.decoded(chosen[other]) * passes(to_turn, chosen[other], chosen[direction])
        return self._by[direction].decoded(chosen[direction]) <= cost

    def _count(self, features: Positions | None, samples: Positions | None) -> int:
        chosen: dict[Direction, Positions | None] = {"features": features, "samples": samples}
        for direction, lines in self._by.items():
            if lines.canonical and chosen[_OTHER[direction]] is None:
                return lines.cells(chosen[direction])
        cheapest = min(self._by, key=lambda direction: self._by[direction].decoded(chosen[direction]))
        return int(self._by[cheapest].counts(chosen[cheapest], chosen[_OTHER[cheapest]]).sum())


def dense(pieces: Iterable[Compressed], width: int, dtype: np.dtype[Any]) -> Iterator[NDArray[Any]]:
    """Yield pieces compressed along rows as blocks of `width` cells a row, each of at most `BLOCK_BYTES` or one row."""
    height = max(1, BLOCK_BYTES // max(1, width * dtype.itemsize))
    for piece in pieces:
        rows = len(piece.starts) - 1
        for first in range(0, rows, height):
            last = min(first + height, rows)
            block = np.zeros((last - first, width), dtype)
            cells = slice(int(piece.starts[first]), int(piece.starts[last]))
            row = np.repeat(np.arange(last - first), np.diff(piece.starts[first : last + 1]))
            block[row, piece.positions[cells]] = piece.values[cells]
            yield block
