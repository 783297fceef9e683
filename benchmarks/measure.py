"""Timing several ways of doing one thing side by side, and the table of what came out.

Absolute times do not travel between machines, so every row compares two ways measured in the same run: they
take turns, and what slows the machine down for a while slows both.
"""

from __future__ import annotations

import gc
import statistics
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from time import perf_counter
from typing import Any


@dataclass(frozen=True)
class Timing:
    """Seconds of the repeats of one way."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """The median, in seconds."""
        return statistics.median(self.seconds)

    @property
    def spread(self) -> tuple[float, float]:
        """The quartiles around the median, in seconds."""
        if len(self.seconds) < 2:
            return self.seconds[0], self.seconds[0]
        low, _, high = statistics.quantiles(self.seconds, n=4, method="inclusive")
        return low, high

    def __str__(self) -> str:
        low, high = self.spread
        return f"{_milliseconds(self.median)} ({_milliseconds(low)}–{_milliseconds(high)})"


@dataclass(frozen=True)
class Row:
    """One comparison: ours against a peer, and the limit of their ratio.

    `most` limits ours ÷ peer from above; `least` limits peer ÷ ours (how many times faster) from below; a `least` of 0
    is no limit.
    """

    what: str
    peer: str
    ours: Timing
    theirs: Timing
    most: float | None = None
    least: float | None = None

    @property
    def ratio(self) -> float:
        """Ours ÷ peer, or with `least`, peer ÷ ours."""
        ratio = self.ours.median / self.theirs.median
        return ratio if self.least is None else 1 / ratio

    @property
    def met(self) -> bool:
        """Whether the ratio is within its limit."""
        return (self.most is None or self.ratio <= self.most) and (self.least is None or self.ratio >= self.least)

    def record(self) -> dict[str, Any]:
        """Return the row as values for JSON."""
        return asdict(self) | {"ratio": self.ratio, "met": self.met}


def side_by_side(
    ways: Mapping[str, Callable[[int], object]], repeats: int, fewer: Mapping[str, int] | None = None
) -> dict[str, Timing]:
    """Time each way `repeats` times, in turns; `fewer` names slow ways and how often they take part.

    A way is called with the number of the repeat, so that it can ask for other cells each time and nothing is
    answered out of a cache of the last reply. A first, untimed call of each warms up.
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
                    call(number)
                    seconds[name].append(perf_counter() - start)
    finally:
        if enabled:
            gc.enable()
    return {name: Timing(tuple(taken)) for name, taken in seconds.items()}


def table(rows: Iterable[Row]) -> str:
    """Return the rows as a table for people."""
    head = ("what", "ours, ms", "peer", "peer, ms", "ratio", "limit", "")
    lines = [head, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def _cells(row: Row) -> tuple[str, ...]:
    limit = f"≤ {row.most:g}" if row.most is not None else f"≥ {row.least:g}" if row.least else ""
    times = "× as fast" if row.least is not None else "×"
    verdict = "" if row.met else "MISSED"
    return row.what, str(row.ours), row.peer, str(row.theirs), f"{row.ratio:.3g}{times}", limit, verdict


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.3g}" if seconds < 1 else f"{seconds * 1000:,.0f}"
