"""Functions that the workers of the tests are asked for."""

from __future__ import annotations

import os
import resource
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rnaget_server.errors import ImportFailure


class Killing(NamedTuple):
    """A part whose first attempt kills its worker."""

    number: int
    mark: Path


def squared(number: int) -> int:
    return number * number


def slow_squared(number: int) -> int:
    time.sleep(0.05)
    return number * number


def refused(number: int) -> int:
    if number == 3:
        raise ImportFailure(f"the cell {number} is no number", "values.tsv", number)
    return number


def waiting(mark: Path) -> int:
    """Return once a file is there."""
    for _ in range(600):
        if mark.exists():
            break
        time.sleep(0.1)
    return 0


def killed_once(part: Killing) -> int:
    try:
        part.mark.touch(exist_ok=False)
    except FileExistsError:
        return part.number
    os._exit(9)


def always_killed(number: int) -> int:
    os._exit(9)


def process(number: int) -> int:
    return os.getpid()


def page_faults(number: int) -> int:
    """Return how often the system has to give memory for blocks that are used one after the other."""
    before = resource.getrusage(resource.RUSAGE_THREAD).ru_minflt
    for _ in range(200):
        np.ones(256 << 10, np.uint8)
    return resource.getrusage(resource.RUSAGE_THREAD).ru_minflt - before
