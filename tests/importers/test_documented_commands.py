"""Every command of docs/import.md is run by a test: here those of common kinds, and a check that none is left out."""

from __future__ import annotations

import gzip
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.io
import scipy.sparse
from click.testing import CliRunner

from rnaget_server.catalog import load
from rnaget_server.cli.server import main
from tests.conftest import ROOT
from tests.importers.test_docs_of_sources import SECTIONS
from tests.importers.test_documented_kinds import MADE
from tests.importers.test_kinds import cells, data_of

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
    "Signal tracks": [],
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


def tenx(path: Path, frame: pd.DataFrame) -> None:
    matrix = scipy.sparse.csc_matrix(frame.to_numpy(np.float32))
    with h5py.File(path, "w") as file:
        group = file.create_group("matrix")
        for name in ("data", "indices", "indptr"):
            group[name] = getattr(matrix, name)
        group["shape"] = matrix.shape
        group["barcodes"] = [id.encode() for id in frame.columns]
        for name in ("id", "name"):
            group[f"features/{name}"] = [id.encode() for id in frame.index]
        group["features/feature_type"] = [b"Gene Expression"] * len(frame)


def market(directory: Path, frame: pd.DataFrame) -> None:
    directory.mkdir()
    with gzip.open(directory / "matrix.mtx.gz", "wb") as file:
        scipy.io.mmwrite(file, scipy.sparse.coo_matrix(frame.to_numpy()))
    for name, ids in (("features", frame.index), ("barcodes", frame.columns)):
        (directory / f"{name}.tsv.gz").write_bytes(gzip.compress("".join(f"{id}\n" for id in ids).encode()))


@pytest.fixture
def laboratory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with the files that the commands name, which is the current one."""
    frame = cells()
    frame.to_csv(tmp_path / "matrix.tsv.gz", sep="\t")
    for name in ("tpm.tsv.gz", "raw.tsv.gz"):
        frame.to_csv(tmp_path / name, sep="\t")
    table = frame.reset_index()
    table.insert(1, "Description", "x")
    with gzip.open(tmp_path / "GTEx_gene_tpm.gct.gz", "wt") as file:
        file.write(f"#1.2\n{frame.shape[0]}\t{frame.shape[1]}\n{table.to_csv(sep=chr(9), index=False)}")
    samples = pd.DataFrame({"SMTS": ["Fat", "Liver", "Fat", "Lung"]}, pd.Index(frame.columns, name="SAMPID"))
    samples.to_csv(tmp_path / "GTEx_SampleAttributes.txt", sep="\t")
    data = data_of(frame)
    data.layers["counts"] = data.X
    data.write_h5ad(tmp_path / "cells.h5ad")
    tenx(tmp_path / "filtered_feature_bc_matrix.h5", frame)
    market(tmp_path / "filtered_feature_bc_matrix", frame)
    one = frame[["s0"]].set_axis(["TPM"], axis=1).assign(length=100)
    one.to_csv(tmp_path / "s1.genes.results", sep="\t")
    frame.set_axis([f"{id}, tumour, liver" for id in frame], axis=1).to_csv(tmp_path / "expression.tsv", sep="\t")
    shutil.copytree(ROOT / "data" / "demo" / "mcf7", tmp_path / "tracks")
    names = [path.stem for path in sorted((tmp_path / "tracks").glob("*.bw"))]
    (tmp_path / "samples.tsv").write_text("id\tAntibody\n" + "".join(f"{name}\tER\n" for name in names))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("title", HERE)
def test_commands(title: str, laboratory: Path) -> None:
    for command in sections()[title]:
        if shlex.split(command)[1] in MADE:
            continue  # run by test_documented_kinds
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
        done = subprocess.run(["bash", "-c", program], env=environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        result = CliRunner().invoke(main, ["export", "ID", "out.tsv", "--data", "DIR", "--force"])
        assert result.exit_code == 0
        found = pd.read_csv("out.tsv", sep="\t", index_col=0)
        np.testing.assert_array_equal(found[cells().columns].to_numpy(np.float32), cells().to_numpy(np.float32))
