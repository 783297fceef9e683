"""The search indexes of a running server: made in a thread, so that no request waits for more than a moment."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from rnaget_server.datasets.repository import View
from rnaget_server.errors import CatalogChanged, StoreFailure
from rnaget_server.slicing.search.index import SearchIndex, first_index, full_index

_MOST_KEPT = 4
_LOOKS_EVERY = 2.0
# Files that could not be read are tried again then.
_RETRIES_EVERY = 15.0
_PAUSE = 0.001


@dataclass
class _Kept:
    """An index in service; when its files were last looked at; whether a thread makes a new one, and is done."""

    index: SearchIndex
    looked: float
    made: float
    is_making: bool = False
    done: threading.Event = field(default_factory=threading.Event)


class SearchIndexes:
    """The indexes of what principals may see, by their rights; those used last are kept.

    Parameters
    ----------
    seconds
        How often, at most, changed files are looked for.
    """

    def __init__(self, seconds: float = _LOOKS_EVERY) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    def prepare(self, view: Callable[[], View]) -> None:
        """Make the index of a view in a thread."""
        threading.Thread(target=lambda: self.current(view(), 0), name="search ahead", daemon=True).start()

    def current(self, view: View, patience: float) -> SearchIndex:
        """Return the index of a view.

        One that is not complete or not up to date is made in a thread, and this waits for so many seconds. What comes
        then may lack matrices, see `SearchIndex.is_complete`, or have them as they were.
        """
        with self._lock:
            kept = self._of(view)
            if not kept.is_making and self._is_old(kept):
                kept.is_making = True
                kept.done.clear()
                threading.Thread(target=self._make, args=(view, kept), name="search", daemon=True).start()
            is_making = kept.is_making
        if is_making and patience:
            kept.done.wait(patience)
        return kept.index

    def _of(self, view: View) -> _Kept:
        kept = self._kept.get(view.rights)
        if kept is None:
            kept = self._kept[view.rights] = _Kept(first_index(view.catalog, None), 0.0, 0.0)
            if len(self._kept) > _MOST_KEPT:
                self._kept.popitem(last=False)
        elif kept.index.catalog is not view.catalog:
            kept.index = first_index(view.catalog, kept.index)
        self._kept.move_to_end(view.rights)
        return kept

    def _is_old(self, kept: _Kept) -> bool:
        now = time.monotonic()
        if not kept.index.is_complete:
            return True
        if now - kept.looked < self._seconds:
            return False
        kept.looked = now
        has_failed = bool(kept.index.unavailable) and now - kept.made >= _RETRIES_EVERY
        return has_failed or not kept.index.is_current()

    def _make(self, view: View, kept: _Kept) -> None:
        # Not at a low priority: while such a thread waits for a processor, it may hold the interpreter.
        try:
            # If a file fails meanwhile, the next request tries again.
            with suppress(StoreFailure, CatalogChanged):
                index = full_index(view, kept.index, lambda: time.sleep(_PAUSE))
                with self._lock:
                    current = kept.index.catalog
                    kept.index = index if current is view.catalog else first_index(current, index)
        finally:
            with self._lock:
                kept.looked = kept.made = time.monotonic()
                kept.is_making = False
            kept.done.set()
