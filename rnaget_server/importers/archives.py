"""Archives (zip, tar): what is in them, which of it is meant, and taking that out. They may be hostile."""

from __future__ import annotations

import contextlib
import fnmatch
import re
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from rnaget_server.errors import ImportFailure
from rnaget_server.importers.addresses import file_name
from rnaget_server.importers.compression import SUFFIX_PATTERN
from rnaget_server.importers.detect import HEAD_BYTES
from rnaget_server.importers.foreign import first_in_tar, names_in_zip
from rnaget_server.importers.quantifications.kinds import kind_of_name

_ZIP = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
_TAR_BLOCK = 512
# A list of files in memory: what a zip archive says at its end, and the headers of one file in a tar archive.
_MOST_LISTED, _MOST_OF_HEADERS, _MOST_MEMBERS = 8 << 20, 512 << 10, 100_000
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2)
_ENCRYPTED = 1
_EXTENSIONS_OF_TAR = (
    tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK
)  # fmt: skip
_MOST_SHOWN = 8
# Files of formats that are zip archives: spreadsheets and documents, stores of Zarr, arrays of NumPy.
_OF_A_FORMAT = re.compile(
    r"\[Content_Types\]\.xml|_rels/.*|(?:xl|word|ppt|docProps)/.*|mimetype|.*\.npy|(?:.*/)?(?:\.z\w+|zarr\.json)",
    re.DOTALL,
)
_HIDDEN = re.compile(r"(?:.*/)?(?:__MACOSX/|\.).*", re.DOTALL)
_ABOUT = re.compile(
    r"(?:read_?me|licen[cs]e|copying|changes|changelog|manifest|md5sums?|checksums?|filelist)(?:[._-].*)?"
    rf"|.*\.(?:md|rst|pdf|docx?|html?|json|ya?ml|xml|log|md5|sha\d+|png|jpe?g|svg|r|py|sh|bai|tbi|csi){SUFFIX_PATTERN}",
    re.IGNORECASE | re.DOTALL,
)
_MARKET = re.compile(rf".*\.mtx{SUFFIX_PATTERN}", re.IGNORECASE | re.DOTALL)
_LABELS = re.compile(
    rf"(?:(?:.*[._-])?(?:features|genes|barcodes)(?:[._-].*)?\.(?:tsv|csv|txt)|.*_(?:rows|cols)\.txt"
    rf"|.*\.mtx_(?:rows|cols)){SUFFIX_PATTERN}",
    re.IGNORECASE | re.DOTALL,
)
_FAULTS: tuple[type[Exception], ...] = (
    zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error, NotImplementedError, RuntimeError, ValueError
)  # fmt: skip
_TAKE_OUT = "take the file that you mean out of it yourself, and import that"


@dataclass(frozen=True)
class Member:
    """A regular file in an archive: its name there, its size, its size in the archive, and the record of the reader."""

    name: str
    size: int
    packed: int
    record: Any

    @property
    def base(self) -> str:
        """The name without directories."""
        return re.split(r"[/\\]", self.name)[-1]

    @property
    def folder(self) -> str:
        """The directory in the archive."""
        return self.name[: len(self.name) - len(self.base)]


def is_archive(head: bytes) -> bool:
    """Return whether data of this beginning are a zip or tar archive; spreadsheets and stores that are zip are none."""
    if head.startswith(_ZIP):
        return not any(_OF_A_FORMAT.fullmatch(name) for name in names_in_zip(head))
    return first_in_tar(head) is not None


class Archive:
    """An open archive, of which the list of files has been checked."""

    def __init__(self, file: IO[bytes], named: str) -> None:
        self._named = named
        self._reader: Any = None
        with self._faults():
            bounded: Any = _Bounded(file, named)  # as much of a file as the readers need
            is_zip = bounded.read(4) in _ZIP
            bounded.seek(0)
            if is_zip:
                self._reader = zipfile.ZipFile(bounded)
                self.kind, self.members = "zip", [*self._of_zip()]
            else:
                bounded.bound(_MOST_OF_HEADERS)
                self._reader = tarfile.open(fileobj=bounded, mode="r:", tarinfo=_TarHeader)  # noqa: SIM115
                self.kind, self.members = "tar", [*self._of_tar(bounded)]
            bounded.bound(None)

    def close(self) -> None:
        """Close the reader, not the file."""
        self._reader.close()

    @contextlib.contextmanager
    def stream(self, member: Member) -> Iterator[IO[bytes]]:
        """Give what is in a file of the archive; that it is damaged may show while it is read."""
        with self._faults():
            opened = self._reader.open if self.kind == "zip" else self._reader.extractfile
            with opened(member.record) as stream:
                yield stream

    @contextlib.contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except _FAULTS as error:
            raise ImportFailure(f"the archive is damaged or cut off ({error}): get it again", self._named) from None

    def _of_zip(self) -> Iterator[Member]:
        for record in self._reader.infolist():
            self._check_name(record.filename)
            if record.header_offset < 0:  # where a piece of the archive is lost; zipfile would look there
                raise zipfile.BadZipFile("a file of it begins before it does")
            mode = record.external_attr >> 16
            if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise self._no_file(record.filename)
            if not record.is_dir():
                yield Member(record.filename, record.file_size, record.compress_size, record)

    def _of_tar(self, file: _Bounded) -> Iterator[Member]:
        for number, record in enumerate(self._reader):
            if number >= _MOST_MEMBERS:
                raise ImportFailure(f"the archive has more than {_MOST_MEMBERS:,} files: {_TAKE_OUT}", self._named)
            self._check_name(record.name)
            if not (record.isfile() or record.isdir()):
                raise self._no_file(record.name)
            if record.isfile():
                yield Member(record.name, record.size, record.size, record)
            file.bound(_MOST_OF_HEADERS)
        # A header that is damaged ends the list without a word.
        file.seek(self._reader.offset)
        if file.read(_TAR_BLOCK).strip(b"\0"):
            raise tarfile.ReadError(f"no header at byte {self._reader.offset:,}")

    def _check_name(self, name: str) -> None:
        if ".." in re.split(r"[/\\]", name) or re.match(r"[/\\]|[A-Za-z]:[/\\]", name):
            raise ImportFailure(
                f"the archive has a file {_shown(name)}, which leads out of it, as none that is meant well does: "
                f"see where it is from; or {_TAKE_OUT}",
                self._named,
            )

    def _no_file(self, name: str) -> ImportFailure:
        return ImportFailure(
            f"{_shown(name)} in the archive is a link or a device and no file, which is never followed: {_TAKE_OUT}",
            self._named,
        )

    def check(self, member: Member) -> None:
        """Refuse a file that cannot be taken out of the archive.

        Raises
        ------
        ImportFailure
            If it is encrypted, or compressed in a way that is not read.
        """
        if self.kind == "tar":
            return
        if member.record.flag_bits & _ENCRYPTED:
            raise ImportFailure(f"{_shown(member.name)} in the archive needs a password: {_TAKE_OUT}", self._named)
        if member.record.compress_type not in _METHODS:
            raise ImportFailure(
                f"{_shown(member.name)} in the archive is compressed by a method that is not read: {_TAKE_OUT}",
                self._named,
            )


def choose(members: Sequence[Member], wanted: Sequence[str], named: str) -> list[Member]:
    """Return the files that are meant: those that `wanted` names, or the only one that may hold data.

    Raises
    ------
    ImportFailure
        If there is none or there are several; the message names them.
    """
    data = candidates(members)
    if not wanted:
        if len(data) == 1:
            return data
        if not data:
            raise ImportFailure(f"the archive holds no file with data{_listed(members, ', only ')}", named)
        refuse_results(data, named)
        raise ImportFailure(
            f"the archive has {len(data)} files that may be meant: name one by --member{_listed(data, ': ')}", named
        )
    found: dict[str, Member] = {}
    for name in wanted:
        matching = _matching(name, members, data)
        if not matching:
            raise ImportFailure(
                f"--member: the archive has no file {_shown(name)}{_listed(data, '; there are ')}", named
            )
        found |= {member.name: member for member in matching}
    return list(found.values())


def refuse_results_in(path: Path) -> None:
    """Refuse a zip or tar archive of what a quantifier has written of several samples; it is read from a directory.

    Raises
    ------
    ImportFailure
        If it is one, or a damaged archive.
    """
    with contextlib.suppress(OSError), path.open("rb") as file:  # the import says why it cannot be read
        if is_archive(file.read(HEAD_BYTES)):
            file.seek(0)
            with contextlib.closing(Archive(file, str(path))) as archive:
                refuse_results(candidates(archive.members), str(path))


def refuse_results(members: Sequence[Member], named: str) -> None:
    """Refuse the results of a quantifier of several samples.

    Raises
    ------
    ImportFailure
        If there are such files.
    """
    kinds = [kind for member in members if (kind := kind_of_name(member.base)) is not None]
    if len(kinds) > 1:
        raise ImportFailure(
            f"the archive has {len(kinds)} files of results of {kinds[0].program}, and such are read from a directory "
            "alone: unpack it, and import the directory",
            named,
        )


def candidates(members: Sequence[Member]) -> list[Member]:
    """Return the files that may hold data: no hidden ones, no notes about others, no labels of a MatrixMarket file."""
    visible = [member for member in members if not _HIDDEN.fullmatch(member.name.removeprefix("./"))]
    if len(visible) == 1:
        return visible
    markets = {member.folder for member in visible if _MARKET.fullmatch(member.base)}
    return [
        member
        for member in visible
        if not is_note(member) and not (member.folder in markets and _LABELS.fullmatch(member.base))
    ]


def is_note(member: Member) -> bool:
    """Return whether a file is about others, by its name."""
    return _ABOUT.fullmatch(member.base) is not None


def companions(members: Sequence[Member], chosen: Member) -> tuple[list[Member], list[str]]:
    """Return the files of labels next to a MatrixMarket file, and the names of other such files next to it."""
    if not _MARKET.fullmatch(chosen.base):
        return [], []
    near = [member for member in members if member.folder == chosen.folder and member is not chosen]
    labels = [member for member in near if _LABELS.fullmatch(member.base)]
    return labels, [member.base for member in near if _MARKET.fullmatch(member.base)]


def target_of(member: Member, named: str) -> str:
    """Return the name of the file that a member is written to.

    Raises
    ------
    ImportFailure
        If no name can be made of its own.
    """
    name = file_name(member.name)
    if not name:
        raise ImportFailure(f"the name {_shown(member.name)} in the archive is none for a file: {_TAKE_OUT}", named)
    return name


def _matching(name: str, members: Sequence[Member], data: Sequence[Member]) -> list[Member]:
    """Return the files that a name means: its own, the only one in any directory, or those that fit a pattern."""
    for exact in (
        [member for member in members if member.name.removeprefix("./") == name.removeprefix("./")],
        [member for member in members if member.base == name],
    ):
        if exact:
            return exact[-1:] if len({member.name for member in exact}) == 1 else exact
    return [
        member for member in data if fnmatch.fnmatchcase(member.name, name) or fnmatch.fnmatchcase(member.base, name)
    ]


def _listed(members: Sequence[Member], before: str) -> str:
    names = [_shown(member.name) for member in members[:_MOST_SHOWN]]
    more = f" and {len(members) - _MOST_SHOWN:,} more" if len(members) > _MOST_SHOWN else ""
    return f"{before}{', '.join(names)}{more}" if names else ""


def _shown(name: str) -> str:
    return ascii(name[:200])


class _Bounded:
    """A file that refuses to read a long list into memory, as readers of archives do without a question."""

    def __init__(self, file: IO[bytes], named: str, left: int | None = _MOST_LISTED) -> None:
        self._file, self._named, self._left = file, named, left
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, size: int = -1) -> bytes:
        """Read, unless it is too much for a list."""
        if self._left is None:
            return self._file.read(size)
        data = self._file.read(self._left + 1 if size < 0 else min(size, self._left + 1))
        if len(data) > self._left:
            raise ImportFailure(f"the list of the files in the archive is too long: {_TAKE_OUT}", self._named)
        self._left -= len(data)
        return data

    def bound(self, left: int | None) -> None:
        """Allow that many bytes from here on; None: any number, for the list has been read."""
        self._left = left


class _TarHeader(tarfile.TarInfo):
    """A header, of which the extensions are bounded before they are read."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> _TarHeader:
        """Return the header in a block."""
        header = super().frombuf(buf, encoding, errors)
        if header.type in _EXTENSIONS_OF_TAR and header.size > _TAR_BLOCK << 7:
            raise tarfile.ReadError("a header is too long")
        if header.type == tarfile.GNUTYPE_SPARSE or header.size < 0:
            raise tarfile.ReadError("a sparse file, or one of no size")
        return header
