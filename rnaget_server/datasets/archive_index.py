"""The index of the archive that a server has in service, made again when the catalogue or a data file has changed."""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from rnaget_server import __version__
from rnaget_server.archive.index import ArchiveIndex
from rnaget_server.archive.writing import VERSION, IndexWriter
from rnaget_server.catalog.records import Catalog
from rnaget_server.datasets.archive_rows import write_records
from rnaget_server.datasets.repository import View
from rnaget_server.errors import RnagetError, Unavailable
from rnaget_server.storage.disk_cache import private_directory
from rnaget_server.storage.files import commit
from rnaget_server.storage.local import version_at
from rnaget_server.storage.temporary_directories import remove_abandoned, temporary_directory

_log = logging.getLogger(__name__)
_MOST_KEPT = 16
_PATIENCE = 2.0
_LOCK = "lock"
_OWN = "rnaget-archive-"


@dataclass(frozen=True)
class _Kept:
    """An index in service: what it was made of, and when that was last looked at."""

    catalog: Catalog
    digest: str
    key: str
    looked: float
    index: ArchiveIndex


class ArchiveIndexes:
    """The indexes of what principals may see.

    An index is made once for all workers of a machine, in `directory`, and found there after a restart. If it takes
    long to make a new one, requests are answered from the one before meanwhile.

    Parameters
    ----------
    directory
        Where the files are; made if need be. Where it cannot be used, each worker has files of its own.
    seconds
        How often, at most, changed data files are looked for. 0: never.
    """

    def __init__(self, directory: Path, seconds: float) -> None:
        self._directory = directory
        self._seconds = seconds
        self._making = threading.Lock()
        self._kept: dict[str, _Kept] = {}

    def prepare(self, view: Callable[[], View]) -> None:
        """Make the index of a view in a thread, so that the first request need not wait for it."""

        def make() -> None:
            # What it fails by is in the log, and the first request tries again.
            with suppress(RnagetError):
                self.current(view())

        threading.Thread(target=make, daemon=True).start()

    def current(self, view: View) -> ArchiveIndex:
        """Return the index of what a view has.

        Raises
        ------
        Unavailable
            If there is none, and it cannot be made.
        """
        kept = self._kept.get(view.rights)
        if kept is None or kept.index.is_damaged:
            return self._first(view)
        if self._is_fresh(view, kept):
            return kept.index
        if self._making.acquire(blocking=False):
            thread = threading.Thread(target=self._renew, args=(view, kept), daemon=True)
            thread.start()
            thread.join(_PATIENCE)
        return self._kept.get(view.rights, kept).index

    def _first(self, view: View) -> ArchiveIndex:
        """Return the index of a view that has none, or a damaged one, which is removed."""
        with self._making:
            kept = self._kept.get(view.rights)
            if kept is not None and not kept.index.is_damaged:
                return kept.index
            if kept is not None:
                kept.index.remove()
            return self._renewed(view, None).index

    def _renew(self, view: View, kept: _Kept) -> None:
        """Put the index of a view in the place of an older one, which stays if that fails."""
        try:
            with suppress(Unavailable):
                kept = self._renewed(view, kept)
            self._kept[view.rights] = replace(kept, catalog=view.catalog, looked=time.monotonic())
        finally:
            self._making.release()

    def _renewed(self, view: View, kept: _Kept | None) -> _Kept:
        same = kept is not None and kept.catalog is view.catalog
        digest = kept.digest if kept is not None and same else _catalog_digest(view)
        key = _key(view, digest)
        try:
            index = kept.index if kept is not None and kept.key == key else self._opened(view, key)
        except (OSError, sqlite3.Error) as error:
            reason = getattr(error, "strerror", None) or type(error).__name__
            _log.error("the index of the archive cannot be made: %s", reason)
            raise Unavailable("the index of the archive cannot be made at the moment: see the server log") from None
        self._kept.pop(view.rights, None)
        self._kept[view.rights] = renewed = _Kept(view.catalog, digest, key, time.monotonic(), index)
        while len(self._kept) > _MOST_KEPT:
            self._kept.pop(next(iter(self._kept)))
        return renewed

    def _is_fresh(self, view: View, kept: _Kept) -> bool:
        return kept.catalog is view.catalog and (not self._seconds or time.monotonic() - kept.looked < self._seconds)

    def _opened(self, view: View, key: str) -> ArchiveIndex:
        directory = self._usable()
        path = directory / key
        with _locked(directory / _LOCK):
            if path.is_file():
                with suppress(OSError):
                    return ArchiveIndex(path, _InUse(path).remove)
            temporary = directory / f"{key}.part"
            temporary.unlink(missing_ok=True)
            try:
                _write(view, temporary)
                commit(temporary, path)
            finally:
                temporary.unlink(missing_ok=True)
            _remove_others(directory, path)
            return ArchiveIndex(path, _InUse(path).remove)

    def _usable(self) -> Path:
        try:
            return private_directory(self._directory)
        except OSError as error:
            _log.warning("cache_directory cannot be used for the index of the archive: %s", error.strerror)
            remove_abandoned(_OWN)
            own = ExitStack()
            self._directory = own.enter_context(temporary_directory(_OWN))
            weakref.finalize(self, own.close)
            return self._directory


class _InUse:
    """A file that other processes do not remove as long as this is kept. To be made while they are locked out.

    Parameters
    ----------
    path
        The file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = os.open(path, os.O_RDONLY)
        weakref.finalize(self, os.close, self._descriptor)
        fcntl.flock(self._descriptor, fcntl.LOCK_SH)

    def remove(self) -> None:
        """Remove the file, unless another process has put a new one in its place."""
        with suppress(OSError), _locked(self._path.with_name(_LOCK)):
            if os.path.samestat(os.fstat(self._descriptor), self._path.stat()):
                self._path.unlink()


def _write(view: View, path: Path) -> None:
    writer = IndexWriter(path)
    try:
        write_records(view, writer)
        writer.finish()
    finally:
        writer.close()


def _catalog_digest(view: View) -> str:
    """Return a digest of all that the catalogue says."""
    catalog = view.catalog
    digest = hashlib.sha256(repr((__version__, VERSION, catalog.service)).encode("utf-8", "surrogatepass"))
    for record in (*catalog.projects.values(), *catalog.genomes.values(), *catalog.taxa.values()):
        digest.update(repr(record).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def _key(view: View, catalog: str) -> str:
    """Return a digest of all that an index depends on: the catalogue, and the files that it names."""
    paths = [path for matrix in view.catalog.matrices.values() for path in matrix.paths]
    paths += [genome.path for genome in view.catalog.genomes.values()]
    paths += [tracks.path for tracks in view.catalog.track_sets.values() if tracks.path is not None]
    versions = [tuple(version_at(path)) for path in paths]
    return hashlib.sha256(repr((catalog, view.rights, sorted(view.offer.groups), versions)).encode()).hexdigest()[:40]


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Keep other processes from making the same index meanwhile."""
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _remove_others(directory: Path, path: Path) -> None:
    """Remove the indexes that no process uses."""
    for other in directory.iterdir():
        with suppress(OSError):
            if other.name not in (path.name, _LOCK):
                with other.open("rb") as file:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    other.unlink()
