"""The bounds of what a worker does at once: memory for large requests, and threads for what takes long."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import anyio

from rnaget_server.model.limits import Limits
from rnaget_server.model.memory import MemoryBudget

LARGE_BYTES = 64 << 10
"""A request of more bytes is a large one."""

# More threads would only wait for the interpreter, and keep others from it.
_COSTLY_AT_ONCE = 2
_READING_AT_ONCE = 8
_LOOKING_AT_ONCE = 1


@dataclass(frozen=True)
class Workload:
    """The memory and the threads of one worker that requests share.

    Attributes
    ----------
    memory
        What large requests take.
    limits
        How large one of them may be.
    """

    memory: MemoryBudget
    limits: Limits

    @cached_property
    def costly(self) -> anyio.CapacityLimiter:
        """The threads for requests that are large, so that those of small ones always find one."""
        return anyio.CapacityLimiter(_COSTLY_AT_ONCE)

    @cached_property
    def reading(self) -> anyio.CapacityLimiter:
        """The threads for requests that read very many cells before their reply begins."""
        return anyio.CapacityLimiter(_READING_AT_ONCE)

    @cached_property
    def looking(self) -> anyio.CapacityLimiter:
        """The thread in which changes are looked for before replies that need no other."""
        return anyio.CapacityLimiter(_LOOKING_AT_ONCE)
