"""Replies on disk, each with the ETag by which the server says whether it is still right."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

CACHE_BYTES = 500_000_000
"""Bytes that a cache has at most, unless it is said otherwise."""

_SHARE = 4
"""The part of the cache that one reply may take: a fourth."""


class Entry(NamedTuple):
    """A reply that was kept."""

    etag: str
    body: bytes
    headers: Mapping[str, str]
    about: Mapping[str, Any]


def cache_directory() -> Path:
    """Return where replies are kept: ``rnaget`` in the user's directory of caches."""
    base = os.environ.get("XDG_CACHE_HOME") or ""
    return (Path(base) if os.path.isabs(base) else Path.home() / ".cache") / "rnaget"


class Cache:
    """A directory of replies, of which the ones that were used longest ago go first.

    A cache that cannot be read or written is as good as none: nothing fails because of it.
    """

    def __init__(self, directory: Path, most: int = CACHE_BYTES) -> None:
        self._directory, self._most = directory, most

    @staticmethod
    def key(*parts: object) -> str:
        """Return the name of what is asked for; what differs in any part has another."""
        return hashlib.sha256(json.dumps([str(part) for part in parts]).encode()).hexdigest()

    def find(self, key: str) -> Entry | None:
        """Return what is kept of a key."""
        path = self._directory / key
        try:
            head, _, body = path.read_bytes().partition(b"\n")
            meta = json.loads(head)
            if meta["crc"] != zlib.crc32(body):
                raise ValueError
            with contextlib.suppress(OSError):
                os.utime(path)  # used just now
            return Entry(meta["etag"], body, meta["headers"], meta["about"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def keep(self, key: str, entry: Entry) -> None:
        """Keep a reply, if it is not too large; others make room for it."""
        if len(entry.body) > self._most // _SHARE:
            return
        meta = {"etag": entry.etag, "headers": dict(entry.headers), "about": dict(entry.about)}
        head = json.dumps({**meta, "crc": zlib.crc32(entry.body)}).encode()
        with contextlib.suppress(OSError):
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            temporary = self._directory / f".{os.urandom(8).hex()}"
            try:
                with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                    file.writelines((head, b"\n", entry.body))
                temporary.replace(self._directory / key)
            finally:
                temporary.unlink(missing_ok=True)
            self._make_room()

    def clear(self) -> None:
        """Remove everything."""
        for path in self._paths():
            path.unlink(missing_ok=True)

    def _make_room(self) -> None:
        known = []
        for path in self._paths():
            with contextlib.suppress(OSError):
                known.append((path.stat().st_mtime_ns, path.stat().st_size, path))
        size = sum(one[1] for one in known)
        for _, length, path in sorted(known):
            if size <= self._most:
                return
            path.unlink(missing_ok=True)
            size -= length

    def _paths(self) -> list[Path]:
        with contextlib.suppress(OSError):
            return [path for path in self._directory.iterdir() if len(path.name) == 64]
        return []
