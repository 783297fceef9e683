"""The values of columns of Arrow, as labels and as cells."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnaget_server.importers.text.columns import text_column

_EXACT = 2**53
_LARGEST = float(np.finfo(np.float32).max)


class UnfitColumn(ValueError):
    """A value (of a row from 0) that a matrix cannot hold."""

    def __init__(self, row: int, message: str) -> None:
        super().__init__(message)
        self.row = row


def is_text(kind: Any) -> bool:
    """Return whether a type of Arrow is of texts, plain or as a dictionary, or of truth values, which are no cells."""
    import pyarrow.types as types

    if types.is_dictionary(kind):
        return is_text(kind.value_type)
    texts = types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)
    return bool(texts or types.is_boolean(kind))


def is_number(kind: Any) -> bool:
    """Return whether a type of Arrow is of numbers, plain or as a dictionary, as categories of pandas are."""
    import pyarrow.types as types

    if types.is_dictionary(kind):
        return is_number(kind.value_type)
    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind))


def as_labels(column: Any) -> list[str]:
    """Return the values as texts; the empty one where there is none."""
    return [_label(value) for value in column.to_pylist()]


def _label(value: Any) -> str:
    if value is None or value != value:
        return ""
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT:
        return str(int(value))
    return str(value)


def as_attribute(column: Any) -> NDArray[Any]:
    """Return the values as numbers if they are, or else as texts: also whole numbers that a number would change."""
    if is_number(column.type):
        with contextlib.suppress(ValueError):
            return as_numbers(column, whole=True)
    return text_column(as_labels(column))


def as_numbers(column: Any, whole: bool = False) -> NDArray[Any]:
    """Return the values as float64, NaN where there is none; as int64 if `whole` and they all are.

    Raises
    ------
    UnfitColumn
        If a value is beyond what float32 holds, or a whole number that float64 would change.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(column.type):
        column = pc.cast(column, column.type.value_type)
    if pa.types.is_decimal(column.type) and column.type.bit_width < 128:  # of which Arrow finds no least and most
        column = pc.cast(column, pa.decimal128(38, column.type.scale))
    if pa.types.is_integer(column.type) or (pa.types.is_decimal(column.type) and column.type.scale <= 0):
        _refuse_changed(column, pc)
        if whole and not column.null_count:
            return np.asarray(pc.cast(column, pa.int64()).to_numpy(), np.int64)
    numbers = np.asarray(
        pa.chunked_array(_chunks(pc.cast(column, pa.float64(), safe=False)), pa.float64()).to_numpy(), np.float64
    )
    beyond = np.isfinite(numbers) & (np.abs(numbers) > _LARGEST)
    if not whole and beyond.any():
        row = int(np.flatnonzero(beyond)[0])
        raise UnfitColumn(row, f"the value {numbers[row]:g} is larger than a matrix can hold (3.4e38)")
    return numbers


def _chunks(column: Any) -> list[Any]:
    return column.chunks if hasattr(column, "chunks") else [column]


def _refuse_changed(column: Any, pc: Any) -> None:
    """Refuse whole numbers that float64 does not hold."""
    bounds = pc.min_max(column)
    if all(bounds[name].as_py() is None or abs(bounds[name].as_py()) <= _EXACT for name in ("min", "max")):
        return
    for row, value in enumerate(column.to_pylist()):
        if value is not None and int(float(value)) != value:
            raise UnfitColumn(row, f"the whole number {value} is beyond 2**53 and would be changed")
