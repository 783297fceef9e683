"""The catalogue of a running server, reloaded when its files change."""

from __future__ import annotations

import logging
import os
import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from rnaget_server.catalog.load import load, watched_files
from rnaget_server.catalog.records import Catalog, Genome, Matrix, ReadsFile, Record, TrackSet
from rnaget_server.catalog.shards import WatchedPatterns, is_pattern
from rnaget_server.errors import CatalogError, Problem
from rnaget_server.storage.local import regular_bytes

_log = logging.getLogger(__name__)
_MOST_LINES = 200
_OUTAGE_SECONDS = 60
_ACCESS = re.compile(rb"\baccess\b[\"']?\s*:")


@dataclass(frozen=True)
class CatalogState:
    """The state of the catalogue in service: when it was read, and what is wrong with its files.

    Attributes
    ----------
    read
        When it was read, in UTC.
    problems
        The mistakes in it, for which parts are left out; file names are relative to its directory.
    refused
        The mistakes in changed files, for which they were not taken over; none if they are in service.
    may_be_restricted
        True if there are mistakes, and some file says who may see what, or cannot be read: the mistakes may be in what
        not everybody may see.
    """

    read: datetime
    problems: tuple[Problem, ...] = ()
    refused: tuple[Problem, ...] = ()
    may_be_restricted: bool = False


class LiveCatalog:
    """Holds the catalogue in service; files that changed are looked for at most every `interval` seconds.

    Of a catalogue that is elsewhere, `update` takes over into the directory what has changed.

    Raises
    ------
    CatalogError
        At the start, if there is no valid ``catalog.yaml``. Later, a catalogue that does not check
        leaves the old one in service, and the log says what is wrong.
    """

    def __init__(self, data: Path, interval: float, update: Callable[[], None] = lambda: None) -> None:
        self._update = update
        self._data = data
        self._interval = interval
        self._lock = threading.Lock()
        self._looked = time.monotonic()
        self._signature = self._sign()
        catalog, problems = load(data)
        if catalog is None:
            raise CatalogError(problems)
        self._catalog = catalog
        self._watched = WatchedPatterns()
        self._matched = _matched(catalog)
        self.changed = max(modified for modified, _ in self._signature.values())
        """When the catalogue in service was last changed, in nanoseconds since 1970."""
        restricted = bool(problems) and self._may_be_restricted()
        self._state = CatalogState(datetime.now(UTC), self._relative(problems), may_be_restricted=restricted)
        self._say_all("left out: ", self._state.problems)

    @property
    def state(self) -> CatalogState:
        """The state of the catalogue in service."""
        return self._state

    @property
    def current(self) -> Catalog:
        """The catalogue in service; if `is_due`, its files are looked at first."""
        self.look_for_changes()
        return self._catalog

    def look_for_changes(self) -> None:
        """Look at the files if that `is_due`, and take over what has changed."""
        if self._is_old() and self._lock.acquire(blocking=False):
            try:
                self._refresh()
            finally:
                self._looked = time.monotonic()
                self._lock.release()

    @property
    def loaded(self) -> Catalog:
        """The catalogue in service as it was read last: nothing is waited for, and no file is looked at."""
        return self._catalog

    @property
    def is_due(self) -> bool:
        """True if `current` is going to look at the files, for which no event loop may wait."""
        return self._is_old() and not self._lock.locked()

    def _is_old(self) -> bool:
        return bool(self._interval) and time.monotonic() - self._looked >= self._interval

    def confirms(self, record: Record) -> bool:
        """Return whether the catalogue as it is on disk still says of a matrix or set what `record` does.

        For a record whose file is gone: an import may have put another in its place a moment ago. Without an
        interval, what is in service stays.
        """
        if not self._interval:
            return True
        with self._lock:
            self._refresh()
        catalog = self._catalog
        kinds: dict[type, Mapping[str, Record]] = {
            Matrix: catalog.matrices,
            TrackSet: catalog.track_sets,
            Genome: catalog.genomes,
            ReadsFile: catalog.read_files,
        }
        found = kinds[type(record)].get(record.id)
        if isinstance(found, Matrix) and isinstance(record, Matrix):  # which has the rules that bind who asks, or none
            found = replace(found, sample_access=record.sample_access)
        return found == record

    def _refresh(self) -> None:
        try:
            self._update()
        except OSError as error:
            # Again every minute: an outage that was over looks like the one before it.
            minute = int(time.time() // _OUTAGE_SECONDS)
            why = error.strerror or error
            self._say(logging.ERROR, f"changes of the catalogue cannot be looked for: {why}", minute)
        signature, matched = self._sign(), self._with_added_files()
        if signature == self._signature and matched == self._matched:
            return
        self._signature, self._matched = signature, matched
        catalog, problems = load(self._data)
        if catalog is None or problems:
            restricted = self._state.may_be_restricted or self._may_be_restricted()
            self._state = replace(self._state, refused=self._relative(problems), may_be_restricted=restricted)
            self._say(logging.ERROR, "the changed catalogue does not check, the old one stays in service:")
            self._say_all("", self._state.refused)
            return
        self._catalog = catalog
        self._matched = _matched(catalog)
        self.changed = time.time_ns()
        self._state = CatalogState(datetime.now(UTC))
        self._say(logging.INFO, f"the changed catalogue is in service: {len(catalog.matrices)} matrices")

    def _with_added_files(self) -> dict[str, tuple[Path, ...]]:
        """Return the files of matrices with patterns, with those that have come.

        As long as one is gone, a matrix stays what it was and cannot be read, so that no samples are missed in silence.
        """
        now = self._watched.files(self._catalog.matrices.values())
        matrices, before = self._catalog.matrices, self._matched
        return {id: paths if _has_all(matrices[id], before[id], paths) else before[id] for id, paths in now.items()}

    def _sign(self) -> dict[str, tuple[int, int]]:
        signature = {}
        for path in watched_files(self._data):
            try:
                status = os.stat(path)
            except OSError:
                continue
            signature[path] = (status.st_mtime_ns, status.st_size)
        return signature

    def _may_be_restricted(self) -> bool:
        for path in watched_files(self._data):
            try:
                if _ACCESS.search(regular_bytes(Path(path))):
                    return True
            except FileNotFoundError:
                continue
            except OSError:
                return True
        return False

    def _say(self, level: int, message: str, minute: int = 0) -> None:
        # Once among all workers, for each state of the files.
        state = (minute, sorted(self._signature.items()), self._matched)
        _log.log(level, "%s", message, extra={"once": repr(state)})

    def _say_all(self, start: str, problems: Sequence[Problem]) -> None:
        for problem in problems[:_MOST_LINES]:
            self._say(logging.ERROR, f"{start}{problem}")
        if len(problems) > _MOST_LINES:
            self._say(logging.ERROR, f"and {len(problems) - _MOST_LINES:,} more: `rnaget-server check` lists all")

    def _relative(self, problems: Iterable[Problem]) -> tuple[Problem, ...]:
        """Return problems with file names relative to the catalogue: logs and pages name no others of the machine."""

        def shown(text: str) -> str:
            return text.replace(f"{self._data}/", "").replace(str(self._data), "the catalogue")

        found = [
            replace(problem, path=Path(shown(str(problem.path))), message=shown(problem.message))
            for problem in problems
        ]
        return tuple(sorted(found, key=lambda problem: (str(problem.path), problem.line or 0, problem.column or 0)))


def _matched(catalog: Catalog) -> dict[str, tuple[Path, ...]]:
    """Return the files of the matrices of a catalogue that have patterns; see `WatchedPatterns`."""
    return {matrix.id: matrix.paths for matrix in catalog.matrices.values() if any(map(is_pattern, matrix.files))}


def _has_all(matrix: Matrix, before: Iterable[Path], now: Iterable[Path]) -> bool:
    """Return whether no file is gone; a pattern that matched none stood for itself."""
    patterns = (matrix.directory / name for name in matrix.files if is_pattern(name))
    return {*now, *patterns}.issuperset(before)
