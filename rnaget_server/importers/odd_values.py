"""Values that are rarely meant, and where they are: infinite and negative ones."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnaget_server.model.sparse import CompressedBlock


@dataclass(frozen=True)
class CellPlace:
    """A cell: its line, its place in that, and its value."""

    line: int
    across: int
    value: float


class OddValues:
    """The first negative and the first infinite value of a matrix, as it is read line by line."""

    def __init__(self) -> None:
        self.negative: CellPlace | None = None
        self.infinite: CellPlace | None = None

    def look_at(self, block: NDArray[Any], first: int) -> tuple[float, float]:
        """Return the least and the most in lines that are full; `first` is the number of the first of them."""
        if not block.size:
            return np.nan, np.nan
        least, most = float(np.fmin.reduce(block, axis=None)), float(np.fmax.reduce(block, axis=None))
        if self.negative is None and least < 0:
            self.negative = _first(block, block < 0, first)
        if self.infinite is None and (np.isinf(least) or np.isinf(most)):
            self.infinite = _first(block, np.isinf(block), first)
        return least, most

    def follow(self, other: OddValues, first: int) -> None:
        """Take what was found in lines that come next, of which `first` is the number of the first."""
        if self.negative is None and other.negative is not None:
            self.negative = replace(other.negative, line=first + other.negative.line)
        if self.infinite is None and other.infinite is not None:
            self.infinite = replace(other.infinite, line=first + other.infinite.line)

    def look_at_sparse(self, piece: CompressedBlock, first: int) -> tuple[float, float]:
        """Return the least and the most in lines of which some cells are stored."""
        found = OddValues()
        least, most = found.look_at(piece.data[np.newaxis], 0)
        if self.negative is None and found.negative is not None:
            self.negative = _in_matrix(found.negative, piece, first)
        if self.infinite is None and found.infinite is not None:
            self.infinite = _in_matrix(found.infinite, piece, first)
        return least, most


def _first(block: NDArray[Any], odd: NDArray[np.bool_], first: int) -> CellPlace:
    line, across = (int(at) for at in np.unravel_index(int(np.argmax(odd)), block.shape))
    return CellPlace(first + line, across, float(block[line, across]))


def _in_matrix(place: CellPlace, piece: CompressedBlock, first: int) -> CellPlace:
    """Return the cell that is at a place among the stored ones."""
    line = int(np.searchsorted(piece.indptr, place.across, "right")) - 1
    return CellPlace(first + line, int(piece.indices[place.across]), place.value)
