"""Compressed files: gzip (bgzip too), zstd, xz, lzma and bzip2, known by their first bytes and read as streams."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import zlib
from collections.abc import Callable
from io import BufferedReader
from pathlib import Path
from typing import Any

import zstandard
from isal import igzip, igzip_threaded, isal_zlib

from rnaget_server.errors import ImportFailure
from rnaget_server.importers.bgzip import refuse_cut_bgzip

GZIP = b"\x1f\x8b"
SUFFIXES = (".gz", ".bgz", ".zst", ".xz", ".lzma", ".bz2")
SUFFIX_PATTERN = rf"(?:{'|'.join(map(re.escape, SUFFIXES))})?"
_LOOKED_AT = 16
_BZIP2_BLOCK, _BZIP2_END = b"1AY&SY", b"\x17rE8P\x90"
_SKIPPABLE = range(0x50, 0x60)  # the first byte of frames without data, as pzstd writes them
# What `zstd -d` and `xz -d` take without further options: files that need more memory are refused.
_ZSTD_WINDOW, _XZ_MEMORY = 128 << 20, 256 << 20
# zstd cannot be asked for a number of bytes: 1 KiB becomes 32 MiB at most, by 256 blocks of 128 KiB.
_FED = {"zstd": 1 << 10}
_FED_OTHERWISE = 64 << 10
_MOST_AT_ONCE = 1 << 20
_ISAL: Any = isal_zlib  # typed as if its error were no class


class DamagedStream(EOFError):
    """Compressed data that are cut off, or followed by something else."""


ERRORS: tuple[type[Exception], ...] = (
    EOFError,
    gzip.BadGzipFile,
    zlib.error,
    _ISAL.error,
    lzma.LZMAError,
    zstandard.ZstdError,
)


def compression_of(head: bytes) -> str | None:
    """Return the name of the compression that data of this beginning have; None if they have none that is read."""
    if head.startswith(GZIP):
        return "gzip"
    if head.startswith(b"\x28\xb5\x2f\xfd") or (head[1:4] == b"\x2a\x4d\x18" and head[0] in _SKIPPABLE):
        return "zstd"
    if head.startswith(b"\xfd7zXZ\0"):
        return "xz"
    if head.startswith(b"\x5d\0\0") and len(head) > 5:
        return "lzma"
    if head.startswith(b"BZh") and head[4:10] in (_BZIP2_BLOCK, _BZIP2_END):
        return "bzip2"
    return None


def compression_of_file(path: Path) -> str | None:
    """Return the compression of a file; None if it has none that is read."""
    with path.open("rb") as file:
        return compression_of(file.read(_LOOKED_AT))


def without_suffix(name: str) -> str:
    """Return the name of a file without the ending of its compression."""
    end = next((end for end in SUFFIXES if name.lower().endswith(end)), "")
    return name[: len(name) - len(end)] or name


class OpenedFile:
    """A file and the stream of what is in it, unpacked; `raw` says how far it is read.

    Data must end as they should, unless only their beginning is wanted, and `whole` is false.
    """

    def __init__(self, path: Path, threaded: bool = False, whole: bool = True) -> None:
        self.raw: BufferedReader = path.open("rb")
        self.stream: Any = self.raw
        try:
            kind = compression_of(self.raw.peek(_LOOKED_AT)[:_LOOKED_AT])
            if kind == "gzip":
                if whole:
                    refuse_cut_bgzip(self.raw, path)
                opened: Any = igzip_threaded.open if threaded else igzip.open  # isal has no types here
                self.stream = opened(self.raw, "rb")
            elif kind is not None:
                self.stream = io.BufferedReader(_Stream(self.raw, kind), _MOST_AT_ONCE)
        except BaseException:
            self.raw.close()
            raise

    def __enter__(self) -> Any:
        return self.stream

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close both."""
        self.stream.close()
        self.raw.close()


def unpacked(path: Path, size: int) -> bytes:
    """Return the first `size` bytes of a file, decompressed if it is compressed."""
    with OpenedFile(path, whole=False) as stream:
        parts, left = [], size
        while left > 0 and (part := stream.read(left)):
            parts.append(part)
            left -= len(part)
    return b"".join(parts)


def damaged(path: Path, error: BaseException) -> ImportFailure:
    """Return the failure for one of `ERRORS` that was raised while the file was read."""
    kind = compression_of_file(path) or "compressed"
    return ImportFailure(
        f"the {kind} data are damaged or cut off ({error}): get the file again, and compare its size or MD5 sum with "
        "those of the original",
        path,
    )


class _Stream(io.RawIOBase):
    """The data in compressed ones, of one or many streams one after the other, a bounded piece at a time."""

    def __init__(self, file: BufferedReader, kind: str) -> None:
        self._file, self._new, self._fed = file, _DECODERS[kind], _FED.get(kind, _FED_OTHERWISE)
        self._is_zstd = kind == "zstd"
        self._decoder = self._new()
        self._input = self._waiting = b""

    def readable(self) -> bool:
        """Return true."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer as far as data are at hand, and return the number of bytes; 0 at the end."""
        size = len(buffer)
        while not self._waiting:
            if self._decoder.eof and not self._next_stream():
                return 0
            self._waiting = self._decode(size)
        part, self._waiting = self._waiting[:size], self._waiting[size:]
        buffer[: len(part)] = part
        return len(part)

    def _decode(self, size: int) -> bytes:
        wants = self._is_zstd or self._decoder.needs_input
        if wants and not self._input:
            self._input = self._file.read(self._fed)
            if not self._input:
                raise DamagedStream("the data end too early")
        given, self._input = self._input, b""
        try:
            data: bytes = self._decoder.decompress(given) if self._is_zstd else self._decoder.decompress(given, size)
        except OSError as error:  # of bzip2; nothing is read from the disk here
            raise DamagedStream(str(error)) from None
        return data

    def _next_stream(self) -> bool:
        """Begin with the next stream; return False at the end of the file, which may be filled up by zeros."""
        rest: bytes = self._decoder.unused_data or self._file.read(self._fed)
        while not (rest := rest.lstrip(b"\0")):
            rest = self._file.read(self._fed)
            if not rest:
                return False
        self._decoder, self._input = self._new(), rest
        return True


_DECODERS: dict[str, Callable[[], Any]] = {
    "zstd": lambda: zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW).decompressobj(),
    "xz": lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY),
    "lzma": lambda: lzma.LZMADecompressor(lzma.FORMAT_ALONE, memlimit=_XZ_MEMORY),
    "bzip2": bz2.BZ2Decompressor,
}
