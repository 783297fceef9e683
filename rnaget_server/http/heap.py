"""Memory that was freed and goes back to the system, where glibc would keep it; other C libraries are left alone."""

from __future__ import annotations

import ctypes
from functools import cache

_ARENA_MAX = -8
_ARENAS = 2


def keep_few_arenas() -> None:
    """Let threads share two heaps, where glibc would give each its own. To be called before threads are started."""
    libc = _glibc()
    if libc is not None:
        libc.mallopt(_ARENA_MAX, _ARENAS)


def trim() -> None:
    """Give back what was freed. It takes some milliseconds, without the interpreter's lock."""
    libc = _glibc()
    if libc is not None:
        libc.malloc_trim(0)


@cache
def _glibc() -> ctypes.CDLL | None:
    try:
        libc = ctypes.CDLL(None)
        libc.gnu_get_libc_version  # noqa: B018
    except (OSError, TypeError, AttributeError):
        return None
    return libc
