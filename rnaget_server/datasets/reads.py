"""Open files of alignments and variants: the file, its index and its header, and the bytes that answer a request."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property, partial
from itertools import count
from pathlib import Path
from typing import Literal

from rnaget_server import __version__
from rnaget_server.catalog.records import ReadsFile
from rnaget_server.datasets.guarded import Guard
from rnaget_server.errors import DamagedFile, unknown_name
from rnaget_server.reads.files import (
    UNPLACED,
    Header,
    Index,
    NeededReferences,
    Piece,
    Region,
    check_index,
    find_pieces,
    pieces_of_chunks,
    read_header,
    read_index,
    reference_names,
    references_needed,
)
from rnaget_server.reads.transcode import FoundReferences, transcode
from rnaget_server.storage.local import version_at
from rnaget_server.storage.places import open_file
from rnaget_server.storage.source import OpenFile

_VERSION_LENGTH = 20
_MOST_INDEXED = 128 << 20
_NUMBERS = count()
_BLOCK = 4 << 20


class IndexCache:
    """The indexes that were used last, in memory, of all open files together. Safe to share among threads.

    Parameters
    ----------
    most_bytes
        About how many bytes they may take; the last one stays, however large it is.
    """

    def __init__(self, most_bytes: int = _MOST_INDEXED) -> None:
        self._most = most_bytes
        self._held = 0
        self._lock = threading.Lock()
        self._kept: OrderedDict[int, tuple[Index, int]] = OrderedDict()

    def get(self, number: int, make: Callable[[], tuple[Index, int]]) -> Index:
        """Return the index of an open file, which `make` gives with its size if it is not there."""
        with self._lock:
            found = self._kept.get(number)
            if found is not None:
                self._kept.move_to_end(number)
                return found[0]
        # Others need not wait meanwhile.
        index, size = make()
        with self._lock:
            if number not in self._kept:
                self._kept[number] = index, size
                self._held += size
            while self._held > self._most and len(self._kept) > 1:
                self._held -= self._kept.popitem(last=False)[1][1]
        return index


class OpenReads:
    """An open file of alignments or variants. Safe to share among threads.

    Parameters
    ----------
    record
        What the catalogue says of it.
    guard
        Makes one error of all that the file brings about.
    indexes
        Where its index is kept.

    Attributes
    ----------
    file
        The file.
    header
        What its header says.
    names
        The names of its references.
    version
        A text that is equal for the same state of file and index, and for the same pieces of them.
    """

    def __init__(self, record: ReadsFile, guard: Guard, indexes: IndexCache) -> None:
        self.record = record
        self._guard = guard
        self._indexes = indexes
        self._number = next(_NUMBERS)
        self.file, self._index = open_files(record)
        self.header, index = checked_header(record, self.file, self._index)
        if index is not None:
            indexes.get(self._number, lambda: (index, index.nbytes))
        self.names = frozenset(reference_names(self.header, index))
        # Without the device, whose number another machine has another of for the same files.
        states = [file.version[1:] for file in (self.file, self._index) if file is not None]
        self.version = hashlib.sha256(repr((states, __version__)).encode()).hexdigest()[:_VERSION_LENGTH]

    @property
    def has_index(self) -> bool:
        """True if regions can be found in it."""
        return self._index is not None

    @property
    def md5(self) -> str | None:
        """The MD5 digest of the file; none if the catalogue has that of another state, or of an unknown one."""
        return self.record.md5 if self.record.modified == self.file.version.modified else None

    @property
    def is_current(self) -> bool:
        """True if the files at the paths of the record are still these; nothing is read."""
        opened = [file.version for file in (self.file, self._index) if file is not None]
        return opened == [version_at(path) for path in self.record.paths]

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

    def transcoded(
        self,
        regions: Sequence[Region] | None,
        fields: Sequence[str] | None,
        tags: Sequence[str] | None,
        notags: Sequence[str],
        references: FoundReferences | None = None,
        exact: bool = False,
    ) -> Generator[bytes, None, None]:
        """Yield the reads of some regions, or all, without some of their fields and tags; see `transcode`.

        If `exact`, no other reads are among them.

        Raises
        ------
        StoreFailure
            If they cannot be read or decoded.
        """
        with self._guard, _naming(self.record.path):
            only = regions if exact else None
            pieces = self.pieces(regions, exact=exact)
            yield from transcode(self.file, pieces, self.header, fields, tags, notags, references, only)
            self.file.check_unchanged()

    def pieces(
        self, regions: Sequence[Region] | None, only: Literal["header"] | None = None, exact: bool = False
    ) -> list[Piece]:
        """Return the bytes of the file that hold some regions, or all of it; see `find_pieces`.

        Raises
        ------
        StoreFailure
            If the file or its index cannot be read.
        """
        with self._guard, _naming(self.record.path):
            index = None if regions is None else self._parsed_index()
            return find_pieces(self.file, index, self.header, regions, only, exact)

    def pieces_of_chunks(self, chunks: Sequence[tuple[int, int]]) -> list[Piece]:
        """Return the bytes of ranges of virtual offsets; see `reads.files.pieces_of_chunks`.

        Raises
        ------
        StoreFailure
            If they cannot be read.
        """
        with self._guard, _naming(self.record.path):
            return pieces_of_chunks(self.file, chunks)

    def needed_references(self, regions: Sequence[Region] | None) -> NeededReferences:
        """Return the references whose bases the records of regions are decoded with; see `references_needed`.

        Raises
        ------
        StoreFailure
            If the file or its index cannot be read.
        """
        with self._guard, _naming(self.record.path):
            return references_needed(self.file, self._parsed_index(), self.header, regions)

    def _parsed_index(self) -> Index | None:
        if self._index is None:
            return None
        return self._indexes.get(self._number, partial(_parsed, self._index, self.header))


def open_files(record: ReadsFile) -> tuple[OpenFile, OpenFile | None]:
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
        opened.append(open_file(path))
    return opened[0], opened[1] if len(opened) > 1 else None


def checked_header(record: ReadsFile, file: OpenFile, index: OpenFile | None) -> tuple[Header, Index | None]:
    """Return the header of a file that is what the catalogue says, and its index, which is the right one.

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
    if index is None or record.index is None:
        return header, None
    with _naming(record.index):
        parsed = read_index(index, header)
        check_index(file, parsed, header)
    return header, parsed


def _parsed(index: OpenFile, header: Header) -> tuple[Index, int]:
    parsed = read_index(index, header)
    return parsed, parsed.nbytes


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Turn what is wrong with a file into an OSError that names it."""
    try:
        yield
    except DamagedFile as error:
        raise OSError(f"{path.name}: {error}") from None


def reads_problems(record: ReadsFile, named: Collection[str] = ()) -> list[str]:
    """Return what is wrong with a file; empty if all is well. It is read from end to end, for its digest.

    `named` are the references that rules about its regions name, which it has to have.
    """
    opened: tuple[OpenFile | None, ...] = ()
    try:
        opened = open_files(record)
        file, index = opened
        assert file is not None
        header, parsed = checked_header(record, file, index)
        digest = None if record.md5 is None else _md5_of(file)
    except OSError as error:
        return [str(error)]
    finally:
        for file_or_index in opened:
            if file_or_index is not None:
                file_or_index.close()
    if digest != record.md5:
        return [
            f"{record.path.name} has the MD5 digest {digest}, and the catalogue says {record.md5}: "
            "import it again with --replace"
        ]
    names = reference_names(header, parsed)
    return [
        f"a rule of `regions` is about nothing: {unknown_name('reference', name, names)}"
        for name in sorted(set(named) - {*names, UNPLACED})
    ]


def _md5_of(file: OpenFile) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    for data in file.read_many((start, min(_BLOCK, file.size - start)) for start in range(0, file.size, _BLOCK)):
        digest.update(data)
    file.check_unchanged()
    return digest.hexdigest()
