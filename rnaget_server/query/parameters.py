"""The query parameters of one request, read strictly: what is misspelt, empty or repeated is refused."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Mapping

from rnaget_server.errors import InvalidQuery
from rnaget_server.query.recommended import as_known

_MOST_NAMED = 20
_LONGEST_LIKENED = 100
_DATE = re.compile(r"\d{4}(-\d\d(-\d\d([T ]\d\d:\d\d\S*)?)?)?")


class Parameters:
    """The parameters of a request by name; a name that starts with ``_`` is ignored.

    Raises
    ------
    InvalidQuery
        If a name is not among `known`: the message tells the nearest one, since a misspelt filter that is
        ignored would send a whole matrix.
    """

    def __init__(self, pairs: Iterable[tuple[str, str]], known: Iterable[str]) -> None:
        self._values: dict[str, list[str]] = {}
        self._known = tuple(known)
        lists: dict[str, list[str]] = {}
        for name, value in pairs:
            if name in lists:
                lists[name].append(value)
            elif name[:1] != "_":
                known_as = as_known(name, self._known)
                if known_as not in self._known:
                    raise InvalidQuery(unknown_name("query parameter", name, self._known))
                lists[name] = self._values.setdefault(known_as, [])
                lists[name].append(value)

    def __contains__(self, name: str) -> bool:
        """Return whether the parameter was given."""
        return name in self._values

    def text(self, name: str) -> str | None:
        """Return the one value of a parameter, None if it is not given."""
        values = self._values.get(name)
        if values is None:
            return None
        if len(set(values)) > 1:
            raise InvalidQuery(f"{name} is given {len(values)} times: give it once")
        if not values[0].strip():
            raise InvalidQuery(f"{name} is empty: give it a value, or leave it out")
        return values[0].strip()

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
        """Return what was given for a list (``a,b`` or repeated, not yet split), None if it is not given."""
        given = self._values.get(name)
        if given is None:
            return None
        kept = tuple(value for value in given if value.strip(" ,"))
        if not kept:
            raise InvalidQuery(f"the list {name} is empty: name at least one value, or leave it out")
        return kept

    def lists(self, names: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
        """Return the lists that are given among `names`."""
        return {name: values for name in names if (values := self.values(name)) is not None}


def number_of(text: str) -> float | None:
    """Return the finite number that `text` is, None if it is none."""
    try:
        value = float(text) if "_" not in text else math.nan
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def is_date(text: str) -> bool:
    """Return whether `text` is a date as in ISO 8601: a year, a month, a day, or a time of a day."""
    return _DATE.fullmatch(text) is not None


def unknown_name(what: str, name: str, known: Iterable[str]) -> str:
    """Return the message for a name that is not known: the nearest one, or all there are."""
    by_lower = {one.lower(): one for one in known}
    start = f"there is no {what} {shown(name)}"
    near = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.5) if len(name) <= _LONGEST_LIKENED else []
    if near:
        return f"{start}: did you mean {by_lower[near[0]]!r}?"
    if not by_lower:
        return f"{start}, nor any other here: leave it out"
    some = list(by_lower.values())[:_MOST_NAMED]
    more = f" and {len(by_lower) - len(some):,} more" if len(by_lower) > len(some) else ""
    return f"{start}: there {'are' if len(by_lower) > 1 else 'is'} {', '.join(some)}{more}"


def shown(text: str, most: int = 80) -> str:
    """Return what a client sent fit for a message: quoted, and cut when long."""
    return repr(text if len(text) <= most else text[: most - 1] + "…")
