"""Some of the features or samples of a matrix as an axis of their own, which knows nothing of the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnaget_server.model.axis import Axis, Positions
from rnaget_server.model.columns import Column, FixedText, Mask, Numbers, Scattered, as_texts

_ROWS_AT_ONCE = 256


def axis_part(axis: Axis, positions: Positions) -> Axis:
    """Return the axis of what is at some ascending positions of another; its indexes are made in memory."""
    return Axis(len(positions), axis.attributes, lambda attribute: column_part(axis.read(attribute), positions))


def column_part(column: Column, positions: Positions) -> Column:
    """Return what a column has at some ascending positions, without a copy that is kept."""
    if isinstance(column, FixedText):
        return FixedText(_Taken(column.bytes_at, positions))
    if column.is_number:
        return Numbers(_Taken(column.take, positions))
    return _Part(column, positions)


class _Taken(Scattered):
    """Values at some positions of a column, all of them when it is called, or some of those."""

    def __init__(self, take: Callable[[Positions | None], NDArray[Any]], positions: Positions) -> None:
        self._take = take
        self._positions = positions

    def __call__(self) -> NDArray[Any]:
        return self._take(self._positions)

    def take(self, positions: Positions) -> NDArray[Any]:
        """Return the values at positions of the part."""
        return self._take(self._positions[positions])


class _Part:
    """A part of a column of any other texts, which may be long."""

    is_number = False

    def __init__(self, whole: Column, positions: Positions) -> None:
        self._whole = whole
        self._positions = positions

    def take(self, positions: Positions | None) -> NDArray[Any]:
        """Return the values at `positions` of the part."""
        return self._whole.take(self._positions if positions is None else self._positions[positions])

    def ascii(self, positions: Positions | None) -> NDArray[np.bytes_] | None:
        """Return the texts at `positions` of the part, if they are stored so."""
        return self._whole.ascii(self._positions if positions is None else self._positions[positions])

    def among(self, values: Sequence[str]) -> tuple[Mask, Mask]:
        """Return where the part has one of the values, and which of the values it has."""
        hit = np.asarray(self._whole.among(values)[0][self._positions])
        # What the whole says is there may be in the rest alone.
        wanted, found = frozenset(values), set[str]()
        for texts in self._pieces(self._positions[hit]):
            found.update(texts)
            if found == wanted:
                break
        return hit, np.fromiter((value in found for value in values), bool, len(values))

    def distinct(self, limit: int) -> list[str] | None:
        """Return the values as text, each once, if they are few."""
        found: set[str] = set()
        for texts in self._pieces(self._positions):
            found.update(texts)
            if len(found) > limit + 1:
                return None
        return sorted(found - {""})

    def _pieces(self, places: Positions) -> Iterator[list[str]]:
        for start in range(0, len(places), _ROWS_AT_ONCE):
            yield as_texts(self._whole.take(places[start : start + _ROWS_AT_ONCE]))
