"""Look at the first bytes of a source, and say what to do with kinds that cannot be imported."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import Any

from isal import igzip, isal_zlib

from rnaget_server.errors import ImportFailure
from rnaget_server.stores.failures import UnfitFile
from rnaget_server.stores.hdf5_file import check_file

HEAD_BYTES = 64 << 10
GZIP = b"\x1f\x8b"
HDF5 = b"\x89HDF\r\n\x1a\n"
_ISAL: Any = isal_zlib  # typed as if its error were no class
GZIP_ERRORS: tuple[type[Exception], ...] = (EOFError, gzip.BadGzipFile, zlib.error, _ISAL.error)

_UNPACK = "convert it, as by `{} FILE | gzip > FILE.gz`, and import that"
_TO_TEXT = "save it as tab-separated text and import that"
_FOREIGN = {
    b"BZh": "this is compressed by bzip2: " + _UNPACK.format("bzcat"),
    b"\xfd7zXZ": "this is compressed by xz: " + _UNPACK.format("xzcat"),
    b"\x28\xb5\x2f\xfd": "this is compressed by zstd: " + _UNPACK.format("zstdcat"),
    b"PAR1": f"this is a Parquet file: {_TO_TEXT}",
    b"ARROW1": f"this is an Arrow file: {_TO_TEXT}",
    b"\xd0\xcf\x11\xe0": f"this is a spreadsheet (.xls): {_TO_TEXT}",
    b"RDX": "this is an R data file: write the matrix by R's write.table(x, sep='\\t', quote=FALSE) and import that",
    b"X\n\0": "this is an R data file: write the matrix by R's write.table(x, sep='\\t', quote=FALSE) and import that",
    b"\xff\xfe": "this is UTF-16 text: convert it, as by `iconv -f UTF-16 -t UTF-8`, and import that",
    b"\xfe\xff": "this is UTF-16 text: convert it, as by `iconv -f UTF-16 -t UTF-8`, and import that",
}


def read_head(path: Path) -> bytes:
    """Return the first bytes of the file, decompressed if it is gzip.

    Raises
    ------
    ImportFailure
        If it cannot be read, is empty, or is of a kind that is known not to be importable.
    """
    try:
        refuse_no_file(path)
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
        if head.startswith(GZIP):
            head = unpacked(path, HEAD_BYTES)
    except GZIP_ERRORS as error:
        raise ImportFailure(f"the gzip data are damaged or cut off ({error})", path) from None
    except OSError as error:
        raise ImportFailure(f"the file cannot be read: {error.strerror or error}", path) from None
    if not head.strip():
        raise ImportFailure("the file is empty", path)
    _refuse_foreign(path, head)
    return head


def is_hdf5(head: bytes) -> bool:
    """Return whether a file of this beginning is HDF5, which may have a block of its writer in front, as MuData has."""
    blocks = (0, *(512 << number for number in range(7)))
    return any(head.startswith(HDF5, block) for block in blocks)


def refuse_no_file(path: Path) -> None:
    """Refuse a named pipe, a device or a socket, which might never end, or never begin.

    Raises
    ------
    ImportFailure
        If it is one.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        raise ImportFailure("this is no regular file: write what it gives to one, and import that", path)


def unpacked(path: Path, size: int) -> bytes:
    """Return the first `size` bytes of a gzip file, decompressed."""
    opened: Any = igzip.open  # has no types
    with opened(path) as file:
        content: bytes = file.read(size)
    return content


def _refuse_foreign(path: Path, head: bytes) -> None:
    for magic, advice in _FOREIGN.items():
        if head.startswith(magic):
            raise ImportFailure(advice, path)
    if head.startswith(b"PK\x03\x04"):
        raise ImportFailure(_of_zip(head), path)
    if is_hdf5(head):
        _check_hdf5(path)
    elif b"\0" in head:
        raise ImportFailure("this is binary data, no table: import a TSV, CSV, GCT, loom, AnnData or 10x file", path)


def _of_zip(head: bytes) -> str:
    if b"xl/" in head or b"[Content_Types].xml" in head:
        return (
            f"this is a spreadsheet (.xlsx): {_TO_TEXT} (and see that the spreadsheet program has not "
            "turned gene names such as SEPT2 into dates)"
        )
    return "this is a zip archive: unpack it (unzip FILE) and import the file inside"


def _check_hdf5(path: Path) -> None:
    try:
        check_file(path)
    except UnfitFile as error:
        raise ImportFailure(f"the file {error}", path) from None
    except OSError as error:
        raise ImportFailure(f"the HDF5 file is damaged ({error})", path) from None
