"""What a request asks of one attribute: any of some values, none of others, a number or date within bounds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from rnaget_server.query.parameters import Parameters, is_date, number_of

Kind = Literal["text", "number", "date"]
_SUFFIXES = ("", "_not", "_min", "_max")


@dataclass(frozen=True)
class Condition:
    """One metadata filter of a request; None means no restriction.

    Values are kept as given: one may still be several joined by commas, which only the data can tell from one
    that holds a comma. So are bounds: whether the attribute holds numbers or dates is for the data to say.
    """

    values: tuple[str, ...] | None = None
    excluded: tuple[str, ...] | None = None
    minimum: str | None = None
    maximum: str | None = None


def parameter_names(filters: Iterable[str]) -> tuple[str, ...]:
    """Return the parameters of the filters: ``age``, ``age_not``, ``age_min`` and ``age_max`` for ``age``."""
    return tuple(name + suffix for suffix in _SUFFIXES for name in filters)


def conditions(parameters: Parameters, filters: Iterable[str]) -> Mapping[str, Condition]:
    """Return the condition of each filter that the parameters name.

    Raises
    ------
    InvalidQuery
        If a list is empty, or a bound is neither number nor date.
    """
    names = frozenset(filters)
    found = {}
    for name in sorted(names):
        # A filter that is called like another's bound is itself, not the bound.
        derived = {suffix: name + suffix for suffix in _SUFFIXES[1:] if name + suffix not in names}
        one = Condition(
            values=parameters.values(name),
            excluded=parameters.values(derived["_not"]) if "_not" in derived else None,
            minimum=parameters.bound(derived["_min"]) if "_min" in derived else None,
            maximum=parameters.bound(derived["_max"]) if "_max" in derived else None,
        )
        if one != Condition():
            found[name] = one
    return found


def kind_of(texts: Iterable[str]) -> Kind:
    """Return what all texts that are not empty can be read as: numbers, dates, or text."""
    there = [text for text in texts if text]
    if not there:
        return "text"
    if all(number_of(text) is not None for text in there):
        return "number"
    return "date" if all(is_date(text) for text in there) else "text"
