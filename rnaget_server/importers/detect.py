"""Look at the first bytes of a source, and say what to do with kinds that cannot be imported."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from rnaget_server.errors import ImportFailure
from rnaget_server.importers.bgzip import refuse_cut_bgzip
from rnaget_server.importers.compression import ERRORS, compression_of, damaged, unpacked
from rnaget_server.importers.foreign import TILEDB_GROUP, foreign_binary, imported_binary
from rnaget_server.spelling import most_alike
from rnaget_server.stores.failures import UnfitFile, is_of_file, reason
from rnaget_server.stores.hdf5_file import check_file

HEAD_BYTES = 64 << 10
HDF5 = b"\x89HDF\r\n\x1a\n"
_MOST_COMPARED = 10_000


def read_head(path: Path) -> bytes:
    """Return the first bytes of the file, decompressed if it is compressed.

    Raises
    ------
    ImportFailure
        If it cannot be read, is empty, or is of a kind that is known not to be importable.
    """
    refuse_no_file(path)
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
            refuse_cut_bgzip(file, path)
        compression = compression_of(head)
        if compression is not None:
            head = unpacked(path, HEAD_BYTES)
    except ERRORS as error:
        raise damaged(path, error) from None
    except OSError as error:
        raise unreadable(path, error) from None
    if not head.strip() and path.name != TILEDB_GROUP:
        raise ImportFailure("the file is empty: see that it was downloaded or written as a whole", path)
    _refuse_foreign(path, head, compression)
    return head


def is_hdf5(head: bytes) -> bool:
    """Return whether a file of this beginning is HDF5, which may have a block of its writer in front, as MuData has."""
    blocks = (0, *(512 << number for number in range(7)))
    return any(head.startswith(HDF5, block) for block in blocks)


def refuse_no_file(path: Path) -> None:
    """Refuse what is no file: nothing, a directory, or a pipe, device or socket, which might never end, or never begin.

    Raises
    ------
    ImportFailure
        If it is no file.
    """
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise unreadable(path, error) from None
    if stat.S_ISDIR(mode):
        raise ImportFailure("the file cannot be read: this is a directory; name the file in it", path)
    if not stat.S_ISREG(mode):
        raise ImportFailure(
            "this is no regular file (a pipe, device or socket): write what it gives to one, or pass it on by "
            "`cat PIPE | rnaget-server import - …`, and import that",
            path,
        )


def unreadable(path: Path, error: OSError) -> ImportFailure:
    """Return the error for a file that cannot be opened, with what to do."""
    if isinstance(error, FileNotFoundError) and path.is_symlink():
        target = os.readlink(path)
        return ImportFailure(
            f"the file cannot be read: this is a symbolic link to {target!r}, which is missing: correct the link", path
        )
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return ImportFailure(f"the file cannot be read: there is no such file{_similar_name(path)}", path)
    if isinstance(error, PermissionError):
        return ImportFailure(
            "the file cannot be read: you have no permission: ask its owner for it, as by `chmod a+r FILE` (and "
            "`chmod a+x` on its directories)",
            path,
        )
    return ImportFailure(f"the file cannot be read: {error.strerror or error}", path)


def _similar_name(path: Path) -> str:
    """Return a hint at the file that may be meant, or at the directory that is missing."""
    try:
        if not path.parent.is_dir():
            return f"; there is no directory {str(path.parent)!r} either"
        names = [name for name in os.listdir(path.parent) if not name.startswith(".")][:_MOST_COMPARED]
    except OSError:
        return ""
    near = most_alike(path.name, names)
    return f"; is {near[0]!r} meant?" if near else ""


def _refuse_foreign(path: Path, head: bytes, compression: str | None) -> None:
    known = imported_binary(head)
    if known is not None:
        if compression is not None:
            raise ImportFailure(f"this is {known} compressed by {compression}: unpack it, and import that", path)
        return
    advice = foreign_binary(head, path)
    if advice is not None:
        raise ImportFailure(advice, path)
    if is_hdf5(head):
        if compression is not None:
            raise ImportFailure(f"this is an HDF5 file compressed by {compression}: unpack it, and import that", path)
        _check_hdf5(path)
    elif b"\0" in head:
        raise ImportFailure("this is binary data, no table: import a TSV, CSV, GCT, loom, AnnData or 10x file", path)


def _check_hdf5(path: Path) -> None:
    try:
        check_file(path)
    except UnfitFile as error:
        raise ImportFailure(f"the file {error}", path) from None
    except Exception as error:  # h5py raises KeyError and RuntimeError where links and headers make no sense
        if not is_of_file(error):
            raise
        said = reason(error, path)
        raise ImportFailure(f"the HDF5 file is damaged ({said}): get it again as a whole", path) from None
