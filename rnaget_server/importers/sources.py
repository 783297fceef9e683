"""The sources as files: a file, the matrix in a directory or an archive, or what a pipe or an address gives."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from rnaget_server.errors import ImportFailure
from rnaget_server.importers.addresses import Address, file_name
from rnaget_server.importers.archives import Archive, Member, choose, companions, is_archive, target_of
from rnaget_server.importers.compression import without_suffix
from rnaget_server.importers.detect import HEAD_BYTES, unreadable
from rnaget_server.importers.foreign import TILEDB_GROUP, TILEDB_TO_H5AD, ZARR_MARKERS
from rnaget_server.importers.unpacking import Room, must_be_unpacked, unpack, write_stream
from rnaget_server.importers.zarr_archives import chosen_root, is_zarr_archive, take_out
from rnaget_server.storage.temporary_directories import OF_IMPORTS, remove_abandoned, temporary_directory
from rnaget_server.stores.failures import unwritten

_LISTED, _LOOKED_INTO = 5, 1000
_TILEDB = frozenset(("__group", "__schema", "__array_schema.tdb"))
_STDIN = frozenset(("-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"))
_OPEN_PIPE = re.compile(r"/dev/fd/(\d+)|/proc/(?:self|\d+)/fd/(\d+)")
_MATRICES = (".mtx", ".h5ad", ".h5", ".loom", ".gct", ".tsv", ".csv")


@dataclass(frozen=True)
class Sources:
    """The files to read in place of those that were named, how messages call them, and what was found on the way."""

    paths: tuple[Path, ...]
    tables: dict[str, tuple[Path, ...]] = field(default_factory=dict)
    shown: dict[Path, str] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()

    def in_words(self, message: str) -> str:
        """Return a message in which temporary files are called as they were named."""
        for path in sorted(self.shown, key=lambda path: -len(str(path))):
            message = message.replace(str(path), self.shown[path])
        return message


@dataclass(frozen=True)
class SourceOptions:
    """The bounds of temporary files, the files of archives that are meant, and the MD5 sum of the source."""

    room: Room
    members: tuple[str, ...] = ()
    md5: str | None = None


@contextlib.contextmanager
def opened_sources(
    named: Sequence[Path | Address],
    tables: Mapping[str, Sequence[Path | Address]],
    options: SourceOptions,
    stdin: IO[bytes] | None,
) -> Iterator[Sources]:
    """Give the files to read; what comes from pipes, addresses and archives is in temporary ones, removed afterwards.

    Those that killed imports have left are removed first.

    Parameters
    ----------
    named
        The sources.
    tables
        Further files, by the name of the option.
    options
        How they are read. Members and the MD5 sum are those of the sources.
    stdin
        The standard input, which `-` and ``/dev/stdin`` name; None if it is closed.

    Raises
    ------
    ImportFailure
        If one cannot be read, or it is not clear which file of a directory or an archive is meant.
    """
    remove_abandoned(OF_IMPORTS)
    with contextlib.ExitStack() as stack:
        opening = _Opening(stack, options.room, stdin)
        try:
            paths, files = _open_all(opening, named, tables, options)
        except ImportFailure as error:
            raise ImportFailure(Sources((), shown=opening.shown).in_words(str(error))) from None
        yield Sources(paths, files, opening.shown, tuple(opening.remarks))


def _open_all(
    opening: _Opening,
    named: Sequence[Path | Address],
    tables: Mapping[str, Sequence[Path | Address]],
    options: SourceOptions,
) -> tuple[tuple[Path, ...], dict[str, tuple[Path, ...]]]:
    if options.md5 is not None and len(named) > 1:
        raise ImportFailure("--md5 is the sum of one source, and there are several")
    paths = [path for source in named for path in opening.files(source, options.members, options.md5)]
    if options.members and not opening.archives:
        raise ImportFailure("--member names a file in an archive (zip, tar), and the source is none", str(named[0]))
    files = {name: tuple(opening.files(source, (), None)[0] for source in given) for name, given in tables.items()}
    return tuple(paths), files


class _Opening:
    """Makes files of sources, and remembers how messages call them."""

    def __init__(self, stack: contextlib.ExitStack, room: Room, stdin: IO[bytes] | None) -> None:
        self._stack, self._room, self._stdin = stack, room, stdin
        self._pipes: set[str] = set()
        self.shown: dict[Path, str] = {}
        self.remarks: list[str] = []
        self.archives = 0

    def files(self, source: Path | Address, members: Sequence[str], md5: str | None) -> list[Path]:
        """Return the files of a source: one, or those of an archive that `members` name."""
        named = str(source)
        path = self._downloaded(source, md5) if isinstance(source, Address) else self._local(source)
        if md5 is not None and not isinstance(source, Address):
            _check_md5(path, md5, named)
        path = self._unpacked(path, named)
        if not _begins(path, _is_packed):
            return [path]
        return self._of_archive(path, members, named)

    def _directory(self) -> Path:
        return self._stack.enter_context(temporary_directory(OF_IMPORTS))

    def _local(self, path: Path) -> Path:
        """Return the file itself, the matrix in a directory, or what a pipe gives."""
        pipe = _pipe(path, self._stdin)
        if pipe is None:
            return _file_of(path)
        if str(path) in self._pipes or (str(path) in _STDIN and _STDIN & self._pipes):
            raise ImportFailure("this is a pipe, which can be read once, and it is named twice", path)
        self._pipes.add(str(path))
        if pipe is not self._stdin:
            self._stack.callback(pipe.close)
        spooled = self._directory() / _name_of(path)
        self.shown[spooled] = str(path)
        _spool(pipe, spooled, path, self._room)
        return spooled

    def _downloaded(self, address: Address, md5: str | None) -> Path:
        from rnaget_server.importers.download import download  # only then: the library takes long to load

        found = download(address, self._directory(), md5, self._room)
        self.shown[found.path] = str(address)
        sum = (
            f"its MD5 sum {found.md5} is as announced" if found.checked else f"MD5 {found.md5}, with nothing to compare"
        )
        self.remarks.append(f"{address}: {found.size:,} bytes downloaded; {sum}")
        return found.path

    def _unpacked(self, path: Path, named: str) -> Path:
        """Return the file, or what is in it if that is compressed and cannot be read as a stream."""
        if not _is_file(path) or not must_be_unpacked(path, _is_packed):
            return path
        target = self._directory() / without_suffix(path.name)
        self.shown[target] = self.shown.get(path, named)
        size = unpack(path, target, self.shown[target], self._room)
        self.remarks.append(f"{self.shown[target]}: unpacked, {size:,} bytes")
        return target

    def _of_archive(self, path: Path, members: Sequence[str], named: str) -> list[Path]:
        """Return files of an archive, taken out of it; labels of a MatrixMarket file come with it."""
        self.archives += 1
        with path.open("rb") as file, contextlib.closing(Archive(file, named)) as archive:
            store = chosen_root(archive.members, members, named)
            if store is not None:
                return [self._store_of(archive, store, named)]
            chosen = choose(archive.members, members, named)
            found = []
            for member in chosen:
                directory = self._directory()
                labels, others = companions(archive.members, member)
                for other in others:  # whose the labels are depends on the matrices next to them
                    (directory / file_name(other)).touch()
                for each in (member, *labels):
                    self._take_out(archive, each, directory, named)
                found.append(directory / target_of(member, named))
                more = f", with {len(labels)} files of labels" if labels else ""
                self.remarks.append(
                    f"{named}: {archive.kind} archive, of it {member.name} ({member.size:,} bytes){more}"
                )
        return [self._unpacked(path, named) for path in found]

    def _store_of(self, archive: Archive, store: str, named: str) -> Path:
        """Return the mark of a Zarr store that is taken out of an archive."""
        directory = self._directory() / "store.zarr"
        self.shown[directory] = f"{named}/{store}".rstrip("/")
        mark = take_out(archive, store, directory, named, self._room)
        self.remarks.append(f"{named}: {archive.kind} archive of a Zarr store{f' ({store})' if store else ''}")
        return mark

    def _take_out(self, archive: Archive, member: Member, directory: Path, named: str) -> None:
        archive.check(member)
        target = directory / target_of(member, named)
        self.shown[target] = f"{named}/{member.name}"
        with archive.stream(member) as stream:
            write_stream(stream.read, target, self.shown[target], self._room, member.packed)


def _is_packed(head: bytes) -> bool:
    """Return whether data of this beginning are an archive of files, or of a Zarr store."""
    return is_archive(head) or is_zarr_archive(head)


def _is_file(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return False


def _begins(path: Path, as_such: Callable[[bytes], bool]) -> bool:
    """Return whether a file begins as such; what cannot be read does not, and the import says why."""
    if not _is_file(path):
        return False
    try:
        with path.open("rb") as file:
            return as_such(file.read(HEAD_BYTES))
    except OSError:
        return False


def _check_md5(path: Path, md5: str, named: str) -> None:
    if not _is_file(path):
        return
    with path.open("rb") as file:
        found = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if found != md5.lower():
        raise ImportFailure(f"the MD5 sum of the file is {found}, and --md5 says {md5}: get it again", named)


def _pipe(path: Path, stdin: IO[bytes] | None) -> IO[bytes] | None:
    """Return the open pipe that a path names: the standard input, or one that the shell has opened; else None."""
    if str(path) in _STDIN:
        if stdin is None or stdin.closed:
            raise ImportFailure("the standard input is closed: pass a file on, as by `zcat FILE | …`", path)
        if stdin.isatty():
            raise ImportFailure("the standard input is the terminal: pass a file on, as by `zcat FILE | …`", path)
        return stdin
    if not _OPEN_PIPE.fullmatch(str(path)):
        return None
    try:
        return None if stat.S_ISREG(path.stat().st_mode) else path.open("rb")
    except OSError as error:
        raise unreadable(path, error) from None


def _name_of(path: Path) -> str:
    match = _OPEN_PIPE.fullmatch(str(path))
    return "stdin" if match is None or str(path) in _STDIN else f"pipe_{match.group(1) or match.group(2)}"


def _spool(pipe: IO[bytes], target: Path, named: Path, room: Room) -> None:
    """Copy a pipe to a file, and end before the disk is full."""
    try:
        if not write_stream(pipe.read, target, named, room):
            raise ImportFailure("the pipe gave nothing: see whether the command in front of it failed", named)
    except OSError as error:
        if unwritten(error):
            raise
        raise ImportFailure(f"the pipe cannot be read: {error.strerror or error}", named) from None


def _file_of(path: Path) -> Path:
    """Return the path, or the matrix in it if it is the directory of one.

    Raises
    ------
    ImportFailure
        If it is a directory that does not hold one matrix.
    """
    try:
        return _in_directory(path) if path.is_dir() else path
    except OSError as error:
        raise unreadable(path, error) from None


def _in_directory(path: Path) -> Path:
    """Return the one MatrixMarket file of a directory, or the mark of a group of Zarr or TileDB."""
    names = sorted(os.listdir(path))
    for marker in (*ZARR_MARKERS, TILEDB_GROUP):
        if marker in names:
            return path / marker
    markets = [name for name in names if without_suffix(name).endswith(".mtx")]
    if len(markets) == 1:
        return path / markets[0]
    if len(markets) == 2 and without_suffix(markets[1]) == markets[0]:
        return path / markets[1]
    raise ImportFailure(_of_directory(path, names), path)


def _of_directory(path: Path, names: Sequence[str]) -> str:
    if _TILEDB & set(names):
        return (
            "this is an array of TileDB: name the directory of the experiment, or write that as AnnData, by "
            + TILEDB_TO_H5AD
        )
    matrices = [name for name in names if without_suffix(name).endswith(_MATRICES) and not _is_label_file(name)]
    matrices += [f"{name}/" for name in names[:_LOOKED_INTO] if _has_market(path / name)]
    if not matrices:
        more = (
            f"; it has {', '.join(names[:_LISTED])}{', …' if len(names) > _LISTED else ''}" if names else " and empty"
        )
        return f"this is a directory{more}: name the file of the matrix"
    listed = ", ".join(matrices[:_LISTED]) + (", …" if len(matrices) > _LISTED else "")
    return f"this is a directory: name the matrix in it ({listed})"


def _has_market(path: Path) -> bool:
    """Return whether there is a MatrixMarket file in a directory."""
    try:
        return any(without_suffix(name).endswith(".mtx") for name in os.listdir(path))
    except OSError:
        return False


def _is_label_file(name: str) -> bool:
    return re.search(r"(features|genes|barcodes)\.tsv", name) is not None
