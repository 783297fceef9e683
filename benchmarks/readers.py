"""Readers of the formats by other libraries: each takes the bytes of a reply and gives labels and cells."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np
import pandas as pd
import pybigtools
from numpy.typing import NDArray


@dataclass(frozen=True)
class Table:
    """Labels and cells; `columns` are None where a format has none."""

    rows: list[str]
    columns: list[str] | None
    cells: NDArray[Any]

    def turned(self) -> Table:
        """Return the table with columns as rows: AnnData keeps what is observed as rows, tracks too."""
        return Table(self.columns or [], self.rows, self.cells.T)


def _tsv(data: bytes, directory: Path, compression: Literal["gzip", "zstd"] | None = None) -> Table:
    # Tracks have comment lines; no label here starts with their mark.
    found = pd.read_csv(
        io.BytesIO(data),
        sep="\t",
        index_col=0,
        comment="#",
        float_precision="round_trip",
        compression=compression,
    )
    return Table([str(one) for one in found.index], list(found.columns), found.to_numpy(np.float64))


def _json(data: bytes, directory: Path) -> Table:
    found = json.loads(data)
    labels = [found[axis]["attributes"][found[axis]["id"]] for axis in ("features", "samples")]
    return Table(labels[0], labels[1], np.array(found["values"], np.float64).reshape(found["shape"]))


def _loom(data: bytes, directory: Path) -> Table:
    with h5py.File(io.BytesIO(data)) as file:
        rows, columns = (_labels(file[group]) for group in ("row_attrs", "col_attrs"))
        return Table(rows, columns, file["matrix"][()].astype(np.float64))


def _h5ad(data: bytes, directory: Path) -> Table:
    import anndata

    path = directory / "read.h5ad"
    path.write_bytes(data)
    found = anndata.read_h5ad(path)
    cells = found.X.toarray() if hasattr(found.X, "toarray") else found.X
    return Table(list(found.var_names), list(found.obs_names), cells.T.astype(np.float64))


def _parquet(data: bytes, directory: Path) -> Table:
    import pyarrow.parquet as pq

    return _arrow_table(pq.read_table(io.BytesIO(data)))


def _arrow(data: bytes, directory: Path) -> Table:
    import pyarrow as pa

    return _arrow_table(pa.ipc.open_stream(data).read_all())


def _arrow_table(table: Any) -> Table:
    samples = json.loads(table.schema.metadata[b"samples"])
    cells = np.array([table[name].to_numpy() for name in samples["columns"]], np.float64).T
    ids = samples["attributes"][samples["id"]]
    return Table(table[table.column_names[0]].to_pylist(), ids, cells)


def _bedgraph(data: bytes, directory: Path) -> Table:
    """Return each track as one cell for each base of its intervals, NaN for the others; see `dense`."""
    tracks: dict[str, list[tuple[int, int, float]]] = {}
    current: list[tuple[int, int, float]] = []
    for line in data.decode().splitlines():
        if line.startswith("track"):
            name = line.split('name="')[1].split('"')[0] if 'name="' in line else line.split("name=")[1].split()[0]
            current = tracks.setdefault(name, [])
        elif line and not line.startswith(("#", "browser")):
            _, start, stop, value = line.split("\t")
            current.append((int(start), int(stop), float(value)))
    return _dense(tracks)


def _bigwig(data: bytes, directory: Path) -> Table:
    path = directory / "read.bw"
    path.write_bytes(data)
    with pybigtools.open(str(path)) as file:
        chromosome = next(iter(file.chroms()))
        return _dense({"": [(start, stop, value) for start, stop, value in file.records(chromosome)]})


def _dense(tracks: dict[str, list[tuple[int, int, float]]]) -> Table:
    stop = max((end for found in tracks.values() for _, end, _ in found), default=0)
    cells = np.full((len(tracks), stop), np.nan)
    for row, found in enumerate(tracks.values()):
        for start, end, value in found:
            cells[row, start:end] = value
    return Table(list(tracks), None, cells)


def _labels(group: h5py.Group) -> list[str]:
    """Return the attribute by which rows or columns are known here: the ids, or the positions of tracks."""
    name = next(name for name in ("gene", "sample", "tracks", "position") if name in group)
    return [one.decode() for one in group[name][()]]


READERS: dict[str, Callable[[bytes, Path], Table]] = {
    "tsv": _tsv,
    "tsv.gz": lambda data, directory: _tsv(data, directory, "gzip"),
    "tsv.zst": lambda data, directory: _tsv(data, directory, "zstd"),
    "json": _json,
    "loom": _loom,
    "h5ad": _h5ad,
    "parquet": _parquet,
    "arrow": _arrow,
    "bedgraph": _bedgraph,
    "bigwig": _bigwig,
}
