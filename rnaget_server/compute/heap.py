"""Memory that was freed and is used again, where glibc would give it back; other C libraries are left alone."""

from __future__ import annotations

import ctypes
from contextlib import suppress
from functools import cache

# Parameters of mallopt; of the second, the most that it takes.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4
_LARGEST_THRESHOLD = 32 << 20


@cache
def reuse_memory(most_kept: int, larger: bool = False) -> None:
    """Let malloc use the memory of large blocks again; for processes that work on one part after another.

    By itself it gives back blocks that are larger than what it has seen, or than a threshold that is set, as Dask sets
    one of 64 KB for its workers. Then a part takes half as long again, or twice: its pages come back one by one.

    Parameters
    ----------
    most_kept
        How many free bytes at the end of the heap are kept.
    larger
        True for blocks of any size, else for those of less than 32 MiB.
    """
    with suppress(AttributeError, OSError):  # another C library
        libc = ctypes.CDLL(None)
        if larger:
            libc.mallopt(_MMAP_MAX, 0)
        else:
            libc.mallopt(_MMAP_THRESHOLD, _LARGEST_THRESHOLD)
        libc.mallopt(_TRIM_THRESHOLD, most_kept)
