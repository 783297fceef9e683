"""Strong entity tags of slices, by which caches and clients ask whether anything changed (RFC 9110, 8.8 and 13.1)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from starlette.requests import Request

from rnaget_server import __version__
from rnaget_server.catalog import Matrix, TrackSet

_MOST_FILES = 1000


def slice_tag(
    records: Iterable[Matrix | TrackSet],
    origin: Mapping[str, str],
    query: str,
    media_type: str,
) -> str | None:
    """Return the tag of a slice: a digest of what it is made of, and not of its bytes, which are yet to be made.

    It changes with the data files (their place, size and time), with what the catalogue says of them, with what is
    written of their `origin` into downloads, the query and the format. None for a set of too many files to look at.
    """
    digest = hashlib.sha256(repr((__version__, media_type, query, tuple(origin.items()))).encode())
    for record in records:
        paths = [record.path] if record.path is not None else [track.path for track in record.tracks]
        if len(paths) > _MOST_FILES:
            return None
        digest.update(repr((record, [_state(path) for path in paths])).encode())
    return f'"{digest.hexdigest()[:40]}"'


def unchanged(request: Request, tag: str | None) -> bool:
    """Return whether the client has the bytes of that tag already, by its If-None-Match."""
    asked = request.headers.get("if-none-match")
    if tag is None or asked is None:
        return False
    return asked.strip() == "*" or tag in [one.strip().removeprefix("W/") for one in asked.split(",")]


def _state(path: Path) -> tuple[int, int, int]:
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns
