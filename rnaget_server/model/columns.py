"""The values of one attribute along an axis, as they are stored: fixed-width text, long text, or numbers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rnaget_server.model.search import keys_of
from rnaget_server.model.text import decode

Mask = NDArray[np.bool_]


class Scattered(ABC):
    """Returns an array when it is called, or its elements at some positions without the others."""

    __slots__ = ()

    @abstractmethod
    def __call__(self) -> NDArray[Any]:
        """Return the array."""

    @abstractmethod
    def take(self, positions: NDArray[np.int64]) -> NDArray[Any]:
        """Return the elements at some positions."""


class Stored(Scattered):
    """An array out of a file, of which consecutive elements are read without the others, too."""

    __slots__ = ()
    dtype: np.dtype[Any]
    count: int

    @abstractmethod
    def part(self, start: int, stop: int) -> NDArray[Any]:
        """Return the elements from one up to another."""


Loaded: TypeAlias = NDArray[Any] | Callable[[], NDArray[Any]]
"""An array, or what reads it out of a file whenever it is needed."""

_ROWS_AT_ONCE = 256
_LOOKED_AT = 1 << 16
_FIRST_PRINTED = 32
# So many are compared one by one, which is faster than to sort.
_FEW_VALUES = 4
_WORD = 8
_MIXER = np.uint64(0x9E3779B97F4A7C15)


class Column(Protocol):
    """The interface of a column of any kind."""

    is_number: bool

    def take(self, positions: NDArray[np.int64] | None) -> NDArray[Any]:
        """Return the values at `positions` (None: all): an object array of str, or numbers."""

    def ascii(self, positions: NDArray[np.int64] | None) -> NDArray[np.bytes_] | None:
        """Return the texts at `positions` (None: all) as fixed-width bytes, if all are stored so and can be printed."""

    def among(self, values: Sequence[str]) -> tuple[Mask, Mask]:
        """Return where the column has one of the values, and which of the values it has."""

    def distinct(self, limit: int) -> list[str] | None:
        """Return the values as text, each once, sorted, without the empty one; None if there are more than `limit`."""


class FixedText:
    """Text as fixed-width ASCII bytes (see `text.encode`)."""

    is_number = False

    def __init__(self, raw: Loaded) -> None:
        self._load = _loader(raw)

    @property
    def raw(self) -> NDArray[np.bytes_]:
        """The bytes."""
        return self._load()

    def take(self, positions: NDArray[np.int64] | None) -> NDArray[Any]:
        """Return the texts."""
        return decode(self.bytes_at(positions))

    def bytes_at(self, positions: NDArray[np.int64] | None) -> NDArray[np.bytes_]:
        """Return the bytes at `positions` (None: all)."""
        return _taken(self._load, positions)

    def ascii(self, positions: NDArray[np.int64] | None) -> NDArray[np.bytes_] | None:
        """Return the texts as they are stored, None if some text of the column stands for another."""
        if not self._plain:
            return None
        return self.bytes_at(positions)

    @cached_property
    def _plain(self) -> bool:
        """True if all texts are printable ASCII that stands for itself."""
        load = self._load
        if not isinstance(load, Stored):
            raw = self.raw
            return all(is_plain(raw[start : start + _LOOKED_AT]) for start in range(0, len(raw), _LOOKED_AT))
        starts = range(0, load.count, _LOOKED_AT)
        return all(is_plain(load.part(start, min(start + _LOOKED_AT, load.count))) for start in starts)

    def among(self, values: Sequence[str]) -> tuple[Mask, Mask]:
        """Return where the text is one of the values, and which of them are there."""
        raw = self.raw
        keys, numbers = keys_of(values, raw.dtype.itemsize)
        held = np.zeros(len(values), bool)
        hit, held[numbers] = _common(raw, keys)
        return hit, held

    def distinct(self, limit: int) -> list[str] | None:
        """Return the texts, each once, if they are few."""
        unique = different(self.raw)
        return sorted(value for value in decode(unique) if value) if len(unique) <= limit + 1 else None


class LongText:
    """Texts of very different lengths: UTF-8 one after another, and where each starts."""

    is_number = False

    def __init__(self, data: Loaded, offsets: Loaded) -> None:
        self._load_data = _loader(data)
        self._load_offsets = _loader(offsets)

    def take(self, positions: NDArray[np.int64] | None) -> NDArray[Any]:
        """Return the texts."""
        offsets = self._load_offsets()
        starts, stops = offsets[:-1], offsets[1:]
        if positions is not None:
            starts, stops = starts[positions], stops[positions]
        texts = np.empty(len(starts), object)
        if not len(starts):
            return texts
        first, last = int(starts.min()), int(stops.max())
        load = self._load_data
        data = memoryview((load.part(first, last) if isinstance(load, Stored) else load()[first:last]).data)
        bounds = zip((starts - first).tolist(), (stops - first).tolist(), strict=True)
        texts[:] = [str(data[start:stop], "utf-8") for start, stop in bounds]
        return texts

    def ascii(self, positions: NDArray[np.int64] | None) -> None:
        """Return None: the texts are of many lengths."""

    def among(self, values: Sequence[str]) -> tuple[Mask, Mask]:
        """Return where the text is one of the values, and which of them are there."""
        data, offsets = self._load_data(), self._load_offsets()
        hit = np.zeros(len(offsets) - 1, bool)
        keys = [value.encode() for value in values]
        wanted, found = frozenset(keys), set()
        # Only texts of a length that is asked for are looked at.
        alike = np.isin(np.diff(offsets), np.array([len(key) for key in wanted], np.int64))
        for position in np.flatnonzero(alike).tolist():
            text = data[offsets[position] : offsets[position + 1]].tobytes()
            if text in wanted:
                hit[position] = True
                found.add(text)
        return hit, np.array([key in found for key in keys], bool)

    def distinct(self, limit: int) -> list[str] | None:
        """Return the texts, each once, if they are few."""
        found: set[str] = set()
        size = len(self._load_offsets()) - 1
        for start in range(0, size, _ROWS_AT_ONCE):
            found.update(self.take(np.arange(start, min(start + _ROWS_AT_ONCE, size))))
            if len(found) > limit + 1:
                return None
        return sorted(found - {""})


class Numbers:
    """int64 or float64; NaN where there is none."""

    is_number = True

    def __init__(self, raw: Loaded) -> None:
        self._load = _loader(raw)
        self._dtype = raw.dtype if isinstance(raw, np.ndarray | Stored) else None

    @property
    def raw(self) -> NDArray[Any]:
        """The numbers."""
        return self._load()

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the numbers, for which most files need not be read."""
        return self._dtype or self.raw.dtype

    def take(self, positions: NDArray[np.int64] | None) -> NDArray[Any]:
        """Return the numbers."""
        return np.asarray(_taken(self._load, positions))

    def ascii(self, positions: NDArray[np.int64] | None) -> None:
        """Return None: these are no texts."""

    def among(self, values: Sequence[str]) -> tuple[Mask, Mask]:
        """Return where the number is one of the values, and which of them are there."""
        return _common(self.raw.astype(np.float64), np.array([_number(value) for value in values], np.float64))

    def distinct(self, limit: int) -> list[str] | None:
        """Return the numbers as text, each once, if they are few."""
        unique = different(self.raw)
        return [as_text(value) for value in unique if value == value] if len(unique) <= limit + 1 else None


def different(values: NDArray[Any]) -> NDArray[Any]:
    """Return the different values, sorted.

    They are sorted for it: without counts numpy hashes them, which takes a hundred times as long where most differ.
    """
    return np.unique(values, return_counts=True)[0]


def members(texts: Iterable[str], values: Sequence[str]) -> tuple[Mask, Mask]:
    """Return which texts are among the values, and which values are among the texts."""
    texts, wanted = list(texts), frozenset(values)
    hit = np.fromiter((text in wanted for text in texts), bool, len(texts))
    present = wanted.intersection(texts)
    return hit, np.fromiter((value in present for value in values), bool, len(values))


def _common(column: NDArray[Any], values: NDArray[Any]) -> tuple[Mask, Mask]:
    """Return which cells of a column are among the values, and which values are in the column; NaN is in neither."""
    if len(values) <= _FEW_VALUES:
        matches = [column == value for value in values]
        hit = np.logical_or.reduce(matches) if matches else np.zeros(len(column), bool)
        return np.asarray(hit), np.array([match.any() for match in matches], bool)
    distinct, inverse = np.unique(values, return_inverse=True)
    at = np.searchsorted(distinct, column).clip(max=len(distinct) - 1)
    hit = distinct[at] == column
    present = np.zeros(len(distinct), bool)
    present[at[hit]] = True
    return np.asarray(hit), present[inverse]


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return np.nan


def is_plain(raw: NDArray[np.bytes_]) -> bool:
    """Return whether texts of fixed-width bytes are printable ASCII without references to other characters."""
    data = raw.tobytes()
    letters = np.frombuffer(data, np.uint8).reshape(len(raw), raw.dtype.itemsize)
    ended = letters == 0
    if not data.isascii() or b"&" in data or ((letters < _FIRST_PRINTED) & ~ended).any():
        return False
    return not (ended[:, :-1] & ~ended[:, 1:]).any()


def factorize(column: Column) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return which of its different values each place of a column has, and where each value is first, ascending.

    Texts are compared by their bytes, so that two values of a foreign file may stand for the same text.
    """
    if isinstance(column, FixedText):
        return _factorized_bytes(column.raw)
    values = column.take(None)
    if column.is_number:
        return _codes_of(values)
    numbers: dict[str, int] = {}
    codes = np.fromiter((numbers.setdefault(text, len(numbers)) for text in values), np.int64, len(values))
    return codes, np.unique(codes, return_index=True)[1]


def _factorized_bytes(raw: NDArray[np.bytes_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Factorize fixed-width bytes by a number made of each, many times as fast as by the bytes themselves."""
    words = -(-raw.dtype.itemsize // _WORD)
    letters = raw.astype(f"S{words * _WORD}").view(np.uint64).reshape(-1, words)
    mixed = np.zeros(len(raw), np.uint64)
    for word in letters.T:
        mixed = (mixed ^ word) * _MIXER
        mixed ^= mixed >> np.uint64(_WORD * 4)
    codes, first = _codes_of(mixed)
    if (letters == letters[first][codes]).all():
        return codes, first
    return _codes_of(raw)  # different texts have the same number


def _codes_of(values: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    _, first, codes = np.unique(values, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty(len(first), np.int64)
    rank[order] = np.arange(len(first))
    return rank[codes], first[order]


def column_of(raw: NDArray[Any]) -> Column:
    """Return the column of fixed-width bytes or numbers."""
    return FixedText(raw) if raw.dtype.kind == "S" else Numbers(raw)


def _taken(load: Callable[[], NDArray[Any]], positions: NDArray[np.int64] | None) -> NDArray[Any]:
    """Return the values at `positions` (None: all) of what may be able to read some without the others."""
    if positions is None:
        return load()
    return load.take(positions) if isinstance(load, Scattered) else load()[positions]


def _loader(array: Loaded) -> Callable[[], NDArray[Any]]:
    return array if callable(array) else lambda: array


def as_text(value: Any) -> str:
    """Return a number as text, a whole one without ``.0``; NaN as nothing; text as it is."""
    if isinstance(value, str):
        return value
    if value != value:
        return ""
    return str(int(value)) if float(value).is_integer() else repr(float(value))


def as_texts(values: NDArray[Any]) -> list[str]:
    """Return the values of a column as text; see `as_text`."""
    return values.tolist() if values.dtype.kind == "O" else [as_text(value) for value in values]
