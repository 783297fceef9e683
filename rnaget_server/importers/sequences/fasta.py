"""FASTA files, plain or compressed, read piece by piece in bounded memory."""

from __future__ import annotations

import string
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from rnaget_server.errors import ImportFailure
from rnaget_server.importers.compression import ERRORS, OpenedFile, damaged, unpacked
from rnaget_server.importers.detect import unreadable

_BLOCK = 4 << 20
_LOOKED_AT = 4096
_ERRORS: tuple[type[Exception], ...] = (OSError, *ERRORS)
_LONGEST_HEADER = 1 << 20
_UPPER = bytes.maketrans(string.ascii_lowercase.encode(), string.ascii_uppercase.encode())
_BLANK = b" \t\r\n"
_BOM = b"\xef\xbb\xbf"
_ALLOWED = string.ascii_letters.encode() + b"*" + _BLANK


@dataclass(frozen=True)
class Header:
    """The line that begins a record: its name, the rest of it, and its number in the file."""

    name: str
    description: str
    line: int


def is_fasta(path: Path) -> bool:
    """Return whether a file looks like FASTA: its first letter that is no blank is ``>``."""
    try:
        start = unpacked(path, _LOOKED_AT) if path.is_file() else b""
        return start.removeprefix(_BOM).lstrip(_BLANK).startswith(b">")
    except _ERRORS:
        return False


def _opened(path: Path) -> OpenedFile:
    if not path.is_file():
        raise FileNotFoundError(2, "no regular file", str(path))
    return OpenedFile(path)


def read_fasta(path: Path) -> Iterator[Header | bytes]:
    """Yield the header of each record, and then its letters in pieces: upper-case, without blanks and line ends.

    Raises
    ------
    ImportFailure
        If the file cannot be read, is cut off, or is no FASTA; with the line.
    """
    try:
        with _opened(path) as file:
            yield from _records(file, path)
    except ERRORS as error:
        raise damaged(path, error) from None
    except OSError as error:
        raise unreadable(path, error) from None


def _records(file: BinaryIO, path: Path) -> Iterator[Header | bytes]:
    line, at_line_start, begun, rest = 1, True, False, b""
    while True:
        block = _read(file, line == 1 and not begun)
        data = rest + block
        at = 0
        while at < len(data):
            if at_line_start and data[at] == ord(">"):
                stop = data.find(b"\n", at)
                if stop < 0 and block and len(data) - at <= _LONGEST_HEADER:
                    break
                stop = len(data) if stop < 0 else stop
                yield _header(data[at + 1 : stop], line, path)
                begun = True
                line += 1
                at = stop + 1
                continue
            stop = _next_record(data, at)
            text = data[at:stop]
            letters = text.translate(_UPPER, _BLANK)
            if text.translate(None, _ALLOWED) or (letters and not begun):
                raise _wrong_letter(text, line, begun, path)
            if letters:
                yield letters
            line += text.count(b"\n")
            at_line_start = text.endswith(b"\n")
            at = stop
        rest = data[at:]
        if not block:
            return


def _read(file: BinaryIO, first: bool) -> bytes:
    """Return the next piece of the file, with a line feed at every line end, and without a byte order mark in front."""
    block = file.read(_BLOCK)
    if first:
        block = block.removeprefix(_BOM)
    if block.endswith(b"\r"):
        block += file.read(1)
    return block.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if b"\r" in block else block


def _next_record(data: bytes, at: int) -> int:
    """Return where the next line with ``>`` begins, or the end; to look for one character takes a fraction of two."""
    stop = data.find(b">", at + 1)
    while stop > 0 and data[stop - 1] != ord("\n"):
        stop = data.find(b">", stop + 1)
    return stop if stop > 0 else len(data)


def _header(text: bytes, line: int, path: Path) -> Header:
    if len(text) > _LONGEST_HEADER:
        raise ImportFailure("the header of the record is longer than 1 MiB", path, line)
    try:
        name, _, description = text.decode().strip().partition(" ")
    except UnicodeDecodeError:
        raise ImportFailure("the header of the record is not UTF-8: convert the file by iconv", path, line) from None
    name, _, more = name.partition("\t")
    if not name:
        raise ImportFailure("the record has no name: write one right behind its '>'", path, line)
    return Header(name, f"{more} {description}".strip(), line)


def _wrong_letter(text: bytes, line: int, begun: bool, path: Path) -> ImportFailure:
    if not begun:
        return ImportFailure(
            "this is no FASTA: a record begins with '>' and its name (a matrix or tracks need --units)",
            path,
            line,
        )
    for number, row in enumerate(text.split(b"\n")):
        wrong = row.translate(None, _ALLOWED)
        if wrong:
            column = row.index(wrong[:1]) + 1
            shown = wrong[:1].decode("latin-1")
            return ImportFailure(
                f"{shown!r} in column {column} is no letter of a sequence: only A to Z and * are", path, line + number
            )
    return ImportFailure("this is no FASTA", path, line)
