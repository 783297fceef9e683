"""Checksums that are computed before anybody asks for them, so that reports have them from the first time on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress

from rnaget_server.catalog import Catalog
from rnaget_server.datasets.files import OfferedFiles
from rnaget_server.errors import Unavailable

_LOOKS_EVERY = 60.0


def compute_ahead(files: Callable[[], OfferedFiles]) -> None:
    """Have the checksums of all files computed in a thread, and again when the catalogue has changed.

    One worker does it for all, and another if that one ends.

    Parameters
    ----------
    files
        Returns the files that are offered at the moment.
    """
    threading.Thread(target=_work, args=(files,), name="checksums ahead", daemon=True).start()


def _work(files: Callable[[], OfferedFiles]) -> None:
    done: Catalog | None = None
    while True:
        with files().offer.checksums.ahead() as is_mine:
            while is_mine:
                found = files()
                if found.catalog is not done:
                    _compute(found)
                    done = found.catalog
                time.sleep(_LOOKS_EVERY)
        time.sleep(_LOOKS_EVERY)


def _compute(files: OfferedFiles) -> None:
    for file in files.all():
        with suppress(Unavailable):  # the log says why
            files.compute(file)
