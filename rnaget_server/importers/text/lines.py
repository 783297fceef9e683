"""The lines of a text file, plain or compressed, in blocks and with their numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rnaget_server.errors import ImportFailure
from rnaget_server.importers.compression import ERRORS, OpenedFile, damaged
from rnaget_server.importers.text.ranges import ByteRange, OpenedRange, Place

_CHUNK = 512 << 10
_LONGEST = 32 << 20
_BOM = b"\xef\xbb\xbf"


class TextLines:
    r"""Reads a file once, from its beginning. Lines end with ``\n``, ``\r\n`` or ``\r``; empty ones are passed over.

    Compression is recognised by the first bytes; gzip is unpacked in a thread of its own.

    Parameters
    ----------
    path
        The file.
    within
        The range to read; None: all. Lines are numbered from its beginning.
    """

    can_be_cut = True
    """False for a subclass whose lines are not those of the file as it is, or hang on those above them."""

    def __init__(self, path: Path, within: ByteRange | None = None) -> None:
        self.path = path
        self._file: OpenedFile | OpenedRange = (
            OpenedFile(path, threaded=True) if within is None else OpenedRange(path, within)
        )
        self._is_beginning = within is None or within.start == Place(0)
        self._size = max(path.stat().st_size, 1)
        self._tail: list[bytes] = []
        self._lines: list[bytes] = []
        self._numbers: Sequence[int] = []
        self._next = 1
        self._ended = False
        self._converted: Callable[[bytes], bytes] | None = None

    def __enter__(self) -> TextLines:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    @property
    def share(self) -> float:
        """The share of the file read so far, from 0 to 1."""
        return min(1.0, self._file.raw.tell() / self._size)

    def take(self) -> tuple[int, bytes] | None:
        """Return the next line and its number, or None at the end."""
        while not self._lines:
            if not self._more():
                return None
        number, line = self._numbers[0], self._lines[0]
        self._numbers, self._lines = self._numbers[1:], self._lines[1:]
        return number, line

    def peek(self, count: int) -> list[bytes]:
        """Return up to `count` lines that come next, without taking them."""
        while len(self._lines) < count and self._more():
            pass
        return self._lines[:count]

    @property
    def next_number(self) -> int:
        """The number of the line that comes next, as far as lines are read."""
        return self._numbers[0] if self._lines else self._next

    def put_back(self, number: int, line: bytes) -> None:
        """Let a line that was taken come next again."""
        self._numbers, self._lines = [number, *self._numbers], [line, *self._lines]

    def convert(self, function: Callable[[bytes], bytes]) -> None:
        """Give every line from here on as `function` returns it."""
        self._lines = [function(line) for line in self._lines]
        self._converted = function

    def again(self) -> TextLines:
        """Return the lines of the file from its beginning, converted as these are."""
        lines = type(self)(self.path)
        lines._converted = self._converted
        for name, value in vars(self).items():  # attributes that a subclass was given
            vars(lines).setdefault(name, value)
        return lines

    def recipe(self) -> LinesRecipe:
        """Return what is needed to read lines of the file as these are read; it can be pickled."""
        given = {name: value for name, value in vars(self).items() if not name.startswith("_") and name != "path"}
        return LinesRecipe(type(self), self._converted, given)

    def blocks(self) -> Iterator[tuple[Sequence[int], list[bytes]]]:
        """Yield what is left, as line numbers and lines, some hundred kilobytes at a time."""
        while self._lines or self._more():
            numbers, lines = self._numbers, self._lines
            self._numbers, self._lines = [], []
            if lines:
                yield numbers, lines

    def _more(self) -> bool:
        """Read one chunk; return False at the end of the file."""
        if self._ended:
            return False
        chunk = self._chunk()
        if not chunk:
            self._ended = True
            chunk = b"\n" if any(self._tail) else b""
        head, newline, tail = chunk.rpartition(b"\n")
        if newline:
            lines = b"".join([*self._tail, head]).split(b"\n")
            self._tail = [tail]
            self._add(lines)
        else:
            self._tail.append(tail)
            if len(self._tail) * _CHUNK > _LONGEST:
                raise ImportFailure("the line is longer than 32 MB: this is no text table", self.path, self._next)
        return True

    def _chunk(self) -> bytes:
        try:
            chunk: bytes = self._file.stream.read(_CHUNK)
            if chunk.endswith(b"\r"):
                chunk += self._file.stream.read(1)
        except ERRORS as error:
            raise damaged(self.path, error) from None
        if b"\0" in chunk:
            raise ImportFailure("the file holds binary data (a NUL byte) and is no text table", self.path)
        if b"\r" in chunk:
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        return chunk

    def _add(self, lines: list[bytes]) -> None:
        if self._next == 1 and self._is_beginning:
            lines[0] = lines[0].removeprefix(_BOM)
        numbers: Sequence[int] = range(self._next, self._next + len(lines))
        self._next += len(lines)
        if b"" in lines:
            kept = [(number, line) for number, line in zip(numbers, lines, strict=True) if line]
            numbers, lines = [number for number, _ in kept], [line for _, line in kept]
        if self._converted is not None:
            lines = [self._converted(line) for line in lines]
        if self._lines:
            numbers, lines = [*self._numbers, *numbers], self._lines + lines
        self._numbers, self._lines = numbers, lines


@dataclass(frozen=True)
class LinesRecipe:
    """The class of lines, their conversion, and the attributes that a subclass was given."""

    kind: type[TextLines]
    converted: Callable[[bytes], bytes] | None
    given: dict[str, Any]

    def open(self, path: Path, within: ByteRange | None = None) -> TextLines:
        """Return the lines of a file, or of a range of it."""
        lines = self.kind(path, within)
        lines._converted = self.converted
        vars(lines).update(self.given)
        return lines
