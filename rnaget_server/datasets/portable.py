"""An open matrix as values that can be sent, by which another process, perhaps on another machine, opens the same.

What may be seen of it was decided before: hidden samples are sent as numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path

import numpy as np

from rnaget_server.catalog.object_storage import directory_of
from rnaget_server.catalog.records import Matrix
from rnaget_server.datasets.guarded import GuardedStore, Hidden
from rnaget_server.datasets.masked import without
from rnaget_server.datasets.opening import StoreCache
from rnaget_server.errors import CatalogChanged, ComputeFailure
from rnaget_server.model.axis import Positions
from rnaget_server.plugins import STORES, Registry
from rnaget_server.storage.access import FileAccess, FileLimits
from rnaget_server.storage.local import NO_FILE, version_at, version_of_all
from rnaget_server.storage.places import mirror_of

_State = tuple[int, int, int]
_CHANGED = "the data have just changed: ask again"
_NOT_SEEN = (
    "a worker of Dask does not see the data: have it mount their directory at the same path as the server, or have it "
    "read the same object storage"
)


@dataclass(frozen=True)
class PortableMatrix:
    """A matrix in one state of its files.

    Attributes
    ----------
    matrix
        Its record, without rules for its samples.
    states
        The state of each file, without the number of the device, which other machines have others of.
    hidden
        The samples that are not shown, if there are any.
    limits
        The bounds within which files are read.
    directory, url
        Where its catalogue is in object storage, and the directory that stands for that here; empty, if it is on disk.
    """

    matrix: Matrix
    states: tuple[_State, ...]
    hidden: Hidden | None
    limits: FileLimits
    directory: Path = Path()
    url: str = ""

    def open(self) -> GuardedStore:
        """Return the open store, in a process that sees the same files.

        Raises
        ------
        CatalogChanged
            If a file is in another state by now.
        ComputeFailure
            If a file is not there.
        StoreFailure
            If it cannot be read.
        """
        matrix = self._here()
        store = _stores(self.limits).open(matrix)
        versions = [version_at(path) for path in matrix.paths]
        if _states(matrix) != self.states or store.version != version_of_all(versions):
            raise CatalogChanged(_CHANGED)
        return store if self.hidden is None else store.shown_as(self.hidden.name, partial(without, self.hidden))

    def _here(self) -> Matrix:
        """Return the record with the paths of this machine."""
        if not self.url:
            matrix = self.matrix
        else:
            try:
                matrix = self._moved(_directory_of(self.url))
                if _states(matrix) != self.states:
                    _directory_of.cache_clear()
                    matrix = self._moved(_directory_of(self.url))
            except (OSError, ValueError, ModuleNotFoundError) as error:
                raise ComputeFailure(_NOT_SEEN) from error
        states = _states(matrix)
        if NO_FILE[1:] in states:
            raise ComputeFailure(_NOT_SEEN)
        if states != self.states:
            raise CatalogChanged(_CHANGED)
        return matrix

    def _moved(self, directory: Path) -> Matrix:
        paths = [directory / path.relative_to(self.directory) for path in self.matrix.paths]
        return replace(self.matrix, path=paths[0], shards=tuple(paths) if self.matrix.shards else ())


def portable(matrix: Matrix, store: GuardedStore, limits: FileLimits) -> PortableMatrix:
    """Return an open matrix as values that can be sent.

    Raises
    ------
    CatalogChanged
        If a file was replaced since it was opened.
    """
    versions = [version_at(path) for path in matrix.paths]
    if version_of_all(versions) != store.version[: len(NO_FILE)]:
        raise CatalogChanged(_CHANGED)
    mirror = mirror_of(matrix.path)
    url = ""
    if mirror is not None:
        from rnaget_server.storage.objects.mirror import opened_mirror

        url = opened_mirror(mirror.parent).place.url
    plain = replace(matrix, access=(), sample_access=None)
    return PortableMatrix(plain, _states(matrix), store.hidden, limits, mirror or Path(), url)


def pack(positions: Positions | None, size: int) -> bytes | None:
    """Return ascending positions on an axis of a size as a bit for each; None for all."""
    if positions is None:
        return None
    mask = np.zeros(size, bool)
    mask[positions] = True
    return np.packbits(mask).tobytes()


def unpack(packed: bytes | None, size: int) -> Positions | None:
    """Return what was packed."""
    return None if packed is None else np.flatnonzero(np.unpackbits(np.frombuffer(packed, np.uint8), count=size))


def _states(matrix: Matrix) -> tuple[_State, ...]:
    return tuple(version_at(path)[1:] for path in matrix.paths)


@cache
def _stores(limits: FileLimits) -> StoreCache:
    """Return the open files of this process."""
    return StoreCache(Registry(STORES), access=FileAccess(limits))


@cache
def _directory_of(url: str) -> Path:
    return directory_of(url)
