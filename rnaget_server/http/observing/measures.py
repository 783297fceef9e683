"""Numbers of one worker that others keep, and that are read for the metrics about once a second."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

Merged = Literal["sum", "max"]


@dataclass(frozen=True)
class Measure:
    """A number, or one for each value of a label.

    Attributes
    ----------
    name
        Its name among the metrics, without the prefix that all have.
    text
        What it is, for people.
    read
        Returns the numbers by the values of the label; that of ``""`` where there is no label.
    label
        The name of the label; empty if there is none.
    merged
        What the number of all workers is: the sum of theirs, or the highest.
    grows
        Whether it only ever grows while its process lives.
    """

    name: str
    text: str
    read: Callable[[], Mapping[str, float]]
    label: str = ""
    merged: Merged = "sum"
    grows: bool = False
