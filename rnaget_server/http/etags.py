"""Strong entity tags of slices, by which caches and clients ask whether anything changed (RFC 9110, 8.8 and 13.1)."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, entry_points, requires, version
from pathlib import Path

from starlette.requests import Request

from rnaget_server.catalog import Matrix, TrackSet

_MOST_FILES = 1000
_PROGRAM = "rnaget-server"
_GROUPS = ("rnaget_server.stores", "rnaget_server.writers")
_CODED = "-gzip"


@dataclass(frozen=True)
class Tag:
    """What the bytes of a reply are known by."""

    key: str
    """A digest in hexadecimal digits."""

    newest: int
    """When the files behind it were last changed or replaced, in nanoseconds since 1970."""

    def header(self, coded: bool = False) -> str:
        """Return the value of the header ETag; content coding makes other bytes of it."""
        return f'"{self.key[:40]}{_CODED if coded else ""}"'


def software() -> str:
    """Return the versions of all that bytes are made by: this program, what it needs, and third parties' parts."""
    names = {re.split(r"[^\w.-]", one, maxsplit=1)[0] for one in requires(_PROGRAM) or ()} | {_PROGRAM}
    names |= {point.dist.name for group in _GROUPS for point in entry_points(group=group) if point.dist is not None}
    found = []
    for name in sorted(names):
        with suppress(PackageNotFoundError):
            found.append(f"{name} {version(name)}")
    return ", ".join(found)


def slice_tag(
    records: Iterable[Matrix | TrackSet],
    origin: Mapping[str, str],
    query: str,
    media_type: str,
    software: str,
) -> Tag | None:
    """Return the tag of a slice: a digest of what it is made of, and not of its bytes, which are yet to be made.

    It changes with the data files (their place, size and time), with what the catalogue says of them, with what is
    written of their `origin` into downloads, the query, the format and the software. None for a set of too many files
    to look at.
    """
    digest = hashlib.sha256(repr((software, media_type, query, tuple(origin.items()))).encode())
    newest = 0
    for record in records:
        paths = [record.path] if record.path is not None else [track.path for track in record.tracks]
        if len(paths) > _MOST_FILES:
            return None
        found = [path.stat() for path in paths]
        newest = max(newest, *(one.st_ctime_ns for one in found))
        digest.update(repr((record, [_state(one) for one in found])).encode())
    return Tag(digest.hexdigest(), newest)


def file_tag(path: Path, status: os.stat_result) -> Tag:
    """Return the tag of a file that is sent as it is."""
    return Tag(hashlib.sha256(repr((str(path), _state(status))).encode()).hexdigest(), status.st_ctime_ns)


def unchanged(request: Request, tag: str | None) -> bool:
    """Return whether the client has the bytes of that tag already, by its If-None-Match."""
    asked = request.headers.get("if-none-match")
    if tag is None or asked is None or request.method == "POST":
        return False
    return asked.strip() == "*" or tag in [one.strip().removeprefix("W/") for one in asked.split(",")]


def _state(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_ino, status.st_size, status.st_mtime_ns
