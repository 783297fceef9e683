"""TSV compressed as it is made, by gzip or zstd: equal text gives equal bytes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar, Protocol

import zstandard
from isal import isal_zlib

from rnaget_server.writers.base import Body, Slice
from rnaget_server.writers.tsv import TsvWriter

# More would cost speed and gain little: cells are digits.
_LEVEL = 1
_GZIP_WINDOW = 31
_COMPRESSOR_BYTES = 1 << 20


class _Compressor(Protocol):
    def compress(self, data: bytes) -> bytes: ...

    def flush(self) -> bytes: ...


class TsvGzWriter:
    """Writes what `TsvWriter` writes, as one gzip stream without a time in its header."""

    media_types = ("application/gzip", "application/x-gzip")
    extension = "tsv.gz"
    aliases = ()
    groups = TsvWriter.groups
    requires: ClassVar[Mapping[str, str]] = {}

    def check(self, slice: Slice) -> None:
        """Accept every slice."""

    def write(self, slice: Slice) -> Body:
        """Return the compressed text; its length is not known beforehand."""
        return _compressed(slice, isal_zlib.compressobj(_LEVEL, wbits=_GZIP_WINDOW))


class TsvZstWriter:
    """Writes what `TsvWriter` writes, as one zstd frame."""

    media_types = ("application/zstd",)
    extension = "tsv.zst"
    aliases = ()
    groups = TsvWriter.groups
    requires: ClassVar[Mapping[str, str]] = {}

    def check(self, slice: Slice) -> None:
        """Accept every slice."""

    def write(self, slice: Slice) -> Body:
        """Return the compressed text; its length is not known beforehand."""
        return _compressed(slice, zstandard.ZstdCompressor(level=_LEVEL).compressobj())


def _compressed(slice: Slice, compressor: _Compressor) -> Body:
    plain = TsvWriter().write(slice)
    return Body(_pieces(plain.chunks, compressor), close=plain.close, held=plain.held + _COMPRESSOR_BYTES)


def _pieces(chunks: Iterator[bytes], compressor: _Compressor) -> Iterator[bytes]:
    for chunk in chunks:
        if piece := compressor.compress(chunk):
            yield piece
    yield compressor.flush()
