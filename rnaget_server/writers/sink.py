"""A file to write to, out of which the bytes are taken as they come, and zip archives that are made so."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator
from typing import IO, Any, cast

_PIECE = 1 << 20
# The earliest that zip can say, so that equal files give equal bytes.
_DATE = (1980, 1, 1, 0, 0, 0)
_LEVEL = 1


class Sink:
    """A file to write to, out of which the bytes are taken as they come; until then, they are not copied."""

    closed = False

    def __init__(self) -> None:
        self._written: list[memoryview] = []
        self._size = 0

    def write(self, data: Any) -> int:
        """Keep some bytes, which must stay as they are until they are taken."""
        view = memoryview(data).cast("B")
        self._written.append(view)
        self._size += view.nbytes
        return view.nbytes

    def tell(self) -> int:
        """Return how many bytes were written, taken or not."""
        return self._size

    def flush(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""

    def taken(self) -> Iterator[bytes]:
        """Yield what was written since the last time, in pieces worth sending."""
        written, self._written = self._written, []
        pending: list[memoryview] = []
        size = 0
        written.reverse()
        while written:
            data = written.pop()
            for start in range(0, len(data), _PIECE):
                pending.append(data[start : start + _PIECE])
                size += len(pending[-1])
                if size >= _PIECE:
                    yield b"".join(pending)
                    pending, size = [], 0
        if pending:
            yield b"".join(pending)


def zipped(files: Iterable[tuple[str, Iterator[bytes]]], compressed: bool) -> Iterator[bytes]:
    """Yield a zip archive of files, each a name and its bytes."""
    sink = Sink()
    with zipfile.ZipFile(cast(IO[bytes], sink), "w", compresslevel=_LEVEL) as archive:
        for name, chunks in files:
            member = zipfile.ZipInfo(name, _DATE)
            member.compress_type = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
            # The size is not known beforehand, so that room must be left for a large one.
            with archive.open(member, "w", force_zip64=not compressed) as file:
                for chunk in chunks:
                    file.write(chunk)
                    yield from sink.taken()
    yield from sink.taken()
