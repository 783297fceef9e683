"""Objects of R that are easily read wrong. One start of R saves and converts them all."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pytest
import scipy.sparse
from click.testing import CliRunner

from rnaget_server.cli.server import main
from rnaget_server.importers.matrices import rds

# Each object is converted as it is and transposed, as the program would be called for it.
CONVERT = r"""
for (name in names(objects)) {
  saveRDS(objects[[name]], paste0(name, ".rds"))
  for (turned in c("", "transpose")) {
    made <- file.path(getwd(), paste0(name, turned))
    dir.create(made)
    program <- new.env()
    program$commandArgs <- function(...) c(paste0(made, "/../", name, ".rds"), made, "", turned)
    program$quit <- function(...) NULL
    home <- getwd()
    sys.source(Sys.getenv("SCRIPT"), program)
    setwd(home)
  }
}
"""
OBJECTS = r"""
library(Matrix)
named <- function(values, rows, columns, ...) matrix(values, length(rows), dimnames = list(rows, columns), ...)
objects <- list(
  square = as(named(c(1, 0, 2, 3), c("g1", "g2"), c("s1", "s2")), "CsparseMatrix"),
  quoted = as(named(1:4, c('"5S" rRNA', '"x"'), c("s", 'a "b"')), "CsparseMatrix"),
  missing = as(named(c(0, NA, NaN, Inf, -Inf, 1 / 3), c("g1", "g2"), c("s1", "s2", "s3")), "CsparseMatrix"),
  numbers = data.frame(s1 = c(1.5, 2), s2 = c(3, 4)),
  ids = data.frame(s1 = c(1.5, 2), s2 = c(3, 4), row.names = c("g1", "g2"))
)
"""


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory of objects that R has saved, and of what the program of the importer writes for each."""
    if shutil.which("Rscript") is None:
        pytest.skip("Rscript is absent")
    directory = tmp_path_factory.mktemp("objects")
    (directory / "make.R").write_text(OBJECTS + CONVERT)
    environment = {**os.environ, "LANG": "C.UTF-8", "SCRIPT": str(rds._SCRIPT)}
    made = subprocess.run(
        ["Rscript", "--vanilla", "make.R"], cwd=directory, env=environment, capture_output=True, text=True, timeout=300
    )
    assert made.returncode == 0, made.stderr
    return directory


@pytest.fixture
def conversions(converted: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same, given to the importer in place of R's starts."""

    def run(command: list[str], directory: Path, *others: Any) -> int:
        path, _made, _layer, *turned = command[3:]
        shutil.copytree(converted / f"{Path(path).stem}{''.join(turned)}", directory, dirs_exist_ok=True)
        return rds._REFUSED if (directory / "refusal.txt").exists() else 0

    monkeypatch.setattr(rds, "_run", run)
    return converted


def imported(source: Path, data: Path, *options: str, code: int = 0) -> str:
    place = "--data", str(data), "--project", "p", "--study", "s", "--id", "m", "--units", "TPM"
    result = CliRunner().invoke(main, ["import", str(source), *place, "--trust-r", *options])
    assert result.exit_code == code, result.output
    return result.output


def exported(data: Path) -> tuple[list[str], list[str], list[list[float]]]:
    """Return features, samples and the cells, features as rows."""
    output = data.parent / "m.h5ad"
    result = CliRunner().invoke(main, ["export", "m", str(output), "--data", str(data)])
    assert result.exit_code == 0, result.output
    found = anndata.read_h5ad(output)
    cells = found.X.toarray() if scipy.sparse.issparse(found.X) else found.X
    return found.var_names.tolist(), found.obs_names.tolist(), np.asarray(cells).T.tolist()


def test_a_square_matrix_is_transposed_with_its_labels(conversions: Path, tmp_path: Path) -> None:
    imported(conversions / "square.rds", tmp_path / "data", "--transpose")
    assert exported(tmp_path / "data") == (["s1", "s2"], ["g1", "g2"], [[1, 0], [2, 3]])


def test_ids_with_quotes_are_kept(conversions: Path, tmp_path: Path) -> None:
    imported(conversions / "quoted.rds", tmp_path / "data")
    assert exported(tmp_path / "data") == (['"5S" rRNA', '"x"'], ["s", 'a "b"'], [[1, 3], [2, 4]])


def test_missing_and_infinite_cells(conversions: Path, tmp_path: Path) -> None:
    said = imported(conversions / "missing.rds", tmp_path / "data")
    assert "infinite" in said
    expected = [[0, np.nan, -np.inf], [np.nan, np.inf, np.float32(1 / 3)]]
    np.testing.assert_array_equal(exported(tmp_path / "data")[2], expected)


def test_a_data_frame_of_numbers_alone(conversions: Path, tmp_path: Path) -> None:
    """Its first sample is not taken for the ids."""
    said = imported(conversions / "numbers.rds", tmp_path / "data", code=1)
    assert "has no row names, and its first column, s1, holds numbers: give it the ids by rownames(x)" in said
    imported(conversions / "ids.rds", tmp_path / "data")
    assert exported(tmp_path / "data") == (["g1", "g2"], ["s1", "s2"], [[1.5, 3], [2, 4]])
