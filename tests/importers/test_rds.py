"""R's objects, saved by R itself, as matrices with their attributes; refused unless the provider trusts the file."""

from __future__ import annotations

import contextlib
import gzip
import os
import re
import select
import shlex
import shutil
import signal
import subprocess
import tempfile
import zipfile
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from click.testing import CliRunner

from rnaget_server.cli.server import main
from rnaget_server.importers.matrices import rds

ROOT = Path(__file__).parents[2]
GENES = ["g1", 'it\'s, "g2"', "12", "µ4"]
SAMPLES = ["s 1", "length", "s-3"]
CELLS = pd.DataFrame([[0, 1.5, 3], [1e-7, 0, 1 / 3], [7, 8, 9], [0, 0, 1e10]], GENES, SAMPLES)
TISSUES, AGES = ["liver", "lung, left", ""], [61, np.nan, 5.5]
NAMES, STARTS = ["A", "B", "A", "D"], [100, 200, 300, 400]
MAKE = r"""
library(Matrix)
x <- as.matrix(read.delim("cells.tsv", row.names = 1, check.names = FALSE, quote = ""))
samples <- data.frame(tissue = factor(c("liver", "lung, left", "")), age = c(61, NA, 5.5), row.names = colnames(x))
samples$parts <- list(1, 2, 3)
genes <- data.frame(symbol = c("A", "B", "A", "D"), row.names = rownames(x))
saveRDS(x, "matrix.rds")
saveRDS(data.frame(id = rownames(x), symbol = genes$symbol, x, check.names = FALSE, row.names = NULL), "frame.rds")
saveRDS(as(x, "CsparseMatrix"), "sparse.rds", compress = "xz")
saveRDS(unname(x), "unnamed.rds")
saveRDS(lm(age ~ 1, samples), "model.rds")
save(x, samples, file = "several.RData")
"""
OBJECTS = (
    MAKE
    + r"""
suppressMessages({
  library(SummarizedExperiment)
  places <- GRanges("chr1", IRanges(c(100, 200, 300, 400), width = 50), "+", DataFrame(genes))
  assays <- list(counts = x, tpm = x * 2)
  saveRDS(SummarizedExperiment(assays, rowRanges = places, colData = DataFrame(samples)), "se.rds")
  saveRDS(SummarizedExperiment(assays, rowRanges = granges(places)), "ranges.rds")
  library(SeuratObject)
  counts <- as(x, "CsparseMatrix")
  object <- CreateSeuratObject(counts, meta.data = samples[c("tissue", "age")])
  object <- SetAssayData(object, "data", counts * 2)
  saveRDS(object, "seurat.rds")
})
"""
)


def made_by(script: str, directory: Path) -> Path:
    """Let R save objects into a directory; return it."""
    if shutil.which("Rscript") is None:
        pytest.skip("Rscript is absent")
    CELLS.to_csv(directory / "cells.tsv", sep="\t", quoting=3, quotechar="\0", index_label="id")
    (directory / "make.R").write_text(script)
    environment = {**os.environ, "LANG": "C.UTF-8"}
    made = subprocess.run(
        ["Rscript", "--vanilla", "make.R"], cwd=directory, env=environment, capture_output=True, text=True, timeout=900
    )
    assert made.returncode == 0, made.stderr
    return directory


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory of objects of R itself that R has saved."""
    return made_by(MAKE, tmp_path_factory.mktemp("rds"))


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with objects of Bioconductor and Seurat, which take R long to load."""
    return made_by(OBJECTS, tmp_path_factory.mktemp("objects"))


def run(*arguments: str | Path, code: int = 0) -> str:
    result = CliRunner().invoke(main, [str(one) for one in arguments])
    assert result.exit_code == code, result.output
    return result.output


def place(data: Path) -> tuple[str | Path, ...]:
    return "--data", data, "--project", "p", "--study", "s", "--id", "m", "--units", "TPM"


def exported(data: Path, id: str) -> anndata.AnnData:
    assert not list(data.rglob(".import*"))
    output = data.parent / f"{id}.h5ad"
    run("export", id, output, "--data", data)
    return anndata.read_h5ad(output)


def same_cells(found: anndata.AnnData, factor: int = 1) -> None:
    assert found.var_names.tolist() == GENES and found.obs_names.tolist() == SAMPLES
    values = found.X.toarray() if scipy.sparse.issparse(found.X) else found.X
    np.testing.assert_array_equal(values.T, (CELLS.to_numpy() * factor).astype(np.float32))


def test_a_data_frame(files: Path, tmp_path: Path) -> None:
    run("import", files / "frame.rds", *place(tmp_path / "data"), "--trust-r", "--label-columns", "2")
    found = exported(tmp_path / "data", "m")
    same_cells(found)
    assert found.var["symbol"].tolist() == NAMES


def imported_as_documented(source: Path, name: str, id: str, directory: Path) -> anndata.AnnData:
    """Run the command of docs/import.md that names the file `name` on `source`; return what is exported."""
    text = (ROOT / "docs" / "import.md").read_text()
    (command,) = re.findall(rf"^rnaget-server (import {name} .*)$", text, re.MULTILINE)
    shutil.copy(source, directory / name)
    with contextlib.chdir(directory):
        run(*shlex.split(command))
    return exported(directory / "DIR", id)


def test_a_sparse_matrix_by_the_documented_command(files: Path, tmp_path: Path) -> None:
    found = imported_as_documented(files / "sparse.rds", "counts.rds", "counts", tmp_path)
    same_cells(found)
    assert scipy.sparse.issparse(found.X)


@pytest.mark.long
def test_annotated_objects_by_the_documented_commands(objects: Path, tmp_path: Path) -> None:
    """A SummarizedExperiment and a Seurat object, with all that belongs to them."""
    experiment = imported_as_documented(objects / "se.rds", "experiment.rds", "experiment", tmp_path)
    seurat = imported_as_documented(objects / "seurat.rds", "pbmc.rds", "pbmc_r", tmp_path)
    same_cells(experiment, 2)
    same_cells(seurat, 2)
    assert [scipy.sparse.issparse(found.X) for found in (experiment, seurat)] == [False, True]
    for found in (experiment, seurat):
        assert found.obs["tissue"].tolist() == TISSUES and "parts" not in found.obs
        np.testing.assert_array_equal(found.obs["age"], AGES)
    assert experiment.var["symbol"].tolist() == NAMES and experiment.var["start"].tolist() == STARTS
    assert set(experiment.var["chromosome"]) == {"chr1"} and set(experiment.var["strand"]) == {"+"}


@pytest.mark.long
def test_ranges_without_further_attributes(files: Path, tmp_path: Path) -> None:
    run("import", files / "ranges.rds", *place(tmp_path / "data"), "--trust-r")
    found = exported(tmp_path / "data", "m")
    same_cells(found)
    assert found.var["start"].tolist() == STARTS


def test_in_an_archive(files: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "deposit.zip", "w") as archive:
        archive.write(files / "matrix.rds", "x/matrix.rds")
    run("import", tmp_path / "deposit.zip", *place(tmp_path / "data"), "--trust-r")
    same_cells(exported(tmp_path / "data", "m"))


def test_refusals(files: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.rds"
    broken.write_bytes(gzip.decompress((files / "matrix.rds").read_bytes())[:100])
    for source, options, why in (
        (
            files / "matrix.rds",
            (),
            "can run code: if you trust the origin of this one, add --trust-r; if not, write it",
        ),
        (files / "unnamed.rds", ("--trust-r",), "the matrix has no ids: give them by rownames(x) and colnames(x)"),
        (files / "model.rds", ("--trust-r",), "this object of class lm is none of matrix, data.frame"),
        (files / "several.RData", ("--trust-r",), "save the matrix alone in R, by `saveRDS(x, 'FILE.rds')`"),
        (files / "matrix.rds", ("--trust-r", "--layer", "tpm"), "--layer names an assay"),
        (files / "cells.tsv", ("--trust-r",), "--trust-r cannot be given for this file: it lets R read"),
        (broken, ("--trust-r",), "R cannot take a matrix from this file"),
    ):
        said = run("import", source, *place(tmp_path / "data"), *options, code=1)
        assert why in said and str(source) in said, said
        assert not (tmp_path / "data").exists()


def test_without_r(files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    said = run("import", files / "matrix.rds", *place(tmp_path / "data"), "--trust-r", code=1)
    assert "R is not installed here (Rscript): install it, or write it in R, as by `write.table(" in said


def test_r_is_bounded(files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither time, memory nor settings of the user are without bounds; nothing stays behind."""
    script = tmp_path / "waits.R"
    script.write_text("Sys.sleep(600)")
    monkeypatch.setattr(rds, "_SCRIPT", script)
    monkeypatch.setattr(rds, "_SECONDS", 1)
    assert "R has not read the file within" in run(
        "import", files / "matrix.rds", *place(tmp_path / "d"), "--trust-r", code=1
    )
    monkeypatch.setattr(rds, "_SECONDS", 600)
    monkeypatch.setattr(rds, "_MEMORY", 1 << 30)
    script.write_text("x <- numeric(1e9)")
    said = run("import", files / "matrix.rds", *place(tmp_path / "d"), "--trust-r", code=1)
    assert "R ended with status 1 while it read the file: it may need more than 1 GiB of memory" in said
    (tmp_path / ".Rprofile").write_text("stop('read')")
    monkeypatch.setenv("R_PROFILE_USER", str(tmp_path / ".Rprofile"))
    monkeypatch.setenv("SECRET_OF_SHELL", "x")
    script.write_text("writeLines(paste('secret:', Sys.getenv('SECRET_OF_SHELL')), 'refusal.txt'); quit(status = 3)")
    monkeypatch.chdir(tmp_path)
    script.write_text(script.read_text().replace("'refusal.txt'", "file.path(commandArgs(TRUE)[2], 'refusal.txt')"))
    said = run("import", files / "matrix.rds", *place(tmp_path / "d"), "--trust-r", code=1)
    assert said.strip().endswith("secret:") and not (tmp_path / "d").exists()


@pytest.mark.skipif(shutil.which("Rscript") is None, reason="Rscript is absent")
def test_r_ends_with_an_import_that_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The text that R has written is not in the catalogue, and the next import removes it."""
    temporary, pipe = tmp_path / "tmp", tmp_path / "pipe"
    temporary.mkdir()
    os.mkfifo(pipe)
    (tmp_path / "m.rds").write_bytes(gzip.compress(b"X\n\0\0\0\3\0\4\2\2"))
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    with monkeypatch.context() as patched:
        script = tmp_path / "waits.R"
        script.write_text(
            f"writeLines('x', file.path(commandArgs(TRUE)[2], 'matrix.tsv')); held <- fifo('{pipe}', 'w')\n"
            "writeLines('begun', held); flush(held); Sys.sleep(60)"
        )
        patched.setattr(rds, "_SCRIPT", script)
        importing = os.fork()
        if not importing:
            try:
                run("import", tmp_path / "m.rds", *place(tmp_path / "data"), "--trust-r")
            finally:
                os._exit(1)
    with pipe.open("rb", buffering=0) as held:
        assert held.readline() == b"begun\n"
        os.kill(importing, signal.SIGKILL)
        os.waitpid(importing, 0)
        assert select.select([held], [], [], 30)[0], "R goes on"
        assert held.read() == b""
    assert [path.name for path in temporary.rglob("matrix.tsv")] == ["matrix.tsv"]
    assert not [path for path in (tmp_path / "data").rglob("*") if path.is_file()]
    (tmp_path / "m.tsv").write_text("gene_id\ts\ng1\t1\n")
    run("import", tmp_path / "m.tsv", *place(tmp_path / "data"))
    assert os.listdir(temporary) == []
