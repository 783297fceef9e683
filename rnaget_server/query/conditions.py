"""Conditions on one attribute: any of some values, none of others, a number or date within bounds."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from rnaget_server.query.parameters import Parameters
from rnaget_server.query.recommended import SUFFIXES


@dataclass(frozen=True)
class Condition:
    """One metadata filter of a request; None means no restriction.

    Values are kept as given: one may still be several joined by commas, which only the data distinguish from one
    that holds a comma. So are bounds: whether the attribute holds numbers or dates is for the data to say.
    """

    values: tuple[str, ...] | None = None
    excluded: tuple[str, ...] | None = None
    minimum: str | None = None
    maximum: str | None = None


def conditions(parameters: Parameters, filters: Collection[str]) -> Mapping[str, Condition]:
    """Return the condition of each filter that the parameters name.

    Raises
    ------
    InvalidQuery
        If a list is empty, or a bound is neither number nor date.
    """
    given = {name for full in parameters.names for name in (full, full[:-4])}
    found = {}
    for name in sorted(given.intersection(filters)):
        # A filter that is called like another's bound is itself, not the bound.
        derived = {suffix: name + suffix for suffix in SUFFIXES[1:] if name + suffix not in filters}
        condition = Condition(
            values=parameters.values(name),
            excluded=parameters.values(derived["_not"]) if "_not" in derived else None,
            minimum=parameters.bound(derived["_min"]) if "_min" in derived else None,
            maximum=parameters.bound(derived["_max"]) if "_max" in derived else None,
        )
        if condition != Condition():
            found[name] = condition
    return found
