"""The bounds within which data files are read, and the memory for what is read again and again."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rnaget_server.storage.known_contents import KnownContents

if TYPE_CHECKING:
    from rnaget_server.storage.arrays import ArrayCache


@dataclass(frozen=True)
class FileLimits:
    """The bounds of what a data file may ask of the process that reads it; a file that asks for more is refused.

    Attributes
    ----------
    chunk_bytes
        Most bytes of one chunk, decoded.
    column_bytes
        Most bytes that are decoded at once: one attribute of all features or samples, one row of a sparse matrix.
    expansion
        How many times larger than the file a dataset of more than 256 MiB may be, decoded.
    min_free_bytes
        Bytes of the disk that an import leaves free. 0: none.
    """

    chunk_bytes: int = 64 << 20
    column_bytes: int = 256 << 20
    expansion: int = 1000
    min_free_bytes: int = 0


DEFAULT_LIMITS = FileLimits()


def _new_cache() -> ArrayCache:
    # Not at the top, since the bounds are settings, which most commands read without numpy.
    from rnaget_server.storage.arrays import ArrayCache

    return ArrayCache()


@dataclass(frozen=True)
class FileAccess:
    """The bounds and the memory with which every store of a process is opened.

    Attributes
    ----------
    limits
        The bounds.
    arrays
        Arrays of files.
    contents
        What is known of native files.
    """

    limits: FileLimits = DEFAULT_LIMITS
    arrays: ArrayCache = field(default_factory=_new_cache)
    contents: KnownContents = field(default_factory=KnownContents)
