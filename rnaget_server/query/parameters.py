"""The query parameters of one request, read strictly: what is misspelt, empty or repeated is refused."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, KeysView, Mapping
from itertools import groupby, repeat
from operator import itemgetter
from typing import Any

from rnaget_server.errors import InvalidQuery, UnknownParameter, shown
from rnaget_server.model.kinds import is_date, number_of
from rnaget_server.model.lists import SEPARATOR, plain
from rnaget_server.query.recommended import SUFFIXES, as_known
from rnaget_server.spelling import did_you_mean

_NAME, _VALUE = itemgetter(0), itemgetter(1)
_BLANKS = (" ", ",", SEPARATOR)


class Parameters:
    """The parameters of a request by name; a name that starts with ``_`` is ignored.

    Parameters
    ----------
    pairs
        Names and values in the order of the request.
    known
        The names of parameters.
    filters
        The names of metadata filters, each of which has parameters of its own.
    of_slice
        Whether this is a query for a slice: those of `known` that are no list have all commas as their own.

    Raises
    ------
    UnknownParameter
        If a name is neither among `known` nor a parameter of one of the `filters`: the message names the nearest
        one, since a misspelt filter that is ignored would send a whole matrix.

    Attributes
    ----------
    names
        The names that were given.
    given
        Names and values as they were given.
    """

    def __init__(
        self,
        pairs: Iterable[tuple[str, str]],
        known: Collection[str],
        filters: Collection[str] = (),
        of_slice: bool = False,
    ) -> None:
        self._values: dict[str, list[str]] = {}
        self.names: KeysView[str] = self._values.keys()
        given: list[tuple[str, str]] = []
        lists: dict[str, list[str]] = {}
        # One look at all values of a list spares a look at each of a hundred thousand.
        for name, several in groupby(pairs, _NAME):
            if name[:1] == "_":
                continue
            same = list(several)
            values = list(map(_VALUE, same))
            is_list = not of_slice or name not in known or name.removesuffix("_not").endswith("List")
            if not is_list and SEPARATOR in "".join(values):
                values = list(map(plain, values))
                same = list(zip(repeat(name), values))
            if name not in lists:
                lists[name] = self._values.setdefault(_resolve(name, known, filters), [])
            lists[name] += values
            # Not made again: a million new pairs are a reason for the cycle collector to go through all of them.
            given += same
        self.given = tuple(given)

    def fields(self, lists: Mapping[str, str], texts: Mapping[str, str]) -> dict[str, Any]:
        """Return those lists and texts that are given, by the fields that they are named for."""
        found: dict[str, Any] = {field: self.values(name) for field, name in lists.items() if name in self._values}
        return found | {field: self.text(name) for field, name in texts.items() if name in self._values}

    def text(self, name: str) -> str | None:
        """Return the one value of a parameter, None if it is not given."""
        values = self._values.get(name)
        if values is None:
            return None
        if len(set(values)) > 1:
            raise InvalidQuery(f"{name} is given {len(values)} times: give it once")
        text = (plain(values[0]) if SEPARATOR in values[0] else values[0]).strip()
        if not text:
            raise InvalidQuery(f"{name} is empty: give it a value, or leave it out")
        return text

    def choice(self, name: str, values: Collection[str]) -> str | None:
        """Return the value of a parameter that is one of `values`, None if it is not given."""
        text = self.text(name)
        if text is not None:
            _check_choice(name, text, values)
        return text

    def choices(self, name: str, values: Collection[str]) -> tuple[str, ...] | None:
        """Return the values of a parameter, each of which is one of `values`, each once; None if it is not given.

        They are separated by commas, or the parameter is given several times.
        """
        given = self._values.get(name)
        if given is None:
            return None
        texts = [plain(text) if SEPARATOR in text else text for text in given]
        if not "".join(texts).strip():
            raise InvalidQuery(f"{name} is empty: give it a value, or leave it out")
        found = dict.fromkeys(part.strip() for text in texts for part in text.split(","))
        for text in found:
            _check_choice(name, text, values)
        return tuple(found)

    def flag(self, name: str) -> bool:
        """Return whether a parameter that is ``true`` or ``false`` is true; it is not if it is not given."""
        text = self.text(name)
        if text not in (None, "true", "false"):
            raise InvalidQuery(f"{name} must be true or false, not {shown(str(text))}")
        return text == "true"

    def number(self, name: str, least: float = -math.inf) -> float | None:
        """Return the value of a parameter as a finite number not below `least`, None if it is not given."""
        text = self.text(name)
        if text is None:
            return None
        value = number_of(text)
        if value is None:
            raise InvalidQuery(f"{name} must be a number such as 1.5, not {shown(text)}")
        if value < least:
            raise InvalidQuery(f"{name} must not be below {least:g}, but is {value:g}")
        return value

    def bound(self, name: str) -> str | None:
        """Return the value of a parameter that is a finite number or a date, None if it is not given."""
        text = self.text(name)
        if text is None or is_date(text) or number_of(text) is not None:
            return text
        raise InvalidQuery(f"{name} must be a number such as 1.5 or a date such as 2024-05-31, not {shown(text)}")

    def whole_number(self, name: str, least: int, greatest: int) -> int | None:
        """Return the value of a parameter as a whole number from `least` to `greatest`, None if it is not given."""
        text = self.text(name)
        if text is None:
            return None
        digits = text.removeprefix("-")
        if not (digits.isascii() and digits.isdigit()):
            raise InvalidQuery(f"{name} must be a whole number such as 1000, not {shown(text)}")
        if len(digits) > 18 or not least <= int(text) <= greatest:
            raise InvalidQuery(f"{name} must be from {least} to {greatest}, but is {shown(text)}")
        return int(text)

    def values(self, name: str) -> tuple[str, ...] | None:
        """Return what was given for a list, None if it is not given; see `rnaget_server.model.lists`."""
        given = self._values.get(name)
        if given is None:
            return None
        # One look at all spares a look at each of a hundred thousand.
        text = "".join(given)
        if all(given) and not any(blank in text for blank in _BLANKS):
            return tuple(given)
        kept = tuple(value for value in given if value.strip(f" {SEPARATOR}" if SEPARATOR in value else " ,"))
        if not kept:
            raise InvalidQuery(f"the list {name} is empty: name at least one value, or leave it out")
        return kept

    def lists(self, names: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
        """Return the lists that are given among `names`."""
        return {name: values for name in names if (values := self.values(name)) is not None}


def parameter_names(filters: Iterable[str]) -> tuple[str, ...]:
    """Return the parameters of the filters: ``age``, ``age_not``, ``age_min`` and ``age_max`` for ``age``."""
    return tuple(name + suffix for suffix in SUFFIXES for name in filters)


def _check_choice(name: str, text: str, values: Collection[str]) -> None:
    if text not in values:
        hint = did_you_mean(text, values)
        raise InvalidQuery(f"{name} must be one of {', '.join(values)}, not {shown(text)}{': ' if hint else ''}{hint}")


def _resolve(name: str, known: Collection[str], filters: Collection[str]) -> str:
    """Return the parameter that a name means, however a name that RNAget recommends is spelt."""
    if name in known or name in filters or (name[-4:] in SUFFIXES and name[:-4] in filters):
        return name
    names = (*known, *parameter_names(sorted(filters)))
    resolved = as_known(name, names)
    if resolved not in names:
        # It is understood that lists can be given with _not.
        raise UnknownParameter(name, names, (*sorted(filters), *(plain for plain in known if plain[-4:] != "_not")))
    return resolved
