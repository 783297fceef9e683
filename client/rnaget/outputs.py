"""Outputs of bytes: each knows what it has, so that a transfer that broke off can go on."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path
from typing import IO, Any, BinaryIO

from rnaget.errors import ClientError

_MEMORY = 8 << 20
"""Bytes of a block that are kept in memory, before they go to a temporary file."""


class Output:
    """A file that is written from its present position on.

    Parameters
    ----------
    file
        Open for writing bytes.
    count
        Bytes before that position that an earlier run wrote.
    """

    def __init__(self, file: IO[bytes] | Any, count: int = 0) -> None:
        self._file = file
        self.validator: str | None = None  # what proves that the server still has what was written
        self.can_rewind = _can(file, "seekable")
        self.can_read = self.can_rewind and _can(file, "readable")
        self._base = file.tell() - count if self.can_rewind else 0
        self.count = count
        # What cannot be read again is compared by its digest when the same bytes come a second time.
        self._digest = None if self.can_read else hashlib.md5(usedforsecurity=False)

    def write(self, piece: bytes) -> None:
        """Add bytes."""
        rest = memoryview(piece)
        while rest:  # a file without a buffer may take only a part of them
            taken = self._file.write(rest)
            rest = rest[len(rest) if taken is None else taken :]
        self.count += len(piece)
        if self._digest is not None:
            self._digest.update(piece)

    def begin_hash(self) -> None:
        """Hash all that is written, and what an earlier run wrote."""
        if self._digest is not None:
            return
        self._digest = hashlib.md5(usedforsecurity=False)
        for start in range(0, self.count, 1 << 20):
            self._digest.update(self.written(start, min(1 << 20, self.count - start)))

    @property
    def md5(self) -> str | None:
        """The digest of what was written, if it is wanted."""
        return None if self._digest is None else self._digest.hexdigest()

    def restart(self) -> None:
        """Take back everything; raise ClientError where that is impossible."""
        if self.count and not self.can_rewind:
            raise ClientError("the file has changed on the server while it was sent: try again")
        if self.count:
            self._file.seek(self._base)
            self._file.truncate()
            self.count = 0
        self.validator = None
        if self._digest is not None:
            self._digest = hashlib.md5(usedforsecurity=False)

    def cut(self, count: int, rest: Output) -> None:
        """Keep so many bytes, and move what is beyond to another output; before anything is hashed."""
        for start in range(count, self.count, 1 << 20):
            rest.write(self.written(start, min(1 << 20, self.count - start)))
        self._file.seek(self._base + count)
        self._file.truncate()
        self.count = count

    def flush(self) -> None:
        """Hand over what is held back."""
        self._file.flush()

    def prefix(self) -> Prefix:
        """Return what proves that bytes which come again are those that were written."""
        return Prefix(self)

    def written(self, start: int, length: int) -> bytes:
        """Return a part of what was written; the position stays."""
        self._file.seek(self._base + start)
        part: bytes = self._file.read(length)
        self._file.seek(self._base + self.count)
        return part


class Prefix:
    """Compares bytes that come a second time with those that an output has."""

    def __init__(self, output: Output) -> None:
        self._output, self._count, self._whole = output, 0, output.count
        self._digest = None if output.can_read else hashlib.md5(usedforsecurity=False)

    def take(self, piece: bytes) -> tuple[bool, bytes]:
        """Return whether a piece is what was written there, and the part of it beyond what was written."""
        known = min(len(piece), self.left)
        part = piece[:known]
        if self._digest is None:
            is_same = self._output.written(self._count, known) == part
        else:
            self._digest.update(part)
            is_same = known < self.left or self._digest.hexdigest() == self._output.md5
        self._count += known
        return is_same, piece[known:]

    @property
    def left(self) -> int:
        """The number of bytes that are still to come again."""
        return self._whole - self._count


class Spool(Output):
    """A block that waits for its turn, in memory or a temporary file."""

    def __init__(self, directory: Path | None) -> None:
        folder = None if directory is None else str(directory)
        self.file: BinaryIO = tempfile.SpooledTemporaryFile(_MEMORY, dir=folder)  # type: ignore[assignment]  # noqa: SIM115
        super().__init__(self.file)

    def move(self, output: Output) -> None:
        """Write the block to `output`, and free its place."""
        with self.file:
            self.file.seek(0)
            while piece := self.file.read(1 << 20):
                output.write(piece)


def _can(file: Any, ability: str) -> bool:
    test = getattr(file, ability, None)
    return bool(test()) if test is not None else False
