"""The definition of an attack."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

Run = Callable[[Path, bool], str]


_ADDITIONS = 3_000_000
# What they take on the machine that the limits in seconds are meant for.
_REFERENCE_SECONDS = 0.18


def slowness() -> float:
    """Return how many times longer than that machine this one takes at the moment; 1 if it is faster."""
    began = time.perf_counter()
    total = 0
    for number in range(_ADDITIONS):
        total += number
    return max(1.0, (time.perf_counter() - began) / _REFERENCE_SECONDS)


def is_within(seconds: float, limit: float) -> bool:
    """Return whether something took less than `limit`, or what that is at the pace of this machine right now."""
    return seconds < limit or seconds < limit * slowness()


@dataclass(frozen=True)
class Attack:
    """One thing that is tried.

    Attributes
    ----------
    kind
        The defence that it tests, such as ``foreign files``.
    tried
        What is tried, for the table.
    run
        Tries it in an empty directory, in short form if its second argument is true. It returns what came, or
        raises an AssertionError that says what came instead.
    """

    kind: str
    tried: str
    run: Run

    @property
    def name(self) -> str:
        """The name of the test."""
        return self.run.__name__


class Attacks(list[Attack]):
    """The attacks of one kind; an instance decorates the functions that run them.

    Parameters
    ----------
    kind
        The defence that they test.
    """

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def __call__(self, tried: str) -> Callable[[Run], Run]:
        """Return a decorator that adds a function as the attack that tries this."""

        def add(run: Run) -> Run:
            self.append(Attack(self.kind, tried, run))
            return run

        return add
