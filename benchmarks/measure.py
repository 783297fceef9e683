"""Measuring several ways of doing one thing side by side, and the table of what came out.

Absolute times do not travel between machines, so nearly every row compares two ways measured in the same run: they
take turns, and what slows the machine down for a while slows both.
"""

from __future__ import annotations

import gc
import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from time import perf_counter
from typing import Any, Literal

Unit = Literal["s", "MB", ""]
_NUMBERS = {"MB": " MB", "": ""}


@dataclass(frozen=True)
class Figures:
    """The figures of the repeats of one way: seconds, or MB, or bare numbers."""

    values: tuple[float, ...]
    unit: Unit = "s"

    @property
    def median(self) -> float:
        """The median."""
        return statistics.median(self.values)

    @property
    def spread(self) -> tuple[float, float]:
        """The quartiles around the median."""
        if len(self.values) < 2:
            return self.values[0], self.values[0]
        low, _, high = statistics.quantiles(self.values, n=4, method="inclusive")
        return low, high

    def __str__(self) -> str:
        low, high = self.spread
        shown = _shown(self.median, self.unit)
        return shown if len(self.values) < 2 else f"{shown} ({_bare(low, self.unit)}–{_bare(high, self.unit)})"


@dataclass(frozen=True)
class Row:
    """One comparison: ours against a peer, and the limit of their ratio; without a peer, the limit of ours itself.

    `most` limits ours ÷ peer from above; `least` limits peer ÷ ours (how many times faster) from below; a `least` of 0
    is no limit.
    """

    what: str
    peer: str
    ours: Figures
    theirs: Figures | None = None
    most: float | None = None
    least: float | None = None

    @property
    def ratio(self) -> float:
        """Ours ÷ peer, or with `least`, peer ÷ ours; without a peer, ours."""
        if self.theirs is None:
            return self.ours.median
        ratio = self.ours.median / self.theirs.median if self.theirs.median else math.inf
        return ratio if self.least is None else 1 / ratio

    @property
    def limited(self) -> bool:
        """True if there is a limit."""
        return self.most is not None or bool(self.least)

    @property
    def met(self) -> bool:
        """True if the ratio is within its limit."""
        return (self.most is None or self.ratio <= self.most) and (self.least is None or self.ratio >= self.least)

    def record(self) -> dict[str, Any]:
        """Return the row as values for JSON."""
        return asdict(self) | {"ratio": self.ratio, "met": self.met if self.limited else None}


@dataclass(frozen=True)
class Note:
    """Why something was not measured."""

    text: str


def side_by_side(
    ways: Mapping[str, Callable[[int], object]], repeats: int, fewer: Mapping[str, int] | None = None
) -> dict[str, Figures]:
    """Time each way `repeats` times, in turns; `fewer` names slow ways and how often they take part.

    A way is called with the number of the repeat, so that it can ask for other cells each time and nothing is
    answered out of a cache of the last reply. A first, untimed call of each warms up. A way that returns a float has
    measured itself, in seconds.
    """
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for call in ways.values():
        call(0)
    enabled = gc.isenabled()
    gc.disable()
    try:
        for number in range(repeats):
            for name, call in ways.items():
                if number < (fewer or {}).get(name, repeats):
                    start = perf_counter()
                    figure = call(number)
                    taken = perf_counter() - start
                    seconds[name].append(figure if isinstance(figure, float) else taken)
    finally:
        if enabled:
            gc.enable()
    return {name: Figures(tuple(taken)) for name, taken in seconds.items()}


def exponent(sizes: Sequence[float], values: Sequence[float]) -> Figures:
    """Return how values grow with sizes: the slope of the line fitted to their logarithms."""
    x = [math.log(size) for size in sizes]
    y = [math.log(max(value, 1e-9)) for value in values]
    return Figures((statistics.linear_regression(x, y).slope,), "")


def table(rows: Iterable[Row]) -> str:
    """Return the rows as a table for people."""
    head = ("what", "ours", "limit or peer", "its figure", "ratio", "wanted", "")
    lines = [head, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def _cells(row: Row) -> tuple[str, ...]:
    verdict = ("pass" if row.met else "MISS") if row.limited else ""
    if row.theirs is None:
        wanted = f"≤ {_shown(row.most, row.ours.unit)}" if row.most is not None else ""
        return row.what, str(row.ours), row.peer, "", "", wanted, verdict
    wanted = f"≤ {row.most:g}" if row.most is not None else f"≥ {row.least:g}" if row.least else ""
    times = "× as fast" if row.least is not None else "×"
    return row.what, str(row.ours), row.peer, str(row.theirs), f"{row.ratio:.3g}{times}", wanted, verdict


def _shown(value: float, unit: Unit) -> str:
    if unit == "s":
        return f"{value * 1000:.3g} ms" if value < 1 else f"{value * 1000:,.0f} ms"
    return _bare(value, unit) + _NUMBERS[unit]


def _bare(value: float, unit: Unit) -> str:
    if unit == "s":
        return f"{value * 1000:.3g}" if value < 1 else f"{value * 1000:,.0f}"
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
