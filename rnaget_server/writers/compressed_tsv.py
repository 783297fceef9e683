"""TSV compressed as it is made, by gzip or zstd, and what compresses other text so: equal text gives equal bytes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Protocol

import zstandard
from isal import isal_zlib

from rnaget_server.model.slice import Slice
from rnaget_server.writers.base import Body, Writer
from rnaget_server.writers.tsv import TsvWriter

# More would gain little: cells are digits. At level 1 of isal, what stands in memory behind the bytes can change how
# they are compressed, and parts of two replies would not fit together.
_LEVEL = 1
_GZIP_LEVEL = 2
_GZIP_WINDOW = 31
_COMPRESSOR_BYTES = 1 << 20


class _Compressor(Protocol):
    def compress(self, data: bytes) -> bytes: ...

    def flush(self) -> bytes: ...


class GzWriter(Writer):
    """Writes what another writer of text does, as one gzip stream without a time in its header."""

    plain: ClassVar[type[Writer]]
    """The writer of the text."""

    media_types = ("application/gzip", "application/x-gzip")

    def write(self, slice: Slice) -> Body:
        """Return the compressed text; its length is not known beforehand."""
        return gzipped(self.plain().write(slice))


class TsvGzWriter(GzWriter):
    """Writes what `TsvWriter` writes, compressed by gzip."""

    plain = TsvWriter
    extension = "tsv.gz"
    groups = TsvWriter.groups


class TsvZstWriter(Writer):
    """Writes what `TsvWriter` writes, as one zstd frame."""

    media_types = ("application/zstd",)
    extension = "tsv.zst"
    groups = TsvWriter.groups

    def write(self, slice: Slice) -> Body:
        """Return the compressed text; its length is not known beforehand."""
        return _compressed(TsvWriter().write(slice), zstandard.ZstdCompressor(level=_LEVEL).compressobj())


def gzipped(plain: Body) -> Body:
    """Return the same bytes as one gzip stream without a time in its header; its length is not known beforehand."""
    return _compressed(plain, isal_zlib.compressobj(_GZIP_LEVEL, wbits=_GZIP_WINDOW))


def _compressed(plain: Body, compressor: _Compressor) -> Body:
    return Body(_pieces(plain.chunks, compressor), close=plain.close, held=plain.held + _COMPRESSOR_BYTES)


def _pieces(chunks: Iterator[bytes], compressor: _Compressor) -> Iterator[bytes]:
    for chunk in chunks:
        if piece := compressor.compress(chunk):
            yield piece
    yield compressor.flush()
