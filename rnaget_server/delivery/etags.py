"""Strong entity tags, by which caches and clients ask whether anything changed (RFC 9110, 8.8 and 13.1)."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, entry_points, requires, version
from pathlib import Path

from rnaget_server.model.slice import Source
from rnaget_server.plugins import GROUPS
from rnaget_server.storage.places import text_of_states

_MAX_FILES = 1000
_PROGRAM = "rnaget-server"
# The clock of the file system runs behind by some milliseconds; in nanoseconds.
_CLOCK_TOLERANCE = 100_000_000


@dataclass(frozen=True)
class EntityTag:
    """The identity of the bytes of a reply."""

    key: str
    """A digest in hexadecimal digits."""

    newest: int
    """When the files behind it were last changed or replaced, in nanoseconds since 1970."""


@dataclass(frozen=True)
class TagBasis:
    """All that the bytes of a slice depend on. It holds none of its labels and cells.

    Attributes
    ----------
    sources
        The matrices or sets of tracks, with all that the catalogue says of them.
    origin
        What is written of its origin into downloads.
    query
        A digest of the query.
    format
        The media type and the extension of the format.
    software
        See `software`.
    rights
        What distinguishes principals who may see different things.
    """

    sources: tuple[Source, ...]
    origin: Mapping[str, str]
    query: str
    format: str
    software: str
    rights: str

    def tag(self) -> EntityTag | None:
        """Return the tag of the slice as its files are now; None for a set of too many tracks to look at.

        It is a digest of what the bytes are made of, which are yet to be made themselves.

        Raises
        ------
        OSError
            If a file is not there.
        """
        constant = (self.software, self.format, self.query, tuple(self.origin.items()), self.rights)
        digest = hashlib.sha256(repr(constant).encode())
        newest = 0
        for source in self.sources:
            paths = source.paths
            if len(paths) > _MAX_FILES and not getattr(source, "shards", ()):
                return None
            found = [path.stat() for path in paths]
            newest = max(newest, *(status.st_ctime_ns for status in found))
            digest.update(text_of_states(source, list(zip(paths, found, strict=True))).encode())
        return EntityTag(digest.hexdigest(), newest)

    def is_current(self, tag: EntityTag | None, began: int) -> bool:
        """Return whether bytes read since `began`, in nanoseconds since 1970, are what the tag stands for."""
        # The tag is of the files as they were then. A file replaced since the request began may have been read before.
        with suppress(OSError):
            return tag is not None and tag.newest < began - _CLOCK_TOLERANCE and tag == self.tag()
        return False


@cache
def software() -> str:
    """Return the versions of all that bytes are made by: this program, what it needs, and third parties' parts."""
    names = {re.split(r"[^\w.-]", line, maxsplit=1)[0] for line in requires(_PROGRAM) or ()} | {_PROGRAM}
    names |= {point.dist.name for group in GROUPS for point in entry_points(group=group) if point.dist is not None}
    found = []
    for name in sorted(names):
        with suppress(PackageNotFoundError):
            found.append(f"{name} {version(name)}")
    return ", ".join(found)


def file_tag(path: Path, status: os.stat_result) -> EntityTag:
    """Return the tag of a file that is sent as it is."""
    text = text_of_states(str(path), [(path, status)])
    return EntityTag(hashlib.sha256(text.encode()).hexdigest(), status.st_ctime_ns)
