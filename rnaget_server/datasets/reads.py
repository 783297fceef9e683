"""Open files of alignments and variants: the file, its index and its header, and the bytes that answer a request."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Literal

from rnaget_server import __version__
from rnaget_server.catalog.records import ReadsFile
from rnaget_server.datasets.guarded import Guard
from rnaget_server.errors import DamagedFile
from rnaget_server.reads.files import Header, Piece, Region, check_index, find_pieces, read_header
from rnaget_server.storage.local import LocalFile

_VERSION_LENGTH = 20


class OpenReads:
    """An open file of alignments or variants. Safe to share among threads.

    Attributes
    ----------
    record
        What the catalogue says of it.
    file
        The file.
    header
        What its header says.
    version
        A text that is equal for the same state of file and index, and for the same pieces of them.
    """

    def __init__(self, record: ReadsFile, guard: Guard) -> None:
        self.record = record
        self._guard = guard
        self.file, self._index = open_files(record)
        self.header = checked_header(record, self.file, self._index)
        states = [file.version.state for file in (self.file, self._index) if file is not None]
        self.version = hashlib.sha256(repr((states, __version__)).encode()).hexdigest()[:_VERSION_LENGTH]

    @property
    def has_index(self) -> bool:
        """Whether regions can be found in it."""
        return self._index is not None

    @cached_property
    def names(self) -> frozenset[str]:
        """The names of its references."""
        return frozenset(reference.name for reference in self.header.references)

    @cached_property
    def names_by_md5(self) -> dict[str, set[str]]:
        """The names of references by the digest of their bases, where the header has it."""
        found: dict[str, set[str]] = {}
        for reference in self.header.references:
            if reference.md5 is not None:
                found.setdefault(reference.md5.lower(), set()).add(reference.name)
        return found

    def read(self, piece: Piece) -> bytes:
        """Return the bytes of a piece.

        Raises
        ------
        StoreFailure
            If they cannot be read.
        """
        with self._guard:
            data = self.file.read(piece.offset, piece.length)
            self.file.check_unchanged()
            return data

    def pieces(self, regions: Sequence[Region] | None, only: Literal["header"] | None = None) -> list[Piece]:
        """Return the bytes of the file that hold some regions, or all of it; see `find_pieces`.

        Raises
        ------
        StoreFailure
            If the file or its index cannot be read.
        """
        with self._guard, _naming(self.record.path):
            return find_pieces(self.file, self._index, self.header, regions, only)


def open_files(record: ReadsFile) -> tuple[LocalFile, LocalFile | None]:
    """Return the open file and index.

    Raises
    ------
    OSError
        If one is not there; the message names no directory.
    """
    opened = []
    for path in record.paths:
        if not path.is_file():
            raise OSError(f"there is no file {path.name}")
        opened.append(LocalFile.open(path))
    return opened[0], opened[1] if len(opened) > 1 else None


def checked_header(record: ReadsFile, file: LocalFile, index: LocalFile | None) -> Header:
    """Return the header of a file that is what the catalogue says, and has the right index.

    Raises
    ------
    OSError
        If it is not; the message names no directory.
    """
    name = record.path.name
    if record.size is not None and file.size != record.size:
        raise OSError(
            f"{name} has {file.size:,} bytes, and the catalogue says {record.size:,}: import it again with --replace"
        )
    with _naming(record.path):
        header = read_header(file)
    if header.format != record.format:
        raise OSError(f"{name} is {header.format}, and the catalogue says {record.format}: correct the format there")
    if index is not None and record.index is not None:
        with _naming(record.index):
            check_index(file, index, header)
    return header


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Turn what is wrong with a file into an OSError that names it."""
    try:
        yield
    except DamagedFile as error:
        raise OSError(f"{path.name}: {error}") from None


def reads_problems(record: ReadsFile) -> list[str]:
    """Return what keeps a file from being served; empty if all is well."""
    opened: tuple[LocalFile | None, ...] = ()
    try:
        opened = open_files(record)
        file, index = opened
        assert file is not None
        checked_header(record, file, index)
    except OSError as error:
        return [str(error)]
    finally:
        for one in opened:
            if one is not None:
                one.close()
    return []
