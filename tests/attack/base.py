"""The definition of an attack."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

Run = Callable[[Path, bool], str]


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
