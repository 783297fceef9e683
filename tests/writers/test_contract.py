"""Every writer of matrices passes the contract, read back by what its users read with."""

from __future__ import annotations

from pathlib import Path

from rnaget_server.testing.writers import Read, WriterContract
from rnaget_server.writers.arrow import ArrowWriter
from rnaget_server.writers.compressed_tsv import TsvGzWriter, TsvZstWriter
from rnaget_server.writers.h5ad import H5adWriter
from rnaget_server.writers.json import JsonWriter
from rnaget_server.writers.loom import LoomWriter
from rnaget_server.writers.parquet import ParquetWriter
from rnaget_server.writers.tsv import TsvWriter
from tests.writers import readers


class TestTsv(WriterContract):
    writer = TsvWriter

    def read(self, data: bytes, directory: Path) -> Read:
        return readers.tsv(data, directory)


class TestTsvGz(WriterContract):
    writer = TsvGzWriter

    def read(self, data: bytes, directory: Path) -> Read:
        return readers.tsv_gz(data, directory)


class TestTsvZst(WriterContract):
    writer = TsvZstWriter

    def read(self, data: bytes, directory: Path) -> Read:
        return readers.tsv_zst(data, directory)


class TestJson(WriterContract):
    writer = JsonWriter
    infinities = False

    def read(self, data: bytes, directory: Path) -> Read:
        return readers.json_object(data, directory)


class TestLoom(WriterContract):
    writer = LoomWriter

    def read(self, data: bytes, directory: Path) -> Read:
        return readers.loom(data, directory)


class TestH5ad(WriterContract):
    writer = H5adWriter

    def read(self, data: bytes, directory: Path) -> Read:
        return readers.h5ad(data, directory)


class TestSparseH5ad(TestH5ad):
    sparse = True


class TestParquet(WriterContract):
    writer = ParquetWriter

    def read(self, data: bytes, directory: Path) -> Read:
        return readers.parquet(data, directory)


class TestArrow(WriterContract):
    writer = ArrowWriter

    def read(self, data: bytes, directory: Path) -> Read:
        return readers.arrow(data, directory)
