"""Python's cycle collector, which goes through all that is held again and again while very much is read."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

# New containers between two looks: several times what a command imports; cells and labels are none.
_SELDOM = 500_000


@contextmanager
def uncollected() -> Iterator[None]:
    """Keep the collector still while values are read that have no cycles."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@contextmanager
def ends_soon() -> Iterator[None]:
    """Let the collector look for cycles seldom in a process that does one thing, and not at all when it ends.

    All memory goes back then at once, and what holds a file has closed it.
    """
    gc.set_threshold(_SELDOM)
    try:
        yield
    finally:
        gc.freeze()
