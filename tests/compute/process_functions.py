"""Functions that processes of the tests are asked for: each is given what is shared and a part."""

from __future__ import annotations

import mmap
import os
import signal
import tempfile
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnaget_server.errors import ImportFailure
from rnaget_server.stores.native.run_form import RunForm
from tests.compute import functions


def plus(shared: int, number: int) -> int:
    """Return the sum; the first parts take the longest."""
    time.sleep(0.02 * max(0, 5 - number))
    return shared + number


class TwoArguments(Exception):
    """An error that Python pickles and cannot read again."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(f"{first} and {second}")


def failing(shared: int, number: int) -> int:
    raise TwoArguments("one", "two")


def numbers(shared: int, number: int) -> NDArray[np.int64]:
    return np.arange(number, number + 1000)


def refused(shared: int, number: int) -> int:
    if number == 3:
        raise ImportFailure(f"the cell {number} is no number", "values.tsv", number)
    return number


def arrays(shared: int, number: int) -> dict[str, Any]:
    """Return arrays of several types and forms, and what is none."""
    cells = np.arange(number * 1000) + shared
    return {
        "number": number,
        "cells": cells,
        "small": cells.astype(np.uint8),
        "table": cells.astype(np.float32).reshape(-1, 10),
        "columns": cells.reshape(-1, 10).T,
        "steps": cells[::3],
        "empty": cells[:0],
        "text": np.array(["a", None], object),
    }


def large(shared: int, number: int) -> NDArray[np.int64]:
    return np.full(1 << 20, number)


def asleep(shared: int, seconds: float) -> int:
    """Return the number of the process."""
    time.sleep(seconds)
    return os.getpid()


def page_faults(shared: int, number: int) -> int:
    return functions.page_faults(number)


def killed(shared: int, number: int) -> int:
    if number == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def cut_short(shared: int, number: int) -> int:
    """Look at what was cut off from a file that is in memory."""
    with tempfile.TemporaryFile() as file:
        file.truncate(1 << 20)
        seen = mmap.mmap(file.fileno(), 1 << 20, prot=mmap.PROT_READ)
        file.truncate(0)
        return seen[1 << 19]


def encoded(shared: object, number: int) -> int:
    """Return how many bytes a layer's chunks take; for the first of them, a lock is made."""
    cells = np.arange(number) % 100
    return RunForm.of(number, np.dtype(np.uint16), number).encoded(cells, 0).chunks.size
