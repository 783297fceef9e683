"""The scripts of libraries as gzip, which is made once for all workers of a machine."""

from __future__ import annotations

import gzip
import hashlib
import threading
import zlib
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

from rnaget_server.storage.disk_cache import DiskCache

if TYPE_CHECKING:
    from rnaget_server.web import Library

MOST_BYTES = 16 << 20
"""Bytes on disk; plotly.js and igv.js take two million."""

_LEVEL = 9


class CompressedLibraries:
    """Scripts as gzip, from the disk where some worker has put them.

    Parameters
    ----------
    cache
        Where they are kept; what is damaged there is made again.
    """

    def __init__(self, cache: DiskCache) -> None:
        self._cache = cache
        self._made: dict[str, bytes] = {}
        self._lock = threading.Lock()

    def prepare(self, libraries: Iterable[Library]) -> None:
        """Make those that are installed in a thread, so that no reader waits for them."""
        installed = [library for library in libraries if library.version is not None]

        def make() -> None:
            # At the usual priority: a reader who comes meanwhile waits for it.
            for library in installed:
                with suppress(OSError):  # whoever asks for it gets the error, and the log has it
                    self.of(library)

        threading.Thread(target=make, name="libraries", daemon=True).start()

    def of(self, library: Library) -> bytes:
        """Return a script as gzip.

        Raises
        ------
        OSError
            If it cannot be read.
        """
        found = self._made.get(library.name)
        if found is None:
            with self._lock:
                found = self._made.get(library.name) or self._kept_or_made(library)
                self._made[library.name] = found
        return found

    def _kept_or_made(self, library: Library) -> bytes:
        script = library.path.read_bytes()
        key = hashlib.sha256(script).hexdigest()
        with self._cache.lock(key):
            kept = self._kept(key, script)
            if kept is not None:
                return kept
            compressed = gzip.compress(script, _LEVEL, mtime=0)
            with self._cache.put(key) as file:
                file.write(compressed)
            return compressed

    def _kept(self, key: str, script: bytes) -> bytes | None:
        """Return what is on disk, if it is the script."""
        file = self._cache.open(key)
        if file is None:
            return None
        with file, suppress(OSError, EOFError, ValueError, zlib.error):
            compressed = file.read(MOST_BYTES)
            if gzip.decompress(compressed) == script:
                return compressed
        self._cache.remove(key)
        return None
