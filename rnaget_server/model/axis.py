"""The features or the samples of a matrix, and the look-up of their labels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import compress
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnaget_server.model.columns import Column, FixedText, Mask, as_text, as_texts, factorize, members
from rnaget_server.model.kinds import Kind, is_date, kind_of, number_of
from rnaget_server.model.lists import SEPARATOR, elements
from rnaget_server.model.recent import RecentValues
from rnaget_server.model.search import locate
from rnaget_server.model.suggestions import FEW, Suggestions, suggest_among, suggest_of_column
from rnaget_server.model.text import decode, encode_all

Positions = NDArray[np.int64]
Raw = NDArray[Any]
Near = Callable[[], Suggestions]
"""A search for values that are like those that were not found, which takes long."""

_FEW_TO_LIST = 20
_LOOKED_AT = 4096
_TEXTS_AT_ONCE = 1 << 14
# For each axis of an open file.
_FACTORIZED_BYTES = 16 << 20


class Factorized(NamedTuple):
    """An attribute by its different values; two of them may be the same text.

    Attributes
    ----------
    codes
        Which of the values each feature or sample has.
    first
        Where each value is first.
    """

    codes: NDArray[np.unsignedinteger[Any]]
    first: Positions

    @property
    def nbytes(self) -> int:
        """The number of bytes held."""
        return self.codes.nbytes + self.first.nbytes


@dataclass(frozen=True)
class Index:
    """The values of one attribute, sorted, for binary search: ``ordered[i]`` is at ``positions[i]``."""

    ordered: Raw
    positions: NDArray[Any]

    @classmethod
    def of(cls, raw: Raw) -> Index:
        """Return the index of a column of fixed-width bytes."""
        positions = np.argsort(raw, kind="stable")
        return cls(raw[positions], positions)

    def find(self, values: Sequence[str]) -> tuple[Positions, list[str]]:
        """Return the positions (unordered) that hold any of `values`, and the values that nothing holds."""
        positions, owners = self.locate(values)
        absent = np.ones(len(values), bool)
        absent[owners] = False
        return positions, list(compress(values, absent.tolist()))

    def locate(self, values: Sequence[str]) -> tuple[Positions, Positions]:
        """Return the positions that hold any of `values`, and for each of them which of the values it holds.

        For Ensembl ids see `search.locate`.
        """
        places, owners = locate(self.ordered, values)
        return self.positions[places].astype(np.int64), owners

    @property
    def empty(self) -> Positions:
        """The positions, ascending, that hold nothing."""
        first = int(np.searchsorted(self.ordered, np.bytes_(b""), side="right"))
        return np.sort(self.positions[:first]).astype(np.int64)

    @property
    def repeated(self) -> str | None:
        """A value that occurs more than once, or None."""
        same = np.flatnonzero(self.ordered[1:] == self.ordered[:-1])
        return decode(self.ordered[same[:1]])[0] if same.size else None


class Axis:
    """The features or the samples of a matrix: their attributes, and where a value of one is.

    Attributes
    ----------
    incomplete
        Attributes that some file of a matrix of several does not have, with the name of such a file.

    Parameters
    ----------
    size
        Number of features or samples.
    attributes
        Names of the attributes, in the order of the file.
    read
        Returns the column of an attribute.
    index
        Returns the stored index of an attribute, or None where the file has none.
    """

    incomplete: Mapping[str, str] = MappingProxyType({})

    def __init__(
        self,
        size: int,
        attributes: Sequence[str],
        read: Callable[[str], Column],
        index: Callable[[str], Index | None] = lambda _: None,
    ) -> None:
        self.size = size
        self.attributes = tuple(attributes)
        # Not bound to self: a store that is let go closes its file at once, and a cycle would keep it open.
        self.read = cache(read)
        """Returns the column of an attribute, the same whenever it is asked for."""
        self._stored_index = index
        self._indexes: dict[str, Index] = {}
        self._few: dict[tuple[str, int], list[str] | None] = {}
        self._kinds: dict[str, Kind] = {}
        self._in_one_case: dict[str, NDArray[Any]] = {}
        self._factorized: RecentValues[str, Factorized] = RecentValues(_FACTORIZED_BYTES, lambda value: value.nbytes)

    def column(self, attribute: str, positions: Positions | None = None) -> NDArray[Any]:
        """Return the values of an attribute: an object array of str, or numbers as stored."""
        return self.read(attribute).take(positions)

    def ascii(self, attribute: str, positions: Positions | None = None) -> NDArray[np.bytes_] | None:
        """Return the texts of an attribute as fixed-width printable ASCII, None if they are not stored so."""
        return self.read(attribute).ascii(positions)

    def factorized(self, attribute: str) -> Factorized:
        """Return an attribute by its different values, remembered for a while."""

        def make() -> Factorized:
            codes, first = factorize(self.read(attribute))
            return Factorized(codes.astype(np.min_scalar_type(len(first))), first)

        return self._factorized.get(attribute, make)

    def index(self, attribute: str) -> Index:
        """Return the index of an attribute; made in memory where the file has none."""
        stored = self._stored_index(attribute)
        if stored is not None:
            return stored
        if attribute not in self._indexes:
            self._indexes[attribute] = Index.of(self._fixed(attribute))
        return self._indexes[attribute]

    def find(self, attribute: str, values: Sequence[str]) -> tuple[Positions, list[str]]:
        """Return the positions (ascending) whose id or name is among `values`, and the values not found.

        A value may be a list, see `rnaget_server.model.lists`.
        """
        return _found(values, self.index(attribute).find)

    def where(self, attribute: str, values: Sequence[str], ignore_case: bool = False) -> tuple[Positions, list[str]]:
        """Return the positions (ascending) where the attribute has one of `values`, and the values not found."""
        return _found(values, lambda asked: _positions(asked, self.among(attribute, asked, ignore_case)))

    def among(self, attribute: str, values: Sequence[str], ignore_case: bool = False) -> tuple[Mask, Mask]:
        """Return where the attribute has one of `values`, none of which is a list, and which of them it has."""
        if ignore_case:
            return members(self._folded(attribute), [value.casefold() for value in values])
        return self.read(attribute).among(values)

    def suggest(self, attribute: str, asked: Sequence[str], count: int = 3) -> Suggestions:
        """Return up to `count` values of an attribute that are like each of those asked for, and all if they are few.

        Of very many that were asked for, the first three are looked for.
        """
        every = self.values(attribute, _FEW_TO_LIST) if self._may_be_few(attribute) else None
        values = every if every is not None else self.values(attribute, FEW) if self.size <= FEW else None
        if values is not None:
            return Suggestions(suggest_among(values, asked, count), every or ())
        return Suggestions(suggest_of_column(self.read(attribute), self.size, asked, count))

    def _may_be_few(self, attribute: str) -> bool:
        """Return whether the first values do not show already that there are more than are listed."""
        first = self.read(attribute).take(np.arange(min(self.size, _LOOKED_AT)))
        return len(set(as_texts(first))) <= _FEW_TO_LIST + 1

    def between(self, attribute: str, minimum: float | None, maximum: float | None) -> Positions:
        """Return the positions (ascending) where a number lies within the closed interval; NaN lies nowhere."""
        numbers = self._numbers(attribute)
        inside = ~np.isnan(numbers)
        if minimum is not None:
            inside &= numbers >= minimum
        if maximum is not None:
            inside &= numbers <= maximum
        return np.flatnonzero(inside).astype(np.int64)

    def between_dates(self, attribute: str, earliest: str | None, latest: str | None) -> Positions:
        """Return the positions (ascending) of dates within the closed interval.

        Dates are ISO 8601 texts and are compared as far as a bound goes: ``2024-05`` as latest includes its last day.
        What is no date lies nowhere.
        """
        inside = [
            is_date(text)
            and (earliest is None or text[: len(earliest)] >= earliest)
            and (latest is None or text[: len(latest)] <= latest)
            for text in as_texts(self.column(attribute))
        ]
        return np.flatnonzero(inside).astype(np.int64)

    def kind(self, attribute: str) -> Kind:
        """Return whether the attribute holds numbers, dates or other text; one value that is neither makes it text."""
        if attribute not in self._kinds:
            column = self.read(attribute)
            first = column.take(np.arange(min(self.size, FEW)))
            kind = "number" if column.is_number else kind_of(first)
            self._kinds[attribute] = kind if kind == "text" or column.is_number else kind_of(column.take(None))
        return self._kinds[attribute]

    def values(self, attribute: str, limit: int) -> list[str] | None:
        """Return the distinct values of an attribute as text, sorted; None if there are more than `limit`."""
        if (attribute, limit) not in self._few:
            distinct = self.read(attribute).distinct(limit)
            self._few[attribute, limit] = None if distinct is None or len(distinct) > limit else distinct
        return self._few[attribute, limit]

    def _numbers(self, attribute: str) -> NDArray[np.float64]:
        values = self.column(attribute)
        if values.dtype.kind != "O":
            return values.astype(np.float64)
        return np.array([np.nan if (number := number_of(text)) is None else number for text in values], np.float64)

    def _folded(self, attribute: str) -> NDArray[Any]:
        if attribute not in self._in_one_case:
            texts = [text.casefold() for text in as_texts(self.column(attribute))]
            self._in_one_case[attribute] = np.array([*texts, None], object)[:-1]
        return self._in_one_case[attribute]

    def _fixed(self, attribute: str) -> Raw:
        column = self.read(attribute)
        if isinstance(column, FixedText):
            return column.raw
        return encode_all(as_text(value) for value in column.take(None))


def read_labels(*axes: Axis) -> None:
    """Read every attribute once, so that a damaged one is found now and not by a request."""
    for axis in axes:
        for attribute in axis.attributes:
            axis.column(attribute)


def _found(
    values: Sequence[str], look: Callable[[Sequence[str]], tuple[Positions, list[str]]]
) -> tuple[Positions, list[str]]:
    found: list[Positions] = []

    def missing_from(asked: Sequence[str]) -> list[str]:
        positions, missing = look(asked)
        found.append(positions)
        return missing

    missing = look_up(values, missing_from)
    return _distinct(np.concatenate(found)), missing


def look_up(texts: Sequence[str], missing_from: Callable[[Sequence[str]], Iterable[str]]) -> list[str]:
    """Look for all values in some texts, and return those that are not there.

    A text without separators is taken whole first; where that is not there and it holds commas, it is a list. White
    space around one of several values of a list is ignored where there is none with it.

    Parameters
    ----------
    texts
        The texts of a list parameter.
    missing_from
        Looks for values, and returns those that are not there.
    """
    listed: set[str] = set()
    all_texts = "".join(texts)
    if "," not in all_texts and SEPARATOR not in all_texts:
        return list(missing_from([text for text in _distinct_texts(texts) if text]))
    wanted: dict[str, None] = {}
    for text in texts:
        values = elements(text) if SEPARATOR in text else [text]
        wanted |= dict.fromkeys(values)
        if len(values) > 1:
            listed.update(values)
    joined = {text for text in texts if "," in text and SEPARATOR not in text}
    missing: list[str] = []
    absent = missing_from([value for value in wanted if value])
    while absent:
        wanted = {}
        for value in absent:
            parts = [value]
            if value in joined:
                parts = [part for part in value.split(",") if part.strip()]
                listed.update(parts)
            elif value in listed:
                parts = [value.strip()]
            if not parts or parts == [value]:
                missing.append(value)
            else:
                wanted |= dict.fromkeys(parts)
        joined = set()
        absent = missing_from(list(wanted)) if wanted else ()
    return missing


def _distinct_texts(texts: Sequence[str]) -> dict[str, None]:
    """Return texts, each once, in steps between which other requests get their turn."""
    distinct: dict[str, None] = {}
    for start in range(0, len(texts), _TEXTS_AT_ONCE):
        distinct.update(dict.fromkeys(texts[start : start + _TEXTS_AT_ONCE]))
    return distinct


def _distinct(positions: Positions) -> Positions:
    """Return positions in ascending order, each once, in a tenth of the time of `np.unique`."""
    ordered: Positions = np.sort(positions)
    return np.asarray(ordered[np.diff(ordered, prepend=-1) != 0])


def _positions(values: Sequence[str], found: tuple[Mask, Mask]) -> tuple[Positions, list[str]]:
    hit, held = found
    missing = [values[number] for number in np.flatnonzero(~held).tolist()]
    return np.flatnonzero(hit).astype(np.int64), missing
