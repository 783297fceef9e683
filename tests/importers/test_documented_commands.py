"""Every command of docs/import.md is run by a test, as it is there: most of them here; none is left out."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import anndata
import numpy as np
import openpyxl
import pandas as pd
import pytest
import scipy.sparse
import zarr
from click.testing import CliRunner

from rnaget_server.catalog import load
from rnaget_server.cli.server import main
from tests.conftest import ROOT, client_of
from tests.importers import foreign_files as files
from tests.importers.test_docs_of_sources import SECTIONS
from tests.importers.test_kinds import book, cells, data_of

PAGE = (ROOT / "docs" / "import.md").read_text(encoding="utf-8").replace("\\\n", " ")
# Run by test_docs_of_sources, test_attribute_tables, test_real, quantifications/test_docs, test_rds, test_soma …
ELSEWHERE = {
    *SECTIONS,
    "Tables of samples and features",
    "Results of quantifiers",
    "R",
    "TileDB-SOMA",
    "What need not be said",
}
HERE = {
    "Importing expression matrices": ["ID"],
    "GCT": ["gene_tpms"],
    "AnnData and 10x": ["lung", "pbmc"],
    "MatrixMarket": ["pbmc"],
    "Tables of one sample": ["s1"],
    "Composed column labels": ["tumours"],
    "A second unit of the same matrix": ["uhlen"],
    "Further samples of a matrix": [],
    "Signal tracks": [],
}


def _layered() -> anndata.AnnData:
    data = data_of(cells())
    data.layers["counts"] = data.X
    return data


def _excel(path: Path) -> None:
    frame = cells().reset_index()
    rows = [frame.columns.tolist(), *frame.to_numpy().tolist()]
    book(path, {"Table S1": [["gene", "s1"], ["A", 1]], "Table S2": rows})
    assert openpyxl.load_workbook(path).sheetnames == ["Table S1", "Table S2"]


def _archs4(path: Path) -> None:
    frame = pd.concat([cells(), cells(seed=2).add_prefix("x")], axis=1)
    files.write_archs4(path, frame, ["GSE47966"] * 4 + ["GSE1"] * 4)


def _zipped_zarr(path: Path) -> None:
    with zarr.storage.ZipStore(path, mode="w") as store:
        anndata.io.write_zarr(store, _layered())


# The files of kinds that other programs write, by their names in the commands.
MADE: dict[str, Callable[[Path], object]] = {
    "cells.h5mu": lambda path: files.write_h5mu(path, {"rna": _layered(), "prot": _layered()}),
    "cells.zarr": lambda path: _layered().write_zarr(path),
    "cells.zarr.zip": _zipped_zarr,
    "matrix.parquet": lambda path: files.write_parquet(path, cells()),
    "matrix.feather": lambda path: files.write_feather(path, cells()),
    "long.arrows": lambda path: files.write_stream(path, files.long_of(cells())),
    "tables.xlsx": _excel,
    "level5.gctx": lambda path: files.write_gctx(path, cells()),
    "human_gene_v2.h5": _archs4,
    "pbmc.h5seurat": lambda path: files.write_h5seurat(path, cells()),
    "counts_unfiltered": lambda path: files.write_mtx(
        path / "cells_x_genes.mtx", cells(), "cells_x_genes.genes.txt", "cells_x_genes.barcodes.txt", True
    ),
    "quants_mat.mtx": lambda path: files.write_mtx(path, cells(), "quants_mat_cols.txt", "quants_mat_rows.txt", True),
    "E-MTAB-1.aggregated_filtered_counts.mtx.gz": lambda path: files.write_mtx(
        path, cells(), path.stem + "_rows", path.stem + "_cols"
    ),
    "GSE2_series_matrix.txt.gz": lambda path: files.write_series(path, cells()),
    "long.csv": lambda path: files.write_long(path, cells()),
    "melted.tsv": lambda path: (
        files.long_of(cells()).set_axis(["target", "origin", "level"], axis=1).to_csv(path, sep="\t")
    ),
}


def sections() -> dict[str, list[str]]:
    """Return the commands of each section that has any."""
    found = {}
    for part in re.split(r"^#+ ", PAGE, flags=re.MULTILINE)[1:]:
        if commands := re.findall(r"^rnaget-server (import .*)$|^(.* \| rnaget-server import .*)$", part, re.MULTILINE):
            found[part.partition("\n")[0]] = [one or other for one, other in commands]
    return found


def test_no_command_is_left_out() -> None:
    found = sections()
    rest = {title: commands for title, commands in found.items() if title not in {*ELSEWHERE, *HERE, "Pipes"}}
    left = [line for commands in rest.values() for line in commands if shlex.split(line)[1] not in MADE]
    assert not left
    assert {*ELSEWHERE, *HERE, "Pipes"} <= found.keys()


@pytest.fixture
def laboratory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with the files that the commands name, which is the current one."""
    frame = cells()
    frame.to_csv(tmp_path / "matrix.tsv.gz", sep="\t")
    for name in ("tpm.tsv.gz", "raw.tsv.gz"):
        frame.to_csv(tmp_path / name, sep="\t")
    frame.add_prefix("batch-7-").to_csv(tmp_path / "batch-7.tsv.gz", sep="\t")
    files.write_gct(tmp_path / "GTEx_gene_tpm.gct.gz", frame)
    samples = pd.DataFrame({"SMTS": ["Fat", "Liver", "Fat", "Lung"]}, pd.Index(frame.columns, name="SAMPID"))
    samples.to_csv(tmp_path / "GTEx_SampleAttributes.txt", sep="\t")
    _layered().write_h5ad(tmp_path / "cells.h5ad")
    files.write_tenx(tmp_path / "filtered_feature_bc_matrix.h5", frame.astype(np.float32))
    folder = tmp_path / "filtered_feature_bc_matrix"
    files.write_mtx(folder / "matrix.mtx.gz", frame, "features.tsv.gz", "barcodes.tsv.gz")
    one = frame[["s0"]].set_axis(["TPM"], axis=1).assign(length=100)
    one.to_csv(tmp_path / "s1.genes.results", sep="\t")
    frame.set_axis([f"{id}, tumour, liver" for id in frame], axis=1).to_csv(tmp_path / "expression.tsv", sep="\t")
    shutil.copytree(ROOT / "data" / "demo" / "mcf7", tmp_path / "tracks")
    names = [path.stem for path in sorted((tmp_path / "tracks").glob("*.bw"))]
    (tmp_path / "samples.tsv").write_text("id\tAntibody\n" + "".join(f"{name}\tER\n" for name in names))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def command_of(name: str) -> list[str]:
    (line,) = re.findall(rf"^rnaget-server (import {re.escape(name)} .*)$", PAGE, re.MULTILINE)
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


@pytest.mark.parametrize("title", HERE)
def test_commands(title: str, laboratory: Path) -> None:
    for command in sections()[title]:
        if shlex.split(command)[1] in MADE:
            continue  # run by test_the_command_imports_what_other_programs_write
        words = []
        for word in shlex.split(command):
            words += sorted(map(str, Path().glob(word))) if "*" in word else [word]
        result = CliRunner().invoke(main, words)
        assert result.exit_code == 0, (command, result.output)
    catalog, problems = load(Path("DIR"))
    assert catalog is not None and not problems
    for id in HERE[title]:
        assert CliRunner().invoke(main, ["export", id, "out.h5ad", "--data", "DIR", "--force"]).exit_code == 0
        found = anndata.read_h5ad("out.h5ad")
        expected = cells().astype(np.float32)
        if title == "Tables of one sample":
            expected = expected[["s0"]].set_axis([found.obs_names[0]], axis=1)
        assert found.var_names.tolist() == expected.index.tolist()
        assert found.obs_names.tolist() == expected.columns.tolist()
        for values in (found.X, *found.layers.values()):
            dense = values.toarray() if scipy.sparse.issparse(values) else values
            np.testing.assert_array_equal(dense.T, expected.to_numpy())


def test_pipes(laboratory: Path) -> None:
    frame = cells()
    frame.insert(0, "length", 100)
    frame.to_csv("matrix.tsv", sep="\t")
    commands = sections()["Pipes"]
    assert len(commands) == 2
    for command in commands:
        line = command if command.startswith("zcat") else f"rnaget-server {command}"
        program = f'set -o pipefail; rnaget-server() {{ {sys.executable} -m rnaget_server.cli.server "$@"; }}; {line}'
        shutil.rmtree("DIR", ignore_errors=True)
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
        done = subprocess.run(["bash", "-c", program], env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        result = CliRunner().invoke(main, ["export", "ID", "out.tsv", "--data", "DIR", "--force"])
        assert result.exit_code == 0
        found = pd.read_csv("out.tsv", sep="\t", index_col=0)
        np.testing.assert_array_equal(found[cells().columns].to_numpy(np.float32), cells().to_numpy(np.float32))
