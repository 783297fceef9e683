"""A file in object storage: its bytes by ranges, all of the version that was opened."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from typing import NamedTuple

from rnaget_server.storage.local import FileVersion, version_of
from rnaget_server.storage.objects.blocks import Blocks, Keeping
from rnaget_server.storage.objects.client import READ_BYTES, Client
from rnaget_server.storage.objects.failures import ObjectChanged, ObjectGone
from rnaget_server.storage.source import Presigned

# A request takes about as long as to read so much more.
_GAP = 256 << 10
_WINDOW = 16

# So much is one request, also across the end of a part.
_UNCUT = 1 << 20

_Range = tuple[int, int]


class _Part(NamedTuple):
    """A part of a range, or all of it; `goes_on` if the next part is of the same range."""

    offset: int
    size: int
    goes_on: bool


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
        if size <= READ_BYTES:
            return bytes(self._read(offset, size))
        return b"".join(self._read(at, min(READ_BYTES, offset + size - at)) for at in self._starts(offset, size))

    def read_at_once(self, offset: int, size: int) -> bytearray | None:
        """Return None: the place has to be waited for."""
        return None

    def read_kept(self, offset: int, size: int) -> bytes:
        """Return bytes that are read again and again, which are kept on this machine; for the errors see `read`."""
        self._check(offset, size)
        return self._blocks.read(self, offset, size)

    def presigned(self, seconds: int) -> Presigned:
        """Return how all bytes are read from the place itself; the URL holds for so many seconds.

        Raises
        ------
        OSError
            If no URL can be made.
        """
        # Of another state, the place sends nothing.
        return Presigned(self._client.presigned(self.key, seconds), {"If-Match": self.tag})

    def announce(self, ranges: Sequence[_Range]) -> None:
        """Do nothing: see `read_many`."""

    def read_many(self, ranges: Iterable[_Range], keep: bool = False) -> Iterator[bytes | memoryview]:
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
        waiting: deque[tuple[Future[memoryview], list[_Part]] | bytes] = deque()
        held = 0
        begun: list[memoryview] = []
        try:
            while True:
                # One that waits for who reads it holds up no other, and few bytes.
                while not waiting or (len(waiting) < _WINDOW and self._client.has_room(held)):
                    group = next(groups, None)
                    if group is None:
                        break
                    if isinstance(group, bytes):
                        waiting.append(group)
                        continue
                    start, stop = _span(group)
                    self._check(start, stop - start)
                    waiting.append((self._client.threads.submit(self._read, start, stop - start), group))
                    held += self._client.hold(stop - start)
                if not waiting:
                    return
                first = waiting.popleft()
                if isinstance(first, bytes):
                    yield first
                    continue
                data = first[0].result()
                held += self._client.hold(-len(data))
                for offset, part in _cut(data, first[1], begun):
                    if kept is not None:
                        kept.add(offset, part)
                    yield part
        finally:
            self._client.hold(-held)
            for one in waiting:
                if not isinstance(one, bytes):
                    one[0].cancel()
            if kept is not None:
                kept.end()

    def copy_to(self, number: int) -> None:
        """Write all bytes to another open file, by its number."""
        for data in self.read_many((at, min(READ_BYTES, self.size - at)) for at in self._starts(0, self.size)):
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
        return range(offset, offset + size, READ_BYTES)


def _span(group: list[_Part]) -> tuple[int, int]:
    """Return the first byte of parts in order, and the one after their last."""
    return group[0].offset, max(part.offset + part.size for part in group)


def _cut(data: memoryview, group: list[_Part], begun: list[memoryview]) -> Iterator[tuple[int, bytes | memoryview]]:
    """Yield offset and bytes of each range that ends with parts that were read together; `begun` has those before."""
    start = group[0].offset
    for offset, size, goes_on in group:
        begun.append(data[offset - start : offset - start + size])
        if not goes_on:
            whole = begun[0] if len(begun) == 1 else b"".join(begun)
            begun.clear()
            yield offset + size - len(whole), whole


def _unknown(offset: int, size: int) -> None:
    """Return None: nothing is kept."""


def _grouped(ranges: Iterable[_Range], known: Callable[[int, int], bytes | None]) -> Iterator[list[_Part] | bytes]:
    """Yield parts that are read together, each near the one before it; of ranges that are known, the bytes.

    Those that are read together end where a part does in which large objects are put, since stores keep these apart.
    """
    group: list[_Part] = []
    start = stop = limit = 0
    for offset, size in ranges:
        end = offset + size
        data = known(offset, size)
        is_near = bool(group) and start <= offset <= stop + _GAP
        # Within ranges that are read together, one that is known costs less than another request.
        is_let_out = data is not None and not (is_near and end <= limit)
        if group and (is_let_out or not is_near):
            yield group
            group = []
        if data is not None and is_let_out:
            yield data
            continue
        while True:
            if not group:
                start = stop = offset
                limit = (start // READ_BYTES + 1) * READ_BYTES
            after = max(stop, end)
            if after <= limit or after - start <= _UNCUT:
                group.append(_Part(offset, end - offset, False))
                stop = after
                break
            if offset < limit:
                group.append(_Part(offset, limit - offset, True))
                offset = limit
            yield group
            group = []
    if group:
        yield group
