"""Least and greatest values of features: one number for all, or a JSON object with a number for each of some."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rnaget_server.errors import InvalidQuery, shown
from rnaget_server.model.limits import MAX_VALUES, too_many_values
from rnaget_server.query.json_object import NestedValue, RepeatedName, TooManyValues, read_object
from rnaget_server.query.parameters import Parameters

_EXAMPLE = '{"ENSG00000177757": 5}'


@dataclass(frozen=True)
class Thresholds:
    """One bound of the cells of features: `of_all`, or `of_each` by feature id or name; neither is no bound."""

    of_all: float | None = None
    of_each: Mapping[str, float] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Return whether there is a bound."""
        return self.of_all is not None or bool(self.of_each)


def read_thresholds(parameters: Parameters, name: str) -> Thresholds:
    """Return the bound that a parameter sets.

    Raises
    ------
    InvalidQuery
        If it is neither a number from 0 on nor a JSON object of finite numbers.
    """
    text = parameters.text(name)
    if text is None or not text.startswith("{"):
        return Thresholds(of_all=parameters.number(name, least=0))
    numbers = _parsed(name, text)
    # A few looks at all spare several at each of a hundred thousand.
    are_numbers = set(map(type, numbers.values())) == {float} and all(map(math.isfinite, numbers.values()))
    if are_numbers and all(map(str.strip, numbers)) and "".join(numbers).isascii():
        return Thresholds(of_each=numbers)
    for feature, number in numbers.items():
        if not isinstance(number, float) or not math.isfinite(number):
            raise InvalidQuery(f"{name} must give {shown(feature)} a number: write it as {_EXAMPLE}")
        if not feature.strip() or _has_half(feature):
            raise InvalidQuery(f"{name} has a number for no feature ({shown(feature)}): write it as {_EXAMPLE}")
    return Thresholds(of_each=numbers)


def _has_half(text: str) -> bool:
    return not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text)


def canonical_text(thresholds: Thresholds) -> str:
    """Return the JSON object of thresholds of single features, the same for any spelling of it."""
    plain = {name: int(number) if number.is_integer() else number for name, number in thresholds.of_each.items()}
    return json.dumps(plain, sort_keys=True, separators=(",", ":"))


def check_order(minimum: Thresholds, maximum: Thresholds) -> None:
    """Refuse a minimum above the maximum, of all features or of one.

    Raises
    ------
    InvalidQuery
        Naming the two.
    """
    if minimum.of_all is not None and maximum.of_all is not None and minimum.of_all > maximum.of_all:
        raise InvalidQuery(
            f"feature_min_value {minimum.of_all:g} is above feature_max_value {maximum.of_all:g}: swap them"
        )
    for name in minimum.of_each.keys() & maximum.of_each.keys():
        low, high = minimum.of_each[name], maximum.of_each[name]
        if low > high:
            raise InvalidQuery(
                f"feature_min_value {low:g} of {shown(name)} is above its feature_max_value {high:g}: swap them"
            )


def _parsed(name: str, text: str) -> dict[str, Any]:
    try:
        parsed = read_object(text, MAX_VALUES, parse_int=float, deep=False)
    except NestedValue as error:
        feature = shown(error.args[0])
        raise InvalidQuery(f"{name} is no JSON object of numbers: it must give {feature} a number") from None
    except RepeatedName as error:
        raise InvalidQuery(f"the feature {shown(error.args[0])} has two thresholds: give one") from None
    except TooManyValues:
        raise too_many_values(f"{name} names", "features") from None
    except ValueError:
        raise InvalidQuery(f"{name} is no JSON object: write it as {_EXAMPLE}") from None
    if not parsed:
        raise InvalidQuery(f"{name} is an empty object: name a feature, as in {_EXAMPLE}, or leave it out")
    return parsed
