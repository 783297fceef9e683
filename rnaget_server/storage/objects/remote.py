"""A file in object storage: its bytes by ranges, all of the version that was opened."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future

from rnaget_server.storage.local import FileVersion, version_of
from rnaget_server.storage.objects.blocks import Blocks, Keeping
from rnaget_server.storage.objects.client import Client
from rnaget_server.storage.objects.failures import ObjectChanged, ObjectGone

# A request takes about as long as to read so much more.
_GAP = 256 << 10
_MOST_AT_ONCE = 4 << 20
_WINDOW_BYTES = 32 << 20
_WINDOW = 16

_Range = tuple[int, int]


class RemoteFile:
    """An open file in object storage; a `ByteSource`. Safe to share among threads.

    Parameters
    ----------
    client
        The place that has it.
    key, tag
        Its key there, and its entity tag: of another state, nothing is read.
    status
        That of its stand-in on this machine, with its size and time.
    blocks
        Where what is read again and again is kept.
    missed
        Called where it is found to be another.
    """

    far = True
    """True: a read takes as long as many small ones on a disk."""

    def __init__(
        self,
        client: Client,
        key: str,
        tag: str,
        status: os.stat_result,
        blocks: Blocks,
        missed: Callable[[], None],
    ) -> None:
        self._client = client
        self._status = status
        self._blocks = blocks
        self._missed = missed
        self.key = key
        self.tag = tag
        self.version: FileVersion = version_of(status)
        self.size = self.version.size
        self.identity = f"{client.url}\n{key}\n{tag}\n{self.size}"
        """A text that no other state of any object has."""

    def close(self) -> None:
        """Do nothing: no connection is its own."""

    def status(self) -> os.stat_result:
        """Return the status of the state whose bytes are read."""
        return self._status

    def read(self, offset: int, size: int) -> bytes:
        """Return `size` bytes from an offset on.

        Raises
        ------
        OSError
            If there are fewer, or the object is another by now.
        """
        self._check(offset, size)
        if size <= _MOST_AT_ONCE:
            return bytes(self._read(offset, size))
        return b"".join(self._read(at, min(_MOST_AT_ONCE, offset + size - at)) for at in self._starts(offset, size))

    def read_at_once(self, offset: int, size: int) -> bytearray | None:
        """Return None: the place has to be waited for."""
        return None

    def read_kept(self, offset: int, size: int) -> bytes:
        """Return bytes that are read again and again, which are kept on this machine; for the errors see `read`."""
        self._check(offset, size)
        return self._blocks.read(self, offset, size)

    def read_many(self, ranges: Iterable[_Range], keep: bool = False) -> Iterator[bytes]:
        """Yield the bytes of each (offset, size) in turn; for the errors see `read`.

        Neighbours are read together, and several requests are under way at a time.

        Parameters
        ----------
        ranges
            The places.
        keep
            Whether the same ranges may be asked for again: they are looked up here, and kept if they are few.
        """
        kept = Keeping(self._blocks, self) if keep else None
        groups = _grouped(ranges, kept.known if kept is not None else _unknown)
        waiting: deque[tuple[Future[memoryview], list[_Range]] | bytes] = deque()
        held, ended = 0, False
        try:
            while True:
                while not ended and len(waiting) < _WINDOW and (held < _WINDOW_BYTES or not waiting):
                    group = next(groups, None)
                    if group is None:
                        ended = True
                    elif isinstance(group, bytes):
                        waiting.append(group)
                    else:
                        future = self._begin(group)
                        held += _size(group)
                        waiting.append((future, group))
                        del future
                if not waiting:
                    return
                first = waiting.popleft()
                if isinstance(first, bytes):
                    yield first
                    continue
                data, group = first[0].result(), first[1]
                del first
                held -= len(data)
                for offset, part in _cut(data, group):
                    if kept is not None:
                        kept.add(offset, part)
                    yield part
        finally:
            for one in waiting:
                if not isinstance(one, bytes):
                    one[0].cancel()
            if kept is not None:
                kept.end()

    def _begin(self, group: list[_Range]) -> Future[memoryview]:
        start, stop = _span(group)
        self._check(start, stop - start)
        return self._client.threads.submit(self._read_span, start, stop - start)

    def _read_span(self, offset: int, size: int) -> memoryview:
        """Return a part; what is copied of it is copied by who asked for it, range by range."""
        return self._read(offset, size) if size <= _MOST_AT_ONCE else memoryview(self.read(offset, size))

    def copy_to(self, number: int) -> None:
        """Write all bytes to another open file, by its number."""
        for data in self.read_many((at, min(_MOST_AT_ONCE, self.size - at)) for at in self._starts(0, self.size)):
            left = memoryview(data)
            while left:
                left = left[os.write(number, left) :]

    def check_unchanged(self) -> None:
        """Do nothing: each read is of the state that was opened."""

    def _read(self, offset: int, size: int) -> memoryview:
        try:
            return self._client.read(self.key, self.tag, offset, size)
        except (ObjectChanged, ObjectGone):
            self._missed()
            raise

    def _check(self, offset: int, size: int) -> None:
        if offset < 0 or size < 0 or offset + size > self.size:
            raise OSError("the file is cut off: it names a place beyond its end")

    @staticmethod
    def _starts(offset: int, size: int) -> range:
        return range(offset, offset + size, _MOST_AT_ONCE)


def _span(group: list[_Range]) -> _Range:
    """Return the first byte of ranges in order, and the one after their last."""
    return group[0][0], max(offset + size for offset, size in group)


def _size(group: list[_Range]) -> int:
    start, stop = _span(group)
    return stop - start


def _cut(data: memoryview, group: list[_Range]) -> Iterator[tuple[int, bytes]]:
    """Yield offset and bytes of each range of those that were read together."""
    start = _span(group)[0]
    for offset, size in group:
        yield offset, bytes(data[offset - start : offset - start + size])


def _unknown(offset: int, size: int) -> None:
    """Return None: nothing is kept."""


def _grouped(ranges: Iterable[_Range], known: Callable[[int, int], bytes | None]) -> Iterator[list[_Range] | bytes]:
    """Yield ranges that are read together, each near the one before it; of those that are known, the bytes."""
    group: list[_Range] = []
    start = stop = 0
    for offset, size in ranges:
        data = known(offset, size)
        after = max(stop, offset + size)
        if group and (offset < start or offset - stop > _GAP or after - start > _MOST_AT_ONCE):
            yield group
            group = []
        # Within ranges that are read together, one that is known costs less than another request.
        if data is not None and not group:
            yield data
            continue
        if not group:
            start, after = offset, offset + size
        group.append((offset, size))
        stop = after
    if group:
        yield group
