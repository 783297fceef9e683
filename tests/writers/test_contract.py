"""Every writer of matrices passes the contract, read back by what its users read with."""

from __future__ import annotations

from rnaget_server.testing.writers import WriterContract
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
    read = staticmethod(readers.tsv)


class TestTsvGz(WriterContract):
    writer = TsvGzWriter
    read = staticmethod(readers.tsv_gz)


class TestTsvZst(WriterContract):
    writer = TsvZstWriter
    read = staticmethod(readers.tsv_zst)


class TestJson(WriterContract):
    writer = JsonWriter
    infinities = False
    read = staticmethod(readers.json_object)


class TestLoom(WriterContract):
    writer = LoomWriter
    read = staticmethod(readers.loom)


class TestH5ad(WriterContract):
    writer = H5adWriter
    read = staticmethod(readers.h5ad)


class TestSparseH5ad(TestH5ad):
    sparse = True


class TestParquet(WriterContract):
    writer = ParquetWriter
    read = staticmethod(readers.parquet)


class TestArrow(WriterContract):
    writer = ArrowWriter
    read = staticmethod(readers.arrow)
