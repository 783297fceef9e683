"""Sparse lines on their way into a block of the temporary file: looked at, and in the types that they need."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rnaget_server.importers.odd_values import OddValues
from rnaget_server.importers.sparse_blocks import Block, BlockFiles, Source
from rnaget_server.importers.spool import refuse_too_large
from rnaget_server.importers.threads import PROCESSORS
from rnaget_server.model.sparse import CompressedBlock
from rnaget_server.stores.compressed import indptr_of

BLOCK: Final = (31 << 19) // PROCESSORS
"""Cells of a block, and of the lines of the other axis that are put together at once: the larger, the fewer stretches
are read. Each processor has one in memory."""

MOST_LINES: Final = 1 << 16
"""Lines of a block at most: two bytes number them."""

_EXACT = 2.0**24
_BYTE, _TWO_BYTES = 1 << 8, 1 << 16
_SINGLE: np.dtype[Any] = np.dtype(np.float32)
_DOUBLE: np.dtype[Any] = np.dtype(np.float64)


@dataclass(frozen=True)
class SpooledLines:
    """A block that is in a file, and what its cells are like.

    Attributes
    ----------
    block
        Where it is.
    counts
        How many cells are at each position.
    whole
        True if all are whole numbers or NaN.
    odd
        Values that are rarely meant, by the number of the line in the block.
    """

    block: Block
    counts: NDArray[Any]
    whole: bool
    odd: OddValues


class HeldLines:
    """The lines of a block in memory; `size` is the number of cells, and `lines` that of lines.

    Parameters
    ----------
    first
        The number of the first line.
    across
        Length of a line.
    """

    def __init__(self, first: int, across: int) -> None:
        self.first, self._across = first, across
        self.size = self.lines = 0
        self._pieces: list[CompressedBlock] = []
        self._whole = True
        self._odd = OddValues()

    @property
    def full(self) -> bool:
        """True if they are enough for a block."""
        return self.size >= BLOCK or self.lines >= MOST_LINES

    def append(self, piece: CompressedBlock) -> None:
        """Take the next lines.

        Raises
        ------
        TooLarge
            If a finite value is beyond what float32 can hold.
        """
        least, most = self._odd.look_at_sparse(piece, self.lines)
        refuse_too_large(piece.data, least, most)
        values = self._fitting(piece.data, least, most)
        self._pieces.append(CompressedBlock(piece.indptr, piece.indices, values))
        self.lines += len(piece.indptr) - 1
        self.size += len(values)

    def spool(self, files: BlockFiles, number: int, source: Source | None = None) -> SpooledLines:
        """Write them to the file of a number; for `source` see `Block`. They are gone from memory."""
        kept = np.result_type(*{piece.data.dtype for piece in self._pieces}) if self._whole else _SINGLE
        lines = as_one(self._pieces, np.dtype(np.int32), kept)
        self._pieces.clear()  # so that memory has the cells only once
        block, counts = files.append(number, self.first, lines, self._across, source)
        return SpooledLines(block, counts, self._whole, self._odd)

    def _fitting(self, values: NDArray[Any], least: float, most: float) -> NDArray[Any]:
        """Return values in the type that they need; the least and the most are those of all that are numbers."""
        if self._whole and not len(values):
            return values.astype(np.uint8)
        if self._whole and least >= 0 and most < _TWO_BYTES:
            with np.errstate(invalid="ignore"):  # NaN
                small: NDArray[Any] = values.astype(np.uint8 if most < _BYTE else np.uint16)
            if (small == values).all() and not np.signbit(values).any():  # -0 stays what it is
                return small
        if self._whole:
            finite = values[np.isfinite(values)]
            self._whole = bool((np.rint(finite) == finite).all())
            if self._whole and np.abs(finite).max(initial=0) > _EXACT:
                return values.astype(_DOUBLE, copy=False)
        return values.astype(_SINGLE, copy=False)


def held_lines(pieces: Iterable[CompressedBlock], across: int) -> Iterator[HeldLines]:
    """Yield consecutive lines, `across` long, as many at a time as a block has.

    Raises
    ------
    TooLarge
        If a finite value is beyond what float32 can hold.
    """
    held = HeldLines(0, across)
    for piece in pieces:
        held.append(piece)
        if held.full:
            yield held
            held = HeldLines(held.first + held.lines, across)
    if held.lines:
        yield held


def as_one(pieces: Sequence[CompressedBlock], indices: np.dtype[Any], data: np.dtype[Any]) -> CompressedBlock:
    """Return a copy of consecutive lines as one block, of types that hold what they have."""
    lengths = np.concatenate([np.diff(piece.indptr) for piece in pieces])
    return CompressedBlock(
        indptr_of(lengths),
        np.concatenate([piece.indices for piece in pieces], dtype=indices, casting="unsafe"),
        np.concatenate([piece.data for piece in pieces], dtype=data, casting="unsafe"),
    )
