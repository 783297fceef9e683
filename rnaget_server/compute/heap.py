"""Memory that was freed and is used again, where glibc would give it back; other C libraries are left alone."""

from __future__ import annotations

import ctypes
from contextlib import suppress
from functools import cache

# Parameters of mallopt.
_MOST_MAPPED, _NONE = -4, 0
_TRIM_THRESHOLD, _MOST_KEPT = -1, 1 << 30


@cache
def reuse_memory() -> None:
    """Let malloc use the memory of large blocks again; for processes that work on one part after another.

    By itself it gives each large block back to the system, and a part takes half as long again, or twice: its pages
    come back one by one.
    """
    with suppress(AttributeError, OSError):  # another C library
        libc = ctypes.CDLL(None)
        libc.mallopt(_MOST_MAPPED, _NONE)
        libc.mallopt(_TRIM_THRESHOLD, _MOST_KEPT)
