"""The samples of several files as one axis, those of each file after those of the one before.

Nothing is copied: a look-up goes through the files one by one, and a column is put together when it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from rnaget_server.model.axis import Axis, Factorized, Index, Positions
from rnaget_server.model.columns import Column, Mask, as_text, as_texts
from rnaget_server.model.kinds import Kind
from rnaget_server.model.repeated import first_repeated

Bounds = NDArray[np.int64]
"""Where each part begins, and where the last one ends."""

Places = slice | Positions

_Lent = TypeVar("_Lent", covariant=True)
_Read = TypeVar("_Read")


class Lend(Protocol[_Lent]):
    """A function that lends something of the part of a number, and says of errors meanwhile which part they are of."""

    def __call__(self, number: int, /) -> AbstractContextManager[_Lent]:
        """Return a context whose value is lent."""


def split(bounds: Bounds, positions: Positions | None) -> Iterator[tuple[int, Positions | None, Places]]:
    """Yield each part that has some of the positions: its number, which of it (None: all), and which of `positions`."""
    if positions is None:
        for number in np.flatnonzero(np.diff(bounds)).tolist():
            yield number, None, slice(int(bounds[number]), int(bounds[number + 1]))
        return
    order = None if (np.diff(positions) >= 0).all() else np.argsort(positions, kind="stable")
    ascending = positions if order is None else positions[order]
    cuts = np.searchsorted(ascending, bounds)
    for number in np.flatnonzero(np.diff(cuts)).tolist():
        here = slice(int(cuts[number]), int(cuts[number + 1]))
        yield number, ascending[here] - bounds[number], here if order is None else order[here]


class JoinedColumn:
    """The columns of several parts one after another; see `Column`.

    Parameters
    ----------
    bounds
        Where each part begins.
    part
        Lends the column of a part, None if it has none: there all is empty.
    dtype
        The type of the numbers; None for text, which a part may have numbers in place of.
    """

    def __init__(self, bounds: Bounds, part: Lend[Column | None], dtype: np.dtype[Any] | None) -> None:
        self._bounds = bounds
        self._part = part
        self._dtype = dtype
        self.is_number = dtype is not None

    def take(self, positions: Positions | None) -> NDArray[Any]:
        """Return the values at positions in any order."""
        positions = self._counted(positions)
        size = int(self._bounds[-1]) if positions is None else len(positions)
        taken = np.empty(size, self._dtype or object)
        for number, inside, places in split(self._bounds, positions):
            with self._part(number) as column:
                taken[places] = self._values(column, inside)
        return taken

    def _counted(self, positions: Positions | slice | None) -> Positions | None:
        """Return positions as numbers: pages, which know no arrays, name a part by a slice."""
        if isinstance(positions, slice):
            return np.arange(*positions.indices(int(self._bounds[-1])))
        return positions

    def _values(self, column: Column | None, inside: Positions | None) -> Any:
        if self.is_number:
            return column.take(inside) if column is not None and column.is_number else np.nan
        if column is None:
            return ""
        values = column.take(inside)
        if values.dtype.kind == "O":
            return values
        texts = np.empty(len(values), object)
        texts[:] = as_texts(values)
        return texts

    def ascii(self, positions: Positions | None) -> NDArray[np.bytes_] | None:
        """Return the texts as fixed-width bytes, if all parts have them so."""
        if self.is_number:
            return None
        positions = self._counted(positions)
        found: list[tuple[Places, NDArray[np.bytes_]]] = []
        for number, inside, places in split(self._bounds, positions):
            with self._part(number) as column:
                values = None if column is None else column.ascii(inside)
            if values is None:
                return None
            found.append((places, values))
        size = int(self._bounds[-1]) if positions is None else len(positions)
        texts = np.zeros(size, f"S{max((values.dtype.itemsize for _, values in found), default=1)}")
        for places, values in found:
            texts[places] = values
        return texts

    def among(self, values: Sequence[str]) -> tuple[Mask, Mask]:
        """Return where a part has one of the values, and which of them some part has."""

        def of(number: int) -> tuple[Mask, Mask] | None:
            with self._part(number) as column:
                return None if column is None else column.among(values)

        return _among_parts(self._bounds, len(values), of)

    def distinct(self, limit: int) -> list[str] | None:
        """Return the values as text, each once, if they are few."""
        found: set[str] = set()
        for number, _, _ in split(self._bounds, None):
            with self._part(number) as column:
                here = [] if column is None else column.distinct(limit)
            if here is None or len(found.union(here)) > limit + 1:
                return None
            found.update(here)
        return sorted(found, key=float) if self.is_number else sorted(found)


class JoinedIndex(Index):
    """The look-up of values of an attribute in the index of each part in turn."""

    _bounds: Bounds
    _part: Lend[Index | None]

    def __init__(self, bounds: Bounds, part: Lend[Index | None]) -> None:
        object.__setattr__(self, "_bounds", bounds)
        object.__setattr__(self, "_part", part)

    def locate(self, values: Sequence[str]) -> tuple[Positions, Positions]:
        """Return the positions that hold any of `values`, and for each of them which of the values it holds."""
        found = [(np.empty(0, np.int64), np.empty(0, np.int64))]
        found += self._of_each(lambda index, start: _moved(*index.locate(values), start))
        return np.concatenate([positions for positions, _ in found]), np.concatenate([owners for _, owners in found])

    @property
    def empty(self) -> Positions:
        """The positions, ascending, that hold nothing."""
        found = self._of_each(lambda index, start: index.empty + start)
        return np.concatenate([np.empty(0, np.int64), *found])

    @property
    def repeated(self) -> str | None:
        """A value that occurs more than once, or None."""
        for twice in self._of_each(lambda index, _: index.repeated):
            if twice is not None:
                return twice
        return self.repeated_between

    @property
    def repeated_between(self) -> str | None:
        """A value that two parts have, none of which has any twice, or None."""

        def texts(number: int) -> NDArray[np.bytes_]:
            with self._part(number) as index:
                return np.empty(0, "S1") if index is None else index.ordered

        return first_repeated(np.diff(self._bounds), texts)

    def _of_each(self, read: Callable[[Index, int], _Read]) -> Iterator[_Read]:
        """Yield what is read of the index of each part, given where the part begins."""
        for number, _, _ in split(self._bounds, None):
            with self._part(number) as index:
                found = None if index is None else (read(index, int(self._bounds[number])),)
            if found is not None:
                yield found[0]


def _moved(positions: Positions, owners: Positions, start: int) -> tuple[Positions, Positions]:
    return positions + start, owners


class JoinedAxis(Axis):
    """The axes of several parts one after another.

    Parameters
    ----------
    bounds
        Where each part begins, and where the last one ends.
    attributes
        Every attribute that some part has; the type of numbers, None for text.
    part
        Lends the axis of a part.
    incomplete
        The attributes that some part does not have, with the name of such a part.
    """

    def __init__(
        self,
        bounds: Bounds,
        attributes: Mapping[str, np.dtype[Any] | None],
        part: Lend[Axis],
        incomplete: Mapping[str, str],
    ) -> None:
        # Of the parts alone: what refers to this axis would keep a store open that is let go.
        def read(attribute: str) -> Column:
            return JoinedColumn(
                bounds, _lent(part, attribute, lambda axis: axis.read(attribute)), attributes[attribute]
            )

        def index(attribute: str) -> Index:
            return JoinedIndex(bounds, _lent(part, attribute, lambda axis: axis.index(attribute)))

        super().__init__(int(bounds[-1]), tuple(attributes), read, index)
        self.incomplete = incomplete
        self._bounds = bounds
        self._part = part

    def among(self, attribute: str, values: Sequence[str], ignore_case: bool = False) -> tuple[Mask, Mask]:
        """Return where the attribute has one of `values` in some part, and which of them it has."""
        if not ignore_case:
            return super().among(attribute, values)

        def of(number: int) -> tuple[Mask, Mask] | None:
            with self._part(number) as axis:
                return axis.among(attribute, values, True) if attribute in axis.attributes else None

        return _among_parts(self._bounds, len(values), of)

    def factorized(self, attribute: str) -> Factorized:
        """Return an attribute by its different values, remembered for a while."""
        return self._factorized.get(attribute, lambda: self._factorize(attribute))

    def _factorize(self, attribute: str) -> Factorized:
        codes = np.empty(self.size, np.uint32)
        first: list[int] = []
        numbers: dict[str, int] = {}
        for number, _, places in split(self._bounds, None):
            start = int(self._bounds[number])
            texts, own, places_of = self._factors(number, attribute)
            for text, place in zip(texts, places_of.tolist(), strict=True):
                if numbers.setdefault(text, len(first)) == len(first):
                    first.append(start + place)
            codes[places] = np.array([numbers[text] for text in texts], np.uint32)[own]
        return Factorized(codes.astype(np.min_scalar_type(len(first))), np.array(first, np.int64))

    def _factors(self, number: int, attribute: str) -> tuple[list[str], NDArray[Any], Positions]:
        """Return the different values of a part, which of them each member has, and where each is first."""
        with self._part(number) as axis:
            if attribute not in axis.attributes:
                return [""], np.zeros(1, np.intp), np.zeros(1, np.int64)
            codes, first = axis.factorized(attribute)
            return [as_text(value) for value in axis.column(attribute, first)], codes, first

    def between(self, attribute: str, minimum: float | None, maximum: float | None) -> Positions:
        """Return the positions (ascending) where a number lies within the closed interval; NaN lies nowhere."""
        return self._of_parts(attribute, lambda axis: axis.between(attribute, minimum, maximum))

    def between_dates(self, attribute: str, earliest: str | None, latest: str | None) -> Positions:
        """Return the positions (ascending) of dates within the closed interval."""
        return self._of_parts(attribute, lambda axis: axis.between_dates(attribute, earliest, latest))

    def kind(self, attribute: str) -> Kind:
        """Return whether the attribute holds numbers, dates or other text."""
        if attribute not in self._kinds:
            kinds = self._kinds_of_parts(attribute)
            if len(kinds) < 2 or "text" in kinds:
                self._kinds[attribute] = kinds.pop() if len(kinds) == 1 else "text"
        return super().kind(attribute)  # of numbers and dates, all are looked at again: years are both

    def _kinds_of_parts(self, attribute: str) -> set[Kind]:
        def of(axis: Axis, _: int) -> Kind | None:
            kind = axis.kind(attribute)
            return None if kind == "text" and axis.read(attribute).distinct(0) == [] else kind

        return {kind for kind in self._of_each(attribute, of) if kind is not None}

    def _of_parts(self, attribute: str, positions: Callable[[Axis], Positions]) -> Positions:
        found = self._of_each(attribute, lambda axis, start: positions(axis) + start)
        return np.concatenate([np.empty(0, np.int64), *found])

    def _of_each(self, attribute: str, read: Callable[[Axis, int], _Read]) -> list[_Read]:
        """Return what is read of each part that has an attribute, given where the part begins."""
        found = []
        for number, _, _ in split(self._bounds, None):
            with self._part(number) as axis:
                if attribute in axis.attributes:
                    found.append(read(axis, int(self._bounds[number])))
        return found


def _lent(part: Lend[Axis], attribute: str, get: Callable[[Axis], _Read]) -> Lend[_Read | None]:
    """Return what lends something of an attribute of a part, None where the part does not have the attribute."""

    @contextmanager
    def lend(number: int, /) -> Iterator[_Read | None]:
        with part(number) as axis:
            yield get(axis) if attribute in axis.attributes else None

    return lend


def _among_parts(bounds: Bounds, count: int, of: Callable[[int], tuple[Mask, Mask] | None]) -> tuple[Mask, Mask]:
    hit, held = np.zeros(int(bounds[-1]), bool), np.zeros(count, bool)
    for number, _, places in split(bounds, None):
        found = of(number)
        if found is not None:
            hit[places] = found[0]
            held |= found[1]
    return hit, held
