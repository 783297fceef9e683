"""Every writer of matrices passes the contract, read back by what its users read with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from rnaget_server.errors import ResultTooLarge
from rnaget_server.model.slice import LayerInfo
from rnaget_server.testing.slices import feature_labels, layer_of, sample_labels, slice_of
from rnaget_server.testing.writers import WriterContract
from rnaget_server.writers import excel
from rnaget_server.writers.arrow import ArrowWriter
from rnaget_server.writers.compressed_tsv import TsvGzWriter, TsvZstWriter
from rnaget_server.writers.csv import CsvGzWriter, CsvWriter
from rnaget_server.writers.excel import ExcelWriter
from rnaget_server.writers.gct import GctGzWriter, GctWriter
from rnaget_server.writers.gctx import GctxWriter
from rnaget_server.writers.h5ad import H5adWriter
from rnaget_server.writers.h5mu import H5muWriter
from rnaget_server.writers.json import JsonWriter, SparseJsonWriter
from rnaget_server.writers.long_tables import ArrowLongWriter, ParquetLongWriter
from rnaget_server.writers.long_text import CsvLongWriter, TsvLongGzWriter, TsvLongWriter
from rnaget_server.writers.loom import LoomWriter
from rnaget_server.writers.mtx import MtxWriter
from rnaget_server.writers.parquet import ParquetWriter
from rnaget_server.writers.tenx import TenXWriter
from rnaget_server.writers.tsv import TsvWriter
from rnaget_server.writers.zarr import ZarrWriter
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


class TestH5mu(WriterContract):
    writer = H5muWriter
    read = staticmethod(readers.h5mu)


class TestSparseH5mu(TestH5mu):
    sparse = True


@pytest.fixture(scope="module")
def with_the_thread_of_zarr() -> None:
    """Starts the thread that zarr keeps, which no test has to count among the files that it leaves open."""
    slice = slice_of(feature_labels(["a"]), sample_labels(["b"]), layer_of(np.ones((1, 1), np.float32)))
    assert b"".join(ZarrWriter().write(slice).chunks)


@pytest.mark.usefixtures("with_the_thread_of_zarr")
class TestZarr(WriterContract):
    writer = ZarrWriter
    read = staticmethod(readers.zarr)


class TestSparseZarr(TestZarr):
    sparse = True


class TestTenX(WriterContract):
    writer = TenXWriter
    read = staticmethod(readers.tenx)

    def test_starts_before_all_is_read(self) -> None:
        """The cells go by samples, and are counted first."""


class TestSparseTenX(TestTenX):
    sparse = True


class TestGctx(WriterContract):
    writer = GctxWriter
    read = staticmethod(readers.gctx)


class TestParquet(WriterContract):
    writer = ParquetWriter
    read = staticmethod(readers.parquet)


class TestArrow(WriterContract):
    writer = ArrowWriter
    read = staticmethod(readers.arrow)


class TestCsv(WriterContract):
    writer = CsvWriter
    read = staticmethod(readers.csv)


class TestCsvGz(WriterContract):
    writer = CsvGzWriter
    read = staticmethod(readers.csv_gz)


class TestGct(WriterContract):
    writer = GctWriter
    read = staticmethod(readers.gct)


class TestGctGz(WriterContract):
    writer = GctGzWriter
    read = staticmethod(readers.gct_gz)


def counting(layer: LayerInfo, taken: list[int]) -> LayerInfo:
    """Return a layer of which each reading appends to `taken` how many blocks or pieces it has taken."""

    def counted(blocks: Iterable[Any]) -> Iterator[Any]:
        taken.append(0)
        for block in blocks:
            taken[-1] += 1
            yield block

    sparse = layer.sparse
    if sparse is not None:
        pieces = sparse.compressed_along
        sparse = replace(sparse, compressed_along=lambda direction: counted(pieces(direction)))
    return replace(layer, blocks=lambda: counted(layer.blocks()), sparse=sparse)


class TestMtx(WriterContract):
    writer = MtxWriter
    read = staticmethod(readers.mtx)

    def test_starts_before_all_is_read(self) -> None:
        """The labels need no cells; all are counted before the first, since the file begins with their number."""
        taken: list[int] = []  # by each reading of the cells
        layer = counting(self._layer(np.random.default_rng(1).random((3000, 100)), False), taken)
        slice = replace(self._slice(np.ones((3000, 100)), False), layers=(layer,))
        readings = []
        for _, chunks in MtxWriter().files(slice):
            assert next(iter(chunks))
            readings.append(list(taken))
        labels, cells = readings[:2], readings[2]
        assert labels == [[], []]
        assert len(cells) == 2 and 0 < cells[1] < cells[0]


class TestSparseMtx(TestMtx):
    sparse = True

    def test_starts_before_all_is_read(self) -> None:
        """Stored cells that are no whole numbers are counted without being read."""
        taken: list[int] = []
        layer = counting(self._layer(np.random.default_rng(1).random((3000, 100)), False), taken)
        slice = replace(self._slice(np.ones((3000, 100)), False), layers=(layer,))
        *_, (name, chunks) = MtxWriter().files(slice)
        assert name == "matrix.mtx.gz" and next(iter(chunks))
        assert taken == [1]


class TestTsvLong(WriterContract):
    writer = TsvLongWriter
    long = True
    many = (4201, 31)
    read = staticmethod(readers.tsv_long)


class TestSparseTsvLong(TestTsvLong):
    sparse = True


class TestTsvLongGz(WriterContract):
    writer = TsvLongGzWriter
    long = True
    read = staticmethod(readers.tsv_long_gz)
    many = (4201, 31)


class TestCsvLong(WriterContract):
    writer = CsvLongWriter
    long = True
    read = staticmethod(readers.csv_long)
    many = (4201, 31)


class TestParquetLong(WriterContract):
    writer = ParquetLongWriter
    long = True
    many = (4201, 7)
    read = staticmethod(readers.parquet_long)


class TestSparseParquetLong(TestParquetLong):
    sparse = True


class TestArrowLong(WriterContract):
    writer = ArrowLongWriter
    long = True
    many = (4201, 7)
    read = staticmethod(readers.arrow_long)


class TestSparseArrowLong(TestArrowLong):
    sparse = True


class TestSparseJson(WriterContract):
    writer = SparseJsonWriter
    sparse = True
    infinities = False
    read = staticmethod(readers.json_sparse)


class TestExcel(WriterContract):
    writer = ExcelWriter
    read = staticmethod(readers.xlsx)
    many = (4201, 5)

    @pytest.fixture(autouse=True)
    def _sheets_of_any_size(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(excel, "_MOST_CELLS", 1 << 40)


def test_a_sheet_that_excel_cannot_open_is_refused() -> None:
    slice = slice_of(
        feature_labels(["a"]), sample_labels([str(n) for n in range(16_384)]), layer_of(np.ones((1, 16_384)))
    )
    with pytest.raises(ResultTooLarge, match="at most 1,048,576 rows and 16,384 columns"):
        ExcelWriter().check(slice)
