"""What a request asks of one attribute: any of some values, none of others, a number within bounds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from rnaget_server.errors import InvalidQuery
from rnaget_server.query.parameters import Parameters

_SUFFIXES = ("", "_not", "_min", "_max")


@dataclass(frozen=True)
class Condition:
    """One metadata filter of a request; None means no restriction.

    Values are kept as given: one may still be several joined by commas, which only the data can tell from one
    that holds a comma.
    """

    values: tuple[str, ...] | None = None
    excluded: tuple[str, ...] | None = None
    minimum: float | None = None
    maximum: float | None = None


def parameter_names(filters: Iterable[str]) -> tuple[str, ...]:
    """Return the parameters of the filters: ``age``, ``age_not``, ``age_min`` and ``age_max`` for ``age``."""
    return tuple(name + suffix for suffix in _SUFFIXES for name in filters)


def conditions(parameters: Parameters, filters: Iterable[str]) -> Mapping[str, Condition]:
    """Return the condition of each filter that the parameters name.

    Raises
    ------
    InvalidQuery
        If a list is empty, a bound is no number, or the bounds are reversed.
    """
    names = frozenset(filters)
    found = {}
    for name in sorted(names):
        # A filter that is called like another's bound is itself, not the bound.
        derived = {suffix: name + suffix for suffix in _SUFFIXES[1:] if name + suffix not in names}
        one = Condition(
            values=parameters.values(name),
            excluded=parameters.values(derived["_not"]) if "_not" in derived else None,
            minimum=parameters.number(derived["_min"]) if "_min" in derived else None,
            maximum=parameters.number(derived["_max"]) if "_max" in derived else None,
        )
        if one.minimum is not None and one.maximum is not None and one.minimum > one.maximum:
            raise InvalidQuery(f"{name}_min {one.minimum:g} is above {name}_max {one.maximum:g}: swap them")
        if one != Condition():
            found[name] = one
    return found
