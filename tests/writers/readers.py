"""The readers of others for every format."""

from __future__ import annotations

import gzip
import io
import json
import subprocess
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndata
import loompy
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from rnaget_server.testing.writers import Read


def tsv(data: bytes, directory: Path) -> Read:
    return _table(
        pd.read_csv(io.BytesIO(data), sep="\t", index_col=0, float_precision="round_trip", dtype={"gene": str})
    )


def tsv_gz(data: bytes, directory: Path) -> Read:
    path = directory / "read.tsv.gz"
    path.write_bytes(data)
    subprocess.run(["gunzip", "-t", path], check=True)
    found = pd.read_csv(path, sep="\t", index_col=0, float_precision="round_trip", dtype={"gene": str})
    assert gzip.decompress(data).count(b"\n") == len(found) + 1
    return _table(found)


def tsv_zst(data: bytes, directory: Path) -> Read:
    path = directory / "read.tsv.zst"
    path.write_bytes(data)
    found = pd.read_csv(path, sep="\t", index_col=0, float_precision="round_trip", dtype={"gene": str})
    return _table(found)


def json_object(data: bytes, directory: Path) -> Read:
    found = json.loads(data)
    features, samples = (found[axis]["attributes"][found[axis]["id"]] for axis in ("features", "samples"))
    cells = np.array(found["values"], np.float64)
    return Read(features, samples, cells)


def loom(data: bytes, directory: Path) -> Read:
    path = directory / "read.loom"
    path.write_bytes(data)
    with loompy.connect(path, "r") as found:
        cells = found[:, :]
        return Read(list(found.ra["gene"]), list(found.ca["sample"]), cells)


def h5ad(data: bytes, directory: Path) -> Read:
    path = directory / "read.h5ad"
    path.write_bytes(data)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = anndata.read_h5ad(path)
    cells = found.X.toarray() if hasattr(found.X, "toarray") else found.X
    return Read(list(found.var_names), list(found.obs_names), cells.T)


def parquet(data: bytes, directory: Path) -> Read:
    by_pandas = pd.read_parquet(io.BytesIO(data))
    by_polars = pl.read_parquet(io.BytesIO(data))
    _same_cells(by_pandas, by_polars)
    return _arrow(pq.read_table(io.BytesIO(data)))


def arrow(data: bytes, directory: Path) -> Read:
    table = pa.ipc.open_stream(data).read_all()
    _same_cells(table.to_pandas(), pl.read_ipc_stream(io.BytesIO(data)))
    return _arrow(table)


def _arrow(table: pa.Table) -> Read:
    table.validate(full=True)
    samples = json.loads(table.schema.metadata[b"samples"])
    cells = np.array([table[name].to_numpy() for name in samples["columns"]]).T
    assert table.column_names[0] == "gene"
    return Read(table["gene"].to_pylist(), samples["attributes"][samples["id"]], cells)


def _same_cells(by_pandas: pd.DataFrame, by_polars: pl.DataFrame) -> None:
    assert list(by_pandas.columns) == by_polars.columns
    for name in by_polars.columns:
        first, second = by_pandas[name].to_numpy(), by_polars[name].to_numpy()
        assert np.array_equal(first, second, equal_nan=first.dtype.kind == "f"), name


def _table(found: pd.DataFrame) -> Read:
    cells: Any = found.to_numpy(np.float64)
    return Read([str(id) for id in found.index], list(found.columns), cells)


READERS: dict[str, Callable[[bytes, Path], Read]] = {
    "tsv": tsv,
    "tsv.gz": tsv_gz,
    "tsv.zst": tsv_zst,
    "json": json_object,
    "loom": loom,
    "h5ad": h5ad,
    "parquet": parquet,
    "arrow": arrow,
}
"""For each format of matrices, what reads it."""
