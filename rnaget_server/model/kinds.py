"""The kinds of text: a number, a date, or plain text."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Literal

Kind = Literal["text", "number", "date"]
_DATE = re.compile(r"\d{4}(-\d\d(-\d\d([T ]\d\d:\d\d\S*)?)?)?", re.ASCII)


def kind_of(texts: Iterable[str]) -> Kind:
    """Return what all texts that are not empty can be read as: numbers, dates, or text."""
    present = [text for text in texts if text]
    if not present:
        return "text"
    if all(number_of(text) is not None for text in present):
        return "number"
    return "date" if all(is_date(text) for text in present) else "text"


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
