"""Open stores of one process, by matrix; a file that was replaced is opened anew."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from pathlib import Path

from rnaget_server.catalog.models import template_fields
from rnaget_server.catalog.records import Matrix, TrackSet
from rnaget_server.errors import Unavailable
from rnaget_server.registry import Registry
from rnaget_server.stores.access import FileAccess
from rnaget_server.stores.base import MatrixStore
from rnaget_server.stores.bigwig import BigWigStore
from rnaget_server.stores.failures import UnfitFile
from rnaget_server.stores.positions import PositionsStore
from rnaget_server.stores.tracks import TrackStore

_log = logging.getLogger(__name__)


class StoreCache:
    """Opens the data files of matrices and of sets of tracks, and keeps the last `most` of each open.

    A store that drops out is not closed but forgotten, since a reply may still be read from it; its file
    closes with the last reader.
    """

    def __init__(self, kinds: Registry, most: int = 256, access: FileAccess | None = None) -> None:
        self._kinds = kinds
        self._access = access or FileAccess()
        self._most = most
        self._lock = threading.Lock()
        self._told: dict[str, str] = {}
        self._open_tracks: OrderedDict[str, tuple[tuple[object, ...], TrackStore]] = OrderedDict()
        self._open: OrderedDict[str, tuple[tuple[object, ...], MatrixStore | str]] = OrderedDict()

    def open(self, matrix: Matrix) -> MatrixStore:
        """Return the open store of `matrix`.

        Raises
        ------
        Unavailable
            If the file is missing, unreadable, or lacks what the catalogue says of it.
        """
        key = (matrix, *_state(matrix.path))
        with self._lock:
            kept = self._open.get(matrix.id)
            if kept is None or kept[0] != key:
                _close_if_written_over(kept, key)
                kept = None
                self._open.pop(matrix.id, None)
                kept = (key, self._try(matrix))
                self._open[matrix.id] = kept
                if len(self._open) > self._most:
                    self._open.popitem(last=False)
            self._open.move_to_end(matrix.id)
        if isinstance(kept[1], str):
            raise Unavailable(
                f"the matrix {matrix.id} cannot be read at the moment; its provider has been told in the log"
            )
        return kept[1]

    def open_tracks(self, record: TrackSet) -> TrackStore:
        """Return the open store of a set of signal tracks.

        Raises
        ------
        Unavailable
            If a file is missing, unreadable, or of another genome than the others.
        """
        key = (record, *_state(record.path or record.tracks[0].path))
        with self._lock:
            kept = self._open_tracks.get(record.id)
            if kept is not None and kept[0] == key:
                self._open_tracks.move_to_end(record.id)
                return kept[1]
            _close_if_written_over(kept, key)
            kept = None
            self._open_tracks.pop(record.id, None)
            try:
                store = track_store(record, self._access)
            except OSError as error:
                if self._told.get(record.id) != str(error):
                    self._told[record.id] = str(error)
                    _log.error("the continuous set %s is not served: %s", record.id, error)
                raise Unavailable(
                    f"the set {record.id} cannot be read at the moment; its provider has been told in the log"
                ) from None
            self._open_tracks[record.id] = (key, store)
            self._open_tracks.move_to_end(record.id)
            if len(self._open_tracks) > self._most:
                self._open_tracks.popitem(last=False)
            return store

    def _try(self, matrix: Matrix) -> MatrixStore | str:
        problems = []
        try:
            store = open_store(matrix, self._kinds, self._access)
            problems = misfits(matrix, store)
        except OSError as error:
            problems = [str(error)]
        if not problems:
            return store
        for problem in problems:
            _log.error("the matrix %s is not served: %s", matrix.id, problem)
        return problems[0]


def open_store(matrix: Matrix, kinds: Registry, access: FileAccess | None = None) -> MatrixStore:
    """Return the opened file of `matrix`, by the first kind of store that recognises it.

    Raises
    ------
    OSError
        With a message that names no directory, if there is no such file or it cannot be read.
    """
    if not matrix.path.is_file():
        raise OSError(f"there is no file {matrix.path.name}")
    try:
        for kind in kinds.all().values():
            if kind.recognises(matrix.path):
                store: MatrixStore = kind(
                    matrix.path, matrix.feature_id, matrix.feature_name, matrix.sample_id, matrix.units, access
                )
                return store
    except UnfitFile as error:
        raise OSError(f"{matrix.path.name} {error}") from None
    except (OSError, KeyError, ValueError) as error:
        raise OSError(f"{matrix.path.name} is damaged or truncated ({_told(error, matrix.path)})") from None
    raise OSError(f"{matrix.path.name} is of no known kind ({', '.join(kinds.names)})")


def track_store(record: TrackSet, access: FileAccess | None = None) -> TrackStore:
    """Return the opened set of signal tracks.

    Raises
    ------
    OSError
        If a file is missing or cannot be read, the tracks are of two genomes, or an attribute that a filter names is
        not there. The message names no directory.
    """
    store: TrackStore
    if record.path is not None:
        if not record.path.is_file():
            raise OSError(f"there is no file {record.path.name}")
        try:
            store = PositionsStore(record.path, record.track_id, record.position, access)
        except UnfitFile as error:
            raise OSError(f"{record.path.name} {error}") from None
        except (OSError, KeyError, ValueError) as error:
            raise OSError(f"{record.path.name}: {_told(error, record.path)}") from None
    else:
        names = dict.fromkeys(name for track in record.tracks for name in track.attributes)
        attributes = {name: [track.attributes.get(name, "") for track in record.tracks] for name in names}
        samples = [track.sample for track in record.tracks]
        store = BigWigStore([track.path for track in record.tracks], {record.track_id: samples, **attributes})
    for one in record.filters.values():
        if one.attribute not in store.tracks.attributes:
            raise OSError(f"filter {one.name}: no track has the attribute {one.attribute!r}")
    return store


def misfits(matrix: Matrix, store: MatrixStore) -> list[str]:
    """Return what the catalogue says of a matrix and its file does not hold; empty if all is well."""
    axes = {"feature": store.features, "sample": store.samples}
    asked = [("feature_id", "feature", matrix.feature_id), ("sample_id", "sample", matrix.sample_id)]
    if matrix.feature_name is not None:
        asked.append(("feature_name", "feature", matrix.feature_name))
    asked += [("tsv labels", "feature", name) for name in matrix.tsv.labels]
    asked += [("tsv column", "sample", name) for name in template_fields(matrix.tsv.column)]
    asked += [(f"filter {one.name}", one.axis, one.attribute) for one in matrix.filters.values()]
    problems = [
        f"{what}: {matrix.path.name} has no {axis} attribute {name!r}; it has {', '.join(axes[axis].attributes)}"
        for what, axis, name in asked
        if name not in axes[axis].attributes
    ]
    for axis, name in (("feature", matrix.feature_id), ("sample", matrix.sample_id)):
        if name in axes[axis].attributes and (twice := axes[axis].index(name).repeated) is not None:
            problems.append(f"{matrix.path.name} has the {axis} id {twice!r} more than once: ids must be unique")
    return problems


def _close_if_written_over(kept: tuple[tuple[object, ...], object] | None, key: tuple[object, ...]) -> None:
    """Close the file of a store if it is the same file with other bytes in it, of which no reader may have more.

    HDF5 would take what it knows of the open file for what is in it now.
    """
    if kept is not None and kept[0][1] == key[1] and kept[0][2:] != key[2:]:
        getattr(kept[1], "close", lambda: None)()


def _state(path: Path) -> tuple[int, int, int]:
    try:
        status = path.stat()
    except OSError:
        return (0, 0, 0)
    return (status.st_ino, status.st_size, status.st_mtime_ns)


def _told(error: Exception, path: Path) -> str:
    line = str(error).splitlines()[0] if str(error) else type(error).__name__
    return line.replace(str(path), path.name)
