"""The blocks of tickets, kept in memory: clients ask for the same regions, and for the header before each."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from time import monotonic
from weakref import ref

from rnaget_server.apis.htsget.values import Block, ReadsQuery
from rnaget_server.catalog import ReadsFile
from rnaget_server.datasets.reads import OpenReads

_MOST_BYTES = 16 << 20
_EACH = 2 << 10
"""About how many bytes a query and its blocks take in addition to bytes that were made."""

_LARGEST = 256 << 10
_BELIEVED_SECONDS = 1.0
_MOST_FILES = 1_000
_Key = tuple[ReadsFile, ReadsQuery, str]


class RecentPlans:
    """The blocks of the queries that were asked last. Safe to share among threads.

    Parameters
    ----------
    most_bytes
        About how many bytes they may take.
    """

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        self._most = most_bytes
        self._held = 0
        self._lock = threading.Lock()
        self._kept: OrderedDict[_Key, tuple[str, Sequence[Block], int]] = OrderedDict()
        # Not held: a file that was deleted would keep its place on the disk.
        self._seen: dict[ReadsFile, tuple[ref[OpenReads], float]] = {}

    def opened(self, file: ReadsFile) -> OpenReads | None:
        """Return a file that was looked at within the last second, unless it has changed.

        Its status is looked at again; the system still has it in memory, so that no disk or network is waited for.
        """
        seen, until = self._seen.get(file, (None, 0.0))
        opened = seen() if seen is not None else None
        return opened if opened is not None and monotonic() < until and opened.is_current else None

    def saw(self, opened: OpenReads) -> None:
        """Keep that a file was looked at."""
        if len(self._seen) >= _MOST_FILES:
            self._seen.clear()
        self._seen[opened.record] = ref(opened), monotonic() + _BELIEVED_SECONDS

    def get(self, file: ReadsFile, version: str, query: ReadsQuery, rights: str) -> Sequence[Block] | None:
        """Return the blocks of a query for this version of a file, as those with these rights have them."""
        key = file, query, rights
        with self._lock:
            found = self._kept.get(key)
            if found is None or found[0] != version:
                return None
            self._kept.move_to_end(key)
            return found[1]

    def keep(self, file: ReadsFile, version: str, query: ReadsQuery, rights: str, blocks: Sequence[Block]) -> None:
        """Keep the blocks of a query, unless they are large or may become others without a change of the file."""
        regions = query.regions or ()
        # Only the sequences of the genome say which reference has a digest; they may be replaced.
        if len(regions) > 1 or query.is_partial or any(region.md5 is not None for region in regions):
            return
        size = _EACH + sum(7 * len(block.data or b"") // 3 + len(str(block.parameters)) for block in blocks)
        if size > _LARGEST:
            return
        key = file, query, rights
        with self._lock:
            replaced = self._kept.pop(key, None)
            self._held += size - (replaced[2] if replaced else 0)
            self._kept[key] = version, blocks, size
            while self._held > self._most:
                self._held -= self._kept.popitem(last=False)[1][2]
