"""Numbers in the tables of pages."""

from __future__ import annotations

import math
from decimal import Decimal

_DIGITS = 7
"""As many as a float32 has."""


def plain_number(value: float | None) -> str:
    """Return a number without an exponent, a whole one with all its digits; a dash where there is none."""
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    if float(value).is_integer():
        return str(int(value))
    return format(Decimal(f"{value:.{_DIGITS}g}"), "f")
