"""The commands of docs/import.md for kinds that other programs write, run as they are there on such files."""

from __future__ import annotations

import gzip
import io
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import anndata
import h5py
import numpy as np
import openpyxl
import pandas as pd
import pyarrow as pa
import pytest
import scipy.io
import scipy.sparse
from click.testing import CliRunner

from rnaget_server.cli.server import main
from tests.conftest import client_of
from tests.importers.test_kinds import book, cells, data_of

DOCS = Path(__file__).parents[2] / "docs" / "import.md"


def _long() -> pd.DataFrame:
    return cells().reset_index().melt("gene_id", var_name="sample", value_name="TPM")


def _layered() -> anndata.AnnData:
    data = data_of(cells())
    data.layers["counts"] = data.X
    return data


def _h5mu(path: Path) -> None:
    with h5py.File(path, "w") as file:
        group = file.create_group("mod")
        for name in ("rna", "prot"):
            anndata.io.write_elem(group, name, _layered())


def _stream(path: Path) -> None:
    table = pa.Table.from_pandas(_long())
    with pa.ipc.new_stream(str(path), table.schema) as stream:
        stream.write_table(table, max_chunksize=7)


def _excel(path: Path) -> None:
    frame = cells().reset_index()
    rows = [frame.columns.tolist(), *frame.to_numpy().tolist()]
    book(path, {"Table S1": [["gene", "s1"], ["A", 1]], "Table S2": rows})
    assert openpyxl.load_workbook(path).sheetnames == ["Table S1", "Table S2"]


def _gctx(path: Path) -> None:
    frame = cells()
    with h5py.File(path, "w") as file:
        file["0/DATA/0/matrix"] = frame.T.to_numpy(np.float32)
        file["0/META/ROW/id"] = [id.encode() for id in frame.index]
        file["0/META/COL/id"] = [id.encode() for id in frame.columns]


def _archs4(path: Path) -> None:
    frame = cells()
    with h5py.File(path, "w") as file:
        file["data/expression"] = np.hstack([frame.to_numpy(), frame.to_numpy()])
        file["meta/genes/symbol"] = [id.encode() for id in frame.index]
        file["meta/samples/geo_accession"] = [id.encode() for id in [*frame.columns, "x1", "x2", "x3", "x4"]]
        file["meta/samples/series_id"] = [b"GSE47966"] * 4 + [b"GSE1"] * 4


def _seurat(path: Path) -> None:
    frame = cells()
    matrix = scipy.sparse.csc_matrix(frame.to_numpy())
    with h5py.File(path, "w") as file:
        for part in ("data", "indices", "indptr"):
            file[f"assays/RNA/counts/{part}"] = getattr(matrix, part)
        file["assays/RNA/features"] = [id.encode() for id in frame.index]
        file["cell.names"] = [id.encode() for id in frame.columns]


def _market(path: Path, features: str, samples: str, *, cells_as_rows: bool) -> None:
    """Write counts as MatrixMarket, its labels into files next to it."""
    path.parent.mkdir(exist_ok=True)
    frame = cells()
    made = scipy.sparse.coo_matrix(frame.T.to_numpy() if cells_as_rows else frame.to_numpy())
    content = io.BytesIO()
    scipy.io.mmwrite(content, made, symmetry="general", precision=9)
    path.write_bytes(gzip.compress(content.getvalue()) if path.suffix == ".gz" else content.getvalue())
    path.with_name(features).write_text("\n".join(frame.index))
    path.with_name(samples).write_text("\n".join(frame.columns))


def _series(path: Path) -> None:
    frame = cells()
    ids = "\t".join(f'"{id}"' for id in frame.columns)
    tissues = "\t".join('"tissue: liver"' for _ in frame.columns)
    table = frame.to_csv(sep="\t", index_label="ID_REF")
    with gzip.open(path, "wt") as file:
        file.write(f'!Series_title\t"A title"\n!Sample_geo_accession\t{ids}\n!Sample_characteristics_ch1\t{tissues}\n')
        file.write(f"!series_matrix_table_begin\n{table}!series_matrix_table_end\n")


MADE: dict[str, Callable[[Path], object]] = {
    "cells.h5mu": _h5mu,
    "cells.zarr": lambda path: _layered().write_zarr(path),
    "matrix.parquet": lambda path: cells().to_parquet(path),
    "matrix.feather": lambda path: cells().reset_index().to_feather(path),
    "long.arrows": _stream,
    "tables.xlsx": _excel,
    "level5.gctx": _gctx,
    "human_gene_v2.h5": _archs4,
    "pbmc.h5seurat": _seurat,
    "counts_unfiltered": lambda path: _market(
        path / "cells_x_genes.mtx", "cells_x_genes.genes.txt", "cells_x_genes.barcodes.txt", cells_as_rows=True
    ),
    "quants_mat.mtx": lambda path: _market(path, "quants_mat_cols.txt", "quants_mat_rows.txt", cells_as_rows=True),
    "E-MTAB-1.aggregated_filtered_counts.mtx.gz": lambda path: _market(
        path, path.stem + "_rows", path.stem + "_cols", cells_as_rows=False
    ),
    "GSE2_series_matrix.txt.gz": _series,
    "long.csv": lambda path: _long().to_csv(path, index=False),
    "melted.tsv": lambda path: _long().set_axis(["target", "origin", "level"], axis=1).to_csv(path, sep="\t"),
}


def command_of(name: str) -> list[str]:
    text = DOCS.read_text(encoding="utf-8").replace("\\\n", " ")
    (line,) = re.findall(rf"^rnaget-server (import {re.escape(name)} .*)$", text, re.MULTILINE)
    return shlex.split(line)


@pytest.mark.parametrize("name", MADE)
def test_the_command_imports_what_other_programs_write(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    MADE[name](tmp_path / name)
    command = command_of(name)
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 0, result.output
    id, units = (command[command.index(option) + 1] for option in ("--id", "--units"))
    expected = cells().astype(np.float32)
    for client in client_of(tmp_path / "DIR"):
        reply = client.get(f"/rnaget/expressions/{id}/bytes?format=tsv&units={units}")
        assert reply.status_code == 200
        lines = [line.split("\t") for line in reply.text.splitlines()]
        assert lines[0][1:] == expected.columns.tolist()
        assert [line[0] for line in lines[1:]] == expected.index.tolist()
        np.testing.assert_array_equal(np.array([line[1:] for line in lines[1:]], np.float32), expected.to_numpy())
