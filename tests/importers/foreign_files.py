"""Source files as the programs of users write them, each of a data frame (features × samples)."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import scipy.io
import scipy.sparse

from rnaget_server.stores.native.write_dense import AxisTable, LayerSource, write_native
from rnaget_server.testing.matrices import InMemory


def _bytes(ids: pd.Index) -> list[bytes]:
    return [str(id).encode() for id in ids]


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def data_of(frame: pd.DataFrame, sparse: bool = True) -> anndata.AnnData:
    """The cells as AnnData without any attributes."""
    cells = scipy.sparse.csr_matrix(frame.T.to_numpy()) if sparse else frame.T.to_numpy()
    return anndata.AnnData(cells, pd.DataFrame(index=list(frame.columns)), pd.DataFrame(index=list(frame.index)))


def write_tsv(path: Path, frame: pd.DataFrame) -> None:
    frame.to_csv(path, sep="\t")


def write_csv(path: Path, frame: pd.DataFrame) -> None:
    frame.T.to_csv(path)


def write_gct(path: Path, frame: pd.DataFrame) -> None:
    table = frame.rename_axis("Name")
    table.insert(0, "Description", "none")
    _write(path, "#1.2\n{}\t{}\n{}".format(*frame.shape, table.to_csv(sep="\t")).encode())


def write_loom(path: Path, frame: pd.DataFrame) -> None:
    with h5py.File(path, "w") as file:
        file["matrix"] = frame.to_numpy()
        file["row_attrs/Gene"] = _bytes(frame.index)
        file["col_attrs/CellID"] = _bytes(frame.columns)
        for group in ("layers", "row_graphs", "col_graphs"):
            file.create_group(group)


def write_h5ad(path: Path, frame: pd.DataFrame, sparse: bool = True) -> None:
    data_of(frame, sparse).write_h5ad(path)


def write_tenx(path: Path, frame: pd.DataFrame) -> None:
    cells = scipy.sparse.csc_matrix(frame.to_numpy())
    with h5py.File(path, "w") as file:
        group = file.create_group("matrix")
        for name in ("data", "indices", "indptr"):
            group[name] = getattr(cells, name)
        group["shape"] = np.array(cells.shape, np.int32)
        group["barcodes"] = _bytes(frame.columns)
        group["features/id"] = group["features/name"] = _bytes(frame.index)
        for name, value in (("feature_type", b"Gene Expression"), ("genome", b"GRCh38")):
            group[f"features/{name}"] = [value] * len(frame)


def write_mtx(
    path: Path,
    frame: pd.DataFrame,
    features: str = "features.tsv",
    samples: str = "barcodes.tsv",
    samples_as_rows: bool = False,
) -> None:
    """Write a matrix with its labels next to it, each compressed where its name says so."""
    path.parent.mkdir(exist_ok=True)
    cells = scipy.sparse.csc_matrix(frame.T.to_numpy() if samples_as_rows else frame.to_numpy())
    content = io.BytesIO()
    scipy.io.mmwrite(content, cells.tocoo(), symmetry="general", precision=9)
    _write(path, content.getvalue())
    for name, ids in ((features, frame.index), (samples, frame.columns)):
        _write(path.with_name(name), "".join(f"{id}\n" for id in ids).encode())


def write_store(path: Path, frame: pd.DataFrame) -> None:
    """Write the file that this package writes, which no importer takes."""
    features, samples = (AxisTable("id", {"id": np.array(ids, object)}) for ids in (frame.index, frame.columns))
    cells = frame.to_numpy()
    write_native(path, features, samples, [LayerSource("TPM", InMemory(cells), cells.dtype, False)])


def long_of(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.reset_index().melt(frame.index.name, var_name="sample", value_name="TPM")


def write_long(path: Path, frame: pd.DataFrame) -> None:
    long_of(frame).to_csv(path, index=False)


def write_parquet(path: Path, frame: pd.DataFrame) -> None:
    frame.to_parquet(path, row_group_size=7)


def write_feather(path: Path, frame: pd.DataFrame) -> None:
    frame.reset_index().to_feather(path, chunksize=7)


def write_stream(path: Path, frame: pd.DataFrame) -> None:
    table = pa.Table.from_pandas(frame)
    with pa.ipc.new_stream(str(path), table.schema) as stream:
        stream.write_table(table, max_chunksize=7)


def write_excel(path: Path, frame: pd.DataFrame) -> None:
    frame.to_excel(path)


def write_gctx(path: Path, frame: pd.DataFrame) -> None:
    """Write the layout of cmapPy's `write_gctx`."""
    cells = frame.T.to_numpy(np.float32)
    with h5py.File(path, "w") as file:
        file.attrs["version"] = b"GCTX1.0"
        file.create_dataset("0/DATA/0/matrix", data=cells, compression="gzip", chunks=(2, min(20, len(frame))))
        for side, ids in (("ROW", frame.index), ("COL", frame.columns)):
            file[f"0/META/{side}/id"] = np.array(_bytes(ids))


def write_h5mu(path: Path, modalities: dict[str, anndata.AnnData]) -> None:
    axes = next(iter(modalities.values()))
    with h5py.File(path, "w", userblock_size=512) as file:
        file.attrs["encoding-type"] = "MuData"
        group = file.create_group("mod")
        for name, data in modalities.items():
            anndata.io.write_elem(group, name, data)
        anndata.io.write_elem(file, "obs", pd.DataFrame(index=axes.obs_names))
        anndata.io.write_elem(file, "var", pd.DataFrame(index=axes.var_names))


def write_zarr(path: Path, data: anndata.AnnData, version: int) -> None:
    with anndata.settings.override(zarr_write_format=version):
        data.write_zarr(path)


def write_archs4(path: Path, frame: pd.DataFrame, series: list[str] | None = None) -> None:
    with h5py.File(path, "w") as file:
        chunks = (min(40, len(frame)), 1)
        file.create_dataset("data/expression", data=frame.to_numpy(), chunks=chunks, compression="gzip")
        file["meta/genes/ensembl_gene"] = _bytes(frame.index)
        file["meta/genes/symbol"] = [b"A"] * len(frame)
        file["meta/samples/geo_accession"] = _bytes(frame.columns)
        if series is not None:
            file["meta/samples/series_id"] = [id.encode() for id in series]


def write_h5seurat(path: Path, frame: pd.DataFrame) -> None:
    """Write the layout of SeuratDisk's `SaveH5Seurat`."""
    cells = scipy.sparse.csc_matrix(frame.to_numpy())
    with h5py.File(path, "w") as file:
        file.attrs["active.assay"] = "RNA"
        for name in ("data", "indices", "indptr"):
            file[f"assays/RNA/counts/{name}"] = getattr(cells, name)
        file["assays/RNA/counts"].attrs["dims"] = cells.shape
        file["assays/RNA/features"] = _bytes(frame.index)
        file["cell.names"] = _bytes(frame.columns)
        file.create_group("meta.data")


def write_series(path: Path, frame: pd.DataFrame) -> None:
    """Write a series matrix of GEO."""
    ids = "\t".join(f'"{id}"' for id in frame.columns)
    tissues = "\t".join('"tissue: liver"' for _ in frame.columns)
    above = f'!Series_title\t"A title"\n!Sample_geo_accession\t{ids}\n!Sample_characteristics_ch1\t{tissues}\n'
    table = frame.to_csv(sep="\t", index_label="ID_REF")
    _write(path, f"{above}!series_matrix_table_begin\n{table}!series_matrix_table_end\n".encode())
