"""The size of a slice in a format, without making it: as the format knows it beforehand, or by samples."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from rnaget_server.model.slice import Labels, Slice
from rnaget_server.writers.base import Writer

_MADE = 64_000
"""At most so many cells are made to see how large the rest will be."""

_PART = 4
"""How much smaller the sample is that shows what each further row and column adds; a close one would show chance."""

_FEWEST = 16
"""At least so many rows, and columns, if there are as many."""

_LAID_OUT, _OF_CELLS = 20_000, 300
"""So many labels, and rows and columns of cells, of a format that knows its length before a cell is read."""

_MOST_LABELS = 600_000

Sample = Callable[[int, int], Slice]
"""A function that returns a slice of so many rows and columns that stand for the whole."""

Measure = Callable[[int, int], int]
"""A function that returns how many bytes so many rows and columns have."""


@dataclass(frozen=True)
class Size:
    """A number of bytes, exactly or about."""

    bytes: int
    exact: bool

    @property
    def shown(self) -> int:
        """The number as a page shows it: no more digits of an estimate than are known."""
        return self.bytes if self.exact else round(self.bytes, 2 - len(str(self.bytes)))


def size_of(writer: Writer, whole: Slice, sample: Sample) -> Size:
    """Return how many bytes a slice has in a format; no more than samples of it are made.

    Raises
    ------
    RnagetError
        If the format cannot hold the slice, or its data cannot be read.
    """
    writer.check(whole)
    shape = whole.shape
    # A sparse layer may have to be read for its stored cells to be counted.
    is_small = _labels(whole.features) + _labels(whole.samples) <= _MOST_LABELS and not _is_sparse(whole)
    length = _length(writer, whole if is_small else sample(1, 1))
    if length is not None and is_small:
        return Size(length, exact=True)
    if length is not None:
        return Size(_of_laid_out(lambda rows, columns: _length(writer, sample(rows, columns)) or 0, shape), False)
    return Size(_of_made(lambda rows, columns: _made(writer, sample(rows, columns)), shape), _made_of(shape) == shape)


def _of_made(measure: Measure, shape: tuple[int, int]) -> int:
    """Return what `measure` would be of a shape that it is bilinear in, by samples of it, and of parts of them."""
    rows, columns = _made_of(shape)
    large = measure(rows, columns)
    if (rows, columns) == shape:
        return large
    few_rows, few_columns = max(1, rows // _PART), max(1, columns // _PART)
    further_rows = (shape[0] - rows) / max(1, rows - few_rows)
    further_columns = (shape[1] - columns) / max(1, columns - few_columns)
    by_rows = (large - measure(few_rows, columns)) if further_rows else 0
    by_columns = (large - measure(rows, few_columns)) if further_columns else 0
    of_both = by_rows + by_columns - large
    by_both = (measure(few_rows, few_columns) + of_both) if further_rows and further_columns else 0
    result = large + by_rows * further_rows + by_columns * further_columns + by_both * further_rows * further_columns
    return max(large, round(result))


def _of_laid_out(measure: Measure, shape: tuple[int, int]) -> int:
    """Return the same of a format of which only labels are laid out, by labels of each axis with one of the other.

    Many at once: how a text is stored depends on how many there are.
    """
    one = measure(1, 1)
    of_rows, of_columns = (
        (measure(*labels) - one) * (size - 1) / max(1, max(labels) - 1)
        for size, labels in zip(shape, ((min(shape[0], _LAID_OUT), 1), (1, min(shape[1], _LAID_OUT))), strict=True)
    )
    rows, columns = (min(size, _OF_CELLS) for size in shape)
    of_cells = measure(rows, columns) - measure(rows, 1) - measure(1, columns) + one
    share = (shape[0] - 1) * (shape[1] - 1) / max(1, (rows - 1) * (columns - 1))
    return round(one + of_rows + of_columns + max(0, of_cells) * share)


def _made(writer: Writer, slice: Slice) -> int:
    """Return how many bytes a slice has, by making it."""
    body = writer.write(slice)
    try:
        return sum(map(len, body.chunks))
    finally:
        body.close()


def _length(writer: Writer, slice: Slice) -> int | None:
    """Return how many bytes a slice will have, None if the format does not know it before they are made."""
    body = writer.write(slice)
    body.close()
    return body.length


def _made_of(shape: tuple[int, int]) -> tuple[int, int]:
    """Return how many rows and columns are made, in the proportion of the whole: formats gain by their length."""
    rows, columns = shape
    if rows * columns <= _MADE:
        return shape
    share = math.sqrt(_MADE / (rows * columns))
    few_rows = min(rows, max(_FEWEST, round(rows * share)))
    few_columns = min(columns, max(_FEWEST, _MADE // few_rows))
    return min(rows, max(_FEWEST, _MADE // few_columns)), few_columns


def _labels(labels: Labels) -> int:
    return labels.size * len(labels.attributes)


def _is_sparse(slice: Slice) -> bool:
    return any(layer.sparse is not None for layer in slice.layers)
