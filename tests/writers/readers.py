"""The readers of others for every format."""

from __future__ import annotations

import gzip
import io
import json
import shutil
import subprocess
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndata
import h5py
import numpy as np
import openpyxl
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import scipy.io
import scipy.sparse

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


def csv(data: bytes, directory: Path) -> Read:
    return _table(pd.read_csv(io.BytesIO(data), index_col=0, float_precision="round_trip", dtype={"gene": str}))


def csv_gz(data: bytes, directory: Path) -> Read:
    return csv(gzip.decompress(data), directory)


def gct(data: bytes, directory: Path) -> Read:
    """Read as cmapPy's `parse_gct` does, which is not installed: the counts say what the fields are."""
    first, counts = data.decode().split("\n")[:2]
    assert first == "#1.3"
    rows, columns, of_rows, of_columns = map(int, counts.split("\t"))
    found = pd.read_csv(io.BytesIO(data), sep="\t", skiprows=2, header=None, dtype=str, keep_default_na=False)
    assert found.shape == (1 + of_columns + rows, 1 + of_rows + columns)
    cells = found.iloc[1 + of_columns :, 1 + of_rows :].to_numpy(np.float64)
    return Read(found.iloc[1 + of_columns :, 0].tolist(), found.iloc[0, 1 + of_rows :].tolist(), cells)


def gct_gz(data: bytes, directory: Path) -> Read:
    return gct(gzip.decompress(data), directory)


def mtx(data: bytes, directory: Path) -> Read:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        parts = {name: gzip.decompress(archive.read(name)) for name in archive.namelist()}
    features, samples = (
        pd.read_csv(io.BytesIO(parts[f"{name}.tsv.gz"]), sep="\t", header=None, dtype=str, keep_default_na=False)
        for name in ("features", "barcodes")
    )
    assert features.shape[1] == 3 and samples.shape[1] == 1
    cells = scipy.io.mmread(io.BytesIO(parts["matrix.mtx.gz"]))
    return Read(features[0].tolist(), samples[0].tolist(), cells.toarray())


def xlsx(data: bytes, directory: Path) -> Read:
    (sheet,) = openpyxl.load_workbook(io.BytesIO(data)).worksheets
    header, *rows = sheet.iter_rows(values_only=True)
    cells = np.array([row[1:] for row in rows], object).astype(np.float64)
    return Read([row[0] for row in rows], list(header[1:]), cells)


def json_object(data: bytes, directory: Path) -> Read:
    found = json.loads(data)
    features, samples = (found[axis]["attributes"][found[axis]["id"]] for axis in ("features", "samples"))
    cells = np.array(found["values"], np.float64)
    return Read(features, samples, cells)


def loom(data: bytes, directory: Path) -> Read:
    import loompy  # takes seconds to import

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


def h5mu(data: bytes, directory: Path) -> Read:
    assert data[:6] == b"MuData"
    path = directory / "read.h5mu"
    path.write_bytes(data)
    with h5py.File(path) as file:
        found = anndata.io.read_elem(file["mod/rna"])
        for axis in ("obs", "var"):
            assert list(anndata.io.read_elem(file[axis]).index) == list(getattr(found, axis).index)
    cells = found.X.toarray() if hasattr(found.X, "toarray") else found.X
    return Read(list(found.var_names), list(found.obs_names), cells.T)


def zarr(data: bytes, directory: Path) -> Read:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        archive.extractall(directory / "read.zarr")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found: Any = anndata.io.read_zarr(directory / "read.zarr")
    shutil.rmtree(directory / "read.zarr")
    cells = found.X.toarray() if hasattr(found.X, "toarray") else found.X
    return Read(list(found.var_names), list(found.obs_names), cells.T)


def tenx(data: bytes, directory: Path) -> Read:
    """Read as scanpy's `read_10x_h5` does, which is not installed."""
    with h5py.File(io.BytesIO(data)) as file:
        matrix = file["matrix"]
        parts = (matrix["data"][:], matrix["indices"][:], matrix["indptr"][:])
        features, samples = matrix["shape"][:]
        cells = scipy.sparse.csr_matrix(parts, (samples, features))
        assert cells.has_sorted_indices and cells.has_canonical_format
        for name in ("name", "feature_type", "genome"):
            assert matrix[f"features/{name}"].shape == (features,)
        ids, barcodes = (np.char.decode(matrix[name][:], "utf-8") for name in ("features/id", "barcodes"))
        return Read(ids.tolist(), barcodes.tolist(), cells.toarray().T)


def gctx(data: bytes, directory: Path) -> Read:
    """Read as cmapPy's `parse_gctx` does, which is not installed."""
    with h5py.File(io.BytesIO(data)) as file:
        assert file.attrs["version"] == b"GCTX1.0"
        ids, samples = (np.char.decode(file[f"0/META/{side}/id"][:], "utf-8") for side in ("ROW", "COL"))
        return Read(ids.tolist(), samples.tolist(), file["0/DATA/0/matrix"][:].T)


def parquet(data: bytes, directory: Path) -> Read:
    by_pandas = pd.read_parquet(io.BytesIO(data))
    by_polars = pl.read_parquet(io.BytesIO(data))
    _same_cells(by_pandas, by_polars)
    return _arrow(pq.read_table(io.BytesIO(data)))


def arrow(data: bytes, directory: Path) -> Read:
    table = pa.ipc.open_stream(data).read_all()
    _same_cells(table.to_pandas(), pl.read_ipc_stream(io.BytesIO(data)))
    return _arrow(table)


def tsv_long(data: bytes, directory: Path) -> Read:
    return _long(pd.read_csv(io.BytesIO(data), sep="\t", float_precision="round_trip", **_AS_IT_IS))


def tsv_long_gz(data: bytes, directory: Path) -> Read:
    return tsv_long(gzip.decompress(data), directory)


def csv_long(data: bytes, directory: Path) -> Read:
    return _long(pd.read_csv(io.BytesIO(data), float_precision="round_trip", **_AS_IT_IS))


def parquet_long(data: bytes, directory: Path) -> Read:
    table = pq.read_table(io.BytesIO(data))
    table.validate(full=True)
    _same_long(pd.read_parquet(io.BytesIO(data)), pl.read_parquet(io.BytesIO(data)))
    return _long(table.to_pandas())


def arrow_long(data: bytes, directory: Path) -> Read:
    with pa.ipc.open_stream(data) as stream:
        table = stream.read_all()
    table.validate(full=True)
    _same_long(table.to_pandas(), pl.read_ipc_stream(io.BytesIO(data)))
    return _long(table.to_pandas())


def json_sparse(data: bytes, directory: Path) -> Read:
    found = json.loads(data)
    features, samples = (found[axis]["attributes"][found[axis]["id"]] for axis in ("features", "samples"))
    cells = {name: np.array(values, float if name == "data" else int) for name, values in found["values"].items()}
    matrix = scipy.sparse.csr_matrix((cells["data"], cells["indices"], cells["indptr"]), found["shape"])
    matrix.check_format()
    assert not (matrix.data == 0).any()
    return Read(features, samples, matrix.toarray())


_AS_IT_IS: dict[str, Any] = {
    "dtype": {"feature": str, "sample": str},
    "keep_default_na": False,
    "na_values": {"value": "NaN"},
}


def _long(table: pd.DataFrame) -> Read:
    """Read a long table, which names only what has a cell that is not 0."""
    assert list(table.columns) == ["feature", "sample", "value"]
    assert not table.duplicated(["feature", "sample"]).any()
    assert not (table["value"] == 0).any()
    features, samples = (table[axis].astype(object).drop_duplicates().tolist() for axis in ("feature", "sample"))
    cells = np.zeros((len(features), len(samples)))
    places = [
        pd.Index(ids).get_indexer(table[axis].astype(object))
        for axis, ids in (("feature", features), ("sample", samples))
    ]
    assert (np.diff(places[0]) >= 0).all()
    cells[tuple(places)] = table["value"]
    return Read(features, samples, cells)


def _same_long(by_pandas: pd.DataFrame, by_polars: pl.DataFrame) -> None:
    assert {by_pandas[axis].dtype.name for axis in ("feature", "sample")} == {"category"}
    for axis in ("feature", "sample"):
        assert by_pandas[axis].astype(str).tolist() == by_polars[axis].cast(pl.String).to_list()
    assert np.array_equal(by_pandas["value"], by_polars["value"].to_numpy(), equal_nan=True)


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
    "csv": csv,
    "csv.gz": csv_gz,
    "gct": gct,
    "gct.gz": gct_gz,
    "mtx": mtx,
    "xlsx": xlsx,
    "json": json_object,
    "loom": loom,
    "h5ad": h5ad,
    "h5mu": h5mu,
    "zarr": zarr,
    "10x": tenx,
    "gctx": gctx,
    "parquet": parquet,
    "arrow": arrow,
    "tsv.long": tsv_long,
    "tsv.long.gz": tsv_long_gz,
    "csv.long": csv_long,
    "parquet.long": parquet_long,
    "arrow.long": arrow_long,
    "json.sparse": json_sparse,
}
"""For each format of matrices, what reads it."""

LONG = [name for name in READERS if ".long" in name]
"""Formats that name only what has a cell that is not 0."""
