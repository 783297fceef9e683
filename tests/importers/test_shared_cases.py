"""Situations that users reported, each in a folder of the shared data: what is right there comes out, or is refused."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from rnaget_server.cli.server import main
from tests.importers.conftest import Workshop

COUNT = ("--units", "count")
TPM = ("--units", "TPM")
RIGHT = {
    "01-h5ad-nullable-string-index": [
        ("anndata12.h5ad", COUNT),
        ("anndata13.h5ad", COUNT),
        ("anndata13.h5ad", (*COUNT, "--as-is")),
    ],
    "02-htseq-no-header": [("sample1.htseq.txt", COUNT)],
    "04-salmon-quant-sf": [("quant.sf", TPM)],
    "06-gct13-neg666": [("sig.gct", ("--units", "z"))],
    "07-row-number-first-column": [("counts.csv", COUNT)],
    "09-starsolo-float-mtx": [("UniqueAndMult-EM.mtx", COUNT)],
    "13-european-csv": [("eu.csv", TPM), ("semicolon.csv", TPM)],
    "17-velocyto-loom-duplicate-genes": [("velo.loom", COUNT)],
    "18-h5ad-nullable-columns": [("nullable.h5ad", COUNT)],
    "19-featurecounts": [("counts.txt", COUNT)],
    "20-recount3-large-sums": [("sra.gene_sums.SRP1.G026.gz", ("--units", "sum"))],
}
SHAPES = {
    "11-geo-mtx-shared-features": [("GSM1_N1-matrix.mtx", (3, 4))],
    "14-process-substitution": [("small.tsv", (2, 2)), ("big.tsv", (6000, 3))],
    "15-excel-trailing-cells": [("excel.gct", (2, 2)), ("trailing.tsv", (2, 2)), ("trailing_row.tsv", (2, 2))],
    "18-h5ad-nullable-columns": [("unsorted.h5ad", (3, 4))],
    "21-anndata-0.6-file": [("old06.h5ad", (3, 4))],
    "23-excel-dates": [("once.tsv", (5, 2))],
}
REFUSED = {
    "10-starsolo-mtx-no-banner": [("matrix.mtx", "no MatrixMarket line")],
    "13-european-csv": [("thousands.csv", "commas between thousands")],
    "16-10x-v2-two-genomes": [("v2two.h5", "--genome hg19")],
    "19-featurecounts": [("repeated.txt", "repeated.txt:4: the feature id 'ENSG01' is here and in line 3")],
    "22-h5mu": [("x.h5mu", "--modality rna")],
    "23-excel-dates": [("twice.tsv", "a spreadsheet program")],
}


@pytest.fixture
def cases(shared_data: Path) -> Path:
    return shared_data / "cases" / "matrix"


def run(source: Path, data: Path, *options: str) -> tuple[int, str]:
    place = ["--data", str(data), "--project", "p", "--study", "s", "--id", "m"]
    result = CliRunner().invoke(main, ["import", str(source), *place, *options])
    return result.exit_code, result.output


def test_every_situation_is_here(cases: Path) -> None:
    assert {path.name for path in cases.iterdir() if path.is_dir()} == {*RIGHT, *SHAPES, *REFUSED}


def flat(table: dict[str, list[tuple[str, object]]]) -> list[tuple[str, str, object]]:
    return [(folder, file, value) for folder, files in table.items() for file, value in files]


def stored(data: Path) -> pd.DataFrame:
    workshop = Workshop(data)
    (units,) = workshop.store().units[:1]
    return workshop.frame(units).astype(float)


@pytest.mark.parametrize(("folder", "file", "options"), flat(RIGHT))  # type: ignore[arg-type]
def test_values_are_those_expected(
    cases: Path, tmp_path: Path, folder: str, file: str, options: tuple[str, ...]
) -> None:
    code, output = run(cases / folder / file, tmp_path / "data", *options)
    assert code == 0, output
    expected = pd.read_csv(cases / folder / "expected.tsv", sep="\t", index_col=0)
    found = stored(tmp_path / "data")
    assert sorted(found.index) == sorted(map(str, expected.index))
    if folder.startswith(("02", "04")):  # named after the file
        assert len(found.columns) == 1
        expected.columns = found.columns
    pd.testing.assert_frame_equal(
        found.loc[expected.index, expected.columns], expected.astype(float), check_names=False
    )


@pytest.mark.parametrize(("folder", "file", "shape"), flat(SHAPES))  # type: ignore[arg-type]
def test_shapes_are_those_expected(cases: Path, tmp_path: Path, folder: str, file: str, shape: tuple[int, int]) -> None:
    code, output = run(cases / folder / file, tmp_path / "data", *COUNT)
    assert code == 0, output
    assert stored(tmp_path / "data").shape == shape


@pytest.mark.parametrize(("folder", "file", "words"), flat(REFUSED))  # type: ignore[arg-type]
def test_refusals_say_what_to_do(cases: Path, tmp_path: Path, folder: str, file: str, words: str) -> None:
    code, output = run(cases / folder / file, tmp_path / "data", *COUNT)
    assert code == 1
    assert words in output
    assert not (tmp_path / "data").exists()
