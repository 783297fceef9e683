"""The time that requests wait for processors that they share, by Erlang's formula."""

from __future__ import annotations


def waiting_time(seconds: float, processors: int, busy: float) -> float:
    """Return how long a request waits on average for processors of which so many are busy."""
    return _erlang_c(processors, busy) * seconds / (processors - busy)


def _erlang_c(processors: int, busy: float) -> float:
    """Return how likely a request waits."""
    blocked = 1.0
    for number in range(1, processors + 1):
        blocked = busy * blocked / (number + busy * blocked)
    return blocked / (1 - busy / processors * (1 - blocked))
