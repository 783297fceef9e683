"""Imports that can write no more say so, and do not call their source damaged."""

from __future__ import annotations

import errno
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anndata
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import scipy.sparse
from click.testing import CliRunner

from rnaget_server.cli.server import main
from rnaget_server.errors import ImportFailure
from rnaget_server.importers.job import broken_off
from rnaget_server.importers.matrices import soma, sparse_reading
from rnaget_server.importers.sparse_spool import SparseSpool
from tests.importers.conftest import Workshop

LARGEST = 1 << 16
TOO_LARGE = "the import broke off, for a file may not become that large: raise the limit"


@contextmanager
def small_files_only() -> Iterator[None]:
    """Have the system refuse files that are larger than `LARGEST`."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def cells() -> anndata.AnnData:
    """Return cells of 400 KB, which no compression makes much smaller."""
    matrix = scipy.sparse.random(250, 200, 1.0, "csr", np.float64, np.random.default_rng(3))
    names = pd.DataFrame(index=[f"c{number}" for number in range(250)])
    return anndata.AnnData(matrix, names, pd.DataFrame(index=[f"g{number}" for number in range(200)]))


@pytest.mark.parametrize("name", ["a.zarr", "a.h5ad", "by processes.h5ad"])
def test_a_file_that_may_not_become_so_large(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / name
    if name.endswith(".zarr"):
        cells().write_zarr(source)
        source /= ".zgroup" if (source / ".zgroup").exists() else "zarr.json"
    else:
        cells().write_h5ad(source, compression="gzip")
    if name.startswith("by processes"):
        monkeypatch.setattr(sparse_reading, "_MANY_CELLS", 1)
        monkeypatch.setattr(sparse_reading, "PROCESSORS", 2)
    with small_files_only(), pytest.raises(ImportFailure, match=TOO_LARGE):
        Workshop(tmp_path / "data").run(source)
    assert os.listdir(tmp_path) == [name]


class ManyCells:
    """A matrix of SOMA, read as its package has it, by blocks of 4,096 observations."""

    shape, nnz = (1 << 16, 1), 1 << 16

    def read(self, _: object) -> ManyCells:
        return self

    def blockwise(self, **_: object) -> ManyCells:
        return self

    def tables(self) -> Iterator[tuple[pa.Table, tuple[pa.Array, None]]]:
        for start in range(0, self.nnz, 4096):
            rows = np.arange(start, start + 4096)
            values = {"soma_dim_0": rows, "soma_dim_1": rows * 0, "soma_data": rows / 3}
            yield pa.table(values), (pa.array(rows), None)


def test_of_soma(tmp_path: Path) -> None:
    package: Any = SimpleNamespace(SOMAError=RuntimeError)
    axes = np.arange(ManyCells.nnz), np.arange(1)
    pieces = soma._pieces(package, tmp_path, ManyCells(), axes, lambda _: None)
    with small_files_only(), pytest.raises(OSError) as caught:
        SparseSpool(tmp_path, tmp_path, "samples", 1).by_threads(pieces)
    assert caught.value.errno == errno.EFBIG


@pytest.mark.usefixtures("temporary")
def test_of_a_pipe(tmp_path: Path) -> None:
    place = ["--data", str(tmp_path / "data"), "--project", "p", "--study", "s", "--id", "m", "--units", "count"]
    with small_files_only():
        result = CliRunner().invoke(main, ["import", "-", *place], input=b"id\ta\n" * LARGEST)
    assert (result.exit_code, TOO_LARGE in result.output) == (1, True), result.output


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk(number: int) -> None:
    for error in (OSError(number, os.strerror(number)), OSError(f"Can't write data (errno = {number}, error message)")):
        assert str(broken_off(error)) == (
            "the import broke off, for the disk is full: make room there, and import again"
        )
    assert str(broken_off(OSError(errno.EIO, "no luck"))) == "the import broke off: [Errno 5] no luck"
