"""The catalogue of a running server, taken anew when its files change."""

from __future__ import annotations

import logging
import os
import threading
import time
from pathlib import Path

from rnaget_server.catalog.load import load, watched_files
from rnaget_server.catalog.records import Catalog, Genome, Matrix, Record, TrackSet
from rnaget_server.errors import CatalogError

_log = logging.getLogger(__name__)


class LiveCatalog:
    """Holds the catalogue in service; files that changed are looked for at most every `interval` seconds.

    Raises
    ------
    CatalogError
        At the start, if there is no sound ``catalog.yaml``. Later, a catalogue that does not check
        leaves the old one in service, and the log says what is wrong.
    """

    def __init__(self, data: Path, interval: float) -> None:
        self._data = data
        self._interval = interval
        self._lock = threading.Lock()
        self._looked = time.monotonic()
        self._signature = self._sign()
        catalog, problems = load(data)
        if catalog is None:
            raise CatalogError(problems)
        for problem in problems:
            _log.error("left out: %s", self._shown(str(problem)))
        self._catalog = catalog

    @property
    def current(self) -> Catalog:
        """The catalogue in service."""
        if self._interval and time.monotonic() - self._looked >= self._interval and self._lock.acquire(blocking=False):
            try:
                self._refresh()
            finally:
                self._looked = time.monotonic()
                self._lock.release()
        return self._catalog

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
        kinds = {Matrix: catalog.matrices, TrackSet: catalog.track_sets, Genome: catalog.genomes}
        return kinds[type(record)].get(record.id) == record

    def _refresh(self) -> None:
        signature = self._sign()
        if signature == self._signature:
            return
        self._signature = signature
        catalog, problems = load(self._data)
        if catalog is None or problems:
            _log.error("the changed catalogue does not check, the old one stays in service:")
            for problem in problems:
                _log.error("%s", self._shown(str(problem)))
            return
        self._catalog = catalog
        _log.info("the changed catalogue is in service: %d matrices", len(catalog.matrices))

    def _sign(self) -> dict[str, tuple[int, int]]:
        signature = {}
        for path in watched_files(self._data):
            try:
                status = os.stat(path)
            except OSError:
                continue
            signature[path] = (status.st_mtime_ns, status.st_size)
        return signature

    def _shown(self, text: str) -> str:
        """Return the text with file names relative to the catalogue, since logs name no paths of the machine."""
        return text.replace(f"{self._data}/", "")
