"""A layer whose zeros are not stored: read along either axis, out of the cells compressed along it, or transposed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rnaget_server.model.axis import Positions
from rnaget_server.model.sparse import Array, CompressedBlock, Direction, SparseCells
from rnaget_server.stores.base import selected
from rnaget_server.stores.blocks import BLOCK_BYTES
from rnaget_server.stores.compressed import PIECE, CompressedMatrix, panels
from rnaget_server.stores.sparse_transpose import by_minor

PANEL = 3 << 20
"""Cells of a selection, stored or not, up to which they are kept however many are stored outside of it."""

SORTED = 1 << 22
"""Cells that are kept, and transposed part by part; each takes 8 bytes, those of a part 24."""

_PARTS = 3
"""Parts of `PIECE` that are kept at once where the cells are too many."""

_OTHER: Mapping[Direction, Direction] = {"features": "samples", "samples": "features"}
# Index and value, the former twice as wide where the source has it so.
_BYTES_OF_CELL = 12

_Selection: TypeAlias = Mapping[Direction, Positions | None]


class CompressedSource(Protocol):
    """The part of `CompressedMatrix` that is needed to transpose it."""

    major_size: int
    minor_size: int

    def cells(self, major: Positions | None) -> int:
        """Return how many cells are stored in the rows (None: all)."""

    def counts(self, major: Positions | None, minor: Positions | None) -> NDArray[np.int64]:
        """Return how many cells of the selection are stored at each position of `minor`."""

    def pieces(
        self, major: Positions | None, minor: Positions | None, dtype: np.dtype[Any], /
    ) -> Iterator[CompressedBlock]:
        """Yield the selection compressed along the major axis; indices count within `minor`."""


class SparseLayer:
    """A layer whose zeros are not stored, compressed along features, along samples, or both ways.

    Parameters
    ----------
    matrices
        The cells, by the axis along which they are compressed; at least one.
    """

    def __init__(self, matrices: Mapping[Direction, CompressedMatrix]) -> None:
        self._matrices = matrices

    @property
    def shape(self) -> tuple[int, int]:
        """Number of features and of samples."""
        if "features" in self._matrices:
            return self._matrices["features"].major_size, self._matrices["features"].minor_size
        return self._matrices["samples"].minor_size, self._matrices["samples"].major_size

    def blocks(
        self, dtype: np.dtype[Any], features: Positions | None, samples: Positions | None
    ) -> Iterator[NDArray[Any]]:
        """Yield the selection as dense blocks of rows."""
        width = self.shape[1] if samples is None else len(samples)
        return dense(self.compressed_along("features", dtype, features, samples), width, dtype)

    def sparse(self, dtype: np.dtype[Any], features: Positions | None, samples: Positions | None) -> SparseCells:
        """Return the selection without its zeros."""
        return SparseCells(
            count=lambda: self._count(features, samples),
            known=bool(self._counted({"features": features, "samples": samples})),
            compressed_along=lambda direction: self.compressed_along(direction, dtype, features, samples),
            without=lambda direction, array: self.compressed_along(direction, dtype, features, samples, array),
        )

    def held(self, features: Positions | None, samples: Positions | None) -> int:
        """Return what `blocks` and `sparse` hold of the selection between two pieces, at most; in bytes."""
        selection: _Selection = {"features": features, "samples": samples}
        direct = all(self._is_direct(direction, selection) for direction in _OTHER)
        max_cells = PIECE if direct else PIECE + SORTED
        return min(max_cells, selected(self.shape, features, samples)) * _BYTES_OF_CELL

    def compressed_along(
        self,
        direction: Direction,
        dtype: np.dtype[Any],
        features: Positions | None,
        samples: Positions | None,
        without: Array | None = None,
    ) -> Iterator[CompressedBlock]:
        """Yield the selection compressed along `direction`, out of the cells that are read with less decoding.

        For `without` see `SparseCells`.
        """
        selection: _Selection = {"features": features, "samples": samples}
        other = _OTHER[direction]
        if self._is_direct(direction, selection):
            return self._matrices[direction].pieces(selection[direction], selection[other], dtype, without)
        return transposed(self._matrices[other], selection[other], selection[direction], dtype)

    def _is_direct(self, direction: Direction, selection: _Selection) -> bool:
        """Return whether to read the cells that are compressed along `direction`, rather than transpose the others."""
        other = _OTHER[direction]
        if other not in self._matrices:
            return True
        if direction not in self._matrices:
            return False
        if selection[other] is None:
            return True
        source = self._matrices[other]
        cost = source.decoded_cells(selection[other]) * passes(source, selection[other], selection[direction])
        return self._matrices[direction].decoded_cells(selection[direction]) <= cost

    def _counted(self, selection: _Selection) -> list[Direction]:
        """Return along which axes the cells of a selection are counted without reading any."""
        return [
            direction
            for direction, matrix in self._matrices.items()
            if matrix.canonical and selection[_OTHER[direction]] is None
        ]

    def _count(self, features: Positions | None, samples: Positions | None) -> int:
        selection: _Selection = {"features": features, "samples": samples}
        for direction in self._counted(selection):
            return self._matrices[direction].cells(selection[direction])
        cheapest = min(
            self._matrices, key=lambda direction: self._matrices[direction].decoded_cells(selection[direction])
        )
        return int(self._matrices[cheapest].counts(selection[cheapest], selection[_OTHER[cheapest]]).sum())


def dense(pieces: Iterable[CompressedBlock], width: int, dtype: np.dtype[Any]) -> Iterator[NDArray[Any]]:
    """Yield pieces compressed along rows as blocks of `width` cells a row, each of at most `BLOCK_BYTES` or one row."""
    height = max(1, BLOCK_BYTES // max(1, width * dtype.itemsize))
    for piece in pieces:
        rows = len(piece.indptr) - 1
        for first in range(0, rows, height):
            last = min(first + height, rows)
            block = np.zeros((last - first, width), dtype)
            cells = slice(int(piece.indptr[first]), int(piece.indptr[last]))
            row = np.repeat(np.arange(last - first), np.diff(piece.indptr[first : last + 1]))
            block[row, piece.indices[cells]] = piece.data[cells]
            yield block


def transposed(
    source: CompressedSource, major: Positions | None, minor: Positions | None, dtype: np.dtype[Any]
) -> Iterator[CompressedBlock]:
    """Yield the selection compressed along the minor axis of `source`.

    Few cells are read once. Of more, the rows of the major axis are read once to count and once for each three pieces.
    """
    _, width, fits = _extent(source, major, minor)
    if source.cells(major) <= SORTED or fits:
        yield from by_minor(_kept(source.pieces(major, minor, dtype)), width)
        return
    counts = source.counts(major, minor).astype(np.int32)
    for start, stop in panels(counts, _PARTS * PIECE):
        part = np.arange(start, stop) if minor is None else minor[start:stop]
        yield from by_minor(_kept(source.pieces(major, part, dtype)), stop - start)


def _kept(pieces: Iterable[CompressedBlock]) -> list[CompressedBlock]:
    return [CompressedBlock(piece.indptr, piece.indices.astype(np.int32, copy=False), piece.data) for piece in pieces]


def passes(source: CompressedSource, major: Positions | None, minor: Positions | None) -> int:
    """Return about how many times `transposed` reads the rows."""
    _, width, fits = _extent(source, major, minor)
    cells = source.cells(major)
    # Once to count, and once for each panel of the selection.
    return 1 if cells <= SORTED or fits else 2 + cells * width // (source.minor_size * _PARTS * PIECE)


def _extent(source: CompressedSource, major: Positions | None, minor: Positions | None) -> tuple[int, int, bool]:
    """Return the height and width of a selection, and whether a panel holds it however many cells are stored."""
    height = source.major_size if major is None else len(major)
    width = source.minor_size if minor is None else len(minor)
    return height, width, height * width <= PANEL
